//! The life of one pool: a task that holds its socket, starts its PHP when somebody connects, and stops it when nobody has in a while.
//!
//! While the pool sleeps the task waits for the socket to become readable, and never accepts: FPM does. While PHP runs the task does not
//! watch the socket at all, so a request costs phpd nothing; it looks every second whether there are workers.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opterius_model::{PhpChoice, PhpVersion};
use opterius_protocol::phpd::{Deleted, PoolFailure, PoolSpec, PoolState, PoolStatus};
use opterius_protocol::{WireCode, WireError};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::backoff::{Backoff, SOON};
use crate::config::Config;
use crate::fd_store;
use crate::fpm_config;
use crate::launch::{Launcher, Sandbox};
use crate::panics::{self, Panics};
use crate::phps::{self, Php, Phps};
use crate::registry::Found;
use crate::retire::Retiring;
use crate::sockets::{self, Socket, Sockets};
use crate::store::Store;
use crate::watch;

/// The connections that are closed in one go while a pool backs off, and the pause after it: a visitor's 502 comes at once, and a flood of
/// them costs one wake-up in a while.
const TURNED_AWAY_AT_ONCE: usize = 64;
const TURNED_AWAY_PAUSE: Duration = Duration::from_millis(20);

/// The failure of a pool whose socket a tenant has shut down: FPM's workers hold it, and so may what they start.
const SHUT_DOWN: &str = "its socket was shut down from inside the sandbox";

/// How long closing a pool may take before its caller is told that something of it does not end. It goes on ending all the same.
const ENDING: Duration = Duration::from_secs(8);

/// How long what is on disk may take.
const SAVING: Duration = Duration::from_secs(8);

/// A panic that comes so long after the one before begins a new row.
const IN_A_ROW: Duration = Duration::from_mins(10);

/// What all pools use.
pub struct Surroundings {
    /// The configuration.
    pub config: Arc<Config>,
    /// The sockets.
    pub sockets: Sockets,
    /// The pools on disk.
    pub store: Store,
    /// What runs PHP.
    pub launcher: Arc<dyn Launcher>,
    /// The PHPs that there are.
    pub phps: Arc<Phps>,
    /// What went wrong in phpd itself.
    pub panics: Panics,
}

/// A change to a pool; each answers when it is done.
pub enum Command {
    /// Make it as this says.
    Put(Box<PoolSpec>, oneshot::Sender<Result<PoolStatus, WireError>>),
    /// End it.
    Delete(oneshot::Sender<Result<Deleted, WireError>>),
}

/// What everybody may see of a pool.
#[derive(Debug, Clone)]
pub struct Shown {
    spec: Arc<PoolSpec>,
    store: Store,
    state: PoolState,
    master_pid: Option<u32>,
    /// The PHP that runs.
    php: Option<PhpVersion>,
    last_failure: Option<PoolFailure>,
    socket: Option<(PathBuf, PathBuf)>,
}

impl Shown {
    /// A pool of which nothing is there yet.
    pub fn new(spec: Arc<PoolSpec>, store: Store) -> Self {
        Self { spec, store, state: PoolState::Asleep, master_pid: None, php: None, last_failure: None, socket: None }
    }

    /// What the contract says of the pool, on a server with these PHPs. Blocks: it looks at the socket's files and at the pool's file, so it is
    /// asked of a copy, for which nobody has to wait.
    pub fn status(self, phps: &[Php]) -> PoolStatus {
        let listening =
            self.socket.as_ref().is_some_and(|(bound, path)| sockets::is_in_place(bound, path) && sockets::is_open_to_nginx_alone(path));
        PoolStatus {
            listening,
            saved: self.store.has(&self.spec),
            runs: self.php.or_else(|| phps::pick(&self.spec.php_version, phps).map(|php| php.version.clone())),
            spec: PoolSpec::clone(&self.spec),
            state: self.state,
            master_pid: self.master_pid,
            last_failure: self.last_failure,
        }
    }

    /// What it is to be.
    pub fn spec(&self) -> &Arc<PoolSpec> {
        &self.spec
    }

    /// What it does.
    pub fn state(&self) -> PoolState {
        self.state
    }
}

