//! A server in memory, with the semantics of the real one: what is exclusive there is exclusive here, and what can be cut short there
//! can be cut short here, half-way through.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use opterius_model::{AccountId, DomainName, OperationId, Pages, PasswordHash, PhpVersion, PoolName, Uid, Username};
use opterius_protocol::Micros;
use opterius_protocol::agent::{Load, PartHealth};
use opterius_protocol::phpd::{CgroupLevel, PoolSpec, PoolState};

use super::{
    Condition, DiskSeen, EntryPlan, Haste, HomePlan, HomeSeen, Hook, Host, HostError, KeepsakeSeen, LogsSeen, Moment, PoolSeen,
    ProcessesSeen, RecordSet, Room, SiteSeen, Stored, UserPlan, UserSeen, ZonePlan, ZoneSeen,
};

/// Everything that is on the server. What the Agent writes for itself is apart, so that two servers can be compared without it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct World {
    pub(crate) users: BTreeMap<Username, UserSeen>,
    pub(crate) homes: BTreeMap<Username, FakeHome>,
    pub(crate) staged_homes: BTreeSet<AccountId>,
    pub(crate) trash: BTreeMap<AccountId, Trash>,
    /// For whose termination there is room set aside in the trash.
    pub(crate) reserves: BTreeSet<AccountId>,
    /// What of the trash is half deleted.
    pub(crate) deleting: BTreeSet<AccountId>,
    /// The mark of each directory of logs, and whether it is as it was made.
    pub(crate) logs: BTreeMap<Username, (Option<AccountId>, bool)>,
    pub(crate) staged_logs: BTreeSet<AccountId>,
    pub(crate) kept_logs: BTreeSet<AccountId>,
    pub(crate) sites: BTreeMap<DomainName, SiteSeen>,
    pub(crate) entries: BTreeSet<AccountId>,
    pub(crate) pools: BTreeMap<(AccountId, PoolName), PoolSpec>,
    pub(crate) zones: BTreeMap<DomainName, ZoneSeen>,
    /// Uids with PHP.
    pub(crate) processes: BTreeSet<Uid>,
    /// Uids with logins.
    pub(crate) sessions: BTreeSet<Uid>,
    /// Uids with processes that no look shows.
    pub(crate) unseen: BTreeSet<Uid>,
}

/// What is at `/home/<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FakeHome {
    pub(crate) owner: u32,
    /// Who owns what is in it.
    pub(crate) inside: u32,
    pub(crate) flaws: BTreeSet<&'static str>,
    /// The names of its document roots: the first is a directory, the others lead to it.
    pub(crate) roots: Vec<DomainName>,
}

/// What the trash has of one account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Trash {
    pub(crate) home: Option<FakeHome>,
    pub(crate) spec: Option<String>,
    pub(crate) zone: Option<BTreeSet<RecordSet>>,
}

/// The Agent's own files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files {
    pub(crate) journals: BTreeMap<OperationId, String>,
    /// Operations that never begin, and when that was acknowledged.
    pub(crate) nevers: BTreeMap<OperationId, Option<Micros>>,
    pub(crate) accounts: BTreeMap<AccountId, String>,
    pub(crate) heads: String,
    pub(crate) cut_off: bool,
    /// Bytes of this month.
    pub(crate) traffic: BTreeMap<AccountId, u64>,
    pub(crate) pages: Option<Pages>,
    /// The disk has no room for another journal.
    pub(crate) full: bool,
    /// Journals that were made while there was room.
    pub(crate) spares: usize,
    /// How often the Agent ended itself.
    pub(crate) ended: usize,
}

/// Which services run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Services {
    pub(crate) nginx: bool,
    pub(crate) pdns: bool,
    pub(crate) phpd: bool,
}

struct Inner {
    world: Mutex<World>,
    files: Mutex<Files>,
    services: Mutex<Services>,
    /// The PHPs that are installed, the newest first.
    phps: Mutex<Vec<PhpVersion>>,
}

/// A server in memory. Clones are the same server.
#[derive(Clone)]
pub(crate) struct FakeHost {
    inner: Arc<Inner>,
    hook: Arc<dyn Hook>,
}

