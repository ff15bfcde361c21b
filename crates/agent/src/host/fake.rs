//! A server in memory, with the semantics of the real one: what is exclusive there is exclusive here, and what can be cut short there
//! can be cut short here, half-way through.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use opterius_model::{AccountId, DomainName, OperationId, PasswordHash, PoolName, Uid, Username};
use opterius_protocol::agent::{Enforcement, PartHealth};
use opterius_protocol::phpd::{PoolSpec, PoolState};

use super::{
    EntryPlan, HomePlan, HomeSeen, Hook, Host, HostError, LogsSeen, Moment, NewUser, PoolSeen, SiteSeen, UserSeen, ZonePlan, ZoneSeen,
};

/// Everything that is on the server. What the Agent writes for itself is apart, so that two servers can be compared without it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct World {
    pub(crate) users: BTreeMap<Username, UserSeen>,
    /// Owner and mode of `/home/<name>`.
    pub(crate) homes: BTreeMap<Username, (u32, u32)>,
    pub(crate) staged_homes: BTreeSet<AccountId>,
    pub(crate) trashed_homes: BTreeSet<AccountId>,
    /// The mark of each directory of logs.
    pub(crate) logs: BTreeMap<Username, Option<AccountId>>,
    pub(crate) staged_logs: BTreeSet<AccountId>,
    pub(crate) sites: BTreeMap<DomainName, SiteSeen>,
    pub(crate) entries: BTreeSet<AccountId>,
    pub(crate) pools: BTreeMap<(AccountId, PoolName), PoolSpec>,
    pub(crate) zones: BTreeMap<DomainName, ZoneSeen>,
    /// Uids with processes.
    pub(crate) processes: BTreeSet<Uid>,
}

/// The Agent's own files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files {
    pub(crate) journals: BTreeMap<OperationId, String>,
    pub(crate) accounts: BTreeMap<AccountId, String>,
    pub(crate) cut_off: bool,
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
    async fn reach(&self, _: &'static str, _: bool, _: Moment) -> Result<(), HostError> {
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics with the fake host locked")
}

fn taken<T>(what: impl Into<String>) -> Result<T, HostError> {
    Err(HostError::Taken { what: what.into() })
}

