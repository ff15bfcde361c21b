//! Lifts one hold of an account. What else holds it goes on holding it.

use std::sync::Arc;
use std::time::Duration;

use opterius_model::{Hold, RequestId};

use super::change_account::{Next, Verb, change_account, committed};
use super::suspend_account::hold_of;
use super::{Answer, AppError, Caller, Memo, Reference};
use crate::core::Core;
use crate::store::account::Account;
use crate::store::operation::Kind;

struct Unsuspend {
    hold: Hold,
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

/// Lifts a hold, if it is there.
pub(crate) async fn unsuspend_account(
    core: &Arc<Core>,
    caller: &Caller,
    reference: &Reference,
    hold: Option<Hold>,
    request: &RequestId,
    patience: Duration,
) -> Result<Answer, AppError> {
    let verb = Unsuspend { hold: hold_of(caller, hold)? };
    Ok(change_account(core, caller, reference, &verb, request, patience).await?.answer)
}