/// A hook that does nothing.
pub(crate) struct Quiet;

#[async_trait]
impl Hook for Quiet {
    async fn reach(&self, _: &str, _: bool, _: Moment) -> Result<(), HostError> {
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics with the fake host locked")
}

/// Whether the user is the account's.
fn is_of(seen: &UserSeen, user: &UserPlan) -> bool {
    seen.account == Some(user.account) && seen.uid == Some(user.uid.get())
}

fn taken<T>(what: impl Into<String>) -> Result<T, HostError> {
    Err(HostError::Taken { what: what.into() })
}

impl FakeHost {
    pub(crate) fn new() -> Self {
        let services = Services { nginx: true, pdns: true, phpd: true };
        let phps = ["8.4", "8.2"].map(|text| PhpVersion::parse(text).expect("a version")).to_vec();
        let inner = Inner { world: Mutex::default(), files: Mutex::default(), services: Mutex::new(services), phps: Mutex::new(phps) };
        Self { inner: Arc::new(inner), hook: Arc::new(Quiet) }
    }

    /// The same server, whose changing calls tell `hook` when they are half done.
    pub(crate) fn hooked(&self, hook: Arc<dyn Hook>) -> Self {
        Self { inner: self.inner.clone(), hook }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.inner.world)
    }

    pub(crate) fn files(&self) -> MutexGuard<'_, Files> {
        lock(&self.inner.files)
    }

    pub(crate) fn services(&self) -> MutexGuard<'_, Services> {
        lock(&self.inner.services)
    }

    pub(crate) fn phps(&self) -> MutexGuard<'_, Vec<PhpVersion>> {
        lock(&self.inner.phps)
    }

    async fn half(&self, call: &'static str) -> Result<(), HostError> {
        self.hook.reach(call, true, Moment::During).await
    }

    fn need(&self, part: &'static str, runs: impl Fn(&Services) -> bool) -> Result<(), HostError> {
        if runs(&self.services()) {
            Ok(())
        } else {
            Err(HostError::Unavailable { part, hint: format!("Start {part}."), source: "connection refused".into() })
        }
    }
}

#[async_trait]
impl Host for FakeHost {
    fn end_process(&self) {
        self.files().ended += 1;
    }

    async fn user(&self, username: &Username) -> Result<Option<UserSeen>, HostError> {
        Ok(self.world().users.get(username).cloned())
    }

    async fn owner(&self, username: &Username) -> Result<Option<(AccountId, u32)>, HostError> {
        Ok(self.world().users.get(username).and_then(|user| Some((user.account?, user.uid?))))
    }

    async fn uid_in_use(&self, uid: Uid) -> Result<bool, HostError> {
        let number = Some(uid.get());
        let world = self.world();
        Ok(world.processes.contains(&uid)
            || world.sessions.contains(&uid)
            || world.users.values().any(|user| user.uid == number || user.group == number))
    }

    async fn add_user(&self, user: &UserPlan, hash: &PasswordHash, expired: bool) -> Result<(), HostError> {
        {
            let mut world = self.world();
            if world.users.contains_key(&user.username) {
                return taken(format!("a user or group named {}", user.username));
            }
            let number = Some(user.uid.get());
            if world.users.values().any(|other| other.uid == number || other.group == number) {
                return Err(HostError::failed(format!("make the user {}", user.username))("its number is in use"));
            }
            // The line in passwd comes last; killed before, it leaves this.
            let half = UserSeen { uid: None, account: Some(user.account), group: number, shadow: None, expired: false, as_made: true };
            world.users.insert(user.username.clone(), half);
        }
        self.half("add_user").await?;
        if let Some(added) = self.world().users.get_mut(&user.username) {
            (added.uid, added.shadow, added.expired) = (Some(user.uid.get()), Some(hash.expose().into()), expired);
        }
        Ok(())
    }

    async fn set_password(&self, user: &UserPlan, hash: &PasswordHash) -> Result<(), HostError> {
        self.half("set_password").await?;
        match self.world().users.get_mut(&user.username) {
            Some(seen) if is_of(seen, user) => seen.shadow = Some(hash.expose().into()),
            _ => return taken(format!("another user {}", user.username)),
        }
        Ok(())
    }

