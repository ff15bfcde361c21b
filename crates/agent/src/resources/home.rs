//! The home of an account, with its document root and welcome page.

use async_trait::async_trait;
use opterius_protocol::agent::FailureKind;

use super::{Conflict, Resource, Target};
use crate::host::{HomeSeen, Host, HostError};

/// The home. It is marked by its owner: no uid is used for a second account.
pub(crate) struct Home;

/// What is to be done about the home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Build,
    /// Of these flaws.
    Mend(Vec<String>),
    Keep,
    Discard,
    Restore,
    Remove,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Build => f.write_str("build the home with its document root and welcome page"),
            Self::Mend(flaws) => write!(f, "mend the home: {}", flaws.join(", ")),
            Self::Keep => f.write_str("move the home into the trash"),
            Self::Discard => f.write_str("take the home out of its place, to be deleted"),
            Self::Restore => f.write_str("put the home back from the trash"),
            Self::Remove => f.write_str("remove the home"),
        }
    }
}

#[async_trait]
impl Resource for Home {
    const NAME: &'static str = "home";
    const TAKEN: FailureKind = FailureKind::UsernameTaken;
    const VISIBLE: bool = true;
    type Seen = HomeSeen;
    type Change = Change;

    async fn inspect(host: &dyn Host, target: &Target) -> Result<HomeSeen, HostError> {
        host.home(&target.home()).await
    }

    fn diff(seen: &HomeSeen, target: &Target) -> Result<Option<Change>, Conflict> {
        if target.kept() {
            // What is half built or half deleted of the account goes with what is kept, in time.
            let change = if target.deleted_at_once() { Change::Discard } else { Change::Keep };
            return Ok(seen.ours.then_some(change));
        }
        if target.absent() {
            return Ok((seen.ours || seen.staged || seen.trashed).then_some(Change::Remove));
        }
        match seen.owner {
            None if seen.kept => Ok(Some(Change::Restore)),
            None if target.restores() => {
                let detail = format!("The home of {} is not kept on the server any more.", target.spec.username);
                Err(Conflict { detail, kind: Some(FailureKind::NotKept) })
            }
            None => Ok(Some(Change::Build)),
            Some(_) if seen.ours => Ok((!seen.flaws.is_empty()).then(|| Change::Mend(seen.flaws.clone()))),
            Some(owner) => Err(Conflict::taken(format!("/home/{} is already there, and belongs to uid {owner}.", target.spec.username))),
        }
    }

    async fn apply(host: &dyn Host, target: &Target, change: &Change) -> Result<(), HostError> {
        let home = target.home();
        match change {
            Change::Build => {
                if target.before.is_some() {
                    // PHP that runs is in a sandbox with the home that is gone, and would answer 500 for as long as it lives (seen).
                    host.remove_pool(target.spec.account_id, &target.pool().name).await?;
                }
                host.add_home(&home).await
            }
            Change::Mend(_) => host.mend_home(&home).await,
            Change::Keep => host.keep_home(&home).await,
            Change::Discard => host.discard_home(&home).await,
            Change::Restore => {
                let before = target.before.as_ref().map_or(&home.domain, |before| before.sites[0].primary());
                host.restore_home(&home, before).await
            }
            Change::Remove => host.remove_home(&home).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{absent, discarded, kept, restored, target};

    #[test]
    fn a_home_is_known_by_its_owner() {
        let uid = target().uid.get();
        let ours = || HomeSeen { owner: Some(uid), ours: true, ..HomeSeen::default() };
        let there = HomeSeen::default;
        let open = HomeSeen { flaws: vec!["its permissions are 0755".to_owned()], ..ours() };
        let taken = HomeSeen { owner: Some(0), ..there() };
        let mend = Change::Mend(open.flaws.clone());
        // What is done if the account is wanted, not wanted, wanted only in the trash, and wanted back from there.
        #[rustfmt::skip]
        let table = [
            ("nothing there", there(), Ok(Some(Change::Build)), None, None, Err(())),
            ("as wanted", ours(), Ok(None), Some(Change::Remove), Some(Change::Keep), Ok(None)),
            ("opened by its owner", open, Ok(Some(mend.clone())), Some(Change::Remove), Some(Change::Keep), Ok(Some(mend))),
            ("somebody else's", taken, Err(()), None, None, Err(())),
            ("half built", HomeSeen { staged: true, ..there() }, Ok(Some(Change::Build)), Some(Change::Remove), None, Err(())),
            ("half deleted", HomeSeen { trashed: true, ..there() }, Ok(Some(Change::Build)), Some(Change::Remove), None, Err(())),
            ("kept", HomeSeen { kept: true, trashed: true, ..there() }, Ok(Some(Change::Restore)), Some(Change::Remove), None, Ok(Some(Change::Restore))),
        ];
        for (case, seen, wanted, unwanted, in_trash, back) in table {
            let change = |target: Target| Home::diff(&seen, &target).map_err(|_| ());
            assert_eq!(change(target()), wanted, "{case}, wanted");
            assert_eq!(change(absent()), Ok(unwanted), "{case}, not wanted");
            let no_time = in_trash.as_ref().map(|_| Change::Discard);
            assert_eq!(change(kept()), Ok(in_trash), "{case}, wanted in the trash");
            assert_eq!(change(discarded()), Ok(no_time), "{case}, kept for no time");
            assert_eq!(change(restored()), back, "{case}, wanted back");
        }
    }
}
