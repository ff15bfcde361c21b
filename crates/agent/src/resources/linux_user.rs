//! The Linux user of an account, with its group. A new one is made with its password; another password is a step of its own.

use async_trait::async_trait;
use opterius_protocol::agent::FailureKind;

use super::{Conflict, Resource, Target};
use crate::host::{Host, HostError, UserSeen};

/// The Linux user.
pub(crate) struct LinuxUser;

/// What is to be done about the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Create,
    Mend,
    Lock,
    Unlock,
    /// Ends in a later `Create` where the user is wanted: half a user cannot be completed, only made anew.
    Remove,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Create => "make the user and its group",
            Self::Mend => "correct the user's group, home directory, shell or group members",
            Self::Lock => "let nobody log in as the user",
            Self::Unlock => "let the user log in again",
            Self::Remove => "remove the user and its group",
        })
    }
}

#[async_trait]
impl Resource for LinuxUser {
    const NAME: &'static str = "linux user";
    const TAKEN: FailureKind = FailureKind::UsernameTaken;
    const VISIBLE: bool = false;
    type Seen = Option<UserSeen>;
    type Change = Change;

    async fn inspect(host: &dyn Host, target: &Target) -> Result<Self::Seen, HostError> {
        host.user(&target.spec.username).await
    }

    fn diff(seen: &Self::Seen, target: &Target) -> Result<Option<Change>, Conflict> {
        let (username, uid) = (&target.spec.username, target.uid.get());
        let Some(seen) = seen else { return Ok((!target.absent()).then_some(Change::Create)) };
        // Lines without one in passwd are ours by the mark in gshadow; a group of another number beside them is another's.
        let is_number = |found: u32| found == uid;
        let ours = seen.account == Some(target.spec.account_id)
            && match seen.uid {
                Some(found) => is_number(found),
                None => seen.group.is_none_or(is_number),
            };
        if !ours {
            return if target.absent() {
                Ok(None)
            } else {
                let what = match (seen.uid, seen.account) {
                    (Some(found), Some(account)) => format!("a Linux user {username} (uid {found}) of the account {account}"),
                    (Some(found), None) => format!("a Linux user {username} (uid {found}) that is not an account's"),
                    (None, _) if seen.group.is_some() => format!("a Linux group {username} without a user of that name"),
                    (None, _) => format!("a line of {username} in /etc/shadow or /etc/gshadow without a user of that name"),
                };
                Err(Conflict::taken(format!("There is already {what} on the server.")))
            };
        }
        let whole = seen.uid.is_some() && seen.shadow.is_some() && seen.group == Some(uid);
        Ok(match (target.absent() || !whole, seen.as_made, seen.expired, target.suspended()) {
            (true, ..) => Some(Change::Remove),
            (false, false, ..) => Some(Change::Mend),
            (false, true, false, true) => Some(Change::Lock),
            (false, true, true, false) => Some(Change::Unlock),
            _ => None,
        })
    }

    async fn apply(host: &dyn Host, target: &Target, change: &Change) -> Result<(), HostError> {
        let user = target.user();
        match change {
            Change::Create => host.add_user(&user, &target.spec.password_hash, target.suspended()).await,
            Change::Mend | Change::Lock | Change::Unlock => host.mend_user(&user, target.suspended()).await,
            Change::Remove => {
                // Half a user has no processes, and its number may be another's by now.
                if super::sessions::is_its_own(host, target).await? {
                    host.end_processes(target.spec.account_id, target.uid).await?;
                }
                host.remove_user(&user).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{absent, suspended, target};
    use opterius_model::AccountId;

    #[test]
    fn only_what_bears_the_mark_is_changed() {
        let want = target();
        let gone = absent();
        let (uid, hash) = (want.uid.get(), want.spec.password_hash.expose().to_owned());
        let ours = UserSeen {
            uid: Some(uid),
            account: Some(want.spec.account_id),
            group: Some(uid),
            shadow: Some(hash.as_str().into()),
            expired: false,
            as_made: true,
        };
        let seen = |change: fn(&mut UserSeen)| {
            let mut user = ours.clone();
            change(&mut user);
            Some(user)
        };
        let table = [
            ("nothing there", None, Ok(Some(Change::Create)), None),
            ("as wanted", seen(|_| ()), Ok(None), Some(Change::Remove)),
            ("still locked", seen(|u| u.shadow = Some("!".into())), Ok(None), Some(Change::Remove)),
            ("killed before shadow", seen(|u| u.shadow = None), Ok(Some(Change::Remove)), Some(Change::Remove)),
            ("killed before group", seen(|u| u.group = None), Ok(Some(Change::Remove)), Some(Change::Remove)),
            ("only the group, with our mark", seen(|u| (u.uid, u.shadow) = (None, None)), Ok(Some(Change::Remove)), Some(Change::Remove)),
            (
                "only gshadow, with our mark",
                seen(|u| (u.uid, u.group, u.shadow) = (None, None, None)),
                Ok(Some(Change::Remove)),
                Some(Change::Remove),
            ),
            (
                "our mark in gshadow beside a group of another number",
                seen(|u| (u.uid, u.group, u.shadow) = (None, Some(1000), None)),
                Err(()),
                None,
            ),
            ("a group of our very number, made by hand", seen(|u| (u.uid, u.account, u.shadow) = (None, None, None)), Err(()), None),
            ("a line of shadow, made by hand", seen(|u| (u.uid, u.account, u.group) = (None, None, None)), Err(()), None),
            ("with another shell", seen(|u| u.as_made = false), Ok(Some(Change::Mend)), Some(Change::Remove)),
            ("locked for a suspension", seen(|u| u.expired = true), Ok(Some(Change::Unlock)), Some(Change::Remove)),
            ("made by hand", seen(|u| u.account = None), Err(()), None),
            ("another account's", seen(|u| u.account = Some(AccountId::generate())), Err(()), None),
            ("our mark on another number", seen(|u| u.uid = Some(1000)), Err(()), None),
            ("a group made by hand", seen(|u| (u.uid, u.account, u.group, u.shadow) = (None, None, Some(1000), None)), Err(()), None),
        ];
        for (case, seen, wanted, unwanted) in table {
            assert_eq!(LinuxUser::diff(&seen, &want).map_err(|_| ()), wanted, "{case}, wanted");
            assert_eq!(LinuxUser::diff(&seen, &gone).map_err(|_| ()), Ok(unwanted), "{case}, not wanted");
        }
        assert!(!format!("{ours:?}").contains("$6$"), "a hash is not printed");
        assert_eq!(LinuxUser::diff(&seen(|_| ()), &suspended()), Ok(Some(Change::Lock)));
        assert_eq!(LinuxUser::diff(&seen(|u| u.expired = true), &suspended()), Ok(None));
    }
}
