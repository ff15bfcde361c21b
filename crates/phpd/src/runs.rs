//! The record of every sandbox that runs, in a directory of its own on a tmpfs, so that a phpd that was restarted knows them again.
//!
//! The record is there before the process: a phpd that is killed between the two leaves a record without process numbers. What it started is
//! found by two files that do not need phpd: the process that becomes bubblewrap writes down its own name first, and bubblewrap that of the
//! sandbox's first process.
//!
//! On a tmpfs nothing waits for a disk, so records are also written on threads of the runtime.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use opterius_model::{AccountId, PoolName};
use opterius_protocol::{Micros, bounded, phpd::PoolSpec};
use serde::{Deserialize, Serialize};

use crate::phps::Php;
use crate::process::ProcessId;
use crate::sockets::Socket;

const VERSION: u32 = 1;
const RECORD: &str = "record.json";
const STARTER: &str = "starter.json";
const REPORT: &str = "report.json";

/// What the name of a directory ends with whose sandbox is being ended.
const AWAY: &str = ".ending";

/// A record is a few hundred bytes.
const MOST: u64 = 64 * 1024;
const MOST_RUNS: usize = 1_000_000;

/// The way in which sandboxes are made now. One that was made in another way ends after its requests when phpd is restarted, so that what
/// holds for new ones holds for all.
const SANDBOX_FORMAT: u32 = 1;

/// All runs.
#[derive(Debug, Clone)]
pub struct Runs {
    root: PathBuf,
}

/// One sandbox's directory.
#[derive(Debug, Clone)]
pub struct Run {
    path: PathBuf,
}

/// What phpd must know of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// What it was started for.
    pub spec: PoolSpec,
    /// The PHP that was started. Nothing in the records of earlier versions, which started the one of the Spec.
    #[serde(default)]
    pub php: Option<Php>,
    /// The name its socket was bound to.
    pub bound: PathBuf,
    /// Its processes, once they exist.
    pub processes: Option<Processes>,
    /// Whether it was told to end.
    pub retiring: bool,
    /// The number of its socket ([`crate::sockets::Socket::cookie`]).
    #[serde(default)]
    pub socket: Option<u64>,
    /// The way in which it was made; 0 before that was recorded.
    #[serde(default, rename = "make")]
    sandbox_format: u32,
}

/// What bubblewrap reports of what it started.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Report {
    /// The first process of the PID namespace, as the server sees it.
    #[serde(rename = "child-pid")]
    pub child_pid: u32,
    /// The inode of that namespace; bubblewrap tells it since 0.5.
    #[serde(rename = "pid-namespace", default)]
    pub pid_namespace: Option<u64>,
}

/// The two processes that phpd holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processes {
    /// The first process of the PID namespace: with it ends everything.
    pub first: ProcessId,
    /// FPM's master, its child.
    pub master: ProcessId,
}

impl Record {
    /// The record of a sandbox that is about to start.
    pub fn new(spec: PoolSpec, php: Php, bound: PathBuf, socket: u64) -> Self {
        Self {
            version: VERSION,
            spec,
            php: Some(php),
            bound,
            processes: None,
            retiring: false,
            socket: Some(socket),
            sandbox_format: SANDBOX_FORMAT,
        }
    }

    /// The PHP that runs in it; nothing if that is not known.
    pub fn php(&self) -> Option<Php> {
        let of_the_spec = || Some(Php { version: self.spec.php_version.version()?.clone(), stamp: None });
        self.php.clone().or_else(of_the_spec)
    }

    /// Whether it was made as sandboxes are made now.
    pub fn is_current(&self) -> bool {
        self.sandbox_format == SANDBOX_FORMAT
    }

    /// Whether its PHP writes to the account's `php.log` itself, as it did in the first format.
    pub fn writes_php_log(&self) -> bool {
        self.sandbox_format == 0
    }

    /// Whether this is the socket that it got. Earlier versions recorded only the name, which is enough for a socket from systemd's store.
    pub fn is_on(&self, socket: &Socket) -> bool {
        match self.socket {
            Some(cookie) => cookie == socket.cookie(),
            None => self.bound == socket.bound(),
        }
    }
}

impl Runs {
    /// The runs below `root`, which is made, root-only, if it is not there.
    pub fn open(root: &Path) -> io::Result<Self> {
        let root = root.join("runs");
        DirBuilder::new().recursive(true).mode(0o700).create(&root)?;
        Ok(Self { root })
    }

    /// A directory for a new run of the pool.
    pub fn begin(&self, record: &Record) -> io::Result<Run> {
        let PoolSpec { account_id, pool, .. } = &record.spec;
        let Micros(now) = Micros::now();
        let path = self.root.join(format!("{account_id}.{pool}.{now}"));
        DirBuilder::new().mode(0o700).create(&path)?;
        let run = Run { path };
        run.write(record)?;
        Ok(run)
    }

    /// Every run.
    pub fn all(&self) -> io::Result<Vec<Run>> {
        Ok(bounded::names(&self.root, MOST_RUNS)?.into_iter().map(|name| Run { path: self.root.join(name) }).collect())
    }

    /// The runs of one pool.
    pub fn of(&self, account: AccountId, pool: &PoolName) -> Vec<Run> {
        let prefix = format!("{account}.{pool}.");
        let names = bounded::names(&self.root, MOST_RUNS).unwrap_or_default().into_iter();
        names.filter(|name| name.to_string_lossy().starts_with(&prefix)).map(|name| Run { path: self.root.join(name) }).collect()
    }
}

