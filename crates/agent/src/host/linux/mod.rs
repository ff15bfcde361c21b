//! The real host: the files of users and groups, the file system, phpd, nginx and PowerDNS.

mod commands;
mod disk;
mod dns;
mod homes;
mod journal;
mod logs;
mod pages;
mod parts;
mod php;
mod processes;
mod sites;
mod trash;
mod tree;
mod users;
mod web;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use opterius_model::{AccountId, DomainName, OperationId, Pages, PasswordHash, PhpVersion, PoolName, Uid, Username};
use opterius_protocol::Micros;
use opterius_protocol::agent::Load;
use opterius_protocol::phpd::PoolSpec;
use tokio::sync::Semaphore;

pub use journal::farewell;

use super::{
    Condition, DiskSeen, EntryPlan, Haste, HomePlan, HomeSeen, Host, HostError, KeepsakeSeen, LogsSeen, PoolSeen, ProcessesSeen, Room,
    SiteSeen, Stored, UserPlan, UserSeen, ZonePlan, ZoneSeen,
};
use crate::config::Config;

/// Runs blocking work on the file system where it holds up nobody else.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, HostError> + Send + 'static) -> Result<T, HostError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| Err(HostError::failed("finish a task of the Agent")(panic)))
}

/// The same for work of which only so many are done at once. The turn is over with the work, whatever becomes of the caller.
async fn blocking_in_turn<T: Send + 'static>(
    turns: &'static Semaphore,
    work: impl FnOnce() -> Result<T, HostError> + Send + 'static,
) -> Result<T, HostError> {
    let turn = turns.acquire().await.map_err(HostError::failed("wait for a turn"))?;
    blocking(move || {
        let _turn = turn;
        work()
    })
    .await
}

/// Deletions take as long as a customer's files are many. Only so many are done at once, each in a thread of its own, so that the threads of all
/// other work stay free.
static DELETIONS: Semaphore = Semaphore::const_new(8);

async fn deleting<T: Send + 'static>(work: impl FnOnce() -> Result<T, HostError> + Send + 'static) -> Result<T, HostError> {
    let turn = DELETIONS.acquire().await.map_err(HostError::failed("wait for a turn"))?;
    let work = move || {
        let _turn = turn;
        work()
    };
    in_a_thread(Haste::Waited, work).await
}

/// Runs blocking work that may take long in a thread of its own; where nobody waits, behind whatever else wants the processor. The kernel
/// derives the priority of a thread's reads from that as long as it has no other: the lowest before idle.
async fn in_a_thread<T: Send + 'static>(
    haste: Haste,
    work: impl FnOnce() -> Result<T, HostError> + Send + 'static,
) -> Result<T, HostError> {
    let (done, result) = tokio::sync::oneshot::channel();
    let work = move || {
        if haste == Haste::Leisurely {
            // To the kernel every thread is a process; a thread that may not be polite works all the same.
            let _ = rustix::process::setpriority_process(None, 19);
        }
        let _ = done.send(work());
    };
    let thread = std::thread::Builder::new().name("long work".to_owned()).spawn(work);
    thread.map_err(HostError::failed("start a thread"))?;
    result.await.unwrap_or_else(|panic| Err(HostError::failed("finish a task of the Agent")(panic)))
}

/// The server that this process runs on.
pub struct LinuxHost {
    paths: Paths,
    users: users::Users,
    dns: dns::PowerDns,
    php: php::Phpd,
    web: web::Nginx,
}

/// Where things are. Only the contract test has them anywhere but in `docs/ARCHITECTURE.md`'s places.
#[derive(Debug, Clone)]
pub struct Paths {
    /// `/etc`: passwd, shadow, group, gshadow.
    pub etc: PathBuf,
    /// `/home`.
    pub homes: PathBuf,
    /// `/var/lib/opterius`: entries, sites, staging.
    pub web: PathBuf,
    /// `/var/log/opterius`.
    pub logs: PathBuf,
    /// `/var/lib/opterius-agent`.
    pub state: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            etc: "/etc".into(),
            homes: "/home".into(),
            web: "/var/lib/opterius".into(),
            logs: "/var/log/opterius".into(),
            state: "/var/lib/opterius-agent".into(),
        }
    }
}

impl LinuxHost {
    /// A host with its services as `config` says.
    pub fn new(config: &Config, paths: Paths) -> Self {
        Self {
            users: users::Users::new(paths.etc.clone()),
            dns: dns::PowerDns::new(config),
            php: php::Phpd::new(config),
            web: web::Nginx::new(config),
            paths,
        }
    }
}

#[async_trait]
impl Host for LinuxHost {
    fn end_process(&self) {
        std::process::abort();
    }

