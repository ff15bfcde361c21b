//! PHP-FPM in bubblewrap.
//!
//! The processes: bubblewrap itself, a child of phpd outside of the sandbox; bubblewrap again, the first process of the PID namespace; below
//! it FPM's master, and below that the workers. phpd holds the first process by its pidfd: when it has ended, the kernel has ended all.
//!
//! bubblewrap's first process stays for as long as there is any other. So when the master ends, phpd ends the first process: workers
//! whose master was killed would go on accepting for ever (seen), and what a tenant left in the background ends with its PHP.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use opterius_model::{AccountId, PoolName};
use opterius_protocol::bounded;
use opterius_protocol::phpd::{CgroupLevel, PoolSpec};
use rustix::process::Signal;
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::Instant;

use crate::cgroup::Cgroups;
use crate::config::Config;
use crate::enter::{self, Enter};
use crate::fpm_config;
use crate::launch::{Launcher, Sandbox};
use crate::panics::Panics;
use crate::php_log::{self, News, PhpLog, SandboxLog, WrittenByPhp};
use crate::phps::{self, Php, Phps};
use crate::process::{self, Process};
use crate::runs::{Processes, Record, Report, Run, Runs};
use crate::sockets::Socket;
use crate::view::{self, View};

/// The longest that a start may take. It takes some 50 ms; a server that is out of memory or disk may need its time.
const START: Duration = Duration::from_mins(1);

/// How often a start is looked at. FPM has no better sign that it is up than its first worker.
const START_LOOK: Duration = Duration::from_millis(3);

/// How long to wait for what an ended process said last.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How much of it is kept, in bytes.
const SAID: usize = 64 * 1024;

/// How long the end of a sandbox may take that has no process left: its log, its directory, its cgroup.
const CLEARING: Duration = Duration::from_secs(5);

/// Starts FPM in bubblewrap.
#[derive(Debug)]
pub struct Bubblewrap {
    config: Arc<Config>,
    runs: Runs,
    phps: Arc<Phps>,
    cgroups: Arc<Cgroups>,
    panics: Panics,
}

/// One FPM in bubblewrap.
#[derive(Debug)]
pub struct Bubble {
    run: Run,
    record: Mutex<Record>,
    first: Process,
    master: Process,
    /// bubblewrap's outer process, where this phpd started it.
    outer: tokio::sync::Mutex<Option<Child>>,
    /// Since when what stands in the log is of this run.
    since: SystemTime,
    log: Option<Arc<SandboxLog>>,
    /// Held while a PHP of an earlier version writes to its log itself.
    _writes: Option<WrittenByPhp>,
    cgroups: Arc<Cgroups>,
    panics: Panics,
}

/// What is there of a start before it works.
struct Begun {
    run: Run,
    record: Record,
    outer: Child,
    log: Option<PhpLog>,
}

impl Bubblewrap {
    /// With the directory of the runs, and the PHPs that there are.
    pub fn new(config: Arc<Config>, runs: Runs, phps: Arc<Phps>, panics: Panics) -> Self {
        let cgroups = Arc::new(Cgroups::new(config.accounts_cgroup.clone()));
        Self { config, runs, phps, cgroups, panics }
    }

    /// The sandbox of an earlier phpd, if it still runs. One that runs without its master does not count, nor does a process that is not what
    /// the record says: a child of the first process, with the account's uid.
    pub fn adopt(&self, run: Run, record: Record) -> Option<Bubble> {
        let Processes { first, master } = record.processes?;
        let (first, master) = (Process::reopen(first)?, Process::reopen(master)?);
        let (uid, parent) = master.uid_and_parent()?;
        if (uid, parent) != (record.spec.uid.get(), first.id().pid) {
            tracing::error!(account.id = %record.spec.account_id, "process {} is not the PHP of {}", master.id().pid, record.spec.username);
            return None;
        }
        let log = if record.writes_php_log() { None } else { self.log(&record.spec) };
        Some(self.bubble(run, record, first, master, None, log))
    }

