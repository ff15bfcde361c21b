//! Every operation, stopped and failed at every point at which the host is called: before the call, half-way through it, after it.
//!
//! The points are counted by running the operation once, so none can be forgotten: a new call of the host is a new point by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opterius_model::{OperationId, PasswordHash, Spec};
use opterius_protocol::agent::{Change, FailureKind, OperationReport, Outcome};
use tokio::sync::Notify;

use super::Engine;
use crate::host::fake::{FakeHost, Quiet, World};
use crate::host::{Hook, Host, HostError, Moment, UserSeen, Watched, ZoneSeen};
use crate::resources::Target;
use crate::testing::{change, target};

/// What happens at one point.
#[derive(Clone)]
enum Fault {
    /// The call fails, once.
    Fail,
    /// The call fails, and so does every later one of the same name.
    KeepFailing,
    /// The Agent is killed: this call and every later one never returns.
    Kill,
    /// Somebody else does something to the server, and the call goes on.
    Meanwhile(Arc<dyn Fn(&mut World) + Send + Sync>),
}

/// Counts the points, and does the fault at one of them.
struct Script {
    host: FakeHost,
    at: usize,
    fault: Fault,
    reached: AtomicUsize,
    failing: std::sync::Mutex<Option<&'static str>>,
    dead: AtomicBool,
    died: Notify,
}

impl Script {
    fn new(host: &FakeHost, at: usize, fault: Fault) -> Arc<Self> {
        Arc::new(Self {
            host: host.clone(),
            at,
            fault,
            reached: AtomicUsize::new(0),
            failing: std::sync::Mutex::default(),
            dead: AtomicBool::new(false),
            died: Notify::new(),
        })
    }

    fn error(call: &str) -> HostError {
        HostError::failed(format!("pass {call}"))("the test says so")
    }
}

#[async_trait]
impl Hook for Script {
    async fn reach(&self, call: &'static str, changes: bool, _: Moment) -> Result<(), HostError> {
        if self.dead.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        if !changes {
            return Ok(());
        }
        if self.reached.fetch_add(1, Ordering::SeqCst) == self.at {
            match &self.fault {
                Fault::Fail => return Err(Self::error(call)),
                Fault::KeepFailing => *self.failing.lock().expect("no panic") = Some(call),
                Fault::Kill => {
                    self.dead.store(true, Ordering::SeqCst);
                    self.died.notify_one();
                    return std::future::pending().await;
                }
                Fault::Meanwhile(act) => act(&mut self.host.world()),
            }
        }
        if *self.failing.lock().expect("no panic") == Some(call) { Err(Self::error(call)) } else { Ok(()) }
    }
}

fn with_hook(host: &FakeHost, hook: Arc<dyn Hook>) -> Arc<dyn Host> {
    Arc::new(Watched::new(host.hooked(hook.clone()), hook))
}

async fn start(host: Arc<dyn Host>) -> Engine {
    let engine = Engine::load(host).await.expect("the fake host can be read");
    engine.recover().await;
    engine
}

/// An operation under test: what is there before, what is asked for, and what it may leave.
struct Case {
    name: &'static str,
    creates: bool,
    before: Option<Spec>,
    asked: Spec,
}

fn cases() -> Vec<Case> {
    let created = Spec { uid: None, ..target().spec };
    let changed = Spec { generation: created.generation.next(), password_hash: other_hash(), ..created.clone() };
    vec![
        Case { name: "create", creates: true, before: None, asked: created.clone() },
        Case { name: "change the password", creates: false, before: Some(created.clone()), asked: changed },
        Case { name: "remove", creates: false, before: Some(created.clone()), asked: created.absent() },
    ]
}

fn other_hash() -> PasswordHash {
    PasswordHash::parse("$6$othersaltothersa$K6yJFrkZPzMcPpEPTKGPG9NVJXbIoQhIZ0FBZ".to_owned()).expect("a hash")
}

/// A server on which the case can begin, with neighbours that must not be touched.
async fn prepared(case: &Case) -> FakeHost {
    let host = FakeHost::new();
    let engine = start(Arc::new(host.clone())).await;
    let mut neighbour = Spec { uid: None, ..target().spec };
    neighbour.account_id = opterius_model::AccountId::generate();
    neighbour.username = "bob".parse().expect("a username");
    neighbour.sites[0].hosts[0] = "bob.example".parse().expect("a domain");
    for spec in [Some(&neighbour), case.before.as_ref()].into_iter().flatten() {
        let watcher = engine.submit(&change(spec), true).expect("it is taken on");
        assert_eq!(watcher.outcome(Duration::from_hours(1)).await.outcome, Outcome::Committed);
    }
    host
}

