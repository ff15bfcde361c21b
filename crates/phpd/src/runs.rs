//! The record of every sandbox that runs, in a directory of its own on a tmpfs, so that a phpd that was restarted knows them again.
//!
//! The record is there before the process: a phpd that is killed between the two leaves a record without a process number, and the
//! process is then found by the directory's name on its command line.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use opterius_model::{AccountId, PoolName};
use opterius_protocol::{Micros, phpd::PoolSpec};
use serde::{Deserialize, Serialize};

use crate::process::ProcessId;

const VERSION: u32 = 1;
const RECORD: &str = "record.json";

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
    /// The name its socket was bound to.
    pub bound: PathBuf,
    /// Its processes, once they exist.
    pub processes: Option<Processes>,
    /// Whether it was told to end.
    pub retiring: bool,
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
    pub fn new(spec: PoolSpec, bound: PathBuf) -> Self {
        Self { version: VERSION, spec, bound, processes: None, retiring: false }
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
        fs::read_dir(&self.root)?.map(|entry| Ok(Run { path: entry?.path() })).collect()
    }

    /// The runs of one pool.
    pub fn of(&self, account: AccountId, pool: &PoolName) -> Vec<Run> {
        let prefix = format!("{account}.{pool}.");
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)).map(|entry| Run { path: entry.path() }).collect()
    }
}

impl Run {
    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a file into it that the sandbox may read. The directory itself stays closed; only the mount opens the file.
    pub fn put(&self, name: &str, text: &str) -> io::Result<()> {
        let path = self.path.join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, Permissions::from_mode(0o644))
    }

    /// Replaces the record.
    pub fn write(&self, record: &Record) -> io::Result<()> {
        let new = self.path.join("record.new");
        fs::write(&new, serde_json::to_vec(record)?)?;
        fs::rename(&new, self.path.join(RECORD))
    }

    /// The record; nothing if it is not there or not of this version.
    pub fn read(&self) -> Option<Record> {
        let text = fs::read(self.path.join(RECORD)).ok()?;
        serde_json::from_slice::<Record>(&text).ok().filter(|record| record.version == VERSION)
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

    #[test]
    fn a_record_comes_back_and_a_torn_one_is_none() {
        let root = tempfile::tempdir().expect("a directory");
        let runs = Runs::open(root.path()).expect("it opens");
        let mut record = Record::new(spec(), "/run/x/.main.0".into());
        let run = runs.begin(&record).expect("it begins");
        let id = ProcessId { pid: 7, start_time: 8 };
        record.processes = Some(Processes { first: id, master: id });
        run.write(&record).expect("it is written");
        fs::create_dir(root.path().join("runs/torn")).expect("made");
        let all = runs.all().expect("it is read");
        assert_eq!(all.len(), 2);
        assert_eq!(all.iter().filter_map(Run::read).collect::<Vec<_>>(), [record.clone()]);
        assert_eq!(runs.of(record.spec.account_id, &record.spec.pool).len(), 1);
        run.end();
        assert!(runs.of(record.spec.account_id, &record.spec.pool).is_empty());
    }
}
