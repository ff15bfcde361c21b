//! Brings a terminated account back as it was, perhaps under other names, as long as its server keeps it.

use opterius_model::{DomainName, Username};

use super::change_account::{Next, Verb, Wanted, committed};
use super::names::check_names;
use super::{AppError, Caller, Memo, Refusal};
use crate::core::Core;
use crate::store::account::{self, Account, Status};
use crate::store::operation::Kind;
use crate::store::{Write, claimed_name};

/// Under which names; the ones it had where nothing is said.
#[derive(Debug)]
pub(crate) struct Restore {
    pub(crate) username: Option<Username>,
    pub(crate) domain: Option<DomainName>,
}

impl Restore {
    /// Why a live account is not the one that was asked for.
    fn differs(&self, account: &Account) -> Option<Refusal> {
        let other = |field: &str, there: &str| {
            let detail = format!("the account is there as `{there}`: only a terminated account is restored under another name");
            Some(Refusal::invalid_field(field, "invalid", detail))
        };
        match (&self.username, &self.domain) {
            (Some(username), _) if *username != account.username => other("username", account.username.as_str()),
            (_, Some(domain)) if *domain != account.domain => other("domain", account.domain.as_str()),
            _ => None,
        }
    }
}

impl Verb for Restore {
    const KIND: Kind = Kind::Restore;
    const TAKES_TERMINATED: bool = true;

    async fn next(&self, core: &Core, _caller: &Caller, account: &Account) -> Result<Next, AppError> {
        if account.status != Status::Terminated {
            return match self.differs(account) {
                Some(refusal) => Err(refusal.into()),
                None => Ok(Next::Nothing),
            };
        }
        if account.kept_until.is_none_or(|until| until <= core.now()) {
            return Err(Refusal::account_gone(account, core.now()).into());
        }
        let memo = Memo::of(account);
        let mut spec = committed(account)?.held(memo.holds.iter().map(|hold| hold.hold));
        if let Some(username) = &self.username {
            spec.username = username.clone();
        }
        if let Some(domain) = &self.domain {
            spec.sites[0].hosts[0] = domain.clone();
        }
        Ok(Next::change(spec, memo))
    }

    async fn reserve(&self, write: &mut Write, caller: &Caller, account: &Account, change: &Wanted) -> Result<(), AppError> {
        if let Some(external_ref) = &account.external_ref
            && let Some(other) = account::by_external_ref(&mut **write, &caller.owner, external_ref).await?
        {
            return Err(Refusal::external_ref_taken(caller, &other).into());
        }
        let (username, domain) = (&change.spec.username, change.spec.sites[0].primary());
        check_names(write, caller, account.id, username, domain).await?;
        claimed_name::claim(write, account.id, username, domain).await?;
        Ok(account::set_restoring(write, &change.spec).await?)
    }

    fn taken_on(&self, account: &Account) -> String {
        let renamed = [self.username.as_ref().map(Username::as_str), self.domain.as_ref().map(DomainName::as_str)];
        let renamed: Vec<&str> = renamed.into_iter().flatten().collect();
        let as_what = if renamed.is_empty() { String::new() } else { format!(" as {}", renamed.join(", ")) };
        format!("The restore of {} ({}){as_what} was taken on.", account.username, account.domain)
    }
}
