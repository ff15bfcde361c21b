//! The password of an account's Linux user.

use async_trait::async_trait;
use opterius_protocol::agent::FailureKind;

use super::{Conflict, Resource, Target};
use crate::host::{Host, HostError, ShadowField, UserSeen};

/// The password. It goes with the user, so nothing is to be done where the account is not wanted.
pub(crate) struct LinuxPassword;

/// The one thing to be done about the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Set;

impl std::fmt::Display for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("set the user's password")
    }
}

#[async_trait]
impl Resource for LinuxPassword {
    const NAME: &'static str = "password";
    const TAKEN: FailureKind = FailureKind::UsernameTaken;
    const VISIBLE: bool = false;
    type Seen = Option<UserSeen>;
    type Change = Set;

    async fn inspect(host: &dyn Host, target: &Target) -> Result<Self::Seen, HostError> {
        host.user(&target.spec.username).await
    }

    fn diff(seen: &Self::Seen, target: &Target) -> Result<Option<Set>, Conflict> {
        let set = seen.as_ref().and_then(|user| user.shadow.as_ref()).map(ShadowField::expose);
        // A user that is to be made is made with it.
        let is_made_with_it = seen.is_none() && target.scope().login;
        Ok((!target.absent() && !is_made_with_it && set != Some(target.spec.password_hash.expose())).then_some(Set))
    }

    async fn apply(host: &dyn Host, target: &Target, _: &Set) -> Result<(), HostError> {
        host.set_password(&target.user(), &target.spec.password_hash).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{absent, target};

    #[test]
    fn the_hash_in_shadow_becomes_the_accounts() {
        let user = UserSeen { uid: Some(20_001), account: None, group: Some(20_001), shadow: None, expired: false, as_made: true };
        let seen = |shadow: &str| Some(UserSeen { shadow: Some(shadow.into()), ..user.clone() });
        let hash = target().spec.password_hash.expose().to_owned();
        for (seen, wanted) in [(None, None), (seen("!"), Some(Set)), (seen(&hash), None)] {
            assert_eq!(LinuxPassword::diff(&seen, &target()), Ok(wanted));
            assert_eq!(LinuxPassword::diff(&seen, &absent()), Ok(None));
        }
        let mut before = target().spec;
        before.password_hash = opterius_model::Password::parse("the one before".to_owned()).expect("a password").hash();
        let another = Target { before: Some(before), ..target() };
        assert_eq!(LinuxPassword::diff(&None, &another), Ok(Some(Set)), "which fails: a change of the password makes no user");
    }
}