/// The server once the case succeeded.
async fn after(case: &Case) -> World {
    let host = prepared(case).await;
    let engine = start(Arc::new(host.clone())).await;
    let watcher = engine.submit(&change(&case.asked), case.creates).expect("it is taken on");
    assert_eq!(watcher.outcome(Duration::from_hours(1)).await.outcome, Outcome::Committed, "{}", case.name);
    host.world().clone()
}

/// Two servers are the same when everything but the neighbour's ids is; ids and uids are given in order, so they agree too.
fn same(one: &World, other: &World) -> bool {
    let text = |world: &World| {
        let mut world = world.clone();
        // Whether PHP runs at this moment is nobody's desired state.
        world.processes.clear();
        let neighbour = world.users.get(&"bob".parse().expect("a username")).and_then(|bob| bob.account);
        format!("{world:?}").replace(&neighbour.map(|id| format!("{id:?}")).unwrap_or_default(), "the neighbour")
    };
    text(one) == text(other)
}

async fn decided(engine: &Engine, operation: OperationId) -> OperationReport {
    let watcher = engine.operation(operation).expect("the operation is known");
    let report = watcher.outcome(Duration::from_hours(1)).await;
    assert_ne!(report.outcome, Outcome::Running, "it is decided within the hour");
    report
}

/// Checks that the server is as the outcome says, wholly.
fn assert_whole(context: &str, host: &FakeHost, outcome: Outcome, before: &World, after: &World) {
    let world = host.world().clone();
    match outcome {
        Outcome::Committed => assert!(same(&world, after), "{context}: committed, and yet\n{world:#?}\nis not\n{after:#?}"),
        Outcome::RolledBack => assert!(same(&world, before), "{context}: rolled back, and yet\n{world:#?}\nis not\n{before:#?}"),
        other => panic!("{context}: {other:?}"),
    }
}

