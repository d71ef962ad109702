//! Dates from a fixed day on: the marketplace knows no clock, so that the same seed gives the same rows.

/// 2023-01-01, in days after 1970-01-01.
const FIRST_DAY: i64 = 19_358;
/// Days of the marketplace's life.
pub(super) const DAYS: i64 = 1_000;

/// The date `day` days after the first, as `YYYY-MM-DD`.
pub(super) fn date(day: i64) -> String {
    let (year, month, day) = civil(FIRST_DAY + day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Days after 1970-01-01 as year, month and day: `civil_from_days` of Howard Hinnant's "chrono-Compatible Low-Level Date
/// Algorithms", for days that are not negative.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_sqlite() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        for day in 0..2 * DAYS {
            let sql = format!("SELECT date('2023-01-01', '+{day} days')");
            let sqlite: String = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
            assert_eq!(date(day), sqlite);
        }
    }
}
