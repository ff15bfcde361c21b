//! Names that only one account may have.

use opterius_model::{AccountId, DomainName, Username};
use sqlx::SqliteConnection;

use super::{AppError, Caller, Refusal};
use crate::store::{claimed_name, shared_parent_domain};

/// Checks that both names are free for `account`, or its own already, and says whose they are otherwise.
pub(super) async fn check_names(
    db: &mut SqliteConnection,
    caller: &Caller,
    account: AccountId,
    username: &Username,
    domain: &DomainName,
) -> Result<(), AppError> {
    let account = account.to_string();
    check_username(db, caller, &account, username).await?;
    check_domain(db, caller, &account, domain).await
}

/// A username is free if no account has it.
pub(super) async fn check_username(db: &mut SqliteConnection, caller: &Caller, account: &str, username: &Username) -> Result<(), AppError> {
    match claimed_name::holder_of_username(db, username).await? {
        Some(holder) if holder.account_id != account => Err(Refusal::username_taken(caller, username, Some(&holder)).into()),
        _ => Ok(()),
    }
}

/// A domain is free if no account has it, and no other account's domain contains it or is contained in it, but for the shared parents.
pub(super) async fn check_domain(db: &mut SqliteConnection, caller: &Caller, account: &str, domain: &DomainName) -> Result<(), AppError> {
    let mut related = claimed_name::related_domains(&mut *db, domain).await?;
    related.retain(|holder| holder.account_id != account);
    if related.is_empty() {
        return Ok(());
    }
    let shared = shared_parent_domain::list(db, &caller.owner).await?;
    let is_shared = |name: &str| shared.iter().any(|parent| parent.as_str() == name);
    for holder in &related {
        let below = |inner: &str, outer: &str| inner.strip_suffix(outer).is_some_and(|rest| rest.ends_with('.'));
        let taken = holder.name == domain.as_str()
            || (below(domain.as_str(), &holder.name) && !is_shared(&holder.name))
            || (below(&holder.name, domain.as_str()) && !is_shared(domain.as_str()));
        if taken {
            return Err(Refusal::domain_taken(caller, domain, holder).into());
        }
    }
    Ok(())
}

/// Why nobody gets this name, if it is one of the `reserved` ones.
pub(crate) fn reserved(domain: &DomainName, reserved: &[DomainName]) -> Option<String> {
    let own = reserved.iter().any(|own| own == domain || own.is_below(domain));
    own.then(|| format!("`{domain}` is a name of the Panel, a server or a name server, or contains one: order another domain"))
}
