//! Agent → phpd.

use http::Method;
use opterius_model::{AccountId, Generation, Limit, PhpChoice, PhpVersion, PoolName, Uid, Username};
use serde::{Deserialize, Serialize};

use crate::{Call, Micros};

/// Where phpd listens.
pub const SOCKET: &str = "/run/opterius/phpd.sock";

/// The directory of all PHP sockets, `root:opterius-web` 0750. No sandbox ever sees it.
pub const SOCKETS: &str = "/run/opterius/php";

/// The path of a pool's socket.
pub fn socket_path(account: AccountId, pool: &PoolName) -> String {
    format!("{SOCKETS}/{account}/{pool}.sock")
}

/// Everything phpd needs to run one pool. The account's home is `/home/<username>`, its logs are in
/// `/var/log/opterius/accounts/<username>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolSpec {
    /// The account.
    pub account_id: AccountId,
    /// The pool's name within it.
    pub pool: PoolName,
    /// The Linux user.
    pub username: Username,
    /// Its uid, and the number of its group.
    pub uid: Uid,
    /// The PHP to run. Which one that is, is decided at each start.
    pub php_version: PhpChoice,
    /// Requests at the same time.
    pub workers: Limit,
    /// Memory of one request, in MiB.
    pub memory_mib: Limit,
    /// Since which generation of the account the pool is as it is. FPM's ping answers `<account id> <generation>`.
    pub generation: Generation,
}

impl PoolSpec {
    /// What FPM's ping answers for this pool.
    pub fn ping_response(&self) -> String {
        format!("{} {}", self.account_id, self.generation)
    }
}

/// `PUT /pools`: makes the pool as the Spec says. Its socket accepts when this answers; the Spec is on disk. A running FPM of an older
/// Spec ends once its requests are done, and the next request starts one of the new.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PutPool {
    /// The pool.
    pub spec: PoolSpec,
}

impl Call for PutPool {
    type Reply = PoolStatus;
    const METHOD: Method = Method::PUT;
    const ROUTE: &'static str = "/pools";
}

/// `GET /pools/{account}/{pool}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GetPool {
    /// The account.
    pub account: AccountId,
    /// The pool's name.
    pub pool: PoolName,
}

impl Call for GetPool {
    type Reply = PoolStatus;
    const METHOD: Method = Method::GET;
    const ROUTE: &'static str = "/pools/{account}/{pool}";

    fn target(&self) -> String {
        format!("/pools/{}/{}", self.account, self.pool)
    }
}

/// `DELETE /pools/{account}/{pool}`: closes the socket, ends every process of the pool, and forgets it; when this answers none of the
/// three is left. A pool that is not there is a success.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeletePool {
    /// The account.
    pub account: AccountId,
    /// The pool's name.
    pub pool: PoolName,
}

impl Call for DeletePool {
    type Reply = Deleted;
    const METHOD: Method = Method::DELETE;
    const ROUTE: &'static str = "/pools/{account}/{pool}";

    fn target(&self) -> String {
        format!("/pools/{}/{}", self.account, self.pool)
    }
}

/// The answer to [`DeletePool`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// Whether there was a pool.
    pub existed: bool,
}

/// `GET /pools`: every pool, ordered by account and name.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ListPools {}

impl Call for ListPools {
    type Reply = Vec<PoolStatus>;
    const METHOD: Method = Method::GET;
    const ROUTE: &'static str = "/pools";
}

/// One pool as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Its Spec.
    pub spec: PoolSpec,
    /// What its PHP does now.
    pub state: PoolState,
    /// Whether phpd holds the listening socket and it is the one at the pool's path, with its owner and mode.
    pub listening: bool,
    /// Whether the pool is on disk as its Spec says, so that a restart finds it.
    #[serde(default = "yes")]
    pub saved: bool,
    /// The FPM master as phpd sees it, while one runs.
    pub master_pid: Option<u32>,
    /// The last start that failed, if it was not followed by one that worked.
    pub last_failure: Option<PoolFailure>,
    /// The PHP that answers: the one that runs, or else the one that a start now would take. Another one than [`PoolSpec::php_version`] names
    /// where that is not installed. Nothing if none is installed, or from a phpd of an earlier version.
    #[serde(default)]
    pub runs: Option<PhpVersion>,
}