    async fn remove_user(&self, user: &UserPlan) -> Result<(), HostError> {
        {
            let mut world = self.world();
            let Some(seen) = world.users.get_mut(&user.username) else { return Ok(()) };
            let number = Some(user.uid.get());
            let is_half = seen.uid.is_none() && seen.account == Some(user.account) && (seen.group.is_none() || seen.group == number);
            if !is_of(seen, user) && !is_half {
                return Ok(());
            }
            // The line in passwd goes first, and that in gshadow, which has the mark, last.
            (seen.uid, seen.shadow, seen.expired) = (None, None, false);
        }
        self.half("remove_user").await?;
        self.world().users.remove(&user.username);
        Ok(())
    }

    async fn mend_user(&self, user: &UserPlan, expired: bool) -> Result<(), HostError> {
        let ours = |world: &World| {
            let seen = world.users.get(&user.username);
            seen.is_some_and(|seen| seen.account == Some(user.account) && seen.uid == Some(user.uid.get()))
        };
        if !ours(&self.world()) {
            return taken(format!("another user {}", user.username));
        }
        self.half("mend_user").await?;
        if let Some(seen) = self.world().users.get_mut(&user.username) {
            (seen.as_made, seen.expired) = (true, expired);
        }
        Ok(())
    }

    async fn processes(&self, _: AccountId, uid: Uid) -> Result<ProcessesSeen, HostError> {
        let world = self.world();
        Ok(ProcessesSeen { sandboxed: world.processes.contains(&uid).into(), sessions: world.sessions.contains(&uid).into() })
    }

    async fn end_processes(&self, _: AccountId, uid: Uid) -> Result<(), HostError> {
        self.half("end_processes").await?;
        let mut world = self.world();
        world.processes.remove(&uid);
        world.sessions.remove(&uid);
        world.unseen.remove(&uid);
        Ok(())
    }

    async fn end_sessions(&self, _: AccountId, uid: Uid) -> Result<(), HostError> {
        self.half("end_sessions").await?;
        self.world().sessions.remove(&uid);
        Ok(())
    }

    async fn home(&self, home: &HomePlan) -> Result<HomeSeen, HostError> {
        let world = self.world();
        let (seen, number) = (world.homes.get(&home.username), home.uid.get());
        let ours = seen.is_some_and(|seen| seen.owner == number || seen.inside == number);
        let mut flaws: Vec<String> = Vec::new();
        if let Some(seen) = seen.filter(|_| ours) {
            flaws.extend(seen.flaws.iter().map(|flaw| (*flaw).to_owned()));
            flaws.extend((seen.owner != number).then(|| format!("it belongs to uid {}", seen.owner)));
            flaws.extend((!seen.roots.contains(&home.domain)).then(|| format!("{} is missing", home.domain)));
        }
        Ok(HomeSeen {
            owner: seen.map(|seen| seen.owner),
            ours,
            flaws,
            staged: world.staged_homes.contains(&home.account),
            kept: world.trash.get(&home.account).is_some_and(|trash| trash.home.is_some()),
            trashed: world.trash.contains_key(&home.account)
                || world.reserves.contains(&home.account)
                || world.deleting.contains(&home.account),
        })
    }

    async fn add_home(&self, home: &HomePlan) -> Result<(), HostError> {
        self.world().staged_homes.insert(home.account);
        self.half("add_home").await?;
        let mut world = self.world();
        world.staged_homes.remove(&home.account);
        if world.homes.contains_key(&home.username) {
            return taken(format!("/home/{}", home.username));
        }
        let number = home.uid.get();
        let new = FakeHome { owner: number, inside: number, flaws: BTreeSet::new(), roots: vec![home.domain.clone()] };
        world.homes.insert(home.username.clone(), new);
        world.reserves.insert(home.account);
        Ok(())
    }

