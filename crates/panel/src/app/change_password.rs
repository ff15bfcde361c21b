//! Gives an account another password.

use std::sync::Arc;
use std::time::Duration;

use opterius_model::{Password, RequestId, Spec};

use super::change_account::{Next, Verb, change_account, committed};
use super::{Answer, AppError, Caller, Memo, Reference};
use crate::core::{Core, compute};
use crate::store::account::Account;
use crate::store::operation::Kind;

/// The password of Linux and of the Panel's login, which is one.
pub(super) struct NewPassword(pub(super) Arc<Password>);

impl Verb for NewPassword {
    const KIND: Kind = Kind::Password;

    async fn next(&self, _core: &Core, _caller: &Caller, account: &Account) -> Result<Next, AppError> {
        let spec = committed(account)?;
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

/// Makes `password` the account's.
pub(crate) async fn change_password(
    core: &Arc<Core>,
    caller: &Caller,
    reference: &Reference,
    password: Password,
    request: &RequestId,
    patience: Duration,
) -> Result<Answer, AppError> {
    Ok(change_account(core, caller, reference, &NewPassword(Arc::new(password)), request, patience).await?.answer)
}
