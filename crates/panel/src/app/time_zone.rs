//! The time zone in which the host's people read times.

use std::sync::LazyLock;

use jiff::tz::{self, TimeZoneDatabase};
use opterius_protocol::Micros;

use super::order::shown;

/// Every zone that there is, built in: a server may have none of its own.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A time zone by its IANA name, such as `Europe/Berlin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimeZone(tz::TimeZone);

impl TimeZone {
    /// What holds until the host chooses another one.
    pub(crate) const UTC: Self = Self(tz::TimeZone::UTC);

    /// Finds a zone; upper and lower case do not matter.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let zone = ZONES.get(text).ok().filter(|zone| zone.iana_name().is_some());
        zone.map(Self).ok_or_else(|| format!("`{}` is not the name of a time zone: use one such as `Europe/Berlin` or `UTC`", shown(text)))
    }

    /// A stored name.
    pub(crate) fn stored(name: &str) -> Self {
        Self::parse(name).unwrap_or(Self::UTC)
    }

    /// The IANA name.
    pub(crate) fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The names of all zones, in the order of the alphabet.
    pub(crate) fn names() -> Vec<String> {
        let mut names: Vec<String> = ZONES.available().map(|name| name.to_string()).collect();
        names.sort();
        names
    }

    /// A moment as a clock in this zone shows it, with the zone's abbreviation: `2026-11-25 16:51 CET`. Empty before the year -9999 and
    /// after 9999.
    pub(crate) fn clock(&self, at: Micros) -> String {
        let at = jiff::Timestamp::from_microsecond(at.0);
        at.map(|at| at.to_zoned(self.0.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()).unwrap_or_default()
    }

    /// When the day of a moment began in this zone, and when the one before it did.
    pub(crate) fn midnights(&self, at: Micros) -> (Micros, Micros) {
        let begin = |day: Result<jiff::Zoned, jiff::Error>| day.map_or(at, |day| Micros(day.timestamp().as_microsecond()));
        let Ok(now) = jiff::Timestamp::from_microsecond(at.0).map(|at| at.to_zoned(self.0.clone())) else { return (at, at) };
        (begin(now.start_of_day()), begin(now.yesterday().and_then(|day| day.start_of_day())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_known_by_its_name() {
        assert_eq!(TimeZone::parse("europe/berlin").unwrap().name(), "Europe/Berlin");
        assert_eq!(TimeZone::parse("UTC").unwrap().name(), "UTC");
        for bad in ["", "Mars/Olympus", "CET+1", "../../etc/passwd", "Europe/Berlin\n", "Etc/Unknown"] {
            assert!(TimeZone::parse(bad).unwrap_err().contains("such as `Europe/Berlin`"), "{bad}");
        }
        let names = TimeZone::names();
        assert!(names.len() > 400 && names.iter().all(|name| TimeZone::parse(name).is_ok_and(|zone| zone.name() == name)));
    }

    #[test]
    fn a_clock_shows_the_time_of_its_zone() {
        let at = Micros(1_793_000_000_000_000);
        let clock = |zone| TimeZone::parse(zone).unwrap().clock(at);
        assert_eq!(TimeZone::UTC.clock(at), "2026-10-26 07:33 UTC");
        assert_eq!(clock("Europe/Berlin"), "2026-10-26 08:33 CET");
        assert_eq!(clock("Asia/Kathmandu"), "2026-10-26 13:18 +0545");
    }

    #[test]
    fn a_day_begins_at_its_zones_midnight_also_when_the_clocks_change() {
        // The clocks went back in the night before.
        let at = Micros(1_793_000_000_000_000);
        let (today, yesterday) = TimeZone::parse("Europe/Berlin").unwrap().midnights(at);
        assert_eq!((today, yesterday), (Micros(1_792_969_200_000_000), Micros(1_792_879_200_000_000)));
        assert_eq!((today.0 - yesterday.0) / 3_600_000_000, 25);
    }
}