    async fn mend_home(&self, home: &HomePlan) -> Result<(), HostError> {
        if !self.home(home).await?.ours {
            return taken(format!("/home/{}", home.username));
        }
        self.half("mend_home").await?;
        if let Some(seen) = self.world().homes.get_mut(&home.username) {
            seen.owner = home.uid.get();
            seen.flaws.clear();
            if !seen.roots.contains(&home.domain) {
                seen.roots.push(home.domain.clone());
            }
        }
        self.world().reserves.insert(home.account);
        Ok(())
    }

    async fn keep_home(&self, home: &HomePlan) -> Result<(), HostError> {
        if !self.home(home).await?.ours {
            return Ok(());
        }
        self.world().trash.entry(home.account).or_default();
        self.half("keep_home").await?;
        let mut world = self.world();
        let moved = world.homes.remove(&home.username);
        world.trash.entry(home.account).or_default().home = moved;
        Ok(())
    }

    async fn discard_home(&self, home: &HomePlan) -> Result<(), HostError> {
        if self.home(home).await?.ours {
            self.half("discard_home").await?;
            let mut world = self.world();
            world.homes.remove(&home.username);
            world.deleting.insert(home.account);
        }
        Ok(())
    }

    async fn restore_home(&self, home: &HomePlan, domain_before: &DomainName) -> Result<(), HostError> {
        let missing = || HostError::failed(format!("put the home of {} back", home.username))("no such directory");
        if *domain_before != home.domain
            && let Some(kept) = self.world().trash.get_mut(&home.account).and_then(|trash| trash.home.as_mut())
            && !kept.roots.contains(&home.domain)
        {
            kept.roots.push(home.domain.clone());
        }
        self.half("restore_home").await?;
        let mut world = self.world();
        if world.homes.contains_key(&home.username) {
            return taken(format!("/home/{}", home.username));
        }
        let kept = world.trash.get_mut(&home.account).and_then(|trash| trash.home.take()).ok_or_else(missing)?;
        world.homes.insert(home.username.clone(), kept);
        Ok(())
    }

    async fn remove_home(&self, home: &HomePlan) -> Result<(), HostError> {
        let ours = self.home(home).await?.ours;
        {
            let mut world = self.world();
            world.staged_homes.remove(&home.account);
            world.deleting.remove(&home.account);
            let moved = ours && world.homes.remove(&home.username).is_some();
            let reserve = world.reserves.remove(&home.account);
            if world.trash.remove(&home.account).is_some() || reserve || moved {
                world.deleting.insert(home.account);
            }
        }
        self.half("remove_home").await?;
        self.world().deleting.remove(&home.account);
        Ok(())
    }

    async fn disk_usage(&self, username: &Username, uid: Uid, _: Haste) -> Result<DiskSeen, HostError> {
        match self.world().homes.get(username) {
            Some(home) if home.owner == uid.get() => Ok(DiskSeen { bytes: 8192, files: 5, at_least: false }),
            _ => Err(HostError::failed(format!("measure the home of {username}"))("it is not there, or another's")),
        }
    }

    async fn keepsake(&self, account: AccountId) -> Result<KeepsakeSeen, HostError> {
        let world = self.world();
        let trash = world.trash.get(&account);
        Ok(KeepsakeSeen {
            whole: trash.is_some_and(|trash| trash.spec.is_some()),
            zone: trash.is_some_and(|trash| trash.zone.is_some()),
            any: trash.is_some() || world.deleting.contains(&account),
        })
    }

    async fn write_keepsake(&self, account: AccountId, spec: &str, domain: &DomainName) -> Result<(), HostError> {
        self.need("PowerDNS", |services| services.pdns)?;
        let zone = self.world().zones.get(domain).filter(|zone| zone.account == Some(account)).map(|zone| zone.records.clone());
        if let Some(zone) = zone {
            self.world().trash.entry(account).or_default().zone = Some(zone);
        }
        self.half("write_keepsake").await?;
        self.world().trash.entry(account).or_default().spec = Some(spec.to_owned());
        Ok(())
    }

    async fn remove_keepsake(&self, account: AccountId) -> Result<(), HostError> {
        {
            let mut world = self.world();
            if world.trash.remove(&account).is_some() {
                world.deleting.insert(account);
            }
        }
        self.half("remove_keepsake").await?;
        let mut world = self.world();
        world.deleting.remove(&account);
        world.reserves.insert(account);
        Ok(())
    }