    async fn user(&self, username: &Username) -> Result<Option<UserSeen>, HostError> {
        self.users.see(username).await
    }

    async fn owner(&self, username: &Username) -> Result<Option<(AccountId, u32)>, HostError> {
        self.users.owner(username).await
    }

    async fn uid_in_use(&self, uid: Uid) -> Result<bool, HostError> {
        self.users.uid_in_use(uid).await
    }

    async fn add_user(&self, user: &UserPlan, hash: &PasswordHash, expired: bool) -> Result<(), HostError> {
        self.users.add(user, hash, expired).await
    }

    async fn set_password(&self, user: &UserPlan, hash: &PasswordHash) -> Result<(), HostError> {
        self.users.set_password(user, hash).await
    }

    async fn remove_user(&self, user: &UserPlan) -> Result<(), HostError> {
        self.users.remove(user).await
    }

    async fn mend_user(&self, user: &UserPlan, expired: bool) -> Result<(), HostError> {
        self.users.mend(user, expired).await
    }

    async fn processes(&self, account: AccountId, uid: Uid) -> Result<ProcessesSeen, HostError> {
        blocking_in_turn(&processes::LOOKS, move || processes::see(account, uid)).await
    }

    async fn end_processes(&self, account: AccountId, uid: Uid) -> Result<(), HostError> {
        processes::end_all(account, uid).await
    }

    async fn end_sessions(&self, account: AccountId, uid: Uid) -> Result<(), HostError> {
        processes::end_sessions(account, uid).await
    }

    async fn home(&self, home: &HomePlan) -> Result<HomeSeen, HostError> {
        let (paths, home) = (self.paths.clone(), home.clone());
        blocking(move || homes::see(&paths, &home)).await
    }

    async fn add_home(&self, home: &HomePlan) -> Result<(), HostError> {
        let (paths, home) = (self.paths.clone(), home.clone());
        blocking(move || homes::add(&paths, &home)).await
    }

    async fn mend_home(&self, home: &HomePlan) -> Result<(), HostError> {
        let (paths, home) = (self.paths.clone(), home.clone());
        blocking(move || homes::mend(&paths, &home)).await
    }

    async fn keep_home(&self, home: &HomePlan) -> Result<(), HostError> {
        let (paths, home) = (self.paths.clone(), home.clone());
        blocking(move || homes::keep(&paths, &home)).await
    }

    async fn discard_home(&self, home: &HomePlan) -> Result<(), HostError> {
        let (paths, home) = (self.paths.clone(), home.clone());
        deleting(move || homes::discard(&paths, &home)).await
    }

    async fn restore_home(&self, home: &HomePlan, domain_before: &DomainName) -> Result<(), HostError> {
        let (paths, home, before) = (self.paths.clone(), home.clone(), domain_before.clone());
        blocking(move || homes::restore(&paths, &home, &before)).await
    }

    async fn remove_home(&self, home: &HomePlan) -> Result<(), HostError> {
        let (paths, home) = (self.paths.clone(), home.clone());
        deleting(move || homes::remove(&paths, &home)).await
    }

    async fn disk_usage(&self, username: &Username, uid: Uid, haste: Haste) -> Result<DiskSeen, HostError> {
        let (paths, username) = (self.paths.clone(), username.clone());
        // Dropped with this future: nobody waits for the rest any more.
        let asked = Arc::new(());
        let wanted = Arc::downgrade(&asked);
        let usage = in_a_thread(haste, move || homes::usage(&paths, &username, uid, haste, &|| wanted.strong_count() > 0)).await;
        drop(asked);
        usage
    }

    async fn keepsake(&self, account: AccountId) -> Result<KeepsakeSeen, HostError> {
        let paths = self.paths.clone();
        blocking(move || trash::see(&paths, account)).await
    }

    async fn write_keepsake(&self, account: AccountId, spec: &str, domain: &DomainName) -> Result<(), HostError> {
        let zone = self.dns.export(account, domain).await?;
        let (paths, spec) = (self.paths.clone(), spec.to_owned());
        blocking(move || trash::write(&paths, account, &spec, zone.as_deref())).await
    }

    async fn remove_keepsake(&self, account: AccountId) -> Result<(), HostError> {
        let paths = self.paths.clone();
        deleting(move || trash::clear(&paths, account)).await
    }

    async fn reserve_keepsake(&self, account: AccountId) -> Result<(), HostError> {
        let paths = self.paths.clone();
        blocking(move || trash::reserve(&paths, account)).await
    }

