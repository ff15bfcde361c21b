//! All pools, by account and name.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opterius_model::{AccountId, PoolName};
use opterius_protocol::phpd::{Deleted, Health, MOST_PHP_VERSIONS, MOST_PINNED, PinnedPools, PoolSpec, PoolState, PoolStatus};
use opterius_protocol::{WireCode, WireError};
use tokio::sync::{mpsc, oneshot};

use crate::bubblewrap::NO_PHP;
use crate::launch::Sandbox;
use crate::panics::Panics;
use crate::phps::{self, Php};
use crate::pool::{Command, Pool, Shown, Surroundings};
use crate::sockets::Socket;
use crate::store::Unreadable;

/// How long a caller waits for a pool, less than the Agent waits for an answer.
const PATIENCE: Duration = Duration::from_secs(12);

type Key = (AccountId, PoolName);

/// What the control socket talks to.
pub struct Registry {
    around: Arc<Surroundings>,
    pools: Mutex<BTreeMap<Key, Handle>>,
    unreadable: Mutex<BTreeMap<PathBuf, String>>,
}

#[derive(Clone)]
struct Handle {
    commands: mpsc::Sender<Command>,
    shown: Arc<Mutex<Shown>>,
}

/// What an earlier phpd left of one pool.
#[derive(Default)]
pub struct Found {
    /// The listening socket.
    pub socket: Option<Socket>,
    /// The sandbox that runs for it.
    pub running: Option<Arc<dyn Sandbox>>,
    /// Sandboxes that are to end, with sockets that are no longer the pool's.
    pub ending: Vec<(Arc<dyn Sandbox>, Option<Socket>)>,
    /// Sockets that are no longer the pool's, and on which no sandbox runs. Connections may wait there.
    pub replaced: Vec<Socket>,
}

impl Registry {
    /// No pools yet, and what could not be read of them.
    pub fn new(around: Arc<Surroundings>, unreadable: Vec<Unreadable>) -> Self {
        let unreadable = unreadable.into_iter().map(|Unreadable { path, detail }| (path, detail)).collect();
        Self { around, pools: Mutex::default(), unreadable: Mutex::new(unreadable) }
    }

    /// What went wrong in phpd itself.
    pub fn panics(&self) -> &Panics {
        &self.around.panics
    }

