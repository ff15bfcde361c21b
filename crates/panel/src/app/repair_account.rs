//! Makes an account's server as its Spec says, whatever has become of it since.

use std::sync::Arc;
use std::time::Duration;

use opterius_model::RequestId;

use super::change_account::{Next, Verb, change_account, committed};
use super::{Answer, AppError, Caller, Memo, Reference};
use crate::core::Core;
use crate::store::account::Account;
use crate::store::operation::Kind;

pub(super) struct Repair;

impl Verb for Repair {
    const KIND: Kind = Kind::Repair;

    async fn next(&self, _core: &Core, _caller: &Caller, account: &Account) -> Result<Next, AppError> {
        Ok(Next::change(committed(account)?.clone(), Memo::of(account)))
    }

    fn taken_on(&self, account: &Account) -> String {
        format!("The repair of {} ({}) was taken on.", account.username, account.domain)
    }
}

/// Sends the account's Spec again, as a newer one.
pub(crate) async fn repair_account(
    core: &Arc<Core>,
    caller: &Caller,
    reference: &Reference,
    request: &RequestId,
    patience: Duration,
) -> Result<Answer, AppError> {
    Ok(change_account(core, caller, reference, &Repair, request, patience).await?.answer)
}