    async fn logs(&self, account: AccountId, username: &Username) -> Result<LogsSeen, HostError> {
        let (paths, username) = (self.paths.clone(), username.clone());
        blocking(move || logs::see(&paths, account, &username)).await
    }

    async fn add_logs(&self, account: AccountId, username: &Username, uid: Uid) -> Result<(), HostError> {
        let (paths, username) = (self.paths.clone(), username.clone());
        blocking(move || logs::add(&paths, account, &username, uid)).await
    }

    async fn mend_logs(&self, account: AccountId, username: &Username, uid: Uid) -> Result<(), HostError> {
        let (paths, username) = (self.paths.clone(), username.clone());
        blocking(move || logs::mend(&paths, account, &username, uid)).await
    }

    async fn keep_logs(&self, account: AccountId, username: &Username) -> Result<(), HostError> {
        let (paths, username) = (self.paths.clone(), username.clone());
        blocking(move || logs::keep(&paths, account, &username)).await
    }

    async fn restore_logs(&self, account: AccountId, username: &Username, uid: Uid) -> Result<(), HostError> {
        let (paths, username) = (self.paths.clone(), username.clone());
        blocking(move || logs::restore(&paths, account, &username, uid)).await
    }

    async fn remove_logs(&self, account: AccountId, username: &Username) -> Result<(), HostError> {
        let (paths, username) = (self.paths.clone(), username.clone());
        blocking(move || logs::remove(&paths, account, &username)).await
    }

    async fn site(&self, site: &DomainName) -> Result<Option<SiteSeen>, HostError> {
        let (paths, site) = (self.paths.clone(), site.clone());
        blocking(move || sites::see(&paths, &site)).await
    }

    async fn put_site(&self, entry: &EntryPlan) -> Result<(), HostError> {
        let (paths, entry) = (self.paths.clone(), entry.clone());
        blocking(move || sites::put(&paths, &entry)).await
    }

    async fn hold_site(&self, entry: &EntryPlan) -> Result<(), HostError> {
        let (paths, entry) = (self.paths.clone(), entry.clone());
        blocking(move || sites::hold(&paths, &entry)).await
    }

    async fn has_entries(&self, account: AccountId) -> Result<bool, HostError> {
        let paths = self.paths.clone();
        blocking(move || sites::has_entries(&paths, account)).await
    }

    async fn remove_site(&self, account: AccountId, site: &DomainName) -> Result<(), HostError> {
        let (paths, site) = (self.paths.clone(), site.clone());
        blocking(move || sites::remove(&paths, account, &site)).await
    }

    async fn pool(&self, account: AccountId, pool: &PoolName) -> Result<Option<PoolSeen>, HostError> {
        self.php.pool(account, pool).await
    }

    async fn php_versions(&self) -> Result<Option<Vec<PhpVersion>>, HostError> {
        Ok(parts::known_versions(self.php.health().await?.php_versions))
    }

    async fn put_pool(&self, pool: &PoolSpec) -> Result<(), HostError> {
        self.php.put(pool).await
    }

    async fn remove_pool(&self, account: AccountId, pool: &PoolName) -> Result<(), HostError> {
        self.php.remove(account, pool).await
    }

    async fn zone(&self, domain: &DomainName) -> Result<Option<ZoneSeen>, HostError> {
        self.dns.zone(domain).await
    }

    async fn add_zone(&self, zone: &ZonePlan) -> Result<(), HostError> {
        self.dns.add(zone).await
    }

    async fn restore_zone(&self, zone: &ZonePlan) -> Result<(), HostError> {
        let (paths, account) = (self.paths.clone(), zone.account);
        let kept = blocking(move || trash::zone(&paths, account)).await?;
        self.dns.restore(zone, &kept).await
    }

    async fn mend_zone(&self, zone: &ZonePlan) -> Result<(), HostError> {
        self.dns.mend(zone).await
    }

    async fn remove_zone(&self, account: AccountId, domain: &DomainName) -> Result<(), HostError> {
        self.dns.remove(account, domain).await
    }

    async fn web_server(&self) -> Result<(), HostError> {
        self.web.accepts().await
    }

    async fn ping(&self, site: &DomainName) -> Result<String, HostError> {
        self.web.ping(site).await
    }

    async fn visit(&self, site: &DomainName) -> Result<u16, HostError> {
        self.web.visit(site).await
    }

    async fn ask_soa(&self, domain: &DomainName) -> Result<String, HostError> {
        self.dns.ask_soa(domain).await
    }

    async fn ask_a(&self, domain: &DomainName) -> Result<BTreeSet<Ipv4Addr>, HostError> {
        self.dns.ask_a(domain).await
    }