    async fn reserve_keepsake(&self, account: AccountId) -> Result<(), HostError> {
        self.half("reserve_keepsake").await?;
        self.world().reserves.insert(account);
        Ok(())
    }

    async fn logs(&self, account: AccountId, username: &Username) -> Result<LogsSeen, HostError> {
        let world = self.world();
        let seen = world.logs.get(username);
        Ok(LogsSeen {
            there: seen.is_some(),
            account: seen.and_then(|(mark, _)| *mark),
            staged: world.staged_logs.contains(&account),
            kept: world.kept_logs.contains(&account),
            flawed: seen.is_some_and(|(_, as_made)| !as_made),
        })
    }

    async fn add_logs(&self, account: AccountId, username: &Username, _: Uid) -> Result<(), HostError> {
        self.world().staged_logs.insert(account);
        self.half("add_logs").await?;
        let mut world = self.world();
        world.staged_logs.remove(&account);
        if world.logs.contains_key(username) {
            return taken(format!("the logs of {username}"));
        }
        world.logs.insert(username.clone(), (Some(account), true));
        Ok(())
    }

    async fn mend_logs(&self, account: AccountId, username: &Username, _: Uid) -> Result<(), HostError> {
        match self.world().logs.get_mut(username) {
            Some((mark, as_made)) if *mark == Some(account) => *as_made = true,
            _ => return taken(format!("the logs of {username}")),
        }
        Ok(())
    }

    async fn keep_logs(&self, account: AccountId, username: &Username) -> Result<(), HostError> {
        let mut world = self.world();
        if world.logs.get(username).is_some_and(|(mark, _)| *mark == Some(account)) {
            world.logs.remove(username);
            world.kept_logs.insert(account);
        }
        Ok(())
    }

    async fn restore_logs(&self, account: AccountId, username: &Username, _: Uid) -> Result<(), HostError> {
        let mut world = self.world();
        if world.logs.contains_key(username) {
            return taken(format!("the logs of {username}"));
        }
        if !world.kept_logs.remove(&account) {
            return Err(HostError::failed(format!("put the logs of {username} back"))("no such directory"));
        }
        world.logs.insert(username.clone(), (Some(account), true));
        Ok(())
    }

    async fn remove_logs(&self, account: AccountId, username: &Username) -> Result<(), HostError> {
        {
            let mut world = self.world();
            world.staged_logs.remove(&account);
            let mut staged = world.kept_logs.remove(&account);
            if world.logs.get(username).is_some_and(|(mark, _)| *mark == Some(account)) {
                world.logs.remove(username);
                staged = true;
            }
            if staged {
                world.staged_logs.insert(account);
            }
        }
        self.half("remove_logs").await?;
        self.world().staged_logs.remove(&account);
        Ok(())
    }

    async fn site(&self, site: &DomainName) -> Result<Option<SiteSeen>, HostError> {
        Ok(self.world().sites.get(site).cloned())
    }

    async fn put_site(&self, entry: &EntryPlan) -> Result<(), HostError> {
        let theirs = |world: &World| world.sites.get(&entry.site).is_some_and(|seen| seen.account != Some(entry.account));
        {
            let mut world = self.world();
            if theirs(&world) {
                return taken(format!("a site {}", entry.site));
            }
            world.entries.insert(entry.account);
        }
        self.half("put_site").await?;
        let mut world = self.world();
        if theirs(&world) {
            return taken(format!("a site {}", entry.site));
        }
        world.sites.insert(entry.site.clone(), SiteSeen { entry: Some(entry.clone()), account: Some(entry.account) });
        Ok(())
    }

    async fn hold_site(&self, entry: &EntryPlan) -> Result<(), HostError> {
        self.half("hold_site").await?;
        match self.world().sites.get_mut(&entry.site) {
            Some(SiteSeen { entry: Some(seen), account }) if *account == Some(entry.account) => seen.suspended = entry.suspended,
            _ => return taken(format!("another site {}", entry.site)),
        }
        Ok(())
    }

    async fn has_entries(&self, account: AccountId) -> Result<bool, HostError> {
        Ok(self.world().entries.contains(&account))
    }