/// One pool, before its task runs.
pub struct Pool {
    around: Arc<Surroundings>,
    spec: Arc<PoolSpec>,
    socket: Option<Listening>,
    running: Option<Running>,
    retiring: Retiring,
    backoff: Backoff,
    shown: Arc<Mutex<Shown>>,
    commands: mpsc::Receiver<Command>,
    /// Commands that came while PHP was starting.
    pending: VecDeque<Command>,
    /// Panics in a row, and when the last one was.
    panicked: Option<(u32, Instant)>,
}

/// The socket, and whether the runtime watches it.
enum Listening {
    Watched(AsyncFd<Socket>),
    Unwatched(Socket),
}

impl Listening {
    fn socket(&self) -> &Socket {
        match self {
            Self::Watched(watch) => watch.get_ref(),
            Self::Unwatched(socket) => socket,
        }
    }

    fn into_socket(self) -> Socket {
        match self {
            Self::Watched(watch) => watch.into_inner(),
            Self::Unwatched(socket) => socket,
        }
    }
}

struct Running {
    sandbox: Arc<dyn Sandbox>,
    since: Instant,
    last_worked: Instant,
    next_look: Instant,
}

enum Event {
    Told(Command),
    Abandoned,
    Paused,
    Connection,
    Ended(String),
    Look,
    OneRetired,
}

impl Pool {
    /// A pool with what is there of it already.
    pub fn new(
        around: Arc<Surroundings>,
        spec: Arc<PoolSpec>,
        shown: Arc<Mutex<Shown>>,
        commands: mpsc::Receiver<Command>,
        found: Found,
    ) -> Self {
        let Found { socket, running, ending, replaced } = found;
        let now = Instant::now();
        let running = running.map(|sandbox| Running { sandbox, since: now, last_worked: now, next_look: now });
        let socket = socket.map(Listening::Unwatched);
        let retiring = Retiring::new(around.panics.clone());
        let (backoff, pending) = (Backoff::default(), VecDeque::new());
        let mut pool = Self { around, spec, socket, running, retiring, backoff, shown, commands, pending, panicked: None };
        for (sandbox, old) in ending {
            pool.end(sandbox, old, "of before phpd was restarted");
        }
        for old in replaced {
            pool.retiring.carry(old, pool.around.config.grace());
        }
        pool
    }

    /// Lives until the pool is deleted. A panic is a mistake of ours: it is counted, what ran is ended, and the pool goes on after a pause, in
    /// which it obeys commands.
    pub async fn live(mut self) {
        let panics = self.around.panics.clone();
        loop {
            let what = format!("pool {} of {} (account {})", self.spec.pool, self.spec.username, self.spec.account_id);
            match panics.guard(&what, self.step()).await {
                Some(true) => {}
                Some(false) => return,
                None => {
                    let (count, _) = self.panicked.filter(|(_, at)| at.elapsed() < IN_A_ROW).unwrap_or((0, Instant::now()));
                    self.panicked = Some((count.saturating_add(1), Instant::now()));
                    if panics.guard(&what, self.pick_up()).await.is_none() {
                        tracing::error!(account.id = %self.spec.account_id, "{what} could not be picked up after a panic");
                    }
                }
            }
        }
    }

    /// After a panic nobody knows what is half done. So everything that runs is ended, and the pool gets a socket if it has none.
    async fn pick_up(&mut self) {
        let (account, pool) = (self.spec.account_id, self.spec.pool.clone());
        if let Some(running) = self.running.take() {
            running.sandbox.kill();
        }
        let ended = async {
            self.retiring.kill().await;
            self.around.launcher.kill_leftovers(account, &pool).await;
        };
        if tokio::time::timeout(ENDING, ended).await.is_err() {
            tracing::error!(account.id = %account, "something of pool {pool} does not end");
        }
        if self.socket.is_none() {
            self.renew_or_say("after a panic");
        }
        self.show();
    }

    /// Until when a pool that panicked does nothing of itself.
    fn pause(&self) -> Option<Instant> {
        let (count, at) = self.panicked?;
        Some(at + panics::pause(count)).filter(|until| Instant::now() < *until)
    }

