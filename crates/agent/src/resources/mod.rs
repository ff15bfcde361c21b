//! The kinds of things an account consists of on a server, one a file. Each says what is there ([`Resource::inspect`]), what to do about
//! it ([`Resource::diff`], which does no I/O), and does it ([`Resource::apply`]).

mod dns_zone;
mod home;
mod keepsake;
mod linux_user;
mod login;
mod logs;
mod password;
pub(crate) mod php_pool;
mod sessions;
mod site;

use async_trait::async_trait;
use opterius_model::{Limits, PhpVersion, Pool, Site, Spec, State, Uid};
use opterius_protocol::Micros;
use opterius_protocol::agent::FailureKind;

pub(crate) use dns_zone::DnsZone;
pub(crate) use home::Home;
pub(crate) use keepsake::Keepsake;
pub(crate) use linux_user::LinuxUser;
pub(crate) use login::Login;
pub(crate) use logs::Logs;
pub(crate) use password::LinuxPassword;
pub(crate) use php_pool::PhpPool;
pub(crate) use sessions::Sessions;
pub(crate) use site::VirtualHost;

use crate::host::{HomePlan, Host, HostError, UserPlan};

/// A Spec with the uid that the account has on this server.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The state to reach.
    pub(crate) spec: Spec,
    /// The account's uid, recorded in the journal before anything bore it.
    pub(crate) uid: Uid,
    /// The state that the account is coming from; nothing for a new account.
    pub(crate) before: Option<Spec>,
}

impl Target {
    /// Whether nothing of the account is wanted, but perhaps what is kept of it.
    pub(crate) fn absent(&self) -> bool {
        self.spec.state == State::Absent
    }

    /// Whether what a restore needs is to be kept.
    pub(crate) fn kept(&self) -> bool {
        self.absent() && self.spec.kept_until.is_some()
    }

    /// Whether what would be kept is to be deleted at once. Then it is not kept in the first place: that may be for want of room.
    pub(crate) fn deleted_at_once(&self) -> bool {
        self.kept() && self.spec.kept_until.is_some_and(|until| until <= Micros::now())
    }

    /// Whether the account is suspended.
    pub(crate) fn suspended(&self) -> bool {
        self.spec.state == State::Suspended
    }

    /// Whether an account that is kept becomes a live one again.
    pub(crate) fn restores(&self) -> bool {
        !self.absent() && self.before.as_ref().is_some_and(|before| before.state == State::Absent)
    }

    /// Whether a live account is only to be as it was committed.
    pub(crate) fn repairs(&self) -> bool {
        self.before.as_ref().is_some_and(|before| repairs(before, &self.spec))
    }

    /// Whether an account that anybody can use is suspended.
    pub(crate) fn closes(&self) -> bool {
        self.before.as_ref().is_some_and(|before| closes(before, &self.spec))
    }

    /// Whether a live account gets another password than it had.
    pub(crate) fn replaces_password(&self) -> bool {
        let before = self.before.as_ref().filter(|before| before.state != State::Absent);
        before.is_some_and(|before| before.password_hash != self.spec.password_hash)
    }

    /// The account's site. [`crate::engine::Engine::submit`] lets in only Specs with exactly one.
    pub(crate) fn site(&self) -> &Site {
        &self.spec.sites[0]
    }

    /// The account's pool, likewise.
    pub(crate) fn pool(&self) -> &Pool {
        &self.spec.pools[0]
    }

    /// The account's Linux user.
    pub(crate) fn user(&self) -> UserPlan {
        UserPlan { username: self.spec.username.clone(), uid: self.uid, account: self.spec.account_id }
    }

    /// The version of PHP that the account is to have and was not to have before, if it is one.
    pub(crate) fn chosen_php(&self) -> Option<&PhpVersion> {
        let before = self.before.as_ref().and_then(|before| before.pools.first()).map(|pool| &pool.php_version);
        self.pool().php_version.version().filter(|_| before != Some(&self.pool().php_version))
    }

    /// The account's home.
    pub(crate) fn home(&self) -> HomePlan {
        HomePlan {
            account: self.spec.account_id,
            username: self.spec.username.clone(),
            uid: self.uid,
            domain: self.site().primary().clone(),
        }
    }

    /// What of the account the way from `before` to the Spec concerns.
    ///
    /// A change of a live account looks only at that: a password can be changed while the DNS server is down, and an abuser suspended
    /// whatever is wrong with the rest of him. Making, restoring, repairing and removing an account concern all of it.
    pub(crate) fn scope(&self) -> Scope {
        let Some(before) = self.before.as_ref().filter(|before| before.state != State::Absent && !self.absent() && !self.repairs()) else {
            return Scope { login: true, password: true, php: true, site: true, zone: true, rest: true };
        };
        let differs = Differences::between(before, &self.spec);
        let all = differs.names;
        Scope {
            // The limits that nothing on a server keeps an account to yet are of its user, so at least that must be there.
            login: all || differs.state || differs.limits,
            password: all || differs.password,
            php: all || differs.state || differs.php,
            site: all || differs.state || differs.site,
            zone: all || differs.zone,
            rest: all,
        }
    }
}

