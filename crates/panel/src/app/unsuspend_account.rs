//! Lifts one hold of an account. What else holds it goes on holding it.

use opterius_model::Hold;

use super::change_account::{Next, Verb, committed};
use super::suspend_account::hold_of;
use super::{AppError, Caller, Memo};
use crate::core::Core;
use crate::store::account::Account;
use crate::store::operation::Kind;

/// One hold less.
pub(crate) struct Unsuspend {
    hold: Hold,
}

impl Unsuspend {
    /// By this caller, who may say which hold.
    pub(crate) fn by(caller: &Caller, hold: Option<Hold>) -> Result<Self, AppError> {
        Ok(Self { hold: hold_of(caller, hold)? })
    }
}

impl Verb for Unsuspend {
    const KIND: Kind = Kind::Unsuspend;

    async fn next(&self, _core: &Core, _caller: &Caller, account: &Account) -> Result<Next, AppError> {
        let spec = committed(account)?;
        let mut memo = Memo::of(account);
        memo.holds.retain(|there| there.hold != self.hold);
        if memo.holds.len() == account.holds.len() {
            return Ok(Next::Nothing);
        }
        let spec = spec.held(memo.holds.iter().map(|hold| hold.hold));
        Ok(Next::change(spec, memo))
    }

    fn taken_on(&self, account: &Account) -> String {
        format!("The lifting of the hold {} of {} ({}) was taken on.", self.hold, account.username, account.domain)
    }
}
