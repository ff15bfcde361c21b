//! The kinds of things an account consists of on a server, one a file. Each says what is there ([`Resource::inspect`]), what to do about
//! it ([`Resource::diff`], which does no I/O), and does it ([`Resource::apply`]).

mod dns_zone;
mod home;
mod linux_user;
mod logs;
mod password;
mod php_pool;
mod site;

use async_trait::async_trait;
use opterius_model::{Pool, Site, Spec, State, Uid};
use opterius_protocol::agent::FailureKind;

pub(crate) use dns_zone::DnsZone;
pub(crate) use home::Home;
pub(crate) use linux_user::LinuxUser;
pub(crate) use logs::Logs;
pub(crate) use password::LinuxPassword;
pub(crate) use php_pool::PhpPool;
pub(crate) use site::VirtualHost;

use crate::host::{Host, HostError};

/// A Spec with the uid that the account has on this server.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The state to reach.
    pub(crate) spec: Spec,
    /// The account's uid, recorded in the journal before anything bore it.
    pub(crate) uid: Uid,
}

impl Target {
    /// Whether nothing of the account is wanted.
    pub(crate) fn absent(&self) -> bool {
        self.spec.state == State::Absent
    }

    /// The account's site. [`crate::engine::Engine::submit`] lets in only Specs with exactly one.
    pub(crate) fn site(&self) -> &Site {
        &self.spec.sites[0]
    }

    /// The account's pool, likewise.
    pub(crate) fn pool(&self) -> &Pool {
        &self.spec.pools[0]
    }
}

/// Something in an account's place that does not bear its mark. It is never touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// What stands there, in a sentence.
    pub(crate) detail: String,
}

/// One kind of thing that an account consists of.
#[async_trait]
pub(crate) trait Resource {
    /// Its name in steps, plans and errors.
    const NAME: &'static str;
    /// What a caller is told when something else is in its place.
    const TAKEN: FailureKind;
    /// What was seen of it.
    type Seen: Send + Sync;
    /// What is to be done; `Display` says it in a sentence.
    type Change: Send + Sync + std::fmt::Display;

    /// Looks, and changes nothing.
    async fn inspect(host: &dyn Host, target: &Target) -> Result<Self::Seen, HostError>;

    /// The next change towards the target, if one is needed. Applying it and looking again ends at `None` within a few rounds.
    fn diff(seen: &Self::Seen, target: &Target) -> Result<Option<Self::Change>, Conflict>;

    /// Makes one change. Repeating it after it was cut short is safe.
    async fn apply(host: &dyn Host, target: &Target, change: &Self::Change) -> Result<(), HostError>;
}