    /// Takes up a pool that is on disk.
    pub fn adopt(&self, spec: PoolSpec, found: Found) {
        let key = (spec.account_id, spec.pool.clone());
        let handle = self.begin(spec, found);
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).insert(key, handle);
    }

    fn begin(&self, spec: PoolSpec, found: Found) -> Handle {
        let spec = Arc::new(spec);
        let shown = Arc::new(Mutex::new(Shown::new(Arc::clone(&spec), self.around.store.clone())));
        let (commands, received) = mpsc::channel(4);
        let pool = Pool::new(Arc::clone(&self.around), spec, Arc::clone(&shown), received, found);
        tokio::spawn(pool.live());
        Handle { commands, shown }
    }

    /// The pool's handle, unless it was deleted.
    fn handle(&self, key: &Key) -> Option<Handle> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = pools.get(key)?;
        if handle.commands.is_closed() {
            pools.remove(key);
            return None;
        }
        Some(handle.clone())
    }

    /// Makes the pool as the Spec says.
    pub async fn put(&self, spec: PoolSpec) -> Result<PoolStatus, WireError> {
        let key = (spec.account_id, spec.pool.clone());
        // A version that is not there gets another one in its place, so that a pool whose version was removed can still be changed.
        let phps = Arc::clone(&self.around.phps);
        let looking = self.around.panics.on_a_thread("a look at the PHPs", move || phps.look());
        let there = tokio::time::timeout(PATIENCE, looking)
            .await
            .map_err(std::io::Error::from)
            .flatten()
            .map_err(|error| WireError { code: WireCode::Internal, detail: format!("could not look which PHPs there are: {error}") })?;
        if there.is_empty() {
            return Err(WireError { code: WireCode::Invalid, detail: NO_PHP.to_owned() });
        }
        loop {
            let handle = {
                let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
                match pools.get(&key) {
                    Some(handle) if !handle.commands.is_closed() => handle.clone(),
                    _ => {
                        let handle = self.begin(spec.clone(), Found::default());
                        pools.insert(key.clone(), handle.clone());
                        handle
                    }
                }
            };
            let (reply, answer) = oneshot::channel();
            // A pool that is deleted at this very moment takes no more commands; the next round makes a new one.
            if let Some(answer) = handle.ask(Command::Put(Box::new(spec.clone()), reply), answer).await? {
                self.mended(&key);
                return answer;
            }
        }
    }

    /// Ends the pool.
    pub async fn delete(&self, account: AccountId, pool: &PoolName) -> Result<Deleted, WireError> {
        let key = (account, pool.clone());
        while let Some(handle) = self.handle(&key) {
            let (reply, answer) = oneshot::channel();
            if let Some(answer) = handle.ask(Command::Delete(reply), answer).await? {
                self.mended(&key);
                return answer;
            }
        }
        // Nobody holds it, but a file that could not be read may be there.
        let (around, name) = (Arc::clone(&self.around), pool.clone());
        let existed = async {
            let removing = self.around.panics.on_a_thread("the removal of a pool", move || around.store.remove(account, &name));
            let existed = removing.await??;
            self.around.launcher.kill_leftovers(account, pool).await;
            std::io::Result::Ok(existed)
        };
        let existed = tokio::time::timeout(PATIENCE, existed).await.map_err(std::io::Error::from).flatten().map_err(|error| WireError {
            code: WireCode::Internal,
            detail: format!("could not forget pool {pool} of account {account}: {error}"),
        })?;
        self.mended(&key);
        Ok(Deleted { existed })
    }

    fn mended(&self, (account, pool): &Key) {
        let path = self.around.store.path(*account, pool);
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).remove(&path);
    }

    /// One pool as it stands. Blocks: it looks at files.
    pub fn get(&self, account: AccountId, pool: &PoolName) -> Option<PoolStatus> {
        let handle = self.handle(&(account, pool.clone()))?;
        let seen = handle.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Some(seen.status(&self.around.phps.look()))
    }

    /// Every pool, ordered by account and name. Blocks: it looks at files.
    pub fn list(&self) -> Vec<PoolStatus> {
        let phps = self.around.phps.look();
        self.shown(|shown| Some(shown.clone())).into_iter().map(|shown| shown.status(&phps)).collect()
    }

    fn shown<T>(&self, mut pick: impl FnMut(&Shown) -> Option<T>) -> Vec<T> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let live = pools.values().filter(|handle| !handle.commands.is_closed());
        live.filter_map(|handle| pick(&handle.shown.lock().unwrap_or_else(PoisonError::into_inner))).collect()
    }

    /// How phpd stands. Blocks: it looks at files.
    pub fn health(&self) -> Health {
        let states = self.shown(|shown| Some(shown.state()));
        let count = |state: PoolState| states.iter().filter(|one| **one == state).count() as u64;
        let backing_off = self.shown(|shown| (shown.state() == PoolState::BackingOff).then(|| shown.clone()));
        let (panics, last_panic) = self.around.panics.told();
        let (cgroup_level, cgroups) = self.around.launcher.cgroups();
        let phps = self.around.phps.look();
        Health {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pools: states.len() as u64,
            running: count(PoolState::Running),
            backing_off: backing_off.into_iter().map(|shown| shown.status(&phps)).collect(),
            cgroups,
            cgroup_level: Some(cgroup_level),
            unreadable: self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect(),
            panics,
            last_panic,
            pinned: self.pinned(&phps),
            php_versions: Some(phps.iter().map(|php| php.version.clone()).collect()),
        }
    }

    /// The pools that are to run one version, by that version.
    fn pinned(&self, phps: &[Php]) -> Vec<PinnedPools> {
        let mut pinned: BTreeMap<_, PinnedPools> = BTreeMap::new();
        for spec in self.shown(|shown| shown.spec().php_version.version().map(|_| Arc::clone(shown.spec()))) {
            let Some(version) = spec.php_version.version() else { continue };
            let of = pinned.entry(Reverse(version.clone())).or_insert_with(|| PinnedPools {
                version: version.clone(),
                runs: phps::pick(&spec.php_version, phps).map(|php| php.version.clone()),
                pools: 0,
                usernames: Vec::new(),
            });
            of.pools += 1;
            if of.usernames.len() < MOST_PINNED {
                of.usernames.push(spec.username.clone());
            }
        }
        pinned.into_values().take(MOST_PHP_VERSIONS).collect()
    }
}

impl Handle {
    /// Has the pool's task do something. No answer if the pool was deleted meanwhile.
    async fn ask<T>(
        &self,
        command: Command,
        answer: oneshot::Receiver<Result<T, WireError>>,
    ) -> Result<Option<Result<T, WireError>>, WireError> {
        let refused = |code, detail: &str| WireError { code, detail: detail.to_owned() };
        let asked = async {
            if self.commands.send(command).await.is_err() {
                return None;
            }
            Some(answer.await)
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Err(_) => {
                Err(refused(WireCode::Internal, "the pool is busy with something that takes too long; see the journal of opterius-phpd"))
            }
            Ok(None) => Ok(None),
            Ok(Some(Ok(answer))) => Ok(Some(answer)),
            Ok(Some(Err(_))) if self.commands.is_closed() => Ok(None),
            Ok(Some(Err(_))) => Err(refused(WireCode::Internal, "phpd made a mistake in this call; see the journal of opterius-phpd")),
        }
    }
}
