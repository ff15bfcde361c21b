//! PHP-FPM in bubblewrap.
//!
//! The processes: bubblewrap itself, a child of phpd outside of the sandbox; bubblewrap again, the first process of the PID namespace; below
//! it FPM's master, and below that the workers. phpd holds the first process by its pidfd: when it has ended, the kernel has ended all.
//!
//! bubblewrap's first process stays for as long as there is any other. So when the master ends, phpd ends the first process: workers
//! whose master was killed would go on accepting for ever (seen), and what a tenant left in the background ends with its PHP.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use opterius_model::{AccountId, PhpVersion, PoolName};
use opterius_protocol::phpd::PoolSpec;
use rustix::process::Signal;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::cgroup::Cgroups;
use crate::config::Config;
use crate::enter::{self, Enter};
use crate::fpm_config;
use crate::launch::{Launcher, Sandbox};
use crate::php_log::{self, PhpLog};
use crate::process::{self, Process};
use crate::runs::{Processes, Record, Run, Runs};
use crate::sockets::Socket;
use crate::view::{self, View};

/// The longest that a start may take. It takes some 50 ms; a server that is out of memory or disk may need its time.
const START: Duration = Duration::from_mins(1);

/// How often a start is looked at. FPM has no better sign that it is up than its first worker.
const START_LOOK: Duration = Duration::from_millis(3);

/// How long to wait for what an ended process said last.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Starts FPM in bubblewrap.
#[derive(Debug)]
pub struct Bubblewrap {
    config: Arc<Config>,
    runs: Runs,
    cgroups: Arc<Cgroups>,
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
    log: Option<PhpLog>,
    log_bytes: u64,
    cgroups: Arc<Cgroups>,
}

/// What bubblewrap reports.
#[derive(Deserialize)]
struct Report {
    #[serde(rename = "child-pid")]
    child_pid: u32,
}

impl Bubblewrap {
    /// With the directory of the runs.
    pub fn new(config: Arc<Config>, runs: Runs) -> Self {
        let cgroups = Arc::new(Cgroups::new(config.accounts_cgroup.clone()));
        Self { config, runs, cgroups }
    }

    /// The sandbox of an earlier phpd, if it still runs. One that runs without its master does not count.
    pub fn adopt(&self, run: Run, record: Record) -> Option<Bubble> {
        let Processes { first, master } = record.processes?;
        let (first, master) = (Process::reopen(first)?, Process::reopen(master)?);
        let log = self.log(&record.spec).ok();
        Some(self.bubble(run, record, first, master, None, log))
    }

    fn bubble(&self, run: Run, record: Record, first: Process, master: Process, outer: Option<Child>, log: Option<PhpLog>) -> Bubble {
        Bubble {
            run,
            record: Mutex::new(record),
            first,
            master,
            outer: tokio::sync::Mutex::new(outer),
            since: SystemTime::now(),
            log,
            log_bytes: u64::from(self.config.php_log_mib) * opterius_model::MIB,
            cgroups: Arc::clone(&self.cgroups),
        }
    }

    fn log(&self, spec: &PoolSpec) -> std::io::Result<PhpLog> {
        PhpLog::open(&self.config.logs, &spec.username, spec.uid, spec.account_id)
    }

    async fn start(&self, spec: &PoolSpec, socket: &Socket) -> Result<Bubble, String> {
        let home = self.config.homes.join(spec.username.as_str());
        // The directory above belongs to root, so the home stays what it is here until it is mounted.
        match fs::symlink_metadata(&home) {
            Ok(found) if found.is_dir() && found.uid() == spec.uid.get() => {}
            Ok(_) => return Err(format!("{} is not a directory of uid {}", home.display(), spec.uid.get())),
            Err(error) => return Err(format!("could not look at {}: {error}", home.display())),
        }
        let log = match self.log(spec) {
            Ok(log) => Some(log),
            Err(error) => {
                tracing::warn!(account.id = %spec.account_id, "PHP of {} runs without a log: {error}", spec.username);
                None
            }
        };
        let mut record = Record::new(spec.clone(), socket.bound().to_owned());
        let run = self.runs.begin(&record).map_err(|error| format!("could not record the start: {error}"))?;
        let mut outer = self.spawn(spec, socket, &home, log.as_ref(), &run).inspect_err(|_| run.end())?;
        let stderr = Stderr::collect(&mut outer);
        let Some((first, master)) = tokio::time::timeout(START, processes(&mut outer)).await.ok().flatten() else {
            // Nothing is left of a bubblewrap that failed before it made the namespace; one that hangs in between is found by its name.
            drop(outer.start_kill());
            let status = outer.wait().await.ok();
            kill_by_name(&run).await;
            run.end();
            return Err(format!("the sandbox could not be made: {}", stderr.last_line().await.unwrap_or_else(|| sentence(status))));
        };
        record.processes = Some(Processes { first: first.id(), master: master.id() });
        if let Err(error) = run.write(&record) {
            tracing::error!(account.id = %spec.account_id, "could not record the PHP of {}: {error}", spec.username);
        }
        let bubble = self.bubble(run, record, first, master, Some(outer), log);
        match bubble.wait_until_up(socket).await {
            Ok(()) => Ok(bubble),
            Err(how) => match stderr.last_line().await {
                Some(line) => Err(format!("{how}; it said {line}")),
                None => Err(how),
            },
        }
    }