/// What a phpd that does not say so yet is taken to mean.
fn yes() -> bool {
    true
}

/// What a pool's PHP does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolState {
    /// No process; the next request starts one.
    Asleep,
    /// Starting, or running.
    Running,
    /// It ended too soon, too often: phpd accepts and closes, and tries again later.
    BackingOff,
    /// It is ending, after its requests.
    Stopping,
}

/// Why a pool's PHP did not stay up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolFailure {
    /// When it ended.
    pub at: Micros,
    /// How often in a row.
    pub count: u32,
    /// When phpd tries again.
    pub retry_at: Micros,
    /// How it ended, with the last line it wrote, in a sentence.
    pub detail: String,
}

/// `GET /health`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct GetHealth {}

impl Call for GetHealth {
    type Reply = Health;
    const METHOD: Method = Method::GET;
    const ROUTE: &'static str = "/health";
}

/// What cgroups of the accounts can do on a server, as phpd sees it at the place where it makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupLevel {
    /// There is no tree of version 2, or none that phpd may make cgroups in.
    None,
    /// There is a tree of version 2, without all of the controllers that limits need: `cpu`, `memory` and `pids`.
    Tree,
    /// Each account's cgroup has these controllers.
    Full,
}

impl CgroupLevel {
    /// What it means for the accounts, in a sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::None => "Accounts have no cgroups of version 2, so their processor time, memory and processes cannot be limited.",
            Self::Tree => {
                "Each account has a cgroup of version 2, in which its processes end together, but without the controllers cpu, memory and pids, so \
                 these cannot be limited."
            }
            Self::Full => "Each account has a cgroup of version 2 with the controllers cpu, memory and pids, so these can be limited.",
        }
    }
}

impl std::fmt::Display for CgroupLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Tree => "tree",
            Self::Full => "full",
        })
    }
}

/// The state of phpd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// phpd's version.
    pub version: String,
    /// How many pools there are.
    pub pools: u64,
    /// How many of them run.
    pub running: u64,
    /// Those that are backing off from a crash loop.
    pub backing_off: Vec<PoolStatus>,
    /// Whether sandboxes go into cgroups of their own, and where, in a sentence.
    pub cgroups: String,
    /// What cgroups of the accounts can do on this server; nothing from a phpd of an earlier version.
    #[serde(default)]
    pub cgroup_level: Option<CgroupLevel>,
    /// What phpd could not read when it started, a sentence each. Those pools do not listen until they are put again.
    #[serde(default)]
    pub unreadable: Vec<String>,
    /// How often something in phpd panicked since it started: mistakes of phpd, which it survived.
    #[serde(default)]
    pub panics: u64,
    /// The last of them, in a sentence.
    #[serde(default)]
    pub last_panic: Option<String>,
    /// The versions of PHP that this server has, the newest first, at most [`MOST_PHP_VERSIONS`]; nothing from a phpd of an earlier version,
    /// which also knows no choice but a version.
    #[serde(default)]
    pub php_versions: Option<Vec<PhpVersion>>,
    /// The pools that are to run one version, by that version, the newest first, at most [`MOST_PHP_VERSIONS`]; empty from a phpd of an earlier
    /// version.
    #[serde(default)]
    pub pinned: Vec<PinnedPools>,
}

/// The most versions of PHP that are told of one server.
pub const MOST_PHP_VERSIONS: usize = 32;

/// The most usernames that stand in a [`PinnedPools`].
pub const MOST_PINNED: usize = 10;

/// Pools that are to run one version of PHP, and not the newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedPools {
    /// The version.
    pub version: PhpVersion,
    /// The version that they get when they are started now: another one if theirs is not installed, none if none is.
    pub runs: Option<PhpVersion>,
    /// How many there are.
    pub pools: u64,
    /// The Linux users of the first of them, at most [`MOST_PINNED`].
    pub usernames: Vec<Username>,
}