    /// One event; whether the pool goes on.
    async fn step(&mut self) -> bool {
        self.show();
        match self.next().await {
            Event::Told(Command::Put(spec, reply)) => {
                let answer = self.put(*spec).await;
                self.show();
                let status = match answer {
                    Ok(()) => self.status().await,
                    Err(error) => Err(error),
                };
                drop(reply.send(status));
            }
            Event::Told(Command::Delete(reply)) => {
                let answer = self.delete().await;
                self.show();
                let deleted = answer.is_ok();
                if deleted {
                    // Whoever asks from now on finds a pool that has ended, and not one that will never answer.
                    self.commands.close();
                }
                drop(reply.send(answer));
                return !deleted;
            }
            Event::Abandoned => return false,
            Event::Connection => self.connection().await,
            Event::Ended(how) => self.ended(&how),
            Event::Look => self.look(),
            Event::OneRetired | Event::Paused => {}
        }
        true
    }

    async fn next(&mut self) -> Event {
        if let Some(command) = self.pending.pop_front() {
            return Event::Told(command);
        }
        let pause = self.pause();
        // What runs at the same time below must not need the whole of `self`.
        self.watch(self.running.is_none());
        let Self { socket, running, retiring, commands, .. } = self;
        let told = async {
            match commands.recv().await {
                Some(command) => Event::Told(command),
                None => Event::Abandoned,
            }
        };
        if let Some(until) = pause {
            return tokio::select! {
                biased;
                event = told => event,
                () = tokio::time::sleep_until(until) => Event::Paused,
            };
        }
        tokio::select! {
            biased;
            event = told => event,
            () = retiring.one_ended() => Event::OneRetired,
            how = async { running.as_ref().expect("checked").sandbox.ended().await }, if running.is_some() => Event::Ended(how),
            () = tokio::time::sleep_until(running.as_ref().map_or_else(Instant::now, |running| running.next_look)), if running.is_some() => {
                Event::Look
            }
            () = connection(socket.as_ref()), if running.is_none() => Event::Connection,
        }
    }

    /// Has the runtime watch the socket, or not.
    fn watch(&mut self, watch: bool) {
        self.socket = match self.socket.take() {
            Some(Listening::Unwatched(socket)) if watch => match watch::readable(socket) {
                Ok(watched) => Some(Listening::Watched(watched)),
                Err(refused) => {
                    let (socket, error) = refused.into_parts();
                    tracing::error!(account.id = %self.spec.account_id, "could not watch {}: {error}", socket.path().display());
                    Some(Listening::Unwatched(socket))
                }
            },
            Some(listening @ Listening::Watched(_)) if !watch => Some(Listening::Unwatched(listening.into_socket())),
            listening => listening,
        };
    }

    async fn status(&self) -> Result<PoolStatus, WireError> {
        let seen = self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let phps = Arc::clone(&self.around.phps);
        let looking = self.around.panics.on_a_thread("a look at a pool", move || seen.status(&phps.look()));
        tokio::time::timeout(SAVING, looking).await.map_err(std::io::Error::from).flatten().map_err(|error| {
            let PoolSpec { pool, username, .. } = &*self.spec;
            internal(&format!("could not look at pool {pool} of {username}: {error}"))
        })
    }

    /// Lets everybody see how the pool stands.
    fn show(&self) {
        let state = match (&self.running, self.backoff.backing_off()) {
            (_, true) => PoolState::BackingOff,
            (Some(_), false) => PoolState::Running,
            (None, false) if self.retiring.is_empty() => PoolState::Asleep,
            (None, false) => PoolState::Stopping,
        };
        self.show_as(state);
    }

