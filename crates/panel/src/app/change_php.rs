//! Gives an account another PHP.

use opterius_model::{PhpChoice, Pool, Spec};

use super::change_account::{Next, Verb, committed};
use super::php::check_choice;
use super::{AppError, Caller, Memo};
use crate::core::Core;
use crate::store::account::Account;
use crate::store::operation::Kind;

/// The PHP that an account is to run: the newest that its server has, or one version.
pub(crate) struct PhpChange(pub(crate) PhpChoice);

impl Verb for PhpChange {
    const KIND: Kind = Kind::PhpVersion;

    async fn next(&self, core: &Core, _caller: &Caller, account: &Account) -> Result<Next, AppError> {
        let spec = committed(account)?;
        if spec.pools.iter().all(|pool| pool.php_version == self.0) {
            return Ok(Next::Nothing);
        }
        check_choice(&core.fleet.php(account.server.id), &account.server.name, &self.0)?;
        let pools = spec.pools.iter().map(|pool| Pool { php_version: self.0.clone(), ..pool.clone() }).collect();
        Ok(Next::change(Spec { pools, ..spec.clone() }, Memo::of(account)))
    }

    fn taken_on(&self, account: &Account) -> String {
        format!("The PHP {} for {} ({}) was taken on.", self.0, account.username, account.domain)
    }
}
