//! How phpd begins: every pool listens again, and every PHP that outlived an earlier phpd is known again.

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use opterius_model::{AccountId, PoolName};
use opterius_protocol::phpd::PoolSpec;

use crate::bubblewrap::{Bubble, Bubblewrap, BubblewrapLauncher};
use crate::config::Config;
use crate::fd_store;
use crate::fpm_config;
use crate::http;
use crate::launch::Sandbox as _;
use crate::panics::Panics;
use crate::phps::{Installed, Phps};
use crate::pool::Surroundings;
use crate::registry::{Found, Registry};
use crate::runs::{Record, Runs};
use crate::sockets::{Socket, Sockets, Whose};
use crate::store::Store;
use tokio::task::JoinSet;

/// How long taking sockets back from sandboxes may hold up a start. What is not there by then is made anew.
const TAKING_BACK: Duration = Duration::from_secs(3);

/// How long a start waits for the end of what it has killed. It goes on ending all the same.
const CLEARING: Duration = Duration::from_secs(2);

type Key = (AccountId, PoolName);

/// Runs phpd until it is told to end, with what [`fd_store::take`] gave. What it started goes on without it.
pub async fn run(config: Config, given: Vec<OwnedFd>) -> anyhow::Result<()> {
    let begun = Instant::now();
    let config = Arc::new(config);
    let web_gid = web_gid(&config)?;
    let sockets = Sockets::open(&config.sockets, web_gid).with_context(|| format!("could not open {}", config.sockets.display()))?;
    let store = Store::open(&config.pools).with_context(|| format!("could not open {}", config.pools.display()))?;
    let runs = Runs::open(&config.runtime).with_context(|| format!("could not open {}", config.runtime.display()))?;
    let (specs, unreadable) = store.load().with_context(|| format!("could not read {}", config.pools.display()))?;
    for bad in &unreadable {
        tracing::error!("a pool does not listen: {}", bad.detail);
    }

    let panics = Panics::default();
    fd_store::keep_up(panics.clone()).context("could not start a thread")?;
    let installed = Installed::default();
    let phps = Arc::new(Phps::new(move || installed.look()));
    phps.look();
    tokio::spawn(Arc::clone(&phps).keep_looking(panics.clone()));
    let launcher = Arc::new(Bubblewrap::new(Arc::clone(&config), runs.clone(), Arc::clone(&phps), panics.clone()));
    let mut left = Left::gather(&sockets, given, &launcher, &runs, &panics)?;
    let around = Arc::new(Surroundings {
        config: Arc::clone(&config),
        sockets: sockets.clone(),
        store: store.clone(),
        launcher: Arc::new(BubblewrapLauncher(Arc::clone(&launcher))),
        phps,
        panics,
    });
    let registry = Arc::new(Registry::new(Arc::clone(&around), unreadable));

    let (mut pools, mut deaf, mut running) = (0_usize, 0_usize, 0_usize);
    let (mut fresh, mut kept) = (std::mem::take(&mut left.taken_back), HashSet::new());
    for spec in specs {
        let mut found = left.of(&spec);
        if found.socket.is_none() {
            match sockets.create(spec.account_id, &spec.pool, fpm_config::backlog(&spec, &config)) {
                Ok(socket) => {
                    fresh.push(socket.shared());
                    found.socket = Some(socket);
                }
                Err(error) => {
                    deaf += 1;
                    tracing::error!(account.id = %spec.account_id, "could not listen for pool {} of {}: {error}", spec.pool, spec.username);
                }
            }
        }
        let ending = found.ending.iter().filter_map(|(_, socket)| socket.as_ref());
        let in_use = found.socket.iter().chain(ending).chain(&found.replaced);
        kept.extend(in_use.flat_map(|socket| [socket.bound(), socket.path()]));
        pools += 1;
        running += usize::from(found.running.is_some());
        registry.adopt(spec, found);
    }
    left.clear(&store).await;
    sockets.sweep(&kept).context("could not clear away old sockets")?;

    let control =
        http::listen(&config.control_socket).with_context(|| format!("could not listen on {}", config.control_socket.display()))?;
    fd_store::ready();
    fd_store::keep_all(&fresh);
    let ms = begun.elapsed().as_millis();
    tracing::info!("{pools} pools listen ({deaf} could not), {running} of them with a PHP that was running already, after {ms} ms");
    tokio::select! {
        served = http::serve(control, registry, config.control_uid) => served.context("the control socket failed"),
        told = told_to_end() => told.context("could not wait for signals"),
    }
}

async fn told_to_end() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("phpd ends; every PHP that runs goes on");
    Ok(())
}

fn web_gid(config: &Config) -> anyhow::Result<u32> {
    let name = &config.web_group;
    let group = nix::unistd::Group::from_name(name).with_context(|| format!("could not look up the group {name}"))?;
    let group = group.with_context(|| format!("there is no group {name}: make it, or set `web_group` in the configuration of phpd"))?;
    Ok(group.gid.as_raw())
}

/// What an earlier phpd left: sockets in systemd's store, and sandboxes.
struct Left {
    sockets: HashMap<Key, Vec<Socket>>,
    sandboxes: HashMap<Key, Vec<(Record, Arc<Bubble>)>>,
    /// Sockets that systemd does not have, as after a stop of the unit.
    taken_back: Vec<Arc<OwnedFd>>,
    /// What was killed.
    ending: JoinSet<()>,
    panics: Panics,
}

