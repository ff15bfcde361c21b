//! Whether anybody can log in as the user of an account that is being ended, and that something keeps from being gone already.

use async_trait::async_trait;
use opterius_protocol::agent::FailureKind;

use super::{Conflict, Resource, Target};
use crate::host::{Host, HostError, UserSeen};

/// The login. The user itself is removed last.
pub(crate) struct Login;

/// The user expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expire;

impl std::fmt::Display for Expire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("let nobody log in as the user any more")
    }
}

#[async_trait]
impl Resource for Login {
    const NAME: &'static str = "login";
    const TAKEN: FailureKind = FailureKind::UsernameTaken;
    const VISIBLE: bool = false;
    type Seen = Option<UserSeen>;
    type Change = Expire;

    async fn inspect(host: &dyn Host, target: &Target) -> Result<Self::Seen, HostError> {
        host.user(&target.spec.username).await
    }

    fn diff(seen: &Self::Seen, target: &Target) -> Result<Option<Expire>, Conflict> {
        let ours = |user: &&UserSeen| user.account == Some(target.spec.account_id) && user.uid == Some(target.uid.get());
        // Half a user, of which shadow knows nothing, cannot log in.
        let can_log_in = seen.as_ref().filter(ours).is_some_and(|user| !user.expired && user.shadow.is_some());
        Ok((target.absent() && can_log_in).then_some(Expire))
    }

    async fn apply(host: &dyn Host, target: &Target, _: &Expire) -> Result<(), HostError> {
        host.mend_user(&target.user(), true).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{absent, kept, target};

    #[test]
    fn only_the_accounts_own_user_expires() {
        let (uid, account) = (target().uid.get(), target().spec.account_id);
        let ours =
            UserSeen { uid: Some(uid), account: Some(account), group: Some(uid), shadow: Some("!".into()), expired: false, as_made: true };
        let table = [
            ("nothing there", None, None),
            ("ours", Some(ours.clone()), Some(Expire)),
            ("expired already", Some(UserSeen { expired: true, ..ours.clone() }), None),
            ("half made", Some(UserSeen { shadow: None, ..ours.clone() }), None),
            ("another account's", Some(UserSeen { account: None, ..ours.clone() }), None),
            ("of another number", Some(UserSeen { uid: Some(1000), ..ours }), None),
        ];
        for (case, seen, wanted) in table {
            assert_eq!(Login::diff(&seen, &absent()), Ok(wanted), "{case}");
            assert_eq!(Login::diff(&seen, &kept()), Ok(wanted), "{case}, kept");
            assert_eq!(Login::diff(&seen, &target()), Ok(None), "{case}, of a live account");
        }
    }
}
