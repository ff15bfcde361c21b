//! The home of an account, with its document root and welcome page.

use async_trait::async_trait;
use opterius_protocol::agent::FailureKind;

use super::{Conflict, Resource, Target};
use crate::host::{HomePlan, HomeSeen, Host, HostError};

/// The home. It is marked by its owner: no uid is used for a second account.
pub(crate) struct Home;

/// What is to be done about the home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Build,
    Mend,
    Remove,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Build => "build the home with its document root and welcome page",
            Self::Mend => "give the home the permissions 0711",
            Self::Remove => "remove the home",
        })
    }
}

#[async_trait]
impl Resource for Home {
    const NAME: &'static str = "home";
    const TAKEN: FailureKind = FailureKind::UsernameTaken;
    type Seen = HomeSeen;
    type Change = Change;

    async fn inspect(host: &dyn Host, target: &Target) -> Result<HomeSeen, HostError> {
        host.home(target.spec.account_id, &target.spec.username).await
    }

    fn diff(seen: &HomeSeen, target: &Target) -> Result<Option<Change>, Conflict> {
        let uid = target.uid.get();
        let ours = seen.home.filter(|(owner, _)| *owner == uid);
        if target.absent() {
            return Ok((ours.is_some() || seen.staged || seen.trashed).then_some(Change::Remove));
        }
        match (seen.home, ours) {
            (None, _) => Ok(Some(Change::Build)),
            (_, Some((_, 0o711))) => Ok(None),
            (_, Some(_)) => Ok(Some(Change::Mend)),
            (Some((owner, _)), None) => {
                Err(Conflict { detail: format!("/home/{} is already there, and belongs to uid {owner}.", target.spec.username) })
            }
        }
    }

    async fn apply(host: &dyn Host, target: &Target, change: &Change) -> Result<(), HostError> {
        let (account, username) = (target.spec.account_id, &target.spec.username);
        match change {
            Change::Build => {
                let domain = target.site().primary().clone();
                host.add_home(&HomePlan { account, username: username.clone(), uid: target.uid, domain }).await
            }
            Change::Mend => host.mend_home(username, target.uid).await,
            Change::Remove => host.remove_home(account, username, target.uid).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{absent, target};

    #[test]
    fn a_home_is_known_by_its_owner() {
        let uid = target().uid.get();
        let seen = |home| HomeSeen { home, ..HomeSeen::default() };
        let table = [
            ("nothing there", seen(None), Ok(Some(Change::Build)), None),
            ("as wanted", seen(Some((uid, 0o711))), Ok(None), Some(Change::Remove)),
            ("opened by its owner", seen(Some((uid, 0o755))), Ok(Some(Change::Mend)), Some(Change::Remove)),
            ("somebody else's", seen(Some((0, 0o711))), Err(()), None),
            ("half built", HomeSeen { staged: true, ..seen(None) }, Ok(Some(Change::Build)), Some(Change::Remove)),
            ("half deleted", HomeSeen { trashed: true, ..seen(None) }, Ok(Some(Change::Build)), Some(Change::Remove)),
        ];
        for (case, seen, wanted, unwanted) in table {
            assert_eq!(Home::diff(&seen, &target()).map_err(|_| ()), wanted, "{case}, wanted");
            assert_eq!(Home::diff(&seen, &absent()).map_err(|_| ()), Ok(unwanted), "{case}, not wanted");
        }
    }
}
