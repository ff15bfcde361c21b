//! The directory of an account's logs, which root owns and the account reads.

use async_trait::async_trait;
use opterius_protocol::agent::FailureKind;

use super::{Conflict, Resource, Target};
use crate::host::{Host, HostError, LogsSeen};

/// The directory of logs.
pub(crate) struct Logs;

/// What is to be done about the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Create,
    Mend,
    Keep,
    Restore,
    Remove,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Create => "make the directory of logs",
            Self::Mend => "give the directory of logs its owner and permissions",
            Self::Keep => "put the logs aside",
            Self::Restore => "put the logs back",
            Self::Remove => "remove the logs",
        })
    }
}

#[async_trait]
impl Resource for Logs {
    const NAME: &'static str = "logs";
    const TAKEN: FailureKind = FailureKind::UsernameTaken;
    const VISIBLE: bool = false;
    type Seen = LogsSeen;
    type Change = Change;

    async fn inspect(host: &dyn Host, target: &Target) -> Result<LogsSeen, HostError> {
        host.logs(target.spec.account_id, &target.spec.username).await
    }

    fn diff(seen: &LogsSeen, target: &Target) -> Result<Option<Change>, Conflict> {
        let ours = seen.there && seen.account == Some(target.spec.account_id);
        if target.kept() {
            return Ok(ours.then_some(Change::Keep));
        }
        if target.absent() {
            return Ok((ours || seen.staged || seen.kept).then_some(Change::Remove));
        }
        if seen.there && !ours {
            let detail = format!("/var/log/opterius/accounts/{} is already there, and is not this account's.", target.spec.username);
            return Err(Conflict::taken(detail));
        }
        Ok(match (seen.there, seen.kept, seen.flawed) {
            (false, true, _) => Some(Change::Restore),
            (false, false, _) => Some(Change::Create),
            (true, _, true) => Some(Change::Mend),
            (true, _, false) => None,
        })
    }

    async fn apply(host: &dyn Host, target: &Target, change: &Change) -> Result<(), HostError> {
        let (account, username) = (target.spec.account_id, &target.spec.username);
        match change {
            Change::Create => host.add_logs(account, username, target.uid).await,
            Change::Mend => host.mend_logs(account, username, target.uid).await,
            Change::Keep => host.keep_logs(account, username).await,
            Change::Restore => host.restore_logs(account, username, target.uid).await,
            Change::Remove => host.remove_logs(account, username).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{absent, kept, target};

    #[test]
    fn another_accounts_logs_are_never_touched() {
        let seen = |there, account, staged| LogsSeen { there, account, staged, kept: false, flawed: false };
        let ours = Some(target().spec.account_id);
        let table = [
            ("nothing there", seen(false, None, false), Ok(Some(Change::Create)), None),
            ("ours", seen(true, ours, false), Ok(None), Some(Change::Remove)),
            ("opened", LogsSeen { flawed: true, ..seen(true, ours, false) }, Ok(Some(Change::Mend)), Some(Change::Remove)),
            ("kept", LogsSeen { kept: true, ..seen(false, None, false) }, Ok(Some(Change::Restore)), Some(Change::Remove)),
            ("half made", seen(false, None, true), Ok(Some(Change::Create)), Some(Change::Remove)),
            ("unmarked", seen(true, None, false), Err(()), None),
            ("another account's", seen(true, Some(opterius_model::AccountId::generate()), false), Err(()), None),
        ];
        for (case, seen, wanted, unwanted) in table {
            assert_eq!(Logs::diff(&seen, &target()).map_err(|_| ()), wanted, "{case}, wanted");
            assert_eq!(Logs::diff(&seen, &absent()).map_err(|_| ()), Ok(unwanted), "{case}, not wanted");
            assert_eq!(Logs::diff(&seen, &kept()), Ok((seen.account == ours).then_some(Change::Keep)), "{case}, to be kept");
        }
    }
}
