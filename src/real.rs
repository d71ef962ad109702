//! Doubles as text: the shortest digits that read back as the same bits, laid out as SQLite lays them out.

/// The text of a double: `1.0`, `0.1`, `1.0e+17`, `Inf`. SQLite's own text has at most 17 digits;
/// this has as many as it takes to read back the same double.
pub(crate) fn text(real: f64) -> String {
    if real.is_nan() {
        return "NULL".to_owned();
    }
    if real.is_infinite() {
        return if real > 0.0 { "Inf".to_owned() } else { "-Inf".to_owned() };
    }
    // Rust gives the shortest digits that round-trip, as `d.ddde-x`.
    let scientific = format!("{real:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("the format `e` writes an exponent");
    let exponent: i32 = exponent.parse().expect("the format `e` writes a whole exponent");
    // SQLite's printf("%!.17g") turns to the exponent form at these bounds.
    if (-4..=16).contains(&exponent) { plain(real) } else { with_exponent(mantissa, exponent) }
}

/// As [`text`], with infinities as a number that reads back as infinite: for formats that know no `Inf`.
pub(crate) fn number_text(real: f64) -> String {
    match real {
        f64::INFINITY => "9e999".to_owned(),
        f64::NEG_INFINITY => "-9e999".to_owned(),
        finite => text(finite),
    }
}

fn plain(real: f64) -> String {
    let digits = format!("{real}");
    if digits.contains('.') { digits } else { digits + ".0" }
}

fn with_exponent(mantissa: &str, exponent: i32) -> String {
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}{point}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_real_never_looks_like_an_integer() {
        assert_eq!(text(1.0), "1.0");
        assert_eq!(text(-0.0), "-0.0");
        assert_eq!(text(0.1), "0.1");
        assert_eq!(text(1e16), "10000000000000000.0");
        assert_eq!(text(1e17), "1.0e+17");
        assert_eq!(text(0.0001), "0.0001");
        assert_eq!(text(0.00001), "1.0e-05");
        assert_eq!(text(5e-324), "5.0e-324");
        assert_eq!(text(f64::INFINITY), "Inf");
        assert_eq!(number_text(f64::NEG_INFINITY), "-9e999");
    }

    proptest! {
        #[test]
        fn the_text_reads_back_as_the_same_bits(bits: u64) {
            let real = f64::from_bits(bits);
            prop_assume!(real.is_finite());
            prop_assert_eq!(text(real).parse::<f64>().unwrap().to_bits(), bits);
        }

        #[test]
        fn the_text_is_sqlites_own_where_that_is_as_short(digits in -999_999_999_999_i64..999_999_999_999, exponent in -20..20) {
            let real: f64 = format!("{digits}e{exponent}").parse().unwrap();
            let connection = rusqlite::Connection::open_in_memory().unwrap();
            let sqlite: String = connection.query_row("SELECT CAST(?1 AS TEXT)", [real], |row| row.get(0)).unwrap();
            // SQLite's 17 digits are not always the shortest: 9.71027817251e-07 is 9.710278172509999e-07 there.
            prop_assume!(sqlite.len() <= text(real).len());
            prop_assert_eq!(text(real), sqlite);
        }
    }
}
