//! What the host decides for all accounts.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use opterius_model::RequestId;
use sqlx::{SqliteConnection, SqliteExecutor};

use super::{AppError, Caller, TimeZone, Version, record, still};
use crate::core::Core;
use crate::store::{self, setting};

/// A number as people write it, without a sign.
fn digits<N: FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// For how many days a terminated account is kept: 0 to 365.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeptDays(u16);

impl KeptDays {
    pub(crate) const MOST: u16 = 365;

    /// Checks a number.
    pub(crate) fn new(days: u64) -> Result<Self, String> {
        match u16::try_from(days) {
            Ok(days) if days <= Self::MOST => Ok(Self(days)),
            _ => Err(format!("{days} days are too many: use a whole number from 0 to {}", Self::MOST)),
        }
    }

    /// Checks a text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let days = digits(text)
            .ok_or_else(|| format!("`{}` is not a number of days: use one from 0 to {}", super::order::shown(text), Self::MOST))?;
        Self::new(days)
    }

    /// A stored number.
    pub(crate) fn stored(days: u16) -> Self {
        Self(days.min(Self::MOST))
    }

    pub(crate) fn get(self) -> u16 {
        self.0
    }

    pub(crate) fn duration(self) -> Duration {
        Duration::from_hours(u64::from(self.0) * 24)
    }
}

impl std::fmt::Display for KeptDays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// For how many days the Activity is kept: 30 to 3650.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActivityDays(u16);

impl ActivityDays {
    /// The fewest: what is younger is evidence, and stays however much there is of it.
    pub(crate) const LEAST: u16 = 30;
    pub(crate) const MOST: u16 = 3650;

    /// Checks a number.
    pub(crate) fn new(days: u64) -> Result<Self, String> {
        match u16::try_from(days) {
            Ok(days) if (Self::LEAST..=Self::MOST).contains(&days) => Ok(Self(days)),
            _ => Err(format!("the Activity cannot be kept for {days} days: use a whole number from {} to {}", Self::LEAST, Self::MOST)),
        }
    }

    /// Checks a text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let days = digits(text).ok_or_else(|| {
            format!("`{}` is not a number of days: use one from {} to {}", super::order::shown(text), Self::LEAST, Self::MOST)
        })?;
        Self::new(days)
    }

    /// A stored number.
    pub(crate) fn stored(days: u16) -> Self {
        Self(days.clamp(Self::LEAST, Self::MOST))
    }

    pub(crate) fn get(self) -> u16 {
        self.0
    }

    pub(crate) fn duration(self) -> Duration {
        Duration::from_hours(u64::from(self.0) * 24)
    }

    /// What is younger is never removed.
    pub(crate) fn shortest() -> Duration {
        Self(Self::LEAST).duration()
    }
}

/// How many rows of the Activity are kept: 100,000 to 100,000,000. A row takes half a kilobyte, and as much again in indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActivityRows(u32);

impl ActivityRows {
    pub(crate) const LEAST: u32 = 100_000;
    pub(crate) const MOST: u32 = 100_000_000;

    /// Checks a number.
    pub(crate) fn new(rows: u64) -> Result<Self, String> {
        match u32::try_from(rows) {
            Ok(rows) if (Self::LEAST..=Self::MOST).contains(&rows) => Ok(Self(rows)),
            _ => Err(format!("the Activity cannot be kept to {rows} rows: use a whole number from {} to {}", Self::LEAST, Self::MOST)),
        }
    }

    /// Checks a text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let rows = digits(text).ok_or_else(|| {
            format!("`{}` is not a number of rows: use one from {} to {}", super::order::shown(text), Self::LEAST, Self::MOST)
        })?;
        Self::new(rows)
    }

    /// A stored number.
    pub(crate) fn stored(rows: u32) -> Self {
        Self(rows.clamp(Self::LEAST, Self::MOST))
    }

    pub(crate) fn get(self) -> u32 {
        self.0
    }
}

/// The settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// For how long a terminated account is kept, unless its terminate says otherwise.
    pub(crate) kept: KeptDays,
    /// In which people read times.
    pub(crate) time_zone: TimeZone,
    /// For how long the Activity is kept.
    pub(crate) activity_days: ActivityDays,
    /// How many rows of the Activity are kept.
    pub(crate) activity_rows: ActivityRows,
}

