//! The life of a pool and the control socket, with a stand-in for PHP and simulated time. Needs no root.
#![expect(clippy::disallowed_methods, reason = "tests read what they wrote")]

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use opterius_model::{AccountId, Generation, Limit, PhpChoice, PhpVersion, PoolName};
use opterius_phpd::config::Config;
use opterius_phpd::http;
use opterius_phpd::launch::{Launcher, Sandbox};
use opterius_phpd::panics::Panics;
use opterius_phpd::phps::{self, Phps};
use opterius_phpd::pool::Surroundings;
use opterius_phpd::registry::Registry;
use opterius_phpd::sockets::{Socket, Sockets};
use opterius_phpd::store::Store;
use opterius_protocol::client::{CallError, Client};
use opterius_protocol::phpd::{CgroupLevel, DeletePool, GetHealth, GetPool, ListPools, MOST_PINNED, PoolSpec, PoolState, PutPool};
use opterius_protocol::{Call, WireCode};
use serde::Serialize;
use tokio::sync::Notify;

/// A stand-in for everything that runs PHP: each start is one of these.
#[derive(Default)]
struct Php {
    /// What it runs.
    version: Option<phps::Php>,
    busy: AtomicBool,
    retired: AtomicBool,
    killed: AtomicBool,
    ended: Mutex<Option<String>>,
    end: Notify,
}

impl Php {
    fn end(&self, how: &str) {
        *self.ended.lock().expect("not poisoned") = Some(how.to_owned());
        self.end.notify_waiters();
    }
}

impl Sandbox for Php {
    fn master_pid(&self) -> u32 {
        1
    }

    fn php(&self) -> Option<phps::Php> {
        self.version.clone()
    }

    fn has_workers(&self) -> bool {
        self.busy.load(Ordering::SeqCst)
    }

    fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
        if !self.has_workers() {
            self.end("it was told to");
        }
    }

    fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        self.end("it was killed");
    }

    fn ended(&self) -> BoxFuture<'_, String> {
        async move {
            loop {
                let end = self.end.notified();
                if let Some(how) = self.ended.lock().expect("not poisoned").clone() {
                    return how;
                }
                end.await;
            }
        }
        .boxed()
    }

    fn tidy(&self) {}
}

struct Fake {
    /// The versions that are installed, each with the stamp of its build.
    installed: Arc<Mutex<Vec<(&'static str, u32)>>>,
    started: Mutex<Vec<(PoolSpec, Arc<Php>)>>,
    attempts: Mutex<u32>,
    broken: AtomicBool,
    panics: AtomicBool,
    /// A tenant's copies of the sockets that its PHP got: it can keep them for as long as it likes, and hand them to others.
    stolen: Mutex<Vec<OwnedFd>>,
}

impl Fake {
    fn new() -> Self {
        let (started, attempts, broken, panics, stolen) = Default::default();
        Self { installed: Arc::new(Mutex::new(vec![("8.2", 0)])), started, attempts, broken, panics, stolen }
    }

    fn phps(&self) -> Vec<phps::Php> {
        phps_of(&self.installed.lock().expect("not poisoned"))
    }

    fn install(&self, versions: &[(&'static str, u32)]) {
        *self.installed.lock().expect("not poisoned") = versions.to_vec();
    }
}

fn version(text: &str) -> PhpVersion {
    PhpVersion::parse(text).expect("a version")
}

fn phps_of(installed: &[(&str, u32)]) -> Vec<phps::Php> {
    installed.iter().map(|(text, build)| phps::Php { version: version(text), stamp: Some(build.to_string()) }).collect()
}

/// Takes the connections that wait, as FPM would.
fn take_what_waits(socket: &Socket) {
    let listener = UnixListener::from(socket.duplicate().expect("a copy"));
    listener.set_nonblocking(true).expect("set");
    while listener.accept().is_ok() {}
    listener.set_nonblocking(false).expect("set");
}

impl Launcher for Fake {
    fn launch<'a>(&'a self, spec: &'a PoolSpec, socket: &'a Socket) -> BoxFuture<'a, Result<Arc<dyn Sandbox>, String>> {
        async move {
            *self.attempts.lock().expect("not poisoned") += 1;
            self.stolen.lock().expect("not poisoned").push(socket.duplicate().expect("a copy"));
            assert!(!self.panics.load(Ordering::SeqCst), "the launcher panics");
            if self.broken.load(Ordering::SeqCst) {
                return Err("it is broken".to_owned());
            }
            let phps = self.phps();
            let php = phps::pick(&spec.php_version, &phps).cloned().ok_or("no PHP is installed on this server")?;
            take_what_waits(socket);
            let php = Arc::new(Php { version: Some(php), ..Php::default() });
            self.started.lock().expect("not poisoned").push((spec.clone(), Arc::clone(&php)));
            let sandbox: Arc<dyn Sandbox> = php;
            Ok(sandbox)
        }
        .boxed()
    }