    fn spawn(&self, spec: &PoolSpec, socket: &Socket, home: &std::path::Path, log: Option<&PhpLog>, run: &Run) -> Result<Child, String> {
        let failed = |what: &'static str| move |error: std::io::Error| format!("could not {what}: {error}");
        let conf = fpm_config::render(spec, &self.config, socket.path(), log.is_some());
        run.put(view::FPM_CONF_FILE, &conf).map_err(failed("write FPM's configuration"))?;
        for (name, text) in view::files(&spec.username, spec.uid) {
            run.put(name, &text).map_err(failed("write the sandbox's files"))?;
        }
        let view = View {
            username: &spec.username,
            uid: spec.uid,
            php_version: &spec.php_version,
            home,
            logs: log.map(PhpLog::path),
            files: run.path(),
        };
        let mut arguments = view.arguments();
        arguments.extend(view.fpm(&fpm_config::definitions(&self.config)));
        let cgroups = self.cgroups.prepare(spec.account_id, &spec.pool);
        // This very program, also when an upgrade has put another one in its place.
        Command::new("/proc/self/exe")
            .args(Enter::arguments(socket.path(), &cgroups, arguments))
            .env_clear()
            .stdin(Stdio::from(socket.duplicate().map_err(failed("duplicate the socket"))?))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .current_dir("/")
            .kill_on_drop(false)
            .spawn()
            .map_err(failed("start the sandbox"))
    }
}

impl Launcher for Bubblewrap {
    fn has_php(&self, version: &PhpVersion) -> bool {
        view::php_fpm(version).is_file()
    }

    fn launch<'a>(&'a self, spec: &'a PoolSpec, socket: &'a Socket) -> BoxFuture<'a, Result<Arc<dyn Sandbox>, String>> {
        async move {
            let bubble: Arc<dyn Sandbox> = Arc::new(self.start(spec, socket).await?);
            Ok(bubble)
        }
        .boxed()
    }

    fn kill_leftovers<'a>(&'a self, account: AccountId, pool: &'a PoolName) -> BoxFuture<'a, ()> {
        async move {
            for run in self.runs.of(account, pool) {
                kill_run(&run, run.read().as_ref()).await;
            }
            self.cgroups.forget(account, pool);
        }
        .boxed()
    }

    fn cgroups(&self) -> String {
        self.cgroups.sentence()
    }
}

/// Ends whatever a run may have left, and forgets it.
pub async fn kill_run(run: &Run, record: Option<&Record>) {
    match record.and_then(|record| record.processes) {
        Some(Processes { first, .. }) => {
            if let Some(first) = Process::reopen(first) {
                first.signal(Signal::KILL);
                first.ended().await;
            }
        }
        None => kill_by_name(run).await,
    }
    run.end();
}

/// Ends the processes that have the run's directory on their command line: the sandbox of a start that was not finished.
async fn kill_by_name(run: &Run) {
    let Some(path) = run.path().to_str() else { return };
    for pid in process::with_argument(path) {
        if let Ok(process) = Process::open(pid) {
            process.signal(Signal::KILL);
            process.ended().await;
        }
    }
}

/// The first process in the new PID namespace, as bubblewrap reports it, and its child, which becomes FPM's master.
async fn processes(outer: &mut Child) -> Option<(Process, Process)> {
    let mut pipe = outer.stdout.take()?;
    let mut report = Vec::new();
    pipe.read_to_end(&mut report).await.ok()?;
    let Report { child_pid } = serde_json::from_slice(&report).ok()?;
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
    fn collect(outer: &mut Child) -> Self {
        let pipe = outer.stderr.take();
        Self(AbortOnDrop(tokio::spawn(async move {
            let mut said = Vec::new();
            if let Some(pipe) = pipe {
                drop(pipe.take(64 * 1024).read_to_end(&mut said).await);
            }
            said
        })))
    }

    /// The last line, once everybody who could write to it has ended.
    async fn last_line(mut self) -> Option<String> {
        let said = tokio::time::timeout(LAST_WORDS, &mut self.0.0).await.ok()?.ok()?;
        php_log::last_line_of(&said).map(|line| format!("`{line}`"))
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
    pub fn socket(&self) -> Option<std::os::fd::OwnedFd> {
        self.master.descriptor(enter::SOCKET_FD).ok()
    }

    /// Returns when FPM has a worker, or has taken the connection that woke it.
    async fn wait_until_up(&self, socket: &Socket) -> Result<(), String> {
        let until = Instant::now() + START;
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

    fn has_workers(&self) -> bool {
        !process::children(self.master.id().pid).is_empty()
    }

    fn retire(&self) {
        self.change(|record| record.retiring = true);
        self.master.signal(Signal::QUIT);
    }

    fn kill(&self) {
        self.first.signal(Signal::KILL);
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
            self.first.signal(Signal::KILL);
            self.first.ended().await;
            let said = self.log.as_ref().and_then(|log| log.last_line(self.since));
            self.run.end();
            let (account, pool) = {
                let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
                (record.spec.account_id, record.spec.pool.clone())
            };
            self.cgroups.forget(account, &pool);
            let sentence = sentence(status);
            said.map_or_else(|| sentence.clone(), |said| format!("{sentence}; the last line it wrote is `{said}`"))
        }
        .boxed()
    }

    fn tidy(&self) {
        if let Some(log) = &self.log
            && let Err(error) = log.cut(self.log_bytes)
        {
            tracing::warn!("could not cut the log in {}: {error}", log.path().display());
        }
    }
}