    fn bubble(&self, run: Run, record: Record, first: Process, master: Process, outer: Option<Child>, log: Option<PhpLog>) -> Bubble {
        let writes = record.writes_php_log().then(|| WrittenByPhp::new(&self.config.logs, &record.spec.username));
        let most = u64::from(self.config.php_log_mib) * opterius_model::MIB;
        let log = log.and_then(|log| match SandboxLog::of(&first, log, most) {
            Ok(log) => Some(Arc::new(log)),
            Err(error) => {
                tracing::warn!(account.id = %record.spec.account_id, "PHP of {} runs without a log: {error}", record.spec.username);
                None
            }
        });
        Bubble {
            run,
            record: Mutex::new(record),
            first,
            master,
            outer: tokio::sync::Mutex::new(outer),
            since: SystemTime::now(),
            log,
            _writes: writes,
            cgroups: Arc::clone(&self.cgroups),
            panics: self.panics.clone(),
        }
    }

    fn log(&self, spec: &PoolSpec) -> Option<PhpLog> {
        match PhpLog::open(&self.config.logs, &spec.username, spec.uid, spec.account_id) {
            Ok(log) => Some(log),
            Err(error) => {
                tracing::warn!(account.id = %spec.account_id, "PHP of {} runs without a log: {error}", spec.username);
                None
            }
        }
    }

    async fn start(self: &Arc<Self>, spec: &PoolSpec, socket: &Socket) -> Result<Bubble, String> {
        let until = Instant::now() + START;
        let inherited = socket.duplicate().map_err(|error| format!("could not duplicate the socket: {error}"))?;
        let (this, of, bound, path, cookie) = (Arc::clone(self), spec.clone(), socket.bound(), socket.path(), socket.cookie());
        // Disks can hang. Where this is given up, what it leaves is a leftover.
        let given_up = GivenUp::default();
        let gave_up = Arc::clone(&given_up.0);
        let begun = self.panics.on_a_thread("the beginning of a start", move || {
            let phps = this.phps.look();
            let php = phps::pick(&of.php_version, &phps).ok_or(NO_PHP)?;
            let begun = this.begin(&of, php, Record::new(of.clone(), php.clone(), bound, cookie), &path, inherited)?;
            if gave_up.load(Ordering::SeqCst) {
                tokio::runtime::Handle::current().block_on(this.kill_run(&begun.run, None));
                return Err("it was given up".to_owned());
            }
            Ok(begun)
        });
        let begun = tokio::time::timeout_at(until, begun).await.map_err(|_| slow("begin"))?;
        let Begun { run, mut record, mut outer, log } = begun.map_err(|error| format!("could not begin: {error}"))??;
        let stderr = Stderr::collect(&mut outer, &self.panics);
        let Some((first, master)) = tokio::time::timeout_at(until, processes(&run, &mut outer)).await.ok().flatten() else {
            let _ = tokio::time::timeout(CLEARING, self.kill_unfinished(&run)).await;
            drop(outer.start_kill());
            let status = tokio::time::timeout(LAST_WORDS, outer.wait()).await.ok().and_then(Result::ok);
            run.end();
            return Err(format!("the sandbox could not be made: {}", stderr.last_line().await.unwrap_or_else(|| sentence(status))));
        };
        record.processes = Some(Processes { first: first.id(), master: master.id() });
        if let Err(error) = run.write(&record) {
            tracing::error!(account.id = %spec.account_id, "could not record the PHP of {}: {error}", spec.username);
        }
        let bubble = self.bubble(run, record, first, master, Some(outer), log);
        match bubble.wait_until_up(socket, until).await {
            Ok(()) => Ok(bubble),
            Err(how) => match stderr.last_line().await {
                Some(line) => Err(format!("{how}; it said {line}")),
                None => Err(how),
            },
        }
    }

    /// All of a start that asks a disk for something, up to the new process. Blocks.
    fn begin(&self, spec: &PoolSpec, php: &Php, record: Record, listen: &std::path::Path, socket: OwnedFd) -> Result<Begun, String> {
        let home = self.config.homes.join(spec.username.as_str());
        // The directory above belongs to root, so the home stays what it is here until it is mounted.
        match fs::symlink_metadata(&home) {
            Ok(found) if found.is_dir() && found.uid() == spec.uid.get() => {}
            Ok(_) => return Err(format!("{} is not a directory of uid {}", home.display(), spec.uid.get())),
            Err(error) => return Err(format!("could not look at {}: {error}", home.display())),
        }
        let log = self.log(spec);
        let run = self.runs.begin(&record).map_err(|error| format!("could not record the start: {error}"))?;
        let outer = self.spawn((spec, php), listen, socket, &home, log.as_ref(), &run).inspect_err(|_| run.end())?;
        Ok(Begun { run, record, outer, log })
    }

