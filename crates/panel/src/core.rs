//! What every verb of the Panel shares.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opterius_model::{OwnerId, ServerId};
use opterius_protocol::Micros;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::activity_key::ActivityKey;
use crate::app::{AppError, Live, Rates, RefusedRequests, SteadyClock, Throttle};
use crate::config::Config;
use crate::fleet::Fleet;
use crate::http::Connections;
use crate::store::{Store, StoreError};
use crate::store::{server, setting, sign_in_place};
use crate::tasks::{Acknowledger, TaskStates};
use crate::tls::Pins;
use crate::turns::{Limits, Party, Turn, Turns};

/// Where a Panel listens unless its unit says otherwise.
const PORT: u16 = 8443;

/// Orders that are hashed and reserved at the same time: enough to keep two processors and the one writer of the database busy.
const RESERVING: Limits = Limits { at_once: 4, share: 3, counted: Duration::from_secs(5) };

/// How long things take and wait. The defaults are what a Panel uses; tests shorten them.
#[derive(Debug, Clone)]
pub struct Timing {
    /// How long an order waits for its outcome before it is answered with the running operation.
    pub patience: Duration,
    /// How long an operation that was sent to a server keeps others from being sent there. What takes longer waits for something.
    pub turn: Duration,
    /// The first pause after an Agent could not be asked; it doubles up to `longest_pause`.
    pub first_pause: Duration,
    /// The longest pause between two tries.
    pub longest_pause: Duration,
    /// How long one question to an Agent may stay open while nothing happens.
    pub long_poll: Duration,
    /// How often the Agents are asked how they are.
    pub health_every: Duration,
    /// How often refused requests are counted into the database.
    pub count_refused_every: Duration,
    /// How often it is looked whether a terminated account can no longer be restored, so that its password hash is to be forgotten.
    pub forget_every: Duration,
    /// How often the Agents are asked what accounts use.
    pub usage_every: Duration,
    /// How often it is looked whether there are notices to send.
    pub notices_every: Duration,
    /// How often it is looked how far the Activity has come.
    pub rows_counted_every: Duration,
    /// How often the servers are told, unless there is a lot to tell.
    pub heads_every: Duration,
    /// How long the body of a request may take to arrive.
    pub body_within: Duration,
    /// How long a connection over TLS may be without a request under way.
    pub idle: Duration,
    /// How old a connection over TLS may become on which neither a good token nor a session was shown.
    pub stranger_age: Duration,
    /// How long a caller may leave an answer where it is without reading on.
    pub unread: Duration,
    /// How long a connection that is asked to end may take.
    pub farewell: Duration,
    /// How often it is looked whether the Activity has rows that are too old.
    pub shorten_every: Duration,
    /// For how long the clock has to go on before rows are removed by it, where the Activity does not show that it is right.
    pub clock_believed_after: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(20),
            turn: Duration::from_secs(15),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(15),
            long_poll: Duration::from_secs(30),
            health_every: Duration::from_secs(15),
            count_refused_every: Duration::from_secs(2),
            forget_every: Duration::from_mins(5),
            usage_every: Duration::from_mins(5),
            notices_every: Duration::from_secs(5),
            rows_counted_every: Duration::from_secs(30),
            heads_every: Duration::from_hours(1),
            body_within: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            stranger_age: Duration::from_mins(2),
            unread: Duration::from_secs(30),
            farewell: Duration::from_secs(10),
            shorten_every: Duration::from_hours(1),
            clock_believed_after: Duration::from_hours(24),
        }
    }
}

/// What tests put in place of the world.
#[derive(Clone)]
pub struct Seams {
    /// The time.
    pub now: Arc<dyn Fn() -> Micros + Send + Sync>,
    /// The uid of the administrator behind the Unix socket; root everywhere but in tests.
    pub administrator_uid: u32,
    /// How long things take.
    pub timing: Timing,
    /// Certificates (DER) that mail servers are believed with beside those that this machine trusts.
    pub mail_roots: Vec<Vec<u8>>,
    /// The sockets of Agents that are not this machine's.
    pub agents: HashMap<ServerId, PathBuf>,
}

impl Default for Seams {
    fn default() -> Self {
        Self { now: Arc::new(Micros::now), administrator_uid: 0, timing: Timing::default(), mail_roots: Vec::new(), agents: HashMap::new() }
    }
}

impl std::fmt::Debug for Seams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seams").field("administrator_uid", &self.administrator_uid).field("timing", &self.timing).finish_non_exhaustive()
    }
}