    fn kill_leftovers<'a>(&'a self, _account: AccountId, _pool: &'a PoolName) -> BoxFuture<'a, ()> {
        async {}.boxed()
    }

    fn cgroups(&self) -> (CgroupLevel, String) {
        (CgroupLevel::Tree, "There are some.".to_owned())
    }
}

struct World {
    root: tempfile::TempDir,
    fake: Arc<Fake>,
    registry: Arc<Registry>,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let fake = Arc::new(Fake::new());
        let installed = Arc::clone(&fake.installed);
        let phps = Arc::new(Phps::new(move || phps_of(&installed.lock().expect("not poisoned"))));
        let around = Surroundings {
            config: Arc::new(Config::default()),
            sockets: Sockets::open(&root.path().join("php"), nix::unistd::getgid().as_raw()).expect("it opens"),
            store: Store::open(&root.path().join("pools")).expect("it opens"),
            launcher: fake.clone(),
            phps: Arc::clone(&phps),
            panics: Panics::default(),
        };
        phps.look();
        tokio::spawn(phps.keep_looking(Panics::default()));
        Self { root, fake, registry: Arc::new(Registry::new(Arc::new(around), Vec::new())) }
    }

    fn socket(&self, spec: &PoolSpec) -> PathBuf {
        self.root.path().join("php").join(spec.account_id.to_string()).join("main.sock")
    }

    fn connect(&self, spec: &PoolSpec) -> UnixStream {
        UnixStream::connect(self.socket(spec)).expect("somebody listens")
    }

    fn state(&self, spec: &PoolSpec) -> PoolState {
        self.registry.get(spec.account_id, &spec.pool).expect("it is there").state
    }

    async fn until(&self, spec: &PoolSpec, state: PoolState) {
        eventually(&format!("the pool is {state:?}"), || self.state(spec) == state).await;
    }

    /// The PHP that was started as the `index`th, with what it was started for.
    fn php(&self, index: usize) -> (PoolSpec, Arc<Php>) {
        self.fake.started.lock().expect("not poisoned")[index].clone()
    }

    fn starts(&self) -> usize {
        self.fake.started.lock().expect("not poisoned").len()
    }

    fn attempts(&self) -> u32 {
        *self.fake.attempts.lock().expect("not poisoned")
    }
}

fn spec() -> PoolSpec {
    let text = include_str!("../fixtures/pool-v1.json");
    let fixture: serde_json::Value = serde_json::from_str(text).expect("it is JSON");
    let spec: PoolSpec = serde_json::from_value(fixture["spec"].clone()).expect("it is a pool");
    PoolSpec { account_id: AccountId::generate(), ..spec }
}

/// Waits, in simulated time, for a condition.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}: it never came to that");
}