    fn spawn(
        &self,
        (spec, php): (&PoolSpec, &Php),
        listen: &std::path::Path,
        socket: OwnedFd,
        home: &std::path::Path,
        log: Option<&PhpLog>,
        run: &Run,
    ) -> Result<Child, String> {
        let failed = |what: &'static str| move |error: std::io::Error| format!("could not {what}: {error}");
        let conf = fpm_config::render(spec, &self.config, listen, log.is_some());
        run.put(view::FPM_CONF_FILE, &conf).map_err(failed("write FPM's configuration"))?;
        for (name, text) in view::files(&spec.username, spec.uid) {
            run.put(name, &text).map_err(failed("write the sandbox's files"))?;
        }
        let view = View {
            username: &spec.username,
            uid: spec.uid,
            php_version: &php.version,
            home,
            logs: log.map(PhpLog::path),
            files: run.path(),
        };
        let mut arguments = view.arguments();
        arguments.extend(view.fpm(&fpm_config::definitions(&self.config)));
        let cgroups = self.cgroups.prepare(run);
        // This very program, also when an upgrade has put another one in its place.
        Command::new("/proc/self/exe")
            .args(Enter::arguments(run.path(), listen, &cgroups, arguments))
            .env_clear()
            .stdin(Stdio::from(socket))
            .stdout(Stdio::from(run.report_file().map_err(failed("make the file for bubblewrap's report"))?))
            .stderr(Stdio::piped())
            .current_dir("/")
            .kill_on_drop(false)
            .spawn()
            .map_err(failed("start the sandbox"))
    }
}

/// Why a pool does not start on a server without any PHP.
pub const NO_PHP: &str = "no PHP is installed on this server";

/// Tells the thread that begins a start that nobody waits for it any more.
#[derive(Default)]
struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn slow(what: &str) -> String {
    format!("could not {what} within {} seconds", START.as_secs())
}

/// [`Bubblewrap`], as pools use it.
#[derive(Debug, Clone)]
pub struct BubblewrapLauncher(pub Arc<Bubblewrap>);

impl Launcher for BubblewrapLauncher {
    fn launch<'a>(&'a self, spec: &'a PoolSpec, socket: &'a Socket) -> BoxFuture<'a, Result<Arc<dyn Sandbox>, String>> {
        async move {
            let bubble: Arc<dyn Sandbox> = Arc::new(self.0.start(spec, socket).await?);
            Ok(bubble)
        }
        .boxed()
    }

    fn kill_leftovers<'a>(&'a self, account: AccountId, pool: &'a PoolName) -> BoxFuture<'a, ()> {
        async move {
            self.0.cgroups.kill_pool(account, pool);
            for run in self.0.runs.of(account, pool) {
                self.0.kill_run(&run, run.read().as_ref()).await;
            }
            let (cgroups, pool) = (Arc::clone(&self.0.cgroups), pool.clone());
            let _ = self.0.panics.on_a_thread("the end of a pool's cgroup", move || cgroups.forget_pool(account, &pool)).await;
        }
        .boxed()
    }

    fn cgroups(&self) -> (CgroupLevel, String) {
        self.0.cgroups.told()
    }
}

impl Bubblewrap {
    /// Ends whatever a run may have left, and forgets it. Waits for as long as that takes.
    pub async fn kill_run(&self, run: &Run, record: Option<&Record>) {
        match record.and_then(|record| record.processes) {
            Some(Processes { first, .. }) => {
                self.cgroups.kill(run);
                if let Some(first) = Process::reopen(first) {
                    first.signal(Signal::KILL);
                    first.ended().await;
                }
            }
            None => self.kill_unfinished(run).await,
        }
        run.end();
        let (cgroups, run) = (Arc::clone(&self.cgroups), run.clone());
        let _ = self.panics.on_a_thread("the end of a run's cgroup", move || cgroups.forget(&run)).await;
    }

