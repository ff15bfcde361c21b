//! The pools on disk: one file each, replaced whole, so that a reboot brings back every pool that was ever promised.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use opterius_model::{AccountId, PoolName};
use opterius_protocol::{bounded, phpd::PoolSpec};
use serde::{Deserialize, Serialize};

/// A pool is a few hundred bytes, and an account has a few of them.
const MOST: u64 = 64 * 1024;
const MOST_POOLS: usize = 1_000;
const MOST_ACCOUNTS: usize = 1_000_000;

/// The version of the files that this build writes.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    spec: PoolSpec,
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// The directory of the pools, `<account id>/<pool>.json` below it.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// A file that is no pool, with the reason in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub detail: String,
}

impl Store {
    /// The pools below `root`, which is made, root-only, if it is not there.
    pub fn open(root: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        Ok(Self { root: root.to_owned() })
    }

    /// The file of one pool.
    pub fn path(&self, account: AccountId, pool: &PoolName) -> PathBuf {
        self.root.join(account.to_string()).join(format!("{pool}.json"))
    }

    /// Every pool, and every file that is none. One bad file stops no other.
    pub fn load(&self) -> io::Result<(Vec<PoolSpec>, Vec<Unreadable>)> {
        let (mut specs, mut unreadable) = (Vec::new(), Vec::new());
        for account in bounded::names(&self.root, MOST_ACCOUNTS)? {
            let account = self.root.join(account);
            let files = match bounded::names(&account, MOST_POOLS) {
                Ok(files) => files,
                Err(error) => {
                    unreadable.push(Unreadable { detail: format!("could not read {}: {error}", account.display()), path: account });
                    continue;
                }
            };
            for file in files {
                let path = account.join(file);
                // What a crash left half-written has never been promised to anybody.
                if path.extension().is_some_and(|extension| extension == "new") {
                    continue;
                }
                match self.read(&path) {
                    Ok(spec) => specs.push(spec),
                    Err(detail) => unreadable.push(Unreadable { path, detail }),
                }
            }
        }
        Ok((specs, unreadable))
    }

    fn read(&self, path: &Path) -> Result<PoolSpec, String> {
        let shown = path.display();
        let text = bounded::file(path, MOST).map_err(|error| format!("could not read {shown}: {error}"))?;
        let Versioned { version } = serde_json::from_slice(&text).map_err(|error| format!("{shown} is not a pool: {error}"))?;
        if version != VERSION {
            return Err(format!("{shown} has version {version}, and this phpd knows version {VERSION}"));
        }
        let Stored { spec, .. } = serde_json::from_slice(&text).map_err(|error| format!("{shown} is not a pool: {error}"))?;
        if self.path(spec.account_id, &spec.pool) != path {
            return Err(format!("{shown} holds pool {} of account {}, which belongs elsewhere", spec.pool, spec.account_id));
        }
        Ok(spec)
    }