/// How many points the case has.
async fn points(case: &Case) -> usize {
    let host = prepared(case).await;
    let script = Script::new(&host, usize::MAX, Fault::Fail);
    let engine = start(with_hook(&host, script.clone())).await;
    let watcher = engine.submit(&change(&case.asked), case.creates).expect("it is taken on");
    watcher.outcome(Duration::from_hours(1)).await;
    script.reached.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_anywhere_leaves_all_or_nothing() {
    for case in cases() {
        let wanted = after(&case).await;
        let points = points(&case).await;
        assert!(points > 10, "{} has {points} points", case.name);
        for at in 0..points {
            let host = prepared(&case).await;
            let before = host.world().clone();
            let script = Script::new(&host, at, Fault::Fail);
            let engine = start(with_hook(&host, script.clone())).await;
            let watcher = engine.submit(&change(&case.asked), case.creates).expect("it is taken on");
            let report = watcher.outcome(Duration::from_hours(1)).await;
            assert!(script.reached.load(Ordering::SeqCst) > at, "{}: point {at} was reached", case.name);
            assert_whole(&format!("{}, failed at {at}", case.name), &host, report.outcome, &before, &wanted);
        }
    }
}

/// From the start of the Agent to the outcome.
async fn first_life(host: Arc<dyn Host>, change: &Change, creates: bool) -> OperationReport {
    let engine = start(host).await;
    let watcher = engine.submit(change, creates).expect("it is taken on");
    watcher.outcome(Duration::from_hours(1)).await
}

#[tokio::test(start_paused = true)]
async fn a_kill_anywhere_leaves_all_or_nothing_after_the_next_start() {
    for case in cases() {
        let wanted = after(&case).await;
        for at in 0..points(&case).await {
            let host = prepared(&case).await;
            let before = host.world().clone();
            let change = change(&case.asked);
            let script = Script::new(&host, at, Fault::Kill);
            let told = tokio::select! {
                () = script.died.notified() => None,
                report = first_life(with_hook(&host, script.clone()), &change, case.creates) => Some(report),
            };
            // What was answered before the kill stays true after it.
            let engine = start(Arc::new(host.clone())).await;
            let context = format!("{}, killed at {at}", case.name);
            // Sending the same operation again finds its outcome, or begins it where it had never been announced.
            engine.submit(&change, case.creates).expect("the operation is known or can be begun");
            let report = decided(&engine, change.operation_id).await;
            if let Some(told) = told {
                assert_eq!(report.outcome, told.outcome, "{context}: the outcome changed");
            }
            assert_whole(&context, &host, report.outcome, &before, &wanted);
            let again = engine.submit(&change, case.creates).expect("the operation is known").now();
            assert_eq!(again.outcome, report.outcome, "{context}: sent again");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_kill_while_turning_back_is_no_different() {
    for case in cases() {
        let wanted = after(&case).await;
        let points = points(&case).await;
        // The direction turns at each third point, and the Agent is killed at every point of what follows.
        for failing in (0..points).step_by(3) {
            for killed in failing + 1.. {
                let host = prepared(&case).await;
                let before = host.world().clone();
                let change = change(&case.asked);
                let script = FailThenKill::new(&host, failing, killed);
                let told = tokio::select! {
                    () = script.kill.died.notified() => None,
                    report = first_life(with_hook(&host, script.clone()), &change, case.creates) => Some(report),
                };
                let engine = start(Arc::new(host.clone())).await;
                engine.submit(&change, case.creates).expect("the operation is known or can be begun");
                let report = decided(&engine, change.operation_id).await;
                let context = format!("{}, failed at {failing}, killed at {killed}", case.name);
                assert_whole(&context, &host, report.outcome, &before, &wanted);
                if let Some(told) = told {
                    // An operation that could not be announced is told as rolled back and is then as if it had never been sent.
                    let never_begun = told.failure.is_some_and(|failure| failure.step == "journal");
                    assert!(never_begun || report.outcome == told.outcome, "{context}: the outcome changed");
                    // Nothing is left to be killed in: the operation ended before this point.
                    break;
                }
            }
        }
    }
}

struct FailThenKill {
    fail: Arc<Script>,
    kill: Arc<Script>,
}

impl FailThenKill {
    fn new(host: &FakeHost, failing: usize, killed: usize) -> Arc<Self> {
        Arc::new(Self { fail: Script::new(host, failing, Fault::Fail), kill: Script::new(host, killed, Fault::Kill) })
    }
}

#[async_trait]
impl Hook for FailThenKill {
    async fn reach(&self, call: &'static str, changes: bool, moment: Moment) -> Result<(), HostError> {
        self.kill.reach(call, changes, moment).await?;
        self.fail.reach(call, changes, moment).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_keeps_failing_needs_attention_and_ends_once_it_works_again() {
    for case in cases() {
        let wanted = after(&case).await;
        for at in 0..points(&case).await {
            let host = prepared(&case).await;
            let before = host.world().clone();
            let script = Script::new(&host, at, Fault::KeepFailing);
            let engine = start(with_hook(&host, script.clone())).await;
            let change = change(&case.asked);
            let watcher = engine.submit(&change, case.creates).expect("it is taken on");
            // Some failures can be undone without the call that fails; the others must say what is left, and go on trying.
            let report = watcher.outcome(Duration::from_mins(10)).await;
            let context = format!("{}, failing from {at} on: {:?}", case.name, report.outcome);
            if report.outcome == Outcome::NeedsAttention {
                assert!(!report.left.is_empty(), "{context}: it says what is left");
            }
            *script.failing.lock().expect("no panic") = None;
            let mut report = report;
            // One that could not even be announced is as if it had never been sent.
            while let Some(watcher) = engine.operation(change.operation_id) {
                if matches!(report.outcome, Outcome::Committed | Outcome::RolledBack) {
                    break;
                }
                report = watcher.beyond(u64::MAX, Duration::from_mins(1)).await;
            }
            assert_whole(&context, &host, report.outcome, &before, &wanted);
        }
    }
}

/// Puts something on the server where its place is free, and answers whether it was.
type Appears = fn(&mut World) -> bool;

/// What somebody may do by hand while an account of that name is being created.
fn strangers() -> Vec<(&'static str, FailureKind, Appears)> {
    fn username() -> opterius_model::Username {
        target().spec.username
    }
    fn domain() -> opterius_model::DomainName {
        target().site().primary().clone()
    }
    vec![
        ("a user", FailureKind::UsernameTaken, |world| {
            let free = !world.users.contains_key(&username());
            let user = UserSeen { uid: Some(1000), account: None, group: Some(1000), shadow: Some("!".to_owned()) };
            world.users.entry(username()).or_insert(user);
            free
        }),
        ("a group", FailureKind::UsernameTaken, |world| {
            let free = !world.users.contains_key(&username());
            let group = UserSeen { uid: None, account: None, group: Some(1000), shadow: None };
            world.users.entry(username()).or_insert(group);
            free
        }),
        ("a home", FailureKind::UsernameTaken, |world| {
            let free = !world.homes.contains_key(&username());
            world.homes.entry(username()).or_insert((1000, 0o755));
            free
        }),
        ("logs", FailureKind::UsernameTaken, |world| {
            let free = !world.logs.contains_key(&username());
            world.logs.entry(username()).or_insert(None);
            free
        }),
        ("a site", FailureKind::DomainTaken, |world| {
            let free = !world.sites.contains_key(&domain());
            world.sites.entry(domain()).or_insert(crate::host::SiteSeen { entry: None, account: None });
            free
        }),
        ("a zone", FailureKind::DomainTaken, |world| {
            let free = !world.zones.contains_key(&domain());
            world.zones.entry(domain()).or_insert(ZoneSeen { account: None, records: std::collections::BTreeSet::new() });
            free
        }),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_a_stranger_puts_there_at_any_instant_survives() {
    let case = &cases()[0];
    let wanted = after(case).await;
    for (what, kind, put) in strangers() {
        let mut met = 0;
        for at in 0..points(case).await {
            let host = prepared(case).await;
            // The server with nothing but the neighbour, and perhaps the stranger's.
            let mut without = host.world().clone();
            let free = Arc::new(AtomicBool::new(false));
            let noted = free.clone();
            let script = Script::new(&host, at, Fault::Meanwhile(Arc::new(move |world| noted.store(put(world), Ordering::SeqCst))));
            let engine = start(with_hook(&host, script)).await;
            let watcher = engine.submit(&change(&case.asked), true).expect("it is taken on");
            let report = watcher.outcome(Duration::from_hours(1)).await;
            let context = format!("{what} made by hand at {at}");
            if free.load(Ordering::SeqCst) {
                met += 1;
                put(&mut without);
                if report.outcome == Outcome::RolledBack {
                    assert_eq!(report.failure.map(|failure| failure.kind), Some(kind), "{context}");
                }
                // A stranger's group or home may come too late to be in the way; whatever came, is still there.
                assert_whole(&context, &host, report.outcome, &without, &wanted);
            } else {
                assert_whole(&context, &host, report.outcome, &without, &wanted);
            }
        }
        assert!(met > 0, "{what} could be made at some instant");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_stranger_put_there_before_is_a_conflict_and_nothing_is_touched() {
    let case = &cases()[0];
    for (what, kind, put) in strangers() {
        let host = prepared(case).await;
        put(&mut host.world());
        let before = host.world().clone();
        let script = Script::new(&host, usize::MAX, Fault::Fail);
        let engine = start(with_hook(&host, script.clone())).await;
        let watcher = engine.submit(&change(&case.asked), true).expect("it is taken on");
        let report = watcher.outcome(Duration::from_hours(1)).await;
        assert_eq!(report.failure.map(|failure| failure.kind), Some(kind), "{what}");
        assert_whole(what, &host, report.outcome, &before, &before);
    }
}

#[tokio::test(start_paused = true)]
async fn after_apply_there_is_nothing_to_do_and_after_undo_everything_is_as_before() {
    let case = &cases()[0];
    let host = prepared(case).await;
    let before = host.world().clone();
    let engine = start(with_hook(&host, Arc::new(Quiet))).await;
    engine.submit(&change(&case.asked), true).expect("it is taken on").outcome(Duration::from_hours(1)).await;
    let committed = engine.account(case.asked.account_id).expect("the account is there").spec;
    let target = Target { uid: committed.uid.expect("a uid"), spec: committed.clone() };
    let plan = engine.plan(target.spec).await.expect("a plan");
    assert!(plan.changes.is_empty() && plan.conflicts.is_empty(), "{plan:?}");
    engine.submit(&change(&committed.absent()), false).expect("it is taken on").outcome(Duration::from_hours(1)).await;
    assert!(same(&host.world().clone(), &before));
}
