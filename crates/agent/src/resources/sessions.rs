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
        let user = host.user(&target.spec.username).await?;
        // A number whose user is somebody else's, or nobody's, has no sessions of this account.
        if user.is_some_and(|user| user.account == Some(target.spec.account_id) && user.uid == Some(target.uid.get())) {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{absent, suspended, target};

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
