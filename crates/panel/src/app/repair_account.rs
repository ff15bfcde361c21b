//! Makes an account's server as its Spec says, whatever has become of it since.

use super::change_account::{Next, Verb, committed};
use super::{AppError, Caller, Memo};
use crate::core::Core;
use crate::store::account::Account;
use crate::store::operation::Kind;

/// The same Spec, as a newer one.
pub(crate) struct Repair;

impl Verb for Repair {
    const KIND: Kind = Kind::Repair;

    async fn next(&self, _core: &Core, _caller: &Caller, account: &Account) -> Result<Next, AppError> {
        Ok(Next::change(committed(account)?.clone(), Memo::of(account)))
    }

    fn taken_on(&self, account: &Account) -> String {
        format!("The repair of {} ({}) was taken on.", account.username, account.domain)
    }
}
