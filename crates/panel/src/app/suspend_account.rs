//! Suspends an account: its site says so from the next request on, nothing of it runs, and all its data stay.

use opterius_model::Hold;

use super::change_account::{Next, Verb, changes_a_live_account, committed};
use super::{AppError, Caller, Code, Memo, Reason, Refusal};
use crate::core::Core;
use crate::store::account::Account;
use crate::store::account_hold::AccountHold;
use crate::store::operation::Kind;

/// One hold more, or another reason for one that is there.
pub(crate) struct Suspend {
    hold: Hold,
    reason: Reason,
}

impl Suspend {
    /// By this caller, who may say with which hold.
    pub(crate) fn by(caller: &Caller, hold: Option<Hold>, reason: Reason) -> Result<Self, AppError> {
        Ok(Self { hold: hold_of(caller, hold)?, reason })
    }
}

impl Verb for Suspend {
    const KIND: Kind = Kind::Suspend;

    fn replaces(stuck: Kind) -> bool {
        changes_a_live_account(stuck)
    }

    async fn next(&self, core: &Core, caller: &Caller, account: &Account) -> Result<Next, AppError> {
        let spec = committed(account)?;
        let mut memo = Memo::of(account);
        if let Some(there) = memo.holds.iter_mut().find(|there| there.hold == self.hold) {
            if there.reason == self.reason.as_str() {
                return Ok(Next::Nothing);
            }
            self.reason.as_str().clone_into(&mut there.reason);
            return Ok(Next::Rows(memo));
        }
        memo.holds.push(AccountHold { hold: self.hold, reason: self.reason.to_string(), since: core.now(), by: caller.actor() });
        let spec = spec.held(memo.holds.iter().map(|hold| hold.hold));
        Ok(Next::change(spec, memo))
    }

    fn taken_on(&self, account: &Account) -> String {
        format!("The suspension of {} ({}) by {} was taken on: {}", account.username, account.domain, self.hold, self.reason)
    }
}

/// The hold that a caller sets and lifts: the billing system only its own, and whoever else asks says nothing, the host's.
pub(super) fn hold_of(caller: &Caller, asked: Option<Hold>) -> Result<Hold, AppError> {
    let own = if caller.ref_prefix.is_some() { Hold::Billing } else { Hold::Abuse };
    match asked {
        Some(asked) if caller.ref_prefix.is_some() && asked != own => {
            Err(Refusal::new(Code::Forbidden, format!("The token `{}` sets and lifts the hold `{own}` only.", caller.name))
                .hint("The other hold is for the host's staff: use the `opterius` command on the server.")
                .into())
        }
        asked => Ok(asked.unwrap_or(own)),
    }
}
