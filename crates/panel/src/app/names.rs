//! Names that only one account may have.

use opterius_model::{AccountId, DomainName, Username};

use super::{AppError, Caller, Refusal};
use crate::store::{Write, claimed_name, shared_parent_domain};

/// Checks that both names are free for `account`, or its own already, and says whose they are otherwise.
pub(super) async fn check_names(
    write: &mut Write,
    caller: &Caller,
    account: AccountId,
    username: &Username,
    domain: &DomainName,
) -> Result<(), AppError> {
    let account = account.to_string();
    if let Some(holder) = claimed_name::holder_of_username(&mut **write, username).await?
        && holder.account_id != account
    {
        return Err(Refusal::username_taken(caller, username, Some(&holder)).into());
    }
    check_domain(write, caller, &account, domain).await
}

/// A domain is free if no account has it, and no other account's domain contains it or is contained in it, but for the shared parents.
async fn check_domain(write: &mut Write, caller: &Caller, account: &str, domain: &DomainName) -> Result<(), AppError> {
    let mut related = claimed_name::related_domains(&mut **write, domain).await?;
    related.retain(|holder| holder.account_id != account);
    if related.is_empty() {
        return Ok(());
    }
    let shared = shared_parent_domain::list(&mut **write, &caller.owner).await?;
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