/// What is to become of them; what is not named stays.
#[derive(Debug, Default)]
pub(crate) struct SettingsChange {
    pub(crate) kept: Option<KeptDays>,
    pub(crate) time_zone: Option<TimeZone>,
    pub(crate) activity_days: Option<ActivityDays>,
    pub(crate) activity_rows: Option<ActivityRows>,
}

/// Changes settings. What was terminated before is kept as long as was said then.
pub(crate) async fn change_settings(
    core: &Arc<Core>,
    caller: &Caller,
    change: SettingsChange,
    seen: Option<&Version>,
    request: &RequestId,
) -> Result<Settings, AppError> {
    let mut write = core.store.write().await?;
    let before = read(&mut write).await?;
    still("The general settings", seen, &settings_version(&before))?;
    let SettingsChange { kept, time_zone, activity_days, activity_rows } = change;
    let mut done = Vec::new();
    if let Some(kept) = kept.filter(|kept| *kept != before.kept) {
        setting::set_terminated_kept_days(&mut write, kept.get()).await?;
        done.push(format!("Terminated accounts are now kept for {kept} days."));
    }
    if let Some(zone) = time_zone.as_ref().filter(|zone| **zone != before.time_zone) {
        setting::set_time_zone(&mut write, zone.name()).await?;
        done.push(format!("Times are now shown in the time zone {}.", zone.name()));
    }
    if let Some(days) = activity_days.filter(|days| *days != before.activity_days) {
        setting::set_activity_days(&mut write, days.get()).await?;
        done.push(format!("The Activity is now kept for {} days.", days.get()));
    }
    if let Some(rows) = activity_rows.filter(|rows| *rows != before.activity_rows) {
        setting::set_activity_rows(&mut write, rows.get()).await?;
        done.push(format!("The Activity is now kept to {} rows.", rows.get()));
    }
    if !done.is_empty() {
        record::done(&mut write, core, caller, "settings.change", request, done.join(" ")).await?;
        store::commit(write).await?;
    }
    Ok(Settings {
        kept: kept.unwrap_or(before.kept),
        time_zone: time_zone.unwrap_or(before.time_zone),
        activity_days: activity_days.unwrap_or(before.activity_days),
        activity_rows: activity_rows.unwrap_or(before.activity_rows),
    })
}

/// What a form shows of the settings.
pub(crate) fn settings_version(settings: &Settings) -> Version {
    Version::of(&(settings.kept.get(), settings.time_zone.name(), settings.activity_days.get(), settings.activity_rows.get()))
}

/// The settings as they are.
pub(crate) async fn settings(core: &Core) -> Result<Settings, AppError> {
    read(&mut *core.store.connection().await?).await
}

async fn read(db: &mut SqliteConnection) -> Result<Settings, AppError> {
    Ok(Settings {
        kept: KeptDays::stored(setting::terminated_kept_days(&mut *db).await?),
        time_zone: zone(&mut *db).await?,
        activity_days: ActivityDays::stored(setting::activity_days(&mut *db).await?),
        activity_rows: ActivityRows::stored(setting::activity_rows(&mut *db).await?),
    })
}

/// The time zone in which people read times.
pub(crate) async fn time_zone(core: &Core) -> Result<TimeZone, AppError> {
    zone(core.store.read()).await
}

async fn zone(db: impl SqliteExecutor<'_>) -> Result<TimeZone, AppError> {
    Ok(setting::time_zone(db).await?.map_or(TimeZone::UTC, |name| TimeZone::stored(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_digits_alone() {
        assert_eq!((KeptDays::parse("30"), ActivityDays::parse("30")), (Ok(KeptDays(30)), Ok(ActivityDays(30))));
        assert_eq!(ActivityRows::parse("100000"), Ok(ActivityRows(100_000)));
        for bad in ["", "+30", "-30", " 30", "3e1", "99999999999999999999"] {
            assert!(KeptDays::parse(bad).is_err() && ActivityDays::parse(bad).is_err(), "{bad}");
        }
        assert!(ActivityRows::parse("+100000").is_err());
    }
}