impl FakeHost {
    pub(crate) fn new() -> Self {
        let services = Services { nginx: true, pdns: true, phpd: true };
        let inner = Inner { world: Mutex::default(), files: Mutex::default(), services: Mutex::new(services) };
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
    async fn user(&self, username: &Username) -> Result<Option<UserSeen>, HostError> {
        Ok(self.world().users.get(username).cloned())
    }

    async fn uid_in_use(&self, uid: Uid) -> Result<bool, HostError> {
        let number = Some(uid.get());
        let world = self.world();
        Ok(world.processes.contains(&uid) || world.users.values().any(|user| user.uid == number || user.group == number))
    }

    async fn add_user(&self, user: &NewUser) -> Result<(), HostError> {
        {
            let mut world = self.world();
            if world.users.contains_key(&user.username) {
                return taken(format!("a user or group named {}", user.username));
            }
            // groupadd comes first, and useradd writes passwd before shadow; killed in between, it leaves this.
            let half = UserSeen { uid: Some(user.uid.get()), account: Some(user.account), group: Some(user.uid.get()), shadow: None };
            world.users.insert(user.username.clone(), half);
        }
        self.half("add_user").await?;
        if let Some(added) = self.world().users.get_mut(&user.username) {
            added.shadow = Some("!".to_owned());
        }
        Ok(())
    }

    async fn set_password(&self, username: &Username, hash: &PasswordHash) -> Result<(), HostError> {
        self.half("set_password").await?;
        match self.world().users.get_mut(username) {
            Some(user) => user.shadow = Some(hash.expose().to_owned()),
            None => return Err(HostError::failed(format!("set the password of {username}"))("no such user")),
        }
        Ok(())
    }

    async fn remove_user(&self, username: &Username, uid: Uid) -> Result<(), HostError> {
        {
            let mut world = self.world();
            let Some(user) = world.users.get_mut(username) else { return Ok(()) };
            if user.uid.is_some_and(|found| found != uid.get()) || user.group.is_some_and(|found| found != uid.get()) {
                return Ok(());
            }
            if user.group.is_none() {
                world.users.remove(username);
                return Ok(());
            }
            (user.uid, user.account, user.shadow) = (None, None, None);
        }
        self.half("remove_user").await?;
        self.world().users.remove(username);
        Ok(())
    }

    async fn end_processes(&self, uid: Uid) -> Result<(), HostError> {
        self.half("end_processes").await?;
        self.world().processes.remove(&uid);
        Ok(())
    }

    async fn home(&self, account: AccountId, username: &Username) -> Result<HomeSeen, HostError> {
        let world = self.world();
        Ok(HomeSeen {
            home: world.homes.get(username).copied(),
            staged: world.staged_homes.contains(&account),
            trashed: world.trashed_homes.contains(&account),
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
        world.homes.insert(home.username.clone(), (home.uid.get(), 0o711));
        Ok(())
    }

    async fn mend_home(&self, username: &Username, uid: Uid) -> Result<(), HostError> {
        match self.world().homes.get_mut(username) {
            Some(home) if home.0 == uid.get() => home.1 = 0o711,
            _ => return taken(format!("/home/{username}")),
        }
        Ok(())
    }

    async fn remove_home(&self, account: AccountId, username: &Username, uid: Uid) -> Result<(), HostError> {
        {
            let mut world = self.world();
            world.staged_homes.remove(&account);
            world.trashed_homes.remove(&account);
            if world.homes.get(username).is_some_and(|(owner, _)| *owner == uid.get()) {
                world.homes.remove(username);
                world.trashed_homes.insert(account);
            }
        }
        self.half("remove_home").await?;
        self.world().trashed_homes.remove(&account);
        Ok(())
    }

    async fn logs(&self, account: AccountId, username: &Username) -> Result<LogsSeen, HostError> {
        let world = self.world();
        let mark = world.logs.get(username);
        Ok(LogsSeen { there: mark.is_some(), account: mark.copied().flatten(), staged: world.staged_logs.contains(&account) })
    }

    async fn add_logs(&self, account: AccountId, username: &Username, _: Uid) -> Result<(), HostError> {
        self.world().staged_logs.insert(account);
        self.half("add_logs").await?;
        let mut world = self.world();
        world.staged_logs.remove(&account);
        if world.logs.contains_key(username) {
            return taken(format!("the logs of {username}"));
        }
        world.logs.insert(username.clone(), Some(account));
        Ok(())
    }

    async fn remove_logs(&self, account: AccountId, username: &Username) -> Result<(), HostError> {
        {
            let mut world = self.world();
            world.staged_logs.remove(&account);
            if world.logs.get(username) == Some(&Some(account)) {
                world.logs.remove(username);
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
        Ok(spec.map(|spec| PoolSeen { spec, state: PoolState::Asleep, listening: true, master_pid: None, last_failure: None }))
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

    async fn mend_zone(&self, zone: &ZonePlan) -> Result<(), HostError> {
        self.need("PowerDNS", |services| services.pdns)?;
        self.half("mend_zone").await?;
        if let Some(seen) = self.world().zones.get_mut(&zone.domain) {
            seen.records.clone_from(&zone.records);
        }
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
        let entry = world.sites.get(site).and_then(|seen| seen.entry.clone());
        let pool = entry.and_then(|entry| world.pools.get(&(entry.account, entry.pool)).cloned());
        match pool {
            Some(pool) => {
                world.processes.insert(pool.uid);
                Ok(pool.ping_response())
            }
            None => Err(HostError::failed(format!("see {site} answered through nginx"))("nginx answered 404 Not Found")),
        }
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

    async fn begin_journal(&self, operation: OperationId, line: &str) -> Result<(), HostError> {
        // Written, and not yet fsynced with its end.
        self.files().journals.insert(operation, line[..line.len() / 2].to_owned());
        self.half("begin_journal").await?;
        self.files().journals.insert(operation, line.to_owned());
        Ok(())
    }

    async fn append_journal(&self, operation: OperationId, line: &str) -> Result<(), HostError> {
        let before = self.files().journals.get(&operation).cloned();
        let Some(before) = before else { return Err(HostError::failed("write to a journal")("there is none")) };
        self.files().journals.insert(operation, format!("{before}{}", &line[..line.len() / 2]));
        // A write that fails takes its half line back; one that is killed leaves it.
        if let Err(error) = self.half("append_journal").await {
            self.files().journals.insert(operation, before);
            return Err(error);
        }
        self.files().journals.insert(operation, format!("{before}{line}"));
        Ok(())
    }

    async fn journals(&self) -> Result<Vec<(OperationId, String)>, HostError> {
        Ok(self.files().journals.iter().map(|(id, text)| (*id, text.clone())).collect())
    }

    async fn remove_journal(&self, operation: OperationId) -> Result<(), HostError> {
        self.files().journals.remove(&operation);
        Ok(())
    }

    async fn write_account(&self, account: AccountId, json: &str) -> Result<(), HostError> {
        self.half("write_account").await?;
        self.files().accounts.insert(account, json.to_owned());
        Ok(())
    }

    async fn accounts(&self) -> Result<Vec<(AccountId, String)>, HostError> {
        Ok(self.files().accounts.iter().map(|(id, text)| (*id, text.clone())).collect())
    }

    async fn was_cut_off(&self) -> Result<bool, HostError> {
        Ok(std::mem::take(&mut self.files().cut_off))
    }

    async fn parts(&self) -> Result<Vec<PartHealth>, HostError> {
        let services = *self.services();
        let part = |name: &str, ok| PartHealth { name: name.to_owned(), ok, detail: String::new(), hint: None };
        Ok(vec![part("nginx", services.nginx), part("PowerDNS", services.pdns), part("phpd", services.phpd)])
    }

    async fn enforcement(&self) -> Result<Vec<Enforcement>, HostError> {
        Ok(Vec::new())
    }
}