    fn show_as(&self, state: PoolState) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.spec = Arc::clone(&self.spec);
        shown.state = state;
        shown.master_pid = self.running.as_ref().map(|running| running.sandbox.master_pid());
        shown.php = self.running.as_ref().and_then(|running| running.sandbox.php()).map(|php| php.version);
        shown.last_failure = self.backoff.last();
        let socket = self.socket.as_ref().map(Listening::socket);
        shown.socket = socket.map(|socket| (socket.bound(), socket.path()));
    }

    async fn connection(&mut self) {
        let Some(socket) = self.socket.as_ref().map(Listening::socket) else { return };
        if socket.is_dead() {
            self.failed(SHUT_DOWN);
            self.renew_or_say("whose socket was shut down");
            // A tenant that does it again and again costs a new socket a second.
            tokio::time::sleep(Duration::from_secs(1)).await;
            return;
        }
        if self.backoff.must_wait(Instant::now()) {
            if socket.is_handed_out() {
                // Whoever accepts on it may wait for ever, so what comes from now on comes to one that nobody else holds.
                self.renew_or_say("which does not stay up");
            } else {
                for _ in 0..TURNED_AWAY_AT_ONCE {
                    if socket.accept_own().is_none() {
                        break;
                    }
                }
            }
            tokio::time::sleep(TURNED_AWAY_PAUSE).await;
            return;
        }
        self.start().await;
    }

    async fn start(&mut self) {
        if !self.backoff.backing_off() {
            self.show_as(PoolState::Running);
        }
        self.watch(false);
        let Self { socket, commands, pending, spec, around, .. } = self;
        let Some(socket) = socket.as_ref().map(Listening::socket) else { return };
        let before = Instant::now();
        let mut launch = around.launcher.launch(spec, socket);
        let launched = loop {
            tokio::select! {
                launched = &mut launch => break launched,
                command = commands.recv() => match command {
                    Some(command @ Command::Put(..)) => pending.push_back(command),
                    // What was begun is ended with the rest.
                    Some(command @ Command::Delete(_)) => {
                        pending.push_back(command);
                        return;
                    }
                    None => return,
                },
            }
        };
        drop(launch);
        let now = Instant::now();
        match launched {
            Ok(sandbox) => {
                let ms = (now - before).as_millis();
                let PoolSpec { account_id, pool, username, php_version, .. } = &*self.spec;
                let php = named(sandbox.php().as_ref(), php_version);
                if self.backoff.backing_off() {
                    tracing::debug!(account.id = %account_id, pool = %pool, "started {php} of {username} again in {ms} ms");
                } else {
                    tracing::info!(
                        account.id = %account_id, account.username = %username, pool = %pool, duration_ms = u64::try_from(ms).unwrap_or(u64::MAX),
                        "started {php} of {username} (account {account_id}, pool {pool}) in {ms} ms"
                    );
                }
                if let (Some(wanted), Some(Php { version, .. })) = (php_version.version(), sandbox.php())
                    && *wanted != version
                {
                    tracing::warn!(
                        account.id = %account_id, account.username = %username, pool = %pool,
                        "{username} (account {account_id}, pool {pool}) is to have PHP {wanted}, which is not installed, and has PHP {version} in its \
                         place: install php{wanted}-fpm, or choose another one with `opterius account php {username} newest`"
                    );
                }
                let next_look = now + self.around.config.look_every();
                self.running = Some(Running { sandbox, since: now, last_worked: now, next_look });
            }
            Err(detail) => self.failed(&detail),
        }
    }

    fn php(&self) -> String {
        let running = self.running.as_ref().and_then(|running| running.sandbox.php());
        named(running.as_ref(), &self.spec.php_version)
    }

    fn failed(&mut self, detail: &str) {
        let was = self.backoff.backing_off();
        let (PoolSpec { account_id, pool, username, .. }, php) = (&*self.spec, self.php());
        let first = self.backoff.count() == 0;
        self.backoff.failed(detail.to_owned(), Instant::now());
        let count = self.backoff.count();
        if first {
            tracing::warn!(account.id = %account_id, account.username = %username, pool = %pool, "{php} of {username} did not stay up: {detail}");
        } else if !was && self.backoff.backing_off() {
            tracing::error!(
                account.id = %account_id, account.username = %username, pool = %pool,
                "{php} of {username} (account {account_id}, pool {pool}) failed {count} times in a row; requests are turned away and it is tried less and less often: {detail}"
            );
        } else {
            tracing::debug!(account.id = %account_id, pool = %pool, "{php} of {username} failed again ({count}): {detail}");
        }
    }

    fn recovered(&mut self) {
        let was = self.backoff.backing_off();
        let count = self.backoff.worked();
        if was {
            let (PoolSpec { account_id, pool, username, .. }, php) = (&*self.spec, self.php());
            tracing::info!(
                account.id = %account_id, account.username = %username, pool = %pool,
                "{php} of {username} (account {account_id}, pool {pool}) runs again after {count} failed starts"
            );
        }
    }

    /// PHP ended without having been told to.
    fn ended(&mut self, how: &str) {
        let Some(running) = self.running.take() else { return };
        if running.since.elapsed() < SOON {
            self.failed(how);
            return;
        }
        self.recovered();
        let PoolSpec { account_id, pool, username, php_version, .. } = &*self.spec;
        let php = named(running.sandbox.php().as_ref(), php_version);
        tracing::warn!(account.id = %account_id, account.username = %username, pool = %pool, "{php} of {username} ended by itself: {how}");
    }

    /// Looks at what runs: is it used, does it behave?
    fn look(&mut self) {
        let now = Instant::now();
        let config = Arc::clone(&self.around.config);
        let Some(running) = self.running.as_mut() else { return };
        let Some(socket) = self.socket.as_ref().map(Listening::socket) else { return };
        running.next_look = now + config.look_every();
        running.sandbox.tidy();
        let stays = now - running.since >= SOON;
        let (works, awaited) = (running.sandbox.has_workers(), socket.has_connection());
        if works || awaited {
            running.last_worked = now;
        }
        if awaited && !works {
            socket.nudge();
        }
        let idle = now - running.last_worked >= config.idle();
        let PoolSpec { account_id, php_version, .. } = &*self.spec;
        let successor = running.sandbox.php().and_then(|php| self.around.phps.successor(*account_id, php_version, &php));
        if socket.is_dead() {
            // PHP is deaf now. It ends after its requests, and a new one starts on a new socket.
            self.failed(SHUT_DOWN);
            self.renew_or_say("whose socket was shut down");
            return;
        }
        if stays || idle {
            self.recovered();
        }
        if let Some(Php { version, .. }) = successor.filter(|_| !idle) {
            // What it works on is finished, and the next request starts the other one.
            self.renew_or_say(&format!("since PHP {version} is to run in its place"));
            return;
        }
        if idle {
            let seconds = config.idle_seconds;
            if let Some(running) = self.running.take() {
                // On the same socket: a request that comes while this one ends wakes a new one.
                self.end(running.sandbox, None, &format!("after {seconds} seconds without a request"));
            }
        }
    }

    /// Goes on with a new socket, and lets what runs, if anything does, end on the old one. What is accepted from now on is accepted by a
    /// PHP of the present Spec, with no instant in between at which nobody listens.
    fn renew(&mut self, why: &str) -> std::io::Result<()> {
        let PoolSpec { account_id, pool, .. } = &*self.spec;
        let socket = self.around.sockets.create(*account_id, pool, fpm_config::backlog(&self.spec, &self.around.config))?;
        fd_store::keep(&socket.shared());
        let old = self.socket.replace(Listening::Unwatched(socket)).map(Listening::into_socket);
        match self.running.take() {
            Some(running) => self.end(running.sandbox, old, why),
            None => old.into_iter().for_each(|old| self.retiring.close(old)),
        }
        Ok(())
    }

    fn renew_or_say(&mut self, why: &str) {
        if let Err(error) = self.renew(why) {
            tracing::error!(account.id = %self.spec.account_id, "could not make a new socket for {}: {error}", self.spec.username);
        }
    }

    /// Lets one sandbox end after its requests.
    fn end(&mut self, sandbox: Arc<dyn Sandbox>, old: Option<Socket>, why: &str) {
        let PoolSpec { account_id, pool, username, php_version, .. } = &*self.spec;
        let php = named(sandbox.php().as_ref(), php_version);
        let sentence = format!("stopped {php} of {username} (account {account_id}, pool {pool}) {why}");
        let account_id = *account_id;
        self.retiring.add(sandbox, old, self.around.config.grace(), move |how| {
            tracing::info!(account.id = %account_id, "{sentence}");
            tracing::debug!(account.id = %account_id, "{how}");
        });
    }

    async fn put(&mut self, spec: PoolSpec) -> Result<(), WireError> {
        let socket = self.socket.as_ref().map(Listening::socket);
        let listening = socket.is_some_and(|socket| socket.in_place() && sockets::is_open_to_nginx_alone(&socket.path()));
        let status = self.status().await?;
        if listening && *self.spec == spec && status.listening && status.saved {
            return Ok(());
        }
        let spec = Arc::new(spec);
        let (around, saved) = (Arc::clone(&self.around), Arc::clone(&spec));
        on_disk(&self.around.panics, move || around.store.save(&saved))
            .await
            .map_err(|error| internal(&format!("could not put pool {} of {} on disk: {error}", spec.pool, spec.username)))?;
        let changed = *self.spec != *spec;
        self.spec = spec;
        if changed {
            // What was wrong may be mended by this very change.
            self.backoff.worked();
        }
        if (changed && self.running.is_some()) || !listening {
            self.renew("whose settings were changed")
                .map_err(|error| internal(&format!("could not listen for pool {} of {}: {error}", self.spec.pool, self.spec.username)))?;
        } else if let Some(listening) = &self.socket {
            listening.socket().set_backlog(fpm_config::backlog(&self.spec, &self.around.config));
        }
        if changed {
            let PoolSpec { account_id, pool, username, generation, php_version, .. } = &*self.spec;
            let php = named(None, php_version);
            tracing::info!(
                account.id = %account_id, account.username = %username, pool = %pool,
                "pool {pool} of {username} (account {account_id}) has {php} as of generation {generation}"
            );
        }
        Ok(())
    }

    async fn delete(&mut self) -> Result<Deleted, WireError> {
        let spec = Arc::clone(&self.spec);
        let PoolSpec { account_id, pool, username, .. } = &*spec;
        let (account, pool) = (*account_id, pool.clone());
        // From here on the pool is gone: a phpd that is killed below finds no file and clears the rest away when it starts.
        let (around, name) = (Arc::clone(&self.around), pool.clone());
        let existed = on_disk(&self.around.panics, move || around.store.remove(account, &name))
            .await
            .map_err(|error| internal(&format!("could not forget pool {pool} of {username}: {error}")))?;
        if let Some(listening) = self.socket.take() {
            listening.into_socket().close();
        }
        if let Some(running) = self.running.take() {
            running.sandbox.kill();
            // It is held until it is gone, also if that takes longer than this call may.
            self.end(running.sandbox, None, "since its pool was deleted");
        }
        let ended = async {
            self.retiring.kill().await;
            self.around.launcher.kill_leftovers(account, &pool).await;
        };
        if tokio::time::timeout(ENDING, ended).await.is_err() {
            let seconds = ENDING.as_secs();
            return Err(internal(&format!(
                "pool {pool} of {username} is closed, but a process of it has not ended within {seconds} seconds after SIGKILL"
            )));
        }
        self.around.sockets.forget(account);
        tracing::info!(account.id = %account, account.username = %self.spec.username, pool = %pool, "deleted pool {pool} of {}", self.spec.username);
        Ok(Deleted { existed })
    }
}