impl Run {
    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a file into it, which the sandbox gets a copy of.
    pub fn put(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.path.join(name), text)
    }

    /// Replaces the record.
    pub fn write(&self, record: &Record) -> io::Result<()> {
        let new = self.path.join("record.new");
        fs::write(&new, serde_json::to_vec(record)?)?;
        fs::rename(&new, self.path.join(RECORD))
    }

    /// The record; nothing if it is not there or not of this version.
    pub fn read(&self) -> Option<Record> {
        let text = bounded::file(self.path.join(RECORD), MOST).ok()?;
        serde_json::from_slice::<Record>(&text).ok().filter(|record| record.version == VERSION)
    }

    /// Writes down the process that calls this, which becomes bubblewrap.
    pub fn begun_by_this_process(path: &Path) -> io::Result<()> {
        fs::write(path.join(STARTER), serde_json::to_vec(&ProcessId::own()?)?)
    }

    /// The process that became bubblewrap.
    pub fn starter(&self) -> Option<ProcessId> {
        serde_json::from_slice(&bounded::file(self.path.join(STARTER), MOST).ok()?).ok()
    }

    /// The file for bubblewrap's report.
    pub fn report_file(&self) -> io::Result<fs::File> {
        fs::File::create(self.path.join(REPORT))
    }

    /// Bubblewrap's report, once it is whole.
    pub fn report(&self) -> Option<Report> {
        serde_json::from_slice(&bounded::file(self.path.join(REPORT), MOST).ok()?).ok()
    }

    /// The same run under another name, so that nothing that knows only the first one begins in it any more.
    #[must_use]
    pub fn moved_away(&self) -> Self {
        let mut name = self.began_as().into_os_string();
        name.push(AWAY);
        let path = PathBuf::from(name);
        match fs::rename(&self.path, &path) {
            Ok(()) => Self { path },
            Err(_) => self.clone(),
        }
    }

    /// Its directory when it began.
    pub fn began_as(&self) -> PathBuf {
        match self.path.to_str().and_then(|path| path.strip_suffix(AWAY)) {
            Some(path) => path.into(),
            None => self.path.clone(),
        }
    }

    /// Its cgroup, below that of all accounts: `<account id>/<pool>/<µs>`.
    pub fn cgroup(&self) -> PathBuf {
        let began_as = self.began_as();
        let name = began_as.file_name().unwrap_or_default().to_string_lossy();
        name.splitn(3, '.').collect()
    }

    /// Forgets the run.
    pub fn end(&self) {
        if let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("could not remove {}: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fpm_config::tests::spec;

    fn php() -> Php {
        Php { version: opterius_model::PhpVersion::parse("8.2").expect("a version"), stamp: Some("1".to_owned()) }
    }

    #[test]
    fn a_record_of_an_earlier_phpd_loads_and_is_not_current() {
        let mut record = serde_json::to_value(Record::new(spec(), php(), "/run/x/.main.0".into(), 7)).expect("JSON");
        for field in ["socket", "make", "php"] {
            record.as_object_mut().expect("an object").remove(field);
        }
        let record: Record = serde_json::from_value(record).expect("it loads");
        assert!(!record.is_current() && record.socket.is_none());
        assert_eq!(record.php(), Some(Php { stamp: None, ..php() }), "it ran the PHP of its Spec");
    }

    #[test]
    fn a_record_comes_back_and_a_torn_one_is_none() {
        let root = tempfile::tempdir().expect("a directory");
        let runs = Runs::open(root.path()).expect("it opens");
        let mut record = Record::new(spec(), php(), "/run/x/.main.7".into(), 7);
        let run = runs.begin(&record).expect("it begins");
        let id = ProcessId { pid: 7, start_time: 8 };
        record.processes = Some(Processes { first: id, master: id });
        run.write(&record).expect("it is written");
        fs::create_dir(root.path().join("runs/torn")).expect("made");
        let all = runs.all().expect("it is read");
        assert_eq!(all.len(), 2);
        assert_eq!(all.iter().filter_map(Run::read).collect::<Vec<_>>(), [record.clone()]);
        assert_eq!(runs.of(record.spec.account_id, &record.spec.pool).len(), 1);
        assert!(run.report().is_none() && run.starter().is_none());
        Run::begun_by_this_process(run.path()).expect("written");
        assert_eq!(run.starter(), Some(ProcessId::own().expect("known")));
        fs::write(run.path().join(REPORT), "{\n    \"child-pid\": 9").expect("written");
        assert!(run.report().is_none(), "bubblewrap is still writing");
        fs::write(run.path().join(REPORT), "{\n    \"child-pid\": 9,\n \"pid-namespace\": 11\n}\n").expect("written");
        let report = run.report().expect("it is whole");
        assert_eq!((report.child_pid, report.pid_namespace), (9, Some(11)));
        let cgroup = run.cgroup();
        assert!(
            cgroup.starts_with(Path::new(&record.spec.account_id.to_string()).join("main")) && cgroup.iter().count() == 3,
            "{cgroup:?}"
        );
        let moved = run.moved_away();
        assert_eq!(moved.cgroup(), cgroup);
        assert!(Run::begun_by_this_process(run.path()).is_err(), "too late");
        let found = runs.of(record.spec.account_id, &record.spec.pool);
        assert_eq!((found.len(), found[0].path(), found[0].began_as().as_path()), (1, moved.path(), run.path()));
        assert_eq!(found[0].moved_away().path(), moved.path());
        moved.end();
        assert!(runs.of(record.spec.account_id, &record.spec.pool).is_empty());
    }
}
