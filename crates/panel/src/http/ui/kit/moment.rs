//! Moments as people say them, with the exact time beside them.

use opterius_protocol::Micros;

use super::texts::Texts;
use crate::app::TimeZone;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A moment that is over.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    /// `3 hours ago`.
    pub(crate) words: String,
    /// `2026-11-25 15:51 UTC`, in a time zone.
    pub(crate) exact: String,
    /// `2026-11-25T15:51:49Z`, for programs.
    pub(crate) machine: String,
}

impl Moment {
    pub(crate) fn new(at: Micros, now: Micros) -> Self {
        Self { words: ago((now.0 - at.0).div_euclid(1_000_000)), exact: TimeZone::UTC.clock(at), machine: machine(at) }
    }
}

impl Moment {
    /// As people say it in their language; also what is still to come.
    pub(crate) fn in_words(at: Micros, now: Micros, texts: Texts, zone: &TimeZone) -> Self {
        let seconds = (now.0 - at.0).div_euclid(1_000_000);
        let (unit, number) = match seconds.abs() {
            ..MINUTE => ("now", 0),
            away @ MINUTE..HOUR => ("minutes", away / MINUTE),
            away @ HOUR..DAY => ("hours", away / HOUR),
            away => ("days", away / DAY),
        };
        let words = match (unit, seconds < 0) {
            ("now", _) => texts.say("ago-now"),
            (unit, true) => texts.count(&format!("in-{unit}"), number),
            (unit, false) => texts.count(&format!("ago-{unit}"), number),
        };
        Self { words, exact: zone.clock(at), machine: machine(at) }
    }
}

fn machine(at: Micros) -> String {
    jiff::Timestamp::from_second(at.0.div_euclid(1_000_000)).map(|at| at.to_string()).unwrap_or_default()
}

fn ago(seconds: i64) -> String {
    let (number, unit) = match seconds {
        ..MINUTE => return "just now".to_owned(),
        MINUTE..HOUR => (seconds / MINUTE, "minute"),
        HOUR..DAY => (seconds / HOUR, "hour"),
        DAY.. => (seconds / DAY, "day"),
    };
    if number == 1 { format!("1 {unit} ago") } else { format!("{number} {unit}s ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_said_as_people_say_it() {
        assert_eq!(
            [-5, 0, 59, 60, 3599, 3600, 7200, 86_400, 900_000].map(ago),
            ["just now", "just now", "just now", "1 minute ago", "59 minutes ago", "1 hour ago", "2 hours ago", "1 day ago", "10 days ago"]
        );
        let moment = Moment::new(Micros(1_793_000_000_000_000), Micros(1_793_000_060_000_000));
        assert_eq!((moment.exact.as_str(), moment.machine.as_str()), ("2026-10-26 07:33 UTC", "2026-10-26T07:33:20Z"));
    }
}