#[tokio::test(start_paused = true)]
async fn a_connection_starts_php_and_idleness_stops_it() {
    let (world, spec) = (World::new(), spec());
    let status = world.registry.put(spec.clone()).await.expect("it is put");
    assert!(status.listening && status.state == PoolState::Asleep);
    assert_eq!(world.starts(), 0);
    let _request = world.connect(&spec);
    world.until(&spec, PoolState::Running).await;
    let (_, php) = world.php(0);

    php.busy.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(!php.retired.load(Ordering::SeqCst), "a pool that works is never stopped");

    php.busy.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(290)).await;
    assert!(!php.retired.load(Ordering::SeqCst), "five minutes are not over");
    world.until(&spec, PoolState::Asleep).await;
    assert!(php.retired.load(Ordering::SeqCst) && !php.killed.load(Ordering::SeqCst));

    let _request = world.connect(&spec);
    world.until(&spec, PoolState::Running).await;
    assert_eq!(world.starts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_turns_requests_away_at_once_and_ends_by_itself() {
    let (world, spec) = (World::new(), spec());
    world.registry.put(spec.clone()).await.expect("it is put");
    world.fake.broken.store(true, Ordering::SeqCst);
    let mut request = world.connect(&spec);
    world.until(&spec, PoolState::BackingOff).await;
    eventually("the request is turned away", || {
        request.set_nonblocking(true).expect("set");
        matches!(request.read(&mut [0]), Ok(0))
    })
    .await;
    let attempts = world.attempts();
    assert_eq!(attempts, 3);
    // A flood within the first second is turned away without a start.
    for _ in 0..20 {
        drop(world.connect(&spec));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.attempts(), attempts);
    let failure = world.registry.health().backing_off[0].last_failure.clone().expect("it failed");
    assert_eq!((failure.count, failure.detail.as_str()), (3, "it is broken"));

    world.fake.broken.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.attempts(), attempts, "nobody asked");
    let _request = world.connect(&spec);
    world.until(&spec, PoolState::Running).await;
    assert!(world.registry.health().backing_off.is_empty());
    assert_eq!(world.registry.get(spec.account_id, &spec.pool).expect("it is there").last_failure, None);
}

