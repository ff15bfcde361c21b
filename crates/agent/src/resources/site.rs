//! The vhost of a site: an entry directory and the link by which nginx finds it.

use async_trait::async_trait;
use opterius_protocol::agent::FailureKind;

use super::{Conflict, Resource, Target};
use crate::host::{EntryPlan, Host, HostError, SiteSeen};

/// The vhost. nginx needs no reload to add, change or remove one.
pub(crate) struct VirtualHost;

/// What was seen of the vhost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) site: Option<SiteSeen>,
    /// Whether the account has entries, linked or left over.
    pub(crate) entries: bool,
}

/// What is to be done about the vhost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Put,
    /// The entry is as wanted but for its suspension, which comes and goes by one file.
    Suspend,
    Unsuspend,
    Remove,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Put => "put the site's entry in place",
            Self::Suspend => "have the site answer that it is suspended",
            Self::Unsuspend => "have the site answer again",
            Self::Remove => "remove the site's entry",
        })
    }
}

fn wanted(target: &Target) -> EntryPlan {
    EntryPlan {
        account: target.spec.account_id,
        site: target.site().primary().clone(),
        generation: target.spec.generation,
        username: target.spec.username.clone(),
        pool: target.site().pool.clone(),
        suspended: target.suspended(),
    }
}

#[async_trait]
impl Resource for VirtualHost {
    const NAME: &'static str = "site";
    const TAKEN: FailureKind = FailureKind::DomainTaken;
    const VISIBLE: bool = true;
    type Seen = Seen;
    type Change = Change;

    async fn inspect(host: &dyn Host, target: &Target) -> Result<Seen, HostError> {
        if !target.absent() && !target.suspended() {
            // A site that nginx cannot serve would fail at the end of the operation; it fails here, before anything is touched. A site
            // is closed without nginx, which finds it closed as soon as it runs again.
            host.web_server().await?;
        }
        Ok(Seen { site: host.site(target.site().primary()).await?, entries: host.has_entries(target.spec.account_id).await? })
    }

    fn diff(seen: &Seen, target: &Target) -> Result<Option<Change>, Conflict> {
        let ours = seen.site.as_ref().is_some_and(|site| site.account == Some(target.spec.account_id));
        if target.absent() {
            return Ok((ours || seen.entries).then_some(Change::Remove));
        }
        match &seen.site {
            None => Ok(Some(Change::Put)),
            // An entry keeps the generation in which it was last changed.
            Some(SiteSeen { entry: Some(entry), .. }) if ours => {
                let wanted = EntryPlan { generation: entry.generation, ..wanted(target) };
                Ok(if *entry == wanted {
                    None
                } else if (EntryPlan { suspended: wanted.suspended, ..entry.clone() }) == wanted {
                    Some(if wanted.suspended { Change::Suspend } else { Change::Unsuspend })
                } else {
                    Some(Change::Put)
                })
            }
            Some(_) if ours => Ok(Some(Change::Put)),
            Some(_) => {
                Err(Conflict::taken(format!("There is already a site {} on the server, of another account.", target.site().primary())))
            }
        }
    }

    async fn apply(host: &dyn Host, target: &Target, change: &Change) -> Result<(), HostError> {
        match change {
            Change::Put => host.put_site(&wanted(target)).await,
            Change::Suspend | Change::Unsuspend => host.hold_site(&wanted(target)).await,
            Change::Remove => host.remove_site(target.spec.account_id, target.site().primary()).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{absent, suspended, target};
    use opterius_model::{AccountId, Generation, Username};

    #[test]
    fn an_entry_is_replaced_only_when_it_differs() {
        let entry = wanted(&target());
        let ours = |entry| Seen { site: Some(SiteSeen { entry, account: Some(target().spec.account_id) }), entries: true };
        let older = EntryPlan { generation: Generation::FIRST, ..entry.clone() };
        let renamed = EntryPlan { username: Username::parse("bob").expect("a username"), ..entry.clone() };
        let held = EntryPlan { suspended: true, ..entry.clone() };
        let held_renamed = EntryPlan { suspended: true, ..renamed.clone() };
        assert_eq!(VirtualHost::diff(&ours(Some(entry.clone())), &suspended()), Ok(Some(Change::Suspend)));
        assert_eq!(VirtualHost::diff(&ours(Some(held.clone())), &suspended()), Ok(None));
        let strangers = Seen { site: Some(SiteSeen { entry: None, account: Some(AccountId::generate()) }), entries: false };
        let table = [
            ("nothing there", Seen { site: None, entries: false }, Ok(Some(Change::Put)), None),
            ("as wanted", ours(Some(entry)), Ok(None), Some(Change::Remove)),
            ("of an older generation", ours(Some(older)), Ok(None), Some(Change::Remove)),
            ("of another user", ours(Some(renamed)), Ok(Some(Change::Put)), Some(Change::Remove)),
            ("suspended", ours(Some(held.clone())), Ok(Some(Change::Unsuspend)), Some(Change::Remove)),
            ("suspended, of another user", ours(Some(held_renamed)), Ok(Some(Change::Put)), Some(Change::Remove)),
            ("broken", ours(None), Ok(Some(Change::Put)), Some(Change::Remove)),
            ("left over, not linked", Seen { site: None, entries: true }, Ok(Some(Change::Put)), Some(Change::Remove)),
            ("another account's", strangers, Err(()), None),
        ];
        for (case, seen, wanted, unwanted) in table {
            assert_eq!(VirtualHost::diff(&seen, &target()).map_err(|_| ()), wanted, "{case}, wanted");
            assert_eq!(VirtualHost::diff(&seen, &absent()).map_err(|_| ()), Ok(unwanted), "{case}, not wanted");
        }
    }
}
