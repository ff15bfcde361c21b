//! What is kept in the trash beside an account's home, so that the account can be restored: its Spec with the password hash, and its zone.

use async_trait::async_trait;
use opterius_protocol::agent::FailureKind;

use super::{Conflict, Resource, Target};
use crate::host::{Host, HostError, KeepsakeSeen};

/// The keepsake. It is made before anything is taken away, and goes once the account is back and committed.
pub(crate) struct Keepsake;

/// What is to be done about the keepsake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Write,
    Remove,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Write => "put the Spec and the DNS zone into the trash",
            Self::Remove => "empty the trash of it",
        })
    }
}

#[async_trait]
impl Resource for Keepsake {
    const NAME: &'static str = "trash";
    const TAKEN: FailureKind = FailureKind::Failed;
    const VISIBLE: bool = false;
    type Seen = KeepsakeSeen;
    type Change = Change;

    async fn inspect(host: &dyn Host, target: &Target) -> Result<KeepsakeSeen, HostError> {
        host.keepsake(target.spec.account_id).await
    }

    fn diff(seen: &KeepsakeSeen, target: &Target) -> Result<Option<Change>, Conflict> {
        if target.kept() {
            return Ok((!seen.whole && !target.deleted_at_once()).then_some(Change::Write));
        }
        Ok(seen.any.then_some(Change::Remove))
    }

    async fn apply(host: &dyn Host, target: &Target, change: &Change) -> Result<(), HostError> {
        match change {
            Change::Write => {
                let spec = target.before.as_ref().unwrap_or(&target.spec);
                let json = serde_json::to_string_pretty(spec).expect("a Spec holds nothing that JSON cannot");
                host.write_keepsake(spec.account_id, &json, target.site().primary()).await
            }
            Change::Remove => host.remove_keepsake(target.spec.account_id).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{absent, discarded, kept, restored};

    #[test]
    fn a_keepsake_is_there_for_as_long_as_the_account_is_kept() {
        let seen = |whole, any| KeepsakeSeen { whole, zone: whole, any };
        for (case, seen, in_trash, otherwise) in [
            ("nothing there", seen(false, false), Some(Change::Write), None),
            ("half written", seen(false, true), Some(Change::Write), Some(Change::Remove)),
            ("whole", seen(true, true), None, Some(Change::Remove)),
        ] {
            assert_eq!(Keepsake::diff(&seen, &kept()), Ok(in_trash), "{case}, kept");
            assert_eq!(Keepsake::diff(&seen, &discarded()), Ok(None), "{case}, kept for no time");
            assert_eq!(Keepsake::diff(&seen, &restored()), Ok(otherwise), "{case}, restored");
            assert_eq!(Keepsake::diff(&seen, &absent()), Ok(otherwise), "{case}, not kept");
        }
    }
}