#[tokio::test(start_paused = true)]
async fn a_php_that_ends_soon_and_often_is_a_crash_loop_and_one_that_lived_is_not() {
    let (world, spec) = (World::new(), spec());
    world.registry.put(spec.clone()).await.expect("it is put");
    for index in 0..3 {
        let _request = world.connect(&spec);
        eventually("it starts", || world.starts() == index + 1).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        world.php(index).1.end("a crash now and then");
        world.until(&spec, PoolState::Asleep).await;
    }
    for index in 3..6 {
        let _request = world.connect(&spec);
        eventually("it starts", || world.starts() == index + 1).await;
        world.php(index).1.end("a crash at once");
        eventually("it is noticed", || world.state(&spec) != PoolState::Running).await;
    }
    world.until(&spec, PoolState::BackingOff).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_spec_lets_the_old_php_end_and_starts_a_new_one() {
    let (world, first) = (World::new(), spec());
    world.registry.put(first.clone()).await.expect("it is put");
    let _request = world.connect(&first);
    world.until(&first, PoolState::Running).await;
    let (_, old) = world.php(0);
    old.busy.store(true, Ordering::SeqCst);

    let second = PoolSpec { generation: first.generation.next(), ..first.clone() };
    let status = world.registry.put(second.clone()).await.expect("it is put");
    assert!(status.listening && status.state == PoolState::Stopping && status.spec == second);
    assert!(old.retired.load(Ordering::SeqCst) && !old.killed.load(Ordering::SeqCst));
    let _request = world.connect(&second);
    world.until(&second, PoolState::Running).await;
    assert_eq!(world.php(1).0, second);
    old.end("its requests are done");

    // What never ends by itself is ended.
    let (_, new) = world.php(1);
    new.busy.store(true, Ordering::SeqCst);
    world.registry.put(PoolSpec { generation: second.generation.next(), ..second }).await.expect("it is put");
    tokio::time::sleep(Duration::from_secs(331)).await;
    assert!(new.killed.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn the_same_spec_again_changes_nothing_but_mends_the_socket() {
    let (world, spec) = (World::new(), spec());
    world.registry.put(spec.clone()).await.expect("it is put");
    let _request = world.connect(&spec);
    world.until(&spec, PoolState::Running).await;
    assert_eq!(world.registry.put(spec.clone()).await.expect("it is put").state, PoolState::Running);
    assert!(!world.php(0).1.retired.load(Ordering::SeqCst));

    std::fs::remove_file(world.socket(&spec)).expect("removed");
    assert!(!world.registry.get(spec.account_id, &spec.pool).expect("it is there").listening);
    assert!(world.registry.put(spec.clone()).await.expect("it is put").listening);
    drop(world.connect(&spec));
}

#[tokio::test(start_paused = true)]
async fn deleting_ends_everything_and_an_other_pool_of_the_account_stays() {
    let (world, spec) = (World::new(), spec());
    let other = PoolSpec { pool: PoolName::parse("shop").expect("a name"), ..spec.clone() };
    world.registry.put(spec.clone()).await.expect("it is put");
    world.registry.put(other.clone()).await.expect("it is put");
    let _request = world.connect(&spec);
    world.until(&spec, PoolState::Running).await;
    let (_, php) = world.php(0);
    php.busy.store(true, Ordering::SeqCst);
    assert!(world.registry.delete(spec.account_id, &spec.pool).await.expect("it is deleted").existed);
    assert!(php.killed.load(Ordering::SeqCst));
    assert!(world.registry.get(spec.account_id, &spec.pool).is_none() && !world.socket(&spec).exists());
    assert!(!world.registry.delete(spec.account_id, &spec.pool).await.expect("again is no error").existed);
    assert!(world.registry.get(other.account_id, &other.pool).expect("it is there").listening);
    assert!(world.registry.put(spec).await.expect("it can be made again").listening);
}

#[tokio::test]
async fn puts_and_deletes_at_the_same_time_leave_one_truth() {
    let (world, spec) = (World::new(), spec());
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let (registry, spec) = (Arc::clone(&world.registry), spec.clone());
            tokio::spawn(async move {
                if number % 2 == 0 {
                    let generation = Generation::from_stored(number);
                    registry.put(PoolSpec { generation, ..spec }).await.expect("it is put");
                } else {
                    registry.delete(spec.account_id, &spec.pool).await.expect("it is deleted");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    let last = world.registry.put(spec.clone()).await.expect("it is put");
    assert!(last.listening && last.spec == spec);
    assert_eq!(world.registry.list().len(), 1);
    let files = std::fs::read_dir(world.socket(&spec).parent().expect("a directory")).expect("it is there");
    assert_eq!(files.count(), 2, "the binding and the path of one socket");
}

/// Flips the socket to blocking, over and over, as a tenant who holds a copy of it can. Ends when it is dropped.
struct Flipper(Arc<AtomicBool>);

impl Flipper {
    fn of(copy: OwnedFd) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        std::thread::spawn(move || {
            let listener = UnixListener::from(copy);
            while !told.load(Ordering::Relaxed) {
                listener.set_nonblocking(false).expect("set");
            }
            drop(listener);
        });
        Self(over)
    }
}

impl Drop for Flipper {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a test on two threads, as phpd does, and fails if it does not end: then a tenant has frozen phpd.
fn within_a_minute<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let (done, over) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(test());
        runtime.shutdown_background();
        let _ = done.send(());
    });
    over.recv_timeout(Duration::from_mins(1)).expect("it ends");
}

#[test]
fn a_tenant_who_makes_its_socket_blocking_holds_nobody_up_while_it_backs_off() {
    within_a_minute(async || {
        let (world, spec) = (World::new(), spec());
        world.registry.put(spec.clone()).await.expect("it is put");
        world.fake.broken.store(true, Ordering::SeqCst);
        let _waits = world.connect(&spec);
        world.until(&spec, PoolState::BackingOff).await;
        let copies = std::mem::take(&mut *world.fake.stolen.lock().expect("not poisoned"));
        let flippers: Vec<Flipper> = copies.into_iter().map(Flipper::of).collect();
        for _ in 0..200 {
            let mut turned_away = world.connect(&spec);
            turned_away.set_nonblocking(true).expect("set");
            eventually("the request is turned away", || matches!(turned_away.read(&mut [0]), Ok(0))).await;
        }
        let other = PoolSpec { account_id: AccountId::generate(), ..spec.clone() };
        world.registry.put(other).await.expect("others are served");
        world.registry.delete(spec.account_id, &spec.pool).await.expect("it is deleted");
        drop(flippers);
    });
}

#[test]
fn a_tenant_who_makes_its_socket_blocking_holds_nobody_up_while_it_is_replaced() {
    within_a_minute(async || {
        let (world, mut spec) = (World::new(), spec());
        world.registry.put(spec.clone()).await.expect("it is put");
        let mut flippers = Vec::new();
        // Few enough for the queue: PHP here takes only what waits when it starts.
        for _ in 0..3 {
            let _request = world.connect(&spec);
            world.until(&spec, PoolState::Running).await;
            let copies = std::mem::take(&mut *world.fake.stolen.lock().expect("not poisoned"));
            flippers = copies.into_iter().map(Flipper::of).collect();
            // PHP takes none of these, so they are carried; somebody who holds the socket takes some of them away meanwhile.
            let waits: Vec<UnixStream> = (0..3).map(|_| world.connect(&spec)).collect();
            spec.generation = spec.generation.next();
            world.registry.put(spec.clone()).await.expect("it is put");
            drop(waits);
        }
        drop(flippers);
        let other = PoolSpec { account_id: AccountId::generate(), ..spec.clone() };
        world.registry.put(other).await.expect("others are served");
        world.registry.delete(spec.account_id, &spec.pool).await.expect("it is deleted");
    });
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_pool_is_counted_told_and_survived() {
    let (world, spec) = (World::new(), spec());
    let other = PoolSpec { account_id: AccountId::generate(), ..spec.clone() };
    world.registry.put(spec.clone()).await.expect("it is put");
    world.registry.put(other.clone()).await.expect("it is put");
    world.fake.panics.store(true, Ordering::SeqCst);
    let _request = world.connect(&spec);
    let health = || serde_json::to_value(world.registry.health()).expect("it is JSON");
    eventually("the panic is counted", || health()["panics"].as_u64().is_some_and(|count| count > 0)).await;
    assert!(health()["last_panic"].as_str().is_some_and(|told| told.contains("the launcher panics")), "{}", health());

    // Somebody asks all the time, and yet it panics less and less often.
    tokio::time::sleep(Duration::from_mins(10)).await;
    let count = health()["panics"].as_u64().expect("a number");
    assert!((3..30).contains(&count), "{count} panics in ten minutes");
    // Meanwhile the pool obeys, and the others work.
    assert!(world.registry.put(spec.clone()).await.expect("it is put").listening);
    world.fake.panics.store(false, Ordering::SeqCst);
    let _request = world.connect(&other);
    world.until(&other, PoolState::Running).await;
    tokio::time::sleep(Duration::from_mins(2)).await;
    let _request = world.connect(&spec);
    world.until(&spec, PoolState::Running).await;
    assert!(world.registry.delete(spec.account_id, &spec.pool).await.expect("it is deleted").existed);
}

/// The control socket of a world, and its client.
fn control(world: &World, uid: u32) -> Client {
    let path = world.root.path().join("phpd.sock");
    let listener = http::listen(&path).expect("it listens");
    tokio::spawn(http::serve(listener, Arc::clone(&world.registry), uid));
    Client::new(path)
}

fn refusal(error: CallError) -> WireCode {
    match error {
        CallError::Refused(refused) => refused.code,
        other => panic!("{other}"),
    }
}

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_control_socket_speaks_the_contract() {
    let (world, spec) = (World::new(), spec());
    let client = control(&world, nix::unistd::getuid().as_raw());
    let get = GetPool { account: spec.account_id, pool: spec.pool.clone() };
    assert_eq!(refusal(client.call(&get, SOON).await.expect_err("nothing is there")), WireCode::NotFound);
    let status = client.call(&PutPool { spec: spec.clone() }, SOON).await.expect("it is put");
    assert_eq!(client.call(&get, SOON).await.expect("it is there"), status);
    assert_eq!(client.call(&ListPools {}, SOON).await.expect("a list"), [status]);
    let health = client.call(&GetHealth {}, SOON).await.expect("health");
    assert_eq!((health.pools, health.running), (1, 0));
    assert_eq!((health.cgroup_level, health.cgroups.as_str()), (Some(CgroupLevel::Tree), "There are some."));
    let delete = DeletePool { account: spec.account_id, pool: spec.pool.clone() };
    assert!(client.call(&delete, SOON).await.expect("it is deleted").existed);
    assert!(!client.call(&delete, SOON).await.expect("it is gone").existed);
    world.fake.install(&[]);
    assert_eq!(refusal(client.call(&PutPool { spec }, SOON).await.expect_err("no PHP")), WireCode::Invalid);
    assert_eq!(client.call(&GetHealth {}, SOON).await.expect("health").php_versions, Some(Vec::new()));
}

#[tokio::test]
async fn the_health_tells_the_versions_and_who_is_bound_to_one() {
    let (world, spec) = (World::new(), spec());
    world.fake.install(&[("8.4", 0), ("8.3", 0)]);
    for choice in ["8.2", "8.2", "8.3", "newest"] {
        let php_version = PhpChoice::parse(choice).expect("a choice");
        world.registry.put(PoolSpec { account_id: AccountId::generate(), php_version, ..spec.clone() }).await.expect("it is put");
    }
    let health = world.registry.health();
    assert_eq!(health.php_versions, Some(vec![version("8.4"), version("8.3")]));
    let told: Vec<_> = health.pinned.iter().map(|of| (of.version.as_str(), of.runs.as_ref().map(PhpVersion::as_str), of.pools)).collect();
    assert_eq!(told, [("8.3", Some("8.3"), 1), ("8.2", Some("8.3"), 2)]);
    assert_eq!(health.pinned[1].usernames, [spec.username.clone(), spec.username.clone()]);
    for _ in 0..2 * MOST_PINNED {
        world.registry.put(PoolSpec { account_id: AccountId::generate(), ..spec.clone() }).await.expect("it is put");
    }
    let of = world.registry.health().pinned.swap_remove(1);
    assert_eq!((of.pools, of.usernames.len()), (2 + 2 * MOST_PINNED as u64, MOST_PINNED), "all are counted, and a few are named");
}

/// What the pool runs while nobody changes anything, by the version that its status tells.
fn runs(world: &World, spec: &PoolSpec) -> Option<String> {
    let runs = world.registry.get(spec.account_id, &spec.pool).expect("it is there").runs;
    runs.map(|version| version.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_pool_whose_version_is_gone_runs_another_one_until_it_is_back() {
    let (world, spec) = (World::new(), spec());
    world.fake.install(&[("8.4", 0), ("8.2", 0)]);
    world.registry.put(spec.clone()).await.expect("it is put");
    assert_eq!(runs(&world, &spec).as_deref(), Some("8.2"));
    let _request = world.connect(&spec);
    world.until(&spec, PoolState::Running).await;
    let (_, first) = world.php(0);
    first.busy.store(true, Ordering::SeqCst);

    world.fake.install(&[("8.4", 0)]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(runs(&world, &spec).as_deref(), Some("8.2"), "a PHP that runs has all that it needs");
    eventually("the one whose program is gone ends after its requests", || first.retired.load(Ordering::SeqCst)).await;
    assert!(!first.killed.load(Ordering::SeqCst));
    let _request = world.connect(&spec);
    eventually("the next request starts another one", || world.starts() == 2).await;
    world.until(&spec, PoolState::Running).await;
    assert_eq!(runs(&world, &spec).as_deref(), Some("8.4"));
    assert_eq!(world.php(1).0, spec, "what is wanted stays as it is");
    first.end("its request is over");

    world.fake.install(&[("8.4", 0), ("8.2", 0)]);
    let (_, second) = world.php(1);
    eventually("it ends after its requests", || second.retired.load(Ordering::SeqCst)).await;
    let _request = world.connect(&spec);
    eventually("the pool goes back", || world.starts() == 3).await;
    world.until(&spec, PoolState::Running).await;
    assert_eq!(runs(&world, &spec).as_deref(), Some("8.2"));
}

#[tokio::test(start_paused = true)]
async fn the_newest_follows_what_is_installed_and_an_update_replaces_what_runs() {
    let (world, spec) = (World::new(), spec());
    let spec = PoolSpec { php_version: PhpChoice::Newest, ..spec };
    world.registry.put(spec.clone()).await.expect("it is put");
    for (round, (installed, newest)) in
        [(vec![("8.2", 0)], "8.2"), (vec![("8.2", 1)], "8.2"), (vec![("8.4", 0), ("8.2", 1)], "8.4")].into_iter().enumerate()
    {
        world.fake.install(&installed);
        if let Some(before) = round.checked_sub(1) {
            let (_, before) = world.php(before);
            eventually("what ran is replaced", || before.retired.load(Ordering::SeqCst)).await;
        }
        let _request = world.connect(&spec);
        eventually("a PHP is started", || world.starts() == round + 1).await;
        world.until(&spec, PoolState::Running).await;
        world.php(round).1.busy.store(true, Ordering::SeqCst);
        assert_eq!(runs(&world, &spec).as_deref(), Some(newest));
    }
    let (_, last) = world.php(2);
    world.fake.install(&[]);
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(!last.retired.load(Ordering::SeqCst), "there is nothing to put in its place");
}

#[tokio::test(start_paused = true)]
async fn without_any_php_a_pool_says_so_and_starts_once_there_is_one() {
    let (world, spec) = (World::new(), spec());
    world.registry.put(spec.clone()).await.expect("it is put");
    world.fake.install(&[]);
    let _request = world.connect(&spec);
    world.until(&spec, PoolState::BackingOff).await;
    let status = world.registry.get(spec.account_id, &spec.pool).expect("it is there");
    assert!(status.last_failure.expect("it failed").detail.contains("no PHP is installed") && status.runs.is_none());
    world.fake.install(&[("8.4", 0)]);
    eventually("it starts", || {
        drop(world.connect(&spec));
        world.starts() == 1
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn another_choice_ends_what_runs_after_its_requests_and_the_next_request_gets_it() {
    let (world, spec) = (World::new(), spec());
    world.fake.install(&[("8.4", 0), ("8.2", 0)]);
    world.registry.put(spec.clone()).await.expect("it is put");
    let _request = world.connect(&spec);
    world.until(&spec, PoolState::Running).await;
    let (_, old) = world.php(0);
    old.busy.store(true, Ordering::SeqCst);
    let other = PoolSpec { php_version: PhpChoice::Newest, generation: spec.generation.next(), ..spec.clone() };
    assert!(world.registry.put(other.clone()).await.expect("it is put").listening);
    assert!(old.retired.load(Ordering::SeqCst) && !old.killed.load(Ordering::SeqCst));
    let _request = world.connect(&other);
    eventually("the other one is started", || world.starts() == 2).await;
    assert_eq!(world.php(1).1.version.as_ref().map(|php| php.version.as_str()), Some("8.4"));
}

/// A Spec with one field that nobody knows.
#[derive(Serialize)]
struct Stranger {
    #[serde(flatten)]
    spec: PoolSpec,
    root: bool,
}

impl Call for Stranger {
    type Reply = ();
    const METHOD: ::http::Method = PutPool::METHOD;
    const ROUTE: &'static str = PutPool::ROUTE;
}

#[tokio::test]
async fn what_is_not_of_the_contract_is_refused() {
    let (world, spec) = (World::new(), spec());
    let client = control(&world, nix::unistd::getuid().as_raw());
    let stranger = Stranger { spec: PoolSpec { workers: Limit::UNLIMITED, ..spec }, root: true };
    assert_eq!(refusal(client.call(&stranger, SOON).await.expect_err("it is refused")), WireCode::Invalid);
    assert!(world.registry.list().is_empty());
}

#[tokio::test]
async fn another_uid_is_refused() {
    let world = World::new();
    let client = control(&world, nix::unistd::getuid().as_raw() + 1);
    assert_eq!(refusal(client.call(&GetHealth {}, SOON).await.expect_err("it is refused")), WireCode::Forbidden);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(world.root.path().join("phpd.sock")).expect("it is there").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}