/// What differs between two Specs of a live account, by the parts of it that are to be looked at.
#[expect(clippy::struct_excessive_bools, reason = "a set of differences")]
struct Differences {
    /// By which it is found: everything of it is to be looked at.
    names: bool,
    state: bool,
    password: bool,
    /// Which pool runs a site, and where its files are.
    site: bool,
    php: bool,
    limits: bool,
    zone: bool,
}

impl Differences {
    /// A field that is new does not compile here until somebody has decided what is looked at when it changes.
    fn between(before: &Spec, after: &Spec) -> Self {
        let Spec {
            // The form, whose it is, and which of its states: nothing on a server depends on them.
            version: _,
            account_id: _,
            owner_id: _,
            generation: _,
            uid: _,
            // Who holds it; whether anybody does is its state.
            holds: _,
            // Only of an absent account.
            kept_until: _,
            state,
            username,
            password_hash,
            sites,
            pools,
            addresses,
            limits,
            nameservers,
            records,
        } = after;
        let Limits {
            php_workers,
            php_memory_mib,
            disk_mib: _,
            files: _,
            bandwidth_gib: _,
            cpu_percent: _,
            memory_mib: _,
            processes: _,
            sub_sites: _,
            databases: _,
            mailboxes: _,
        } = limits;
        let hosts = |Site { hosts, docroot: _, pool: _, tls: _ }: &Site| hosts.clone();
        let served = |Site { docroot, pool, tls, hosts: _ }: &Site| (*docroot, pool.clone(), *tls);
        let of_each = |sites: &[Site]| (sites.iter().map(hosts).collect::<Vec<_>>(), sites.iter().map(served).collect::<Vec<_>>());
        let ((hosts_before, served_before), (hosts_after, served_after)) = (of_each(&before.sites), of_each(sites));
        Self {
            names: (&before.username, hosts_before) != (username, hosts_after),
            state: before.state != *state,
            password: before.password_hash != *password_hash,
            site: served_before != served_after,
            php: (&before.pools, before.limits.php_workers, before.limits.php_memory_mib) != (pools, *php_workers, *php_memory_mib)
                || served_before != served_after,
            limits: before.limits != *limits,
            zone: (&before.addresses, &before.nameservers, &before.records) != (addresses, nameservers, records),
        }
    }
}

/// Whether the way from one Spec to the other suspends an account that anybody can use.
pub(crate) fn closes(before: &Spec, spec: &Spec) -> bool {
    before.state == State::Active && spec.state == State::Suspended
}

/// Whether the way from one Spec to the other changes nothing but the generation. A field that is new counts by itself.
pub(crate) fn repairs(before: &Spec, spec: &Spec) -> bool {
    spec.state != State::Absent && Spec { generation: before.generation, uid: before.uid, ..spec.clone() } == *before
}

/// What of an account is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set of parts")]
pub(crate) struct Scope {
    /// The Linux user, and whether it may log in.
    pub(crate) login: bool,
    /// Its password.
    pub(crate) password: bool,
    /// The PHP pool.
    pub(crate) php: bool,
    /// The site.
    pub(crate) site: bool,
    /// The DNS zone.
    pub(crate) zone: bool,
    /// Home and logs.
    pub(crate) rest: bool,
}

/// Something in an account's place that does not bear its mark. It is never touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// What stands there, in a sentence.
    pub(crate) detail: String,
    /// What a caller is told, if that is not [`Resource::TAKEN`].
    pub(crate) kind: Option<FailureKind>,
}

impl Conflict {
    /// Something else is in the resource's place.
    pub(crate) fn taken(detail: String) -> Self {
        Self { detail, kind: None }
    }
}

/// One kind of thing that an account consists of.
#[async_trait]
pub(crate) trait Resource {
    /// Its name in steps, plans and errors.
    const NAME: &'static str;
    /// What a caller is told when something else is in its place.
    const TAKEN: FailureKind;
    /// Whether changing it can be noticed by visitors, so that a live account's change does not turn back any more once it is changed.
    const VISIBLE: bool;
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

    /// What is done where the first look shows nothing to do, for what a look can miss. Repeating it is safe. Neither a plan nor drift does it.
    async fn apply_unseen(_host: &dyn Host, _target: &Target) -> Result<(), HostError> {
        Ok(())
    }
}