    async fn begin_journal(&self, operation: OperationId, line: &str, room: Room) -> Result<(), HostError> {
        let (paths, line) = (self.paths.clone(), line.to_owned());
        blocking(move || journal::begin(&paths, operation, &line, room)).await
    }

    async fn append_journal(&self, operation: OperationId, line: &str) -> Result<(), HostError> {
        let (paths, line) = (self.paths.clone(), line.to_owned());
        blocking(move || journal::append(&paths, operation, &line)).await
    }

    async fn journals(&self) -> Result<Vec<(OperationId, Stored)>, HostError> {
        let paths = self.paths.clone();
        blocking(move || journal::all(&paths)).await
    }

    async fn keep_spare_journals(&self) -> Result<(), HostError> {
        let paths = self.paths.clone();
        blocking(move || journal::keep_spares(&paths)).await
    }

    async fn remove_journal(&self, operation: OperationId) -> Result<(), HostError> {
        let paths = self.paths.clone();
        blocking(move || journal::remove(&paths, operation)).await
    }

    async fn add_never(&self, operation: OperationId) -> Result<(), HostError> {
        let paths = self.paths.clone();
        blocking(move || journal::add_never(&paths, operation)).await
    }

    async fn acknowledge_never(&self, operation: OperationId, at: Micros) -> Result<(), HostError> {
        let paths = self.paths.clone();
        blocking(move || journal::acknowledge_never(&paths, operation, at)).await
    }

    async fn nevers(&self) -> Result<Vec<(OperationId, Option<Micros>)>, HostError> {
        let paths = self.paths.clone();
        blocking(move || journal::nevers(&paths)).await
    }

    async fn remove_never(&self, operation: OperationId) -> Result<(), HostError> {
        let paths = self.paths.clone();
        blocking(move || journal::remove_never(&paths, operation)).await
    }

    async fn write_account(&self, account: AccountId, json: &str) -> Result<(), HostError> {
        let (paths, json) = (self.paths.clone(), json.to_owned());
        blocking(move || journal::write_account(&paths, account, &json)).await
    }

    async fn account(&self, account: AccountId) -> Result<Option<String>, HostError> {
        let paths = self.paths.clone();
        blocking(move || journal::account(&paths, account)).await
    }

    async fn accounts(&self) -> Result<Vec<(AccountId, Stored)>, HostError> {
        let paths = self.paths.clone();
        blocking(move || journal::accounts(&paths)).await
    }

    async fn kept_uids(&self) -> Result<BTreeSet<u32>, HostError> {
        let paths = self.paths.clone();
        blocking(move || journal::kept_uids(&paths)).await
    }

    async fn append_head(&self, line: &str) -> Result<(), HostError> {
        let (paths, line) = (self.paths.clone(), line.to_owned());
        blocking(move || journal::append_head(&paths, &line)).await
    }

    async fn replace_heads(&self, text: &str) -> Result<(), HostError> {
        let (paths, text) = (self.paths.clone(), text.to_owned());
        blocking(move || journal::replace_heads(&paths, &text)).await
    }

    async fn heads(&self) -> Result<String, HostError> {
        let paths = self.paths.clone();
        blocking(move || journal::heads(&paths)).await
    }

    async fn was_cut_off(&self) -> Result<bool, HostError> {
        let paths = self.paths.clone();
        blocking(move || journal::was_cut_off(&paths)).await
    }

    async fn pages(&self) -> Result<Option<Pages>, HostError> {
        let paths = self.paths.clone();
        blocking(move || pages::see(&paths)).await
    }

    async fn put_pages(&self, pages: &Pages) -> Result<(), HostError> {
        let (paths, pages) = (self.paths.clone(), pages.clone());
        blocking(move || pages::put(&paths, &pages)).await
    }

    async fn traffic_this_month(&self, only: Option<AccountId>) -> Result<(String, BTreeMap<AccountId, u64>), HostError> {
        let (state, month) = (self.paths.state.clone(), jiff::Timestamp::now().strftime("%Y-%m").to_string());
        blocking(move || {
            let traffic = crate::logs::traffic_in_month(&state, only, &month).map_err(HostError::failed("look up this month's traffic"))?;
            Ok((month, traffic))
        })
        .await
    }

    async fn condition(&self) -> Result<Condition, HostError> {
        let (nginx, pdns, phpd) = tokio::join!(self.web.accepts(), self.dns.answers(), self.php.health());
        let paths = self.paths.clone();
        blocking(move || Ok(parts::condition(&paths, nginx, pdns, phpd))).await
    }

    async fn load(&self) -> Result<Option<Load>, HostError> {
        let paths = self.paths.clone();
        blocking(move || Ok(parts::load(&paths))).await
    }
}
