//! What phpd reads: the request that brings a pool, and the records of pools and runs on the disk. What loads is written as it was, names
//! the files that it came from, and a file that belongs elsewhere is none.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use opterius_model::{AccountId, PoolName};
use opterius_phpd::runs::Record;
use opterius_phpd::store::Store;
use opterius_protocol::phpd::{PoolSpec, PutPool};

/// A directory in memory where there is one: every input is a file there.
static ROOT: LazyLock<PathBuf> = LazyLock::new(|| PathBuf::from(format!("/dev/shm/opterius-fuzz-{}", std::process::id())));

fuzz_target!(|data: &[u8]| {
    if let Ok(put) = serde_json::from_slice::<PutPool>(data) {
        let again = serde_json::to_vec(&put.spec).expect("a pool is written");
        assert_eq!(serde_json::from_slice::<PoolSpec>(&again).expect("what was written loads"), put.spec);
        for name in [put.spec.pool.as_str(), put.spec.username.as_str()] {
            assert!(!name.is_empty() && !name.contains(['/', '\0', '\n', '.']), "{name:?}");
        }
    }
    if let Ok(record) = serde_json::from_slice::<Record>(data) {
        let again = serde_json::to_vec(&record).expect("a record is written");
        assert_eq!(serde_json::from_slice::<Record>(&again).expect("what was written loads"), record);
    }
    let store = Store::open(&ROOT).expect("a directory");
    let account: AccountId = "0193a5e0-7c1e-7000-8000-000000000001".parse().expect("an id");
    let path = store.path(account, &PoolName::parse("main").expect("a name"));
    std::fs::create_dir_all(path.parent().expect("it is in a directory")).expect("made");
    std::fs::write(&path, data).expect("written");
    let (specs, unreadable) = store.load().expect("it is listed");
    assert_eq!(specs.len() + unreadable.len(), 1);
    for spec in &specs {
        assert_eq!(store.path(spec.account_id, &spec.pool), path, "a pool is where it belongs");
        store.save(spec).expect("saved");
        assert!(store.has(spec), "what was saved is there as it was");
    }
});