impl Left {
    fn gather(sockets: &Sockets, given: Vec<OwnedFd>, launcher: &Arc<Bubblewrap>, runs: &Runs, panics: &Panics) -> anyhow::Result<Self> {
        let mut left = Self {
            sockets: HashMap::new(),
            sandboxes: HashMap::new(),
            taken_back: Vec::new(),
            ending: JoinSet::new(),
            panics: panics.clone(),
        };
        for (Whose { account, pool }, socket) in given.into_iter().filter_map(|fd| sockets.recognise_stored(fd)) {
            left.sockets.entry((account, pool)).or_default().push(socket);
        }
        for run in runs.all().context("could not read the records of what runs")? {
            let record = run.read();
            let adopted = record.clone().and_then(|record| Some((launcher.adopt(run.clone(), record.clone())?, record)));
            if let Some((bubble, record)) = adopted {
                let key = (record.spec.account_id, record.spec.pool.clone());
                left.sandboxes.entry(key).or_default().push((record, Arc::new(bubble)));
            } else {
                let launcher = Arc::clone(launcher);
                left.end(async move { launcher.kill_run(&run, record.as_ref()).await });
            }
        }
        left.take_back(sockets);
        Ok(left)
    }

    fn end(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        let panics = self.panics.clone();
        self.ending.spawn(async move {
            panics.guard("the end of what an earlier phpd left", work).await;
        });
    }

    /// Without systemd's store a socket lives on in the FPM that listens on it. What a tenant has there by now is its own choice, so it counts
    /// only if it is the very socket that this sandbox got, and each is looked at on a thread of its own: closing what somebody else made can
    /// take long.
    fn take_back(&mut self, sockets: &Sockets) {
        let (sender, taken) = std::sync::mpsc::channel();
        for (key, sandboxes) in &self.sandboxes {
            let given = self.sockets.get(key).map(Vec::as_slice).unwrap_or_default();
            for (record, bubble) in sandboxes {
                let Some(cookie) = record.socket.filter(|cookie| !given.iter().any(|socket| socket.cookie() == *cookie)) else { continue };
                let (sockets, bubble, sender, key) = (sockets.clone(), Arc::clone(bubble), sender.clone(), key.clone());
                let panics = self.panics.clone();
                let take = move || {
                    panics.guard_blocking("a thread that takes a socket back", || {
                        if let Some((Whose { account, pool }, socket)) = bubble.socket().and_then(|fd| sockets.recognise(fd))
                            && (account, pool) == key
                            && socket.cookie() == cookie
                        {
                            let _ = sender.send((key, socket));
                        }
                    });
                };
                if let Err(error) = std::thread::Builder::new().name("take-back".to_owned()).spawn(take) {
                    tracing::error!("could not start a thread to take a socket back: {error}");
                }
            }
        }
        drop(sender);
        let until = Instant::now() + TAKING_BACK;
        while let Ok((key, socket)) = taken.recv_timeout(until.saturating_duration_since(Instant::now())) {
            self.taken_back.push(socket.shared());
            self.sockets.entry(key).or_default().push(socket);
        }
    }

    /// What is left of one pool.
    fn of(&mut self, spec: &PoolSpec) -> Found {
        let key = (spec.account_id, spec.pool.clone());
        let mut given = self.sockets.remove(&key).unwrap_or_default();
        let sandboxes = self.sandboxes.remove(&key).unwrap_or_default();
        let is_current = |socket: &Socket| socket.in_place() && !socket.is_of_an_earlier_version();
        let mut current = given.iter().position(is_current).map(|index| given.swap_remove(index));
        let mut found = Found::default();
        for (record, bubble) in sandboxes {
            let on_current = current.as_ref().is_some_and(|socket| record.is_on(socket));
            if on_current && !record.retiring && record.is_current() && record.spec == *spec && found.running.is_none() {
                found.running = Some(bubble);
            } else if on_current && !record.retiring {
                // It has another Spec and does not know yet that it is to end, so what it may still accept must not be on the pool's socket.
                found.ending.push((bubble, current.take()));
            } else {
                let old = given.iter().position(|socket| record.is_on(socket)).map(|index| given.swap_remove(index));
                found.ending.push((bubble, old));
            }
        }
        found.replaced = given;
        found.socket = current;
        found
    }

    /// Ends what is left of pools that are no more, and waits a while for what was killed.
    async fn clear(mut self, store: &Store) {
        for socket in std::mem::take(&mut self.sockets).into_values().flatten() {
            socket.close();
        }
        for ((account, pool), sandboxes) in std::mem::take(&mut self.sandboxes) {
            // A pool without a file was being deleted. One with a file that cannot be read may be answering somebody just now.
            let unreadable = store.path(account, &pool).exists();
            for (record, bubble) in sandboxes {
                tracing::warn!(account.id = %account, "ending a PHP of {}, whose pool {pool} is no more", record.spec.username);
                if unreadable {
                    bubble.retire();
                } else {
                    bubble.kill();
                    self.end(async move { drop(bubble.ended().await) });
                }
            }
        }
        let all = async { while self.ending.join_next().await.is_some() {} };
        if tokio::time::timeout(CLEARING, all).await.is_err() {
            tracing::error!("something of an earlier phpd has not ended {} seconds after SIGKILL", CLEARING.as_secs());
            self.ending.detach_all();
        }
    }
}