    async fn remove_site(&self, account: AccountId, site: &DomainName) -> Result<(), HostError> {
        {
            let mut world = self.world();
            if world.sites.get(site).is_some_and(|seen| seen.account == Some(account)) {
                world.sites.remove(site);
            }
        }
        self.half("remove_site").await?;
        self.world().entries.remove(&account);
        Ok(())
    }

    async fn pool(&self, account: AccountId, pool: &PoolName) -> Result<Option<PoolSeen>, HostError> {
        self.need("phpd", |services| services.phpd)?;
        let spec = self.world().pools.get(&(account, pool.clone())).cloned();
        let installed = self.phps().clone();
        Ok(spec.map(|spec| {
            let runs = spec.php_version.pick(&installed).cloned();
            PoolSeen { spec, state: PoolState::Asleep, listening: true, saved: true, master_pid: None, last_failure: None, runs }
        }))
    }

    async fn php_versions(&self) -> Result<Option<Vec<PhpVersion>>, HostError> {
        self.need("phpd", |services| services.phpd)?;
        Ok(Some(self.phps().clone()))
    }

    async fn put_pool(&self, pool: &PoolSpec) -> Result<(), HostError> {
        self.need("phpd", |services| services.phpd)?;
        self.half("put_pool").await?;
        self.world().pools.insert((pool.account_id, pool.pool.clone()), pool.clone());
        Ok(())
    }

    async fn remove_pool(&self, account: AccountId, pool: &PoolName) -> Result<(), HostError> {
        self.need("phpd", |services| services.phpd)?;
        self.half("remove_pool").await?;
        let removed = self.world().pools.remove(&(account, pool.clone()));
        if let Some(spec) = removed {
            self.world().processes.remove(&spec.uid);
        }
        Ok(())
    }

    async fn zone(&self, domain: &DomainName) -> Result<Option<ZoneSeen>, HostError> {
        self.need("PowerDNS", |services| services.pdns)?;
        Ok(self.world().zones.get(domain).cloned())
    }

    async fn add_zone(&self, zone: &ZonePlan) -> Result<(), HostError> {
        self.need("PowerDNS", |services| services.pdns)?;
        self.half("add_zone").await?;
        let mut world = self.world();
        if world.zones.contains_key(&zone.domain) {
            return taken(format!("a DNS zone {}", zone.domain));
        }
        world.zones.insert(zone.domain.clone(), ZoneSeen { account: Some(zone.account), records: zone.records.clone() });
        Ok(())
    }

    async fn restore_zone(&self, zone: &ZonePlan) -> Result<(), HostError> {
        self.need("PowerDNS", |services| services.pdns)?;
        self.half("restore_zone").await?;
        let mut world = self.world();
        if world.zones.contains_key(&zone.domain) {
            return taken(format!("a DNS zone {}", zone.domain));
        }
        let kept = world.trash.get(&zone.account).and_then(|trash| trash.zone.clone());
        let records = kept.ok_or_else(|| HostError::failed("read the records that were kept")("there are none"))?;
        world.zones.insert(zone.domain.clone(), ZoneSeen { account: Some(zone.account), records });
        Ok(())
    }

    async fn mend_zone(&self, zone: &ZonePlan) -> Result<(), HostError> {
        self.need("PowerDNS", |services| services.pdns)?;
        self.half("mend_zone").await?;
        let mut world = self.world();
        let Some(seen) = world.zones.get_mut(&zone.domain) else {
            return Err(HostError::failed(format!("correct the DNS zone {}", zone.domain))("there is none"));
        };
        let planned = |set: &RecordSet| zone.records.iter().any(|planned| planned.name == set.name && planned.kind == set.kind);
        seen.records.retain(|set| !planned(set) && !zone.contradicts(set));
        seen.records.extend(zone.records.iter().cloned());
        Ok(())
    }

    async fn remove_zone(&self, account: AccountId, domain: &DomainName) -> Result<(), HostError> {
        self.need("PowerDNS", |services| services.pdns)?;
        self.half("remove_zone").await?;
        let mut world = self.world();
        if world.zones.get(domain).is_some_and(|zone| zone.account == Some(account)) {
            world.zones.remove(domain);
        }
        Ok(())
    }

