//! Takes an account off its server: its names are free at once, and what a restore needs is kept for some days.

use super::change_account::{Next, Verb, changes_a_live_account, committed};
use super::{AppError, Caller, KeptDays, Memo, settings};
use crate::core::Core;
use crate::store::account::{Account, Status};
use crate::store::operation::Kind;

/// An account off its server.
pub(crate) struct Terminate {
    keep: KeptDays,
}

impl Terminate {
    /// Keeps what a restore needs for so many days, or for as many as the settings say.
    pub(crate) async fn keeping(core: &Core, days: Option<KeptDays>) -> Result<Self, AppError> {
        let keep = match days {
            Some(days) => days,
            None => settings(core).await?.kept,
        };
        Ok(Self { keep })
    }
}

impl Verb for Terminate {
    const KIND: Kind = Kind::Terminate;
    const TAKES_TERMINATED: bool = true;

    fn replaces(stuck: Kind) -> bool {
        changes_a_live_account(stuck) || stuck == Kind::Suspend
    }

    async fn next(&self, core: &Core, _caller: &Caller, account: &Account) -> Result<Next, AppError> {
        if account.status == Status::Terminated {
            return Ok(Next::Nothing);
        }
        let spec = committed(account)?.kept(core.now().plus(self.keep.duration()));
        Ok(Next::change(spec, Memo::of(account)))
    }

    fn taken_on(&self, account: &Account) -> String {
        format!("The termination of {} ({}) was taken on; it is kept for {} days.", account.username, account.domain, self.keep)
    }
}