/// The Panel's inside.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) seams: Seams,
    pub(crate) store: Store,
    pub(crate) fleet: Fleet,
    pub(crate) live: Live,
    pub(crate) acknowledger: Acknowledger,
    /// What was refused and is not yet in the database.
    pub(crate) refused: RefusedRequests,
    /// What each caller may still ask for.
    pub(crate) rates: Rates,
    pub(crate) throttle: Throttle,
    /// The connections and requests that there are, by whom.
    pub(crate) connections: Arc<Connections>,
    /// What signs removals from the Activity, or why there is none.
    pub(crate) activity_key: Result<ActivityKey, String>,
    /// Whose turn it is to check the Activity, or to remove the oldest of it.
    pub(crate) verifying: tokio::sync::Mutex<()>,
    /// For how long the clock did not jump.
    pub(crate) steady_clock: SteadyClock,
    pub(crate) tasks: Tasks,
    /// How the tasks do that repeat.
    pub(crate) task_states: TaskStates,
    /// Whose order is hashed and reserved next, but for what suspends or ends an account: that waits for no other.
    reserving: Turns<u64>,
    reserved: AtomicU64,
    pub(crate) owner: OwnerId,
    pub(crate) installation: String,
    /// The fingerprints of the Panel's TLS keys, if it has any.
    pub(crate) pins: Option<Pins>,
    /// Where browsers reach this Panel, once it listens.
    pub(crate) listens_on: OnceLock<u16>,
}

/// Why a Panel does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state directory cannot be used.
    #[error("could not use the state directory {}", path.display())]
    StateDir {
        /// The directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The database cannot be used.
    #[error("could not use the database {}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The TLS keys cannot be used.
    #[error("could not use the TLS keys")]
    Tls(#[source] crate::tls::TlsError),
}

impl Core {
    pub(crate) async fn open(config: Config, seams: Seams) -> Result<Arc<Self>, StartError> {
        let path = config.database();
        let failed = |source: StoreError| StartError::Database { path: path.clone(), source: Box::new(source) };
        let owner = OwnerId::host();
        let store = Store::open(&path).await.map_err(failed)?;
        let installation = prepare(&store, &owner, (seams.now)()).await.map_err(failed)?;
        let known = sign_in_place::list(store.read(), &owner).await.map_err(failed)?;
        let throttle = Throttle::new(known);
        let pins = Pins::load(&config.tls_dir()).map_err(StartError::Tls)?;
        let activity_key = ActivityKey::read_or_make(&config.activity_key());
        if let Err(why) = &activity_key {
            tracing::error!("{why}");
        }
        let tasks = Tasks::default();
        let fleet = Fleet::new(&config.agent_socket, &seams.agents, seams.timing.turn);
        Ok(Arc::new(Self {
            live: Live::default(),
            refused: RefusedRequests::default(),
            rates: Rates::default(),
            activity_key,
            throttle,
            connections: Arc::default(),
            verifying: tokio::sync::Mutex::default(),
            steady_clock: SteadyClock::new((seams.now)()),
            acknowledger: Acknowledger::default(),
            task_states: TaskStates::default(),
            reserving: Turns::new(RESERVING),
            reserved: AtomicU64::default(),
            config,
            seams,
            store,
            fleet,
            tasks,
            owner,
            installation,
            pins,
            listens_on: OnceLock::new(),
        }))
    }

    /// Waits until what this actor orders may be hashed or reserved.
    pub(crate) async fn turn_to_reserve(&self, actor: &str) -> Turn<u64> {
        self.reserving.take(Party::of(actor), self.reserved.fetch_add(1, Ordering::Relaxed), || ()).await
    }

    /// The port at which browsers reach this Panel.
    pub(crate) fn port(&self) -> u16 {
        self.listens_on.get().copied().unwrap_or(PORT)
    }

    /// The time.
    pub(crate) fn now(&self) -> Micros {
        (self.seams.now)()
    }
}

/// Rows that every database has.
async fn prepare(store: &Store, owner: &OwnerId, now: Micros) -> Result<String, StoreError> {
    let mut write = store.write().await?;
    setting::ensure_installation(&mut write).await?;
    server::ensure_default(&mut write, owner, now).await?;
    crate::store::commit(write).await?;
    setting::installation(store.read()).await
}

/// Runs CPU-bound `work` where it delays nobody.
pub(crate) async fn compute<T: Send + 'static>(doing: &'static str, work: impl FnOnce() -> T + Send + 'static) -> Result<T, AppError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| AppError::Broken(doing))
}

/// The tasks of one Panel, so that they end with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    ended: CancellationToken,
    /// Streams end when this is cancelled, before anything else does.
    pub(crate) closing: CancellationToken,
}

impl Tasks {
    /// Runs `work` until it is done or the Panel ends; nothing then.
    pub(crate) fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<Option<T>> {
        let ended = self.ended.clone();
        self.tracker.spawn(async move { ended.run_until_cancelled(work).await })
    }

    /// Ends every task where it stands, and waits until all are gone. What they were doing is picked up by the next Panel.
    pub(crate) async fn end(&self) {
        self.closing.cancel();
        self.ended.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
