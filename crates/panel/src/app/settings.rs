//! What the host decides for all accounts.

use std::sync::Arc;
use std::time::Duration;

use opterius_model::RequestId;

use super::{AppError, Caller, Version, record, still};
use crate::core::Core;
use crate::store::{self, setting};

/// For how many days a terminated account is kept: 0 to 365.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeptDays(u16);

impl KeptDays {
    const MOST: u16 = 365;

    /// Checks a number.
    pub(crate) fn new(days: u64) -> Result<Self, String> {
        match u16::try_from(days) {
            Ok(days) if days <= Self::MOST => Ok(Self(days)),
            _ => Err(format!("{days} days are too many: use a whole number from 0 to {}", Self::MOST)),
        }
    }

    /// Checks a text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let days = text
            .parse()
            .map_err(|_| format!("`{}` is not a number of days: use one from 0 to {}", super::order::shown(text), Self::MOST))?;
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

/// Sets for how long terminated accounts are kept from now on. What was terminated before is kept as long as was said then.
pub(crate) async fn change_settings(
    core: &Arc<Core>,
    caller: &Caller,
    kept: KeptDays,
    seen: Option<&Version>,
    request: &RequestId,
) -> Result<KeptDays, AppError> {
    let mut write = core.store.write().await?;
    let before = KeptDays::stored(setting::terminated_kept_days(&mut *write).await?);
    still("For how long terminated accounts are kept", seen, &settings_version(before))?;
    setting::set_terminated_kept_days(&mut write, kept.get()).await?;
    let detail = format!("Terminated accounts are now kept for {kept} days.");
    record::done(&mut write, core, caller, "settings.change", request, detail).await?;
    store::commit(write).await?;
    Ok(kept)
}

/// What a form shows of the settings.
pub(crate) fn settings_version(kept: KeptDays) -> Version {
    Version::of(&kept.get())
}

/// The settings as they are.
pub(crate) async fn settings(core: &Core) -> Result<KeptDays, AppError> {
    Ok(KeptDays::stored(setting::terminated_kept_days(core.store.read()).await?))
}