    /// Puts `spec` on disk, for good when this returns.
    pub fn save(&self, spec: &PoolSpec) -> io::Result<()> {
        let path = self.path(spec.account_id, &spec.pool);
        let directory = self.root.join(spec.account_id.to_string());
        match fs::DirBuilder::new().mode(0o700).create(&directory) {
            Ok(()) => File::open(&self.root)?.sync_all()?,
            Err(exists) if exists.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let text = serde_json::to_vec_pretty(&Stored { version: VERSION, spec: spec.clone() })?;
        let new = path.with_extension("json.new");
        let mut file = File::create(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(&directory)?.sync_all()
    }

    /// Whether the pool is on disk just so.
    pub fn has(&self, spec: &PoolSpec) -> bool {
        let text = bounded::file(self.path(spec.account_id, &spec.pool), MOST).unwrap_or_default();
        serde_json::from_slice::<Stored>(&text).is_ok_and(|stored| stored.version == VERSION && stored.spec == *spec)
    }

    /// Forgets a pool, for good when this returns; whether there was one.
    pub fn remove(&self, account: AccountId, pool: &PoolName) -> io::Result<bool> {
        let path = self.path(account, pool);
        let directory = self.root.join(account.to_string());
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
        File::open(&directory)?.sync_all()?;
        drop(fs::remove_file(path.with_extension("json.new")));
        // The directory goes with its last pool; while there is another one this fails, as it should.
        drop(fs::remove_dir(&directory));
        Ok(true)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests read what they wrote")]
mod tests {
    use super::*;

    const V1: &str = include_str!("../fixtures/pool-v1.json");

    fn fixture() -> PoolSpec {
        serde_json::from_str::<Stored>(V1).expect("the fixture is a pool").spec
    }

    #[test]
    fn a_pool_survives_and_is_forgotten() {
        let root = tempfile::tempdir().expect("a directory");
        let store = Store::open(root.path()).expect("it opens");
        let spec = fixture();
        store.save(&spec).expect("it is saved");
        assert_eq!(store.load().expect("it is read"), (vec![spec.clone()], vec![]));
        assert!(store.remove(spec.account_id, &spec.pool).expect("it is removed"));
        assert!(!store.remove(spec.account_id, &spec.pool).expect("again is no error"));
        assert_eq!(store.load().expect("it is read"), (vec![], vec![]));
        assert_eq!(fs::read_dir(root.path()).expect("the root is there").count(), 0, "the account's directory went with its last pool");
    }

    #[test]
    fn a_file_of_version_1_still_loads() {
        let root = tempfile::tempdir().expect("a directory");
        let store = Store::open(root.path()).expect("it opens");
        let spec = fixture();
        let path = store.path(spec.account_id, &spec.pool);
        fs::create_dir(path.parent().expect("it has one")).expect("made");
        fs::write(path, V1).expect("written");
        assert_eq!(store.load().expect("it is read"), (vec![spec], vec![]));
    }

    #[test]
    fn a_file_with_the_newest_php_loads_and_is_told_from_one_with_a_version() {
        let root = tempfile::tempdir().expect("a directory");
        let store = Store::open(root.path()).expect("it opens");
        let one = fixture();
        let path = store.path(one.account_id, &one.pool);
        fs::create_dir(path.parent().expect("it has one")).expect("made");
        fs::write(path, include_str!("../fixtures/pool-v1-newest-php.json")).expect("written");
        let newest = PoolSpec { php_version: opterius_model::PhpChoice::Newest, ..one.clone() };
        assert_eq!(store.load().expect("it is read"), (vec![newest.clone()], vec![]));
        assert!(store.has(&newest) && !store.has(&one));
    }

    #[test]
    fn bad_files_are_named_and_stop_no_other() {
        let root = tempfile::tempdir().expect("a directory");
        let store = Store::open(root.path()).expect("it opens");
        let spec = fixture();
        store.save(&spec).expect("it is saved");
        let directory = root.path().join(spec.account_id.to_string());
        fs::write(directory.join("torn.json"), "{\"version\": 1, \"spec\"").expect("written");
        fs::write(directory.join("later.json"), V1.replace("\"version\": 1", "\"version\": 2")).expect("written");
        fs::write(directory.join("moved.json"), V1).expect("written");
        fs::write(directory.join("half.json.new"), "{").expect("written");
        fs::write(root.path().join("stray"), "").expect("written");
        let (specs, mut unreadable) = store.load().expect("it is read");
        assert_eq!(specs, [spec]);
        unreadable.sort_by(|a, b| a.path.cmp(&b.path));
        let named: Vec<_> = unreadable.iter().filter_map(|bad| bad.path.file_name()?.to_str()).collect();
        assert_eq!(named, ["later.json", "moved.json", "torn.json", "stray"]);
        assert!(unreadable[0].detail.ends_with("has version 2, and this phpd knows version 1"), "{}", unreadable[0].detail);
    }
}