    /// Ends the sandbox of a start that was not finished: the first process of its namespace, and with it all others.
    async fn kill_unfinished(&self, run: &Run) {
        // Whoever has not written down its name by now cannot any more, and ends by itself.
        let run = &run.moved_away();
        let outer = run.starter().and_then(Process::reopen);
        if let Some(outer) = &outer {
            // It may not have joined its cgroup yet, and then it has no child that has.
            outer.stop().await;
        }
        self.cgroups.kill(run);
        if let Some(outer) = &outer {
            kill_with_children(outer).await;
        }
        if let Some(Report { child_pid, pid_namespace: Some(namespace) }) = run.report()
            && let Ok(first) = Process::open(child_pid)
            && process::pid_namespace(child_pid) == Some(namespace)
            && !first.has_ended()
        {
            first.signal(Signal::KILL);
            first.ended().await;
        }
        if run.starter().is_none() {
            kill_by_argument(run).await;
        }
        run.end();
    }
}

async fn kill_with_children(process: &Process) {
    // It stands still, so that it has no child in a moment that it does not have now.
    process.stop().await;
    for child in process::children(process.id().pid) {
        if let Ok(child) = Process::open(child) {
            child.signal(Signal::KILL);
            child.ended().await;
        }
    }
    process.signal(Signal::KILL);
    process.ended().await;
}

/// Ends the processes of root's that have the run's directory on their command line: what an earlier version started wrote down no name.
/// bubblewrap's first process is one, and stays root's.
async fn kill_by_argument(run: &Run) {
    let Some(path) = run.began_as().to_str().map(str::to_owned) else { return };
    loop {
        let path = path.clone();
        let found = match tokio::task::spawn_blocking(move || process::roots_with_argument_below(&path)).await {
            Ok(found) => found,
            // Whoever asked counts it.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return,
        };
        if found.is_empty() {
            return;
        }
        for process in found.into_iter().filter_map(Process::reopen) {
            kill_with_children(&process).await;
        }
    }
}

/// The first process in the new PID namespace, as bubblewrap reports it, and its child, which becomes FPM's master.
async fn processes(run: &Run, outer: &mut Child) -> Option<(Process, Process)> {
    let child_pid = loop {
        if let Some(Report { child_pid, .. }) = run.report() {
            break child_pid;
        }
        if !matches!(outer.try_wait(), Ok(None)) {
            return None;
        }
        tokio::time::sleep(START_LOOK).await;
    };
    let first = Process::open(child_pid).ok()?;
    loop {
        if let Some(child) = process::children(child_pid).first() {
            return Some((first, Process::open(*child).ok()?));
        }
        if first.has_ended() {
            return None;
        }
        tokio::time::sleep(START_LOOK).await;
    }
}

/// What is said on standard error until FPM has its log: a pipe that is only read during the start. FPM keeps its end open, and its
/// workers inherit it; a file instead would be one that a tenant can fill.
struct Stderr(AbortOnDrop<Vec<u8>>);

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Stderr {
    fn collect(outer: &mut Child, panics: &Panics) -> Self {
        let (pipe, panics) = (outer.stderr.take(), panics.clone());
        Self(AbortOnDrop(tokio::spawn(async move {
            let said = panics.guard("the reader of what a start says", read_some(pipe)).await;
            said.unwrap_or_default()
        })))
    }

    /// The last line, once everybody who could write to it has ended.
    async fn last_line(mut self) -> Option<String> {
        let said = tokio::time::timeout(LAST_WORDS, &mut self.0.0).await.ok()?.ok()?;
        php_log::last_line_of(&said).map(|line| format!("`{line}`"))
    }
}

async fn read_some(pipe: Option<ChildStderr>) -> Vec<u8> {
    match pipe {
        Some(pipe) => bounded::drain(pipe, SAID).await.unwrap_or_default(),
        None => Vec::new(),
    }
}

