//! Times, in words or as a cron expression, in a zone.

use std::str::FromStr;

use chrono::{DateTime, SubsecRound as _, Utc};
use chrono_tz::Tz;
use croner::Cron;

/// Times that come again and again.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    zone: Tz,
}

/// Why words are no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSchedule {
    /// Neither words nor a cron expression that is known.
    #[error(
        "`{0}` is no schedule ({1}): say `every day at 06:00`, `every minute`, or a cron expression such as `0 6 * * 1-5`"
    )]
    Times(String, String),
    /// No such zone.
    #[error("there is no time zone `{0}`: say one such as `UTC` or `Europe/Berlin`")]
    Zone(String),
}

impl Schedule {
    /// Times by `every day at HH:MM`, `every hour`, `every minute`, or a cron expression (<https://en.wikipedia.org/wiki/Cron>), of a zone of the IANA database.
    /// Where clocks are put forward over a time it is the first one after it, and a time that comes twice is the first of both.
    ///
    /// # Errors
    ///
    /// [`BadSchedule`].
    pub fn read(times: &str, zone: &str) -> Result<Schedule, BadSchedule> {
        let zone = Tz::from_str(zone).map_err(|_| BadSchedule::Zone(zone.to_owned()))?;
        let pattern = match times.strip_prefix("every ") {
            Some("minute") => "* * * * *".to_owned(),
            Some("hour") => "0 * * * *".to_owned(),
            Some(day) => {
                daily(day).ok_or_else(|| BadSchedule::Times(times.to_owned(), "the words are not known".to_owned()))?
            }
            None => times.to_owned(),
        };
        let cron = Cron::from_str(&pattern).map_err(|error| BadSchedule::Times(times.to_owned(), error.to_string()))?;
        Ok(Schedule { cron, zone })
    }

    /// The last of the times, up to now; none when there was none yet.
    pub fn last(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let last = self.cron.find_previous_occurrence(&now.with_timezone(&self.zone), true).ok()?;
        // It has the fraction of the second that now has.
        Some(last.with_timezone(&Utc).trunc_subsecs(0))
    }
}

/// `day at HH:MM` as a cron expression.
fn daily(words: &str) -> Option<String> {
    let (hour, minute) = words.strip_prefix("day at ")?.split_once(':')?;
    let (hour, minute): (u8, u8) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then(|| format!("{minute} {hour} * * *"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(times: &str, zone: &str, now: &str, last: &str) {
        let schedule = Schedule::read(times, zone).unwrap();
        let time = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc);
        assert_eq!(schedule.last(time(now)), Some(time(last)), "{times} {zone} at {now}");
    }

    #[test]
    fn times_are_those_of_their_zone() {
        check("every day at 06:00", "UTC", "2026-11-28T05:59:59Z", "2026-11-27T06:00:00Z");
        check("every day at 06:00", "UTC", "2026-11-28T06:00:00Z", "2026-11-28T06:00:00Z");
        check("every day at 06:00", "UTC", "2026-11-28T06:00:00.25Z", "2026-11-28T06:00:00Z");
        check("every day at 06:00", "UTC", "2026-11-28T07:08:09.99Z", "2026-11-28T06:00:00Z");
        check("every day at 06:00", "Europe/Berlin", "2026-11-28T05:00:00Z", "2026-11-28T05:00:00Z");
        check("every day at 06:00", "Europe/Berlin", "2026-07-28T05:00:00Z", "2026-07-28T04:00:00Z");
        check("0 6 * * 1-5", "UTC", "2026-11-29T12:00:00Z", "2026-11-27T06:00:00Z");
        check("every minute", "UTC", "2026-11-28T05:00:30Z", "2026-11-28T05:00:00Z");
        check("every hour", "Asia/Kolkata", "2026-11-28T05:00:00Z", "2026-11-28T04:30:00Z");
    }

    #[test]
    fn what_is_no_schedule_is_refused_by_name() {
        let refused = |times: &str, zone: &str| Schedule::read(times, zone).unwrap_err().to_string();
        for times in ["", "every day", "every day at 24:00", "every day at 6", "every fortnight", "61 * * * *", "* * *"]
        {
            assert!(refused(times, "UTC").contains(times), "{times}");
        }
        assert!(refused("every minute", "Mars/Olympus").contains("Mars/Olympus"));
    }
}