/// A PHP, for people: the one that runs, or else the one that is wanted.
fn named(running: Option<&Php>, wanted: &PhpChoice) -> String {
    match (running, wanted) {
        (Some(php), _) => format!("PHP {}", php.version),
        (None, PhpChoice::Version(version)) => format!("PHP {version}"),
        (None, PhpChoice::Newest) => "the newest PHP".to_owned(),
    }
}

/// Waits until somebody connects, or the socket can never be connected to again.
async fn connection(socket: Option<&Listening>) {
    match socket {
        Some(Listening::Watched(watch)) => loop {
            let Ok(mut ready) = watch.readable().await else { return std::future::pending().await };
            let socket = watch.get_ref();
            if socket.has_connection() || socket.is_dead() {
                return;
            }
            ready.clear_ready();
        },
        Some(Listening::Unwatched(_)) => tokio::time::sleep(Duration::from_secs(1)).await,
        None => std::future::pending().await,
    }
}

/// What asks a disk, on a thread that may wait for it, for so long as a caller may.
async fn on_disk<T: Send + 'static>(panics: &Panics, work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    tokio::time::timeout(SAVING, panics.on_a_thread("what a pool has on disk", work)).await??
}

fn internal(detail: &str) -> WireError {
    tracing::error!("{detail}");
    WireError { code: WireCode::Internal, detail: detail.to_owned() }
}