fn sentence(status: Option<std::process::ExitStatus>) -> String {
    // bubblewrap passes on what its child ended with, a signal as 128 and its number.
    match status.and_then(|status| status.code().or_else(|| Some(128 + status.signal()?))) {
        Some(0) => "PHP-FPM ended".to_owned(),
        Some(code @ 129..=192) => format!("PHP-FPM was ended by signal {}", code - 128),
        Some(code) => format!("PHP-FPM ended with exit code {code}"),
        None => "PHP-FPM ended, nobody saw how".to_owned(),
    }
}

impl Bubble {
    /// The descriptor of its socket, taken back from FPM's master.
    /// What it is by now is its tenant's choice, down to how long it takes to close it, so this is nothing for a thread of the runtime.
    pub fn socket(&self) -> Option<OwnedFd> {
        self.master.descriptor(enter::SOCKET_FD).ok()
    }

    /// Returns when FPM has a worker, or has taken the connection that woke it.
    async fn wait_until_up(&self, socket: &Socket, until: Instant) -> Result<(), String> {
        loop {
            if self.master.has_ended() {
                return Err(self.ended().await);
            }
            if self.has_workers() || !socket.has_connection() {
                return Ok(());
            }
            if Instant::now() >= until {
                self.kill();
                self.ended().await;
                return Err(format!("PHP-FPM took no connection within {} seconds", START.as_secs()));
            }
            tokio::time::sleep(START_LOOK).await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut Record)) {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut record);
        if let Err(error) = self.run.write(&record) {
            tracing::error!(account.id = %record.spec.account_id, "could not record the PHP of {}: {error}", record.spec.username);
        }
    }
}

impl Sandbox for Bubble {
    fn master_pid(&self) -> u32 {
        self.master.id().pid
    }

    fn php(&self) -> Option<Php> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).php()
    }

    fn has_workers(&self) -> bool {
        !process::children(self.master.id().pid).is_empty()
    }

    fn retire(&self) {
        self.change(|record| record.retiring = true);
        self.master.signal(Signal::QUIT);
    }

    fn kill(&self) {
        self.first.signal(Signal::KILL);
        self.cgroups.kill(&self.run);
    }

    fn ended(&self) -> BoxFuture<'_, String> {
        async move {
            tokio::select! {
                () = self.first.ended() => {}
                () = self.master.ended() => {}
            }
            let status = match self.outer.lock().await.as_mut() {
                // It ends as soon as it has heard how the master ended, which it cannot if the first process is killed before it told.
                Some(outer) => tokio::time::timeout(LAST_WORDS, outer.wait()).await.ok().and_then(Result::ok),
                None => None,
            };
            self.kill();
            self.first.ended().await;
            let said = self.clear_away().await;
            let sentence = sentence(status);
            said.map_or_else(|| sentence.clone(), |said| format!("{sentence}; the last line it wrote is `{said}`"))
        }
        .boxed()
    }

    fn tidy(&self) {
        if let Some(log) = &self.log
            && log.begin()
        {
            let (log, panics) = (Arc::clone(log), self.panics.clone());
            drop(tokio::task::spawn_blocking(move || panics.guard_blocking("the log of an account", || take(&log, false))));
        }
    }
}

impl Bubble {
    /// What remains to be done when no process is left; the last line that PHP wrote.
    async fn clear_away(&self) -> Option<String> {
        let (log, since, run, cgroups) = (self.log.clone(), self.since, self.run.clone(), Arc::clone(&self.cgroups));
        let clearing = self.panics.on_a_thread("the end of a sandbox", move || {
            let said = log.and_then(|log| {
                take(&log, true);
                log.log().last_line(since)
            });
            run.end();
            cgroups.forget(&run);
            said
        });
        tokio::time::timeout(CLEARING, clearing).await.ok()?.ok()?
    }
}

/// Takes what is new into the log. That it fails, as on a full disk, is said once and not each second.
fn take(log: &SandboxLog, ended: bool) {
    let path = log.log().path().display();
    match log.news(log.take(ended)) {
        Some(News::Fails(why)) => tracing::warn!("could not write the log in {path}: {why}"),
        Some(News::Works) => tracing::info!("the log in {path} is written again"),
        None => {}
    }
}