    async fn web_server(&self) -> Result<(), HostError> {
        self.need("nginx", |services| services.nginx)
    }

    async fn ping(&self, site: &DomainName) -> Result<String, HostError> {
        self.need("nginx", |services| services.nginx)?;
        self.need("phpd", |services| services.phpd)?;
        let mut world = self.world();
        let entry = world.sites.get(site).and_then(|seen| seen.entry.clone()).filter(|entry| !entry.suspended);
        let pool = entry.and_then(|entry| world.pools.get(&(entry.account, entry.pool)).cloned());
        match pool {
            Some(pool) => {
                world.processes.insert(pool.uid);
                Ok(pool.ping_response())
            }
            None => Err(HostError::failed(format!("see {site} answered through nginx"))("nginx answered 404 Not Found")),
        }
    }

    async fn visit(&self, site: &DomainName) -> Result<u16, HostError> {
        self.need("nginx", |services| services.nginx)?;
        Ok(match self.world().sites.get(site) {
            None => 404,
            Some(SiteSeen { entry: Some(entry), .. }) if entry.suspended => 503,
            Some(_) => 200,
        })
    }

    async fn ask_soa(&self, domain: &DomainName) -> Result<String, HostError> {
        self.need("PowerDNS", |services| services.pdns)?;
        let soa = self.world().zones.get(domain).and_then(|zone| {
            let soa = zone.records.iter().find(|set| set.kind == "SOA")?;
            Some(soa.contents.first()?.split(' ').next()?.trim_end_matches('.').to_owned())
        });
        soa.ok_or_else(|| HostError::failed(format!("ask for {domain}"))("REFUSED"))
    }

    async fn ask_a(&self, domain: &DomainName) -> Result<BTreeSet<Ipv4Addr>, HostError> {
        self.need("PowerDNS", |services| services.pdns)?;
        let name = format!("{domain}.");
        let world = self.world();
        let sets = world.zones.get(domain).map(|zone| &zone.records);
        let set = sets.and_then(|sets| sets.iter().find(|set| set.kind == "A" && set.name == name));
        Ok(set.map(|set| set.contents.iter().filter_map(|address| address.parse().ok()).collect()).unwrap_or_default())
    }

    async fn begin_journal(&self, operation: OperationId, line: &str, room: Room) -> Result<(), HostError> {
        {
            let mut files = self.files();
            if files.journals.contains_key(&operation) {
                return taken(format!("the journal {operation}.jsonl"));
            }
            if files.full {
                if room == Room::Ordinary || files.spares == 0 {
                    return Err(HostError::failed(format!("announce the operation {operation}"))("no space left on device"));
                }
                files.spares -= 1;
            }
        }
        // Written, and without its name until it is whole.
        self.half("begin_journal").await?;
        self.files().journals.insert(operation, line.to_owned());
        Ok(())
    }

    async fn append_journal(&self, operation: OperationId, line: &str) -> Result<(), HostError> {
        let found = self.files().journals.get(&operation).cloned();
        let Some(found) = found else { return Err(HostError::failed("write to a journal")("there is none")) };
        // What a kill left of a line has not happened, and is cut off.
        let before = found[..found.rfind('\n').map_or(0, |end| end + 1)].to_owned();
        self.files().journals.insert(operation, format!("{before}{}", &line[..line.len() / 2]));
        // A write that fails takes its half line back; one that is killed leaves it.
        if let Err(error) = self.half("append_journal").await {
            self.files().journals.insert(operation, before);
            return Err(error);
        }
        self.files().journals.insert(operation, format!("{before}{line}"));
        Ok(())
    }

    async fn keep_spare_journals(&self) -> Result<(), HostError> {
        let mut files = self.files();
        if !files.full {
            files.spares = 8;
        }
        Ok(())
    }

    async fn journals(&self) -> Result<Vec<(OperationId, Stored)>, HostError> {
        Ok(self.files().journals.iter().map(|(id, text)| (*id, Ok(text.clone().into_bytes()))).collect())
    }

