//! Gives an account another password.

use std::sync::Arc;

use opterius_model::{Password, Spec};

use super::change_account::{Next, Verb, committed};
use super::{AppError, Caller, Memo};
use crate::core::{Core, compute};
use crate::store::account::Account;
use crate::store::operation::Kind;

/// The password of Linux and of the Panel's login, which is one.
pub(crate) struct NewPassword(pub(crate) Arc<Password>);

impl Verb for NewPassword {
    const KIND: Kind = Kind::Password;

    async fn next(&self, core: &Core, caller: &Caller, account: &Account) -> Result<Next, AppError> {
        let spec = committed(account)?;
        let _turn = core.turn_to_reserve(&caller.actor()).await;
        let (current, given) = (spec.password_hash.clone(), self.0.clone());
        if compute("compare a password", move || current.matches(&given)).await? {
            return Ok(Next::Nothing);
        }
        let given = self.0.clone();
        let password_hash = compute("hash a password", move || given.hash()).await?;
        Ok(Next::change(Spec { password_hash, ..spec.clone() }, Memo::of(account)))
    }

    fn taken_on(&self, account: &Account) -> String {
        format!("Another password for {} ({}) was taken on.", account.username, account.domain)
    }
}
