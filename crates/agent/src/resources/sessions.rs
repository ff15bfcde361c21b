//! The processes of an account that are not wanted: all of them while it is suspended or being removed, and logins after a new password.

use async_trait::async_trait;
use opterius_protocol::agent::FailureKind;

use super::{Conflict, Resource, Target};
use crate::host::{Host, HostError, ProcessesSeen};

/// The processes.
pub(crate) struct Sessions;

/// What is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// So many, which are all there are.
    End(u64),
    /// So many that are not the account's PHP.
    EndSessions(u64),
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::End(count) => write!(f, "end {count} processes of the account"),
            Self::EndSessions(count) => write!(f, "end {count} processes of logins and cron jobs"),
        }
    }
}

#[async_trait]
impl Resource for Sessions {
    const NAME: &'static str = "sessions";
    const TAKEN: FailureKind = FailureKind::Failed;
    const VISIBLE: bool = false;
    type Seen = ProcessesSeen;
    type Change = Change;

    async fn inspect(host: &dyn Host, target: &Target) -> Result<ProcessesSeen, HostError> {
        if is_its_own(host, target).await? {
            host.processes(target.spec.account_id, target.uid).await
        } else {
            Ok(ProcessesSeen::default())
        }
    }

    fn diff(seen: &ProcessesSeen, target: &Target) -> Result<Option<Change>, Conflict> {
        let all = seen.sandboxed + seen.sessions;
        Ok(match (target.absent() || target.suspended(), all, seen.sessions) {
            (true, 1.., _) => Some(Change::End(all)),
            (false, _, 1..) => Some(Change::EndSessions(seen.sessions)),
            _ => None,
        })
    }

    async fn apply(host: &dyn Host, target: &Target, change: &Change) -> Result<(), HostError> {
        match change {
            Change::End(_) => host.end_processes(target.spec.account_id, target.uid).await,
            Change::EndSessions(_) => host.end_sessions(target.spec.account_id, target.uid).await,
        }
    }

    /// Processes that fork and end at once are met in no list.
    async fn apply_unseen(host: &dyn Host, target: &Target) -> Result<(), HostError> {
        if (target.absent() || target.suspended()) && is_its_own(host, target).await? {
            host.end_processes(target.spec.account_id, target.uid).await?;
        }
        Ok(())
    }
}

/// Whether the uid is the account's: whether its user is. A number whose user is somebody else's, or nobody's, has no sessions of this account.
pub(super) async fn is_its_own(host: &dyn Host, target: &Target) -> Result<bool, HostError> {
    Ok(host.owner(&target.spec.username).await? == Some((target.spec.account_id, target.uid.get())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::UserSeen;
    use crate::host::fake::FakeHost;
    use crate::run::Run;
    use crate::testing::{absent, suspended, target};

    #[tokio::test(start_paused = true)]
    async fn what_no_look_shows_is_ended_with_the_account_and_only_with_it() {
        for (target, ours, stays) in [
            (target(), true, true),
            (suspended(), true, false),
            (absent(), true, false),
            (suspended(), false, true),
            (absent(), false, true),
        ] {
            let host = FakeHost::new();
            let uid = Some(target.uid.get());
            let account = ours.then_some(target.spec.account_id);
            let user = UserSeen { uid, account, group: uid, shadow: None, expired: false, as_made: true };
            host.world().users.insert(target.spec.username.clone(), user);
            host.world().unseen.insert(target.uid);
            let number = target.uid;
            let run = Run::unobserved(std::sync::Arc::new(host.clone()), target);
            run.converge::<Sessions>().await.expect("done");
            assert_eq!(host.world().unseen.contains(&number), stays, "{:?}, ours: {ours}", run.target.spec.state);
        }
    }

    #[test]
    fn a_live_account_keeps_its_php_and_others_keep_nothing() {
        for (sandboxed, sessions, live, held) in [
            (0, 0, None, None),
            (3, 0, None, Some(Change::End(3))),
            (0, 2, Some(Change::EndSessions(2)), Some(Change::End(2))),
            (3, 2, Some(Change::EndSessions(2)), Some(Change::End(5))),
        ] {
            let seen = ProcessesSeen { sandboxed, sessions };
            assert_eq!(Sessions::diff(&seen, &target()), Ok(live));
            assert_eq!(Sessions::diff(&seen, &suspended()), Ok(held));
            assert_eq!(Sessions::diff(&seen, &absent()), Ok(held));
        }
    }
}