    async fn remove_journal(&self, operation: OperationId) -> Result<(), HostError> {
        self.files().journals.remove(&operation);
        Ok(())
    }

    async fn add_never(&self, operation: OperationId) -> Result<(), HostError> {
        // It has its name before that is on the disk for certain.
        self.files().nevers.entry(operation).or_default();
        self.half("add_never").await
    }

    async fn acknowledge_never(&self, operation: OperationId, at: Micros) -> Result<(), HostError> {
        if !self.files().nevers.contains_key(&operation) {
            return Err(HostError::failed("acknowledge what never begins")("there is none"));
        }
        self.half("acknowledge_never").await?;
        self.files().nevers.insert(operation, Some(at));
        Ok(())
    }

    async fn nevers(&self) -> Result<Vec<(OperationId, Option<Micros>)>, HostError> {
        Ok(self.files().nevers.iter().map(|(id, at)| (*id, *at)).collect())
    }

    async fn remove_never(&self, operation: OperationId) -> Result<(), HostError> {
        self.half("remove_never").await?;
        self.files().nevers.remove(&operation);
        Ok(())
    }

    async fn write_account(&self, account: AccountId, json: &str) -> Result<(), HostError> {
        self.half("write_account").await?;
        self.files().accounts.insert(account, json.to_owned());
        Ok(())
    }

    async fn account(&self, account: AccountId) -> Result<Option<String>, HostError> {
        Ok(self.files().accounts.get(&account).cloned())
    }

    async fn accounts(&self) -> Result<Vec<(AccountId, Stored)>, HostError> {
        Ok(self.files().accounts.iter().map(|(id, text)| (*id, Ok(text.clone().into_bytes()))).collect())
    }

    async fn kept_uids(&self) -> Result<BTreeSet<u32>, HostError> {
        Ok(self.world().trash.values().filter_map(|trash| trash.home.as_ref()).map(|home| home.owner).collect())
    }

    async fn append_head(&self, line: &str) -> Result<(), HostError> {
        let before = self.files().heads.clone();
        let whole = if before.is_empty() || before.ends_with('\n') { before.clone() } else { format!("{before}\n") };
        self.files().heads = format!("{whole}{}", &line[..line.len() / 2]);
        if let Err(error) = self.half("append_head").await {
            self.files().heads = before;
            return Err(error);
        }
        self.files().heads = format!("{whole}{line}");
        Ok(())
    }

    async fn replace_heads(&self, text: &str) -> Result<(), HostError> {
        self.half("replace_heads").await?;
        text.clone_into(&mut self.files().heads);
        Ok(())
    }

    async fn heads(&self) -> Result<String, HostError> {
        Ok(self.files().heads.clone())
    }

    async fn was_cut_off(&self) -> Result<bool, HostError> {
        Ok(std::mem::take(&mut self.files().cut_off))
    }

    async fn pages(&self) -> Result<Option<Pages>, HostError> {
        Ok(self.files().pages.clone())
    }

    async fn put_pages(&self, pages: &Pages) -> Result<(), HostError> {
        self.half("put_pages").await?;
        self.files().pages = Some(pages.clone());
        Ok(())
    }

    async fn traffic_this_month(&self, only: Option<AccountId>) -> Result<(String, BTreeMap<AccountId, u64>), HostError> {
        let mut traffic = self.files().traffic.clone();
        traffic.retain(|account, _| only.is_none_or(|only| only == *account));
        Ok(("2026-10".to_owned(), traffic))
    }

    async fn condition(&self) -> Result<Condition, HostError> {
        let services = *self.services();
        let part = |name: &str, ok| PartHealth { name: name.to_owned(), ok, detail: String::new(), hint: None };
        Ok(Condition {
            parts: vec![part("nginx", services.nginx), part("PowerDNS", services.pdns), part("phpd", services.phpd)],
            enforcement: Vec::new(),
            cgroup_level: Some(CgroupLevel::Tree),
            php_versions: self.php_versions().await.unwrap_or_else(|_| Some(Vec::new())),
        })
    }

    async fn load(&self) -> Result<Option<Load>, HostError> {
        Ok(None)
    }
}
