//! Every operation, stopped and failed at every point at which the host is called: before the call, half-way through it, after it.
//!
//! The points are counted by running the operation once, so none can be forgotten: a new call of the host is a new point by itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opterius_model::{DomainName, Generation, Hold, Limit, OperationId, PasswordHash, Spec, State, Uid, Username};
use opterius_protocol::Micros;
use opterius_protocol::agent::{Change, FailureKind, OperationReport, Outcome, StepState};
use proptest::prelude::*;
use tokio::sync::Notify;

use super::Engine;
use crate::host::fake::{FakeHome, FakeHost, Quiet, World};
use crate::host::{Hook, Host, HostError, Moment, UserSeen, Watched, ZoneSeen};
use crate::resources;
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
    failing: std::sync::Mutex<Option<String>>,
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
    async fn reach(&self, call: &str, changes: bool, _: Moment) -> Result<(), HostError> {
        if self.dead.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        if !changes {
            return Ok(());
        }
        if self.reached.fetch_add(1, Ordering::SeqCst) == self.at {
            match &self.fault {
                Fault::Fail => return Err(Self::error(call)),
                Fault::KeepFailing => *self.failing.lock().expect("no panic") = Some(call.to_owned()),
                Fault::Kill => {
                    self.dead.store(true, Ordering::SeqCst);
                    self.died.notify_one();
                    return std::future::pending().await;
                }
                Fault::Meanwhile(act) => act(&mut self.host.world()),
            }
        }
        if self.failing.lock().expect("no panic").as_deref() == Some(call) { Err(Self::error(call)) } else { Ok(()) }
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
    /// The Specs that the account had before, one after the other; none for a create.
    before: Vec<Spec>,
    /// What happened to the server since.
    meanwhile: fn(&mut World),
    asked: Spec,
}

impl Case {
    fn creates(&self) -> bool {
        self.before.is_empty()
    }

    /// Whether it only makes an account what it was, so that one that failed leaves it as it is or nearer to that.
    fn repairs(&self) -> bool {
        self.before.last().is_some_and(|before| resources::repairs(before, &self.asked))
    }
}

fn alice() -> Username {
    target().spec.username
}

fn domain() -> DomainName {
    target().site().primary().clone()
}

/// Somebody is logged in.
fn logged_in(world: &mut World) {
    let uid = world.users[&alice()].uid.and_then(|uid| Uid::try_from(uid).ok()).expect("a uid");
    world.sessions.insert(uid);
}

/// Everything of the account that can be damaged and still bears its mark is.
fn damaged(world: &mut World) {
    let user = world.users.get_mut(&alice()).expect("the user");
    (user.as_made, user.expired, user.shadow) = (false, true, Some("!".into()));
    let home = world.homes.get_mut(&alice()).expect("the home");
    home.owner = 0;
    home.flaws.insert("tmp is missing");
    world.logs.get_mut(&alice()).expect("the logs").1 = false;
    world.sites.get_mut(&domain()).expect("the site").entry = None;
    world.pools.retain(|(account, _), _| *account != target().spec.account_id);
    world.zones.get_mut(&domain()).expect("the zone").records.clear();
}

/// Every operation there is.
fn cases() -> Vec<Case> {
    let next = |spec: &Spec, change: fn(&mut Spec)| {
        let mut spec = Spec { generation: spec.generation.next(), ..spec.clone() };
        change(&mut spec);
        spec
    };
    let created = Spec { uid: None, ..target().spec };
    let held = created.held([Hold::Billing]);
    let kept = created.kept(Micros(i64::MAX));
    let case = |name, before: &[&Spec], meanwhile, asked| Case {
        name,
        before: before.iter().map(|spec| (*spec).clone()).collect(),
        meanwhile,
        asked,
    };
    let nothing: fn(&mut World) = |_| ();
    let password: fn(&mut Spec) = |spec| spec.password_hash = other_hash();
    let package: fn(&mut Spec) = |spec| spec.limits.php_workers = Limit::try_from(9).expect("a limit");
    let back: fn(&mut Spec) = |spec| (spec.state, spec.kept_until) = (State::Active, None);
    let renamed: fn(&mut Spec) = |spec| {
        (spec.state, spec.kept_until) = (State::Active, None);
        spec.username = "alice2".parse().expect("a username");
        spec.sites[0].hosts[0] = "alice2.example".parse().expect("a domain");
    };
    vec![
        case("create", &[], nothing, created.clone()),
        case("suspend", &[&created], logged_in, held.clone()),
        case("suspend once more", &[&created, &held], nothing, held.held([Hold::Billing, Hold::Abuse])),
        case("unsuspend", &[&created, &held], nothing, held.held([])),
        case("change the password", &[&created], logged_in, next(&created, password)),
        case("change the password while suspended", &[&created, &held], nothing, next(&held, password)),
        case("change the package", &[&created], nothing, next(&created, package)),
        case("terminate", &[&created], logged_in, kept.clone()),
        case("terminate while suspended", &[&created, &held], nothing, held.kept(Micros(i64::MAX))),
        case("terminate what was restored", &[&created, &kept, &next(&kept, back)], nothing, next(&kept, back).kept(Micros(i64::MAX))),
        case("restore", &[&created, &kept], nothing, next(&kept, back)),
        case("restore under other names", &[&created, &kept], nothing, next(&kept, renamed)),
        case("restore as suspended", &[&created, &kept], nothing, kept.held([Hold::Abuse])),
        case("repair", &[&created], damaged, next(&created, |_| ())),
        case("repair while suspended", &[&created, &held], damaged, next(&held, |_| ())),
        case("remove", &[&created], nothing, created.absent()),
        case("delete what is kept", &[&created, &kept], nothing, kept.absent()),
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
    for (n, spec) in [&neighbour].into_iter().chain(&case.before).enumerate() {
        let watcher = engine.submit(&change(spec), n < 2).expect("it is taken on");
        assert_eq!(watcher.outcome(Duration::from_hours(1)).await.outcome, Outcome::Committed);
    }
    (case.meanwhile)(&mut host.world());
    host
}

/// The server once the case succeeded.
async fn after(case: &Case) -> World {
    let host = prepared(case).await;
    let engine = start(Arc::new(host.clone())).await;
    let watcher = engine.submit(&change(&case.asked), case.creates()).expect("it is taken on");
    assert_eq!(watcher.outcome(Duration::from_hours(1)).await.outcome, Outcome::Committed, "{}", case.name);
    host.world().clone()
}

/// Two servers are the same when everything but the neighbour's ids is; ids and uids are given in order, so they agree too.
fn same(one: &World, other: &World) -> bool {
    let text = |world: &World| {
        let mut world = world.clone();
        // Whether PHP runs at this moment is nobody's desired state, and who was logged in is not logged in again by an undo.
        world.processes.clear();
        world.sessions.clear();
        // A document root's second name, from a restore that came to nothing, leads to the first and harms nobody.
        world.trash.values_mut().filter_map(|trash| trash.home.as_mut()).for_each(|home| home.roots.truncate(1));
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
async fn assert_whole(context: &str, case: &Case, host: &FakeHost, outcome: Outcome, before: &World, after: &World) {
    if case.repairs() && outcome == Outcome::RolledBack {
        // Nothing is promised but that it can be repaired again.
        let engine = start(Arc::new(host.clone())).await;
        let again = Spec { generation: case.asked.generation.next().next(), ..case.asked.clone() };
        let report = engine.submit(&change(&again), false).expect("it is taken on").outcome(Duration::from_hours(1)).await;
        assert_eq!(report.outcome, Outcome::Committed, "{context}, repaired again: {report:?}");
        let world = without_generations(&host.world());
        assert!(same(&world, &without_generations(after)), "{context}: repaired again, and yet\n{world:#?}\nis not\n{after:#?}");
        return;
    }
    if outcome == Outcome::Committed && case.before.last().is_some_and(|before| before.state == State::Absent) {
        // What it came back from may still have to be thrown away, which a start does too.
        start(Arc::new(host.clone())).await;
    }
    let world = host.world().clone();
    match outcome {
        Outcome::Committed => {
            let as_wanted =
                if case.repairs() { same(&without_generations(&world), &without_generations(after)) } else { same(&world, after) };
            assert!(as_wanted, "{context}: committed, and yet\n{world:#?}\nis not\n{after:#?}");
            if case.asked.state != State::Active {
                let neighbours = |uid: &Uid| world.users[&"bob".parse().expect("a username")].uid == Some(uid.get());
                let left: Vec<&Uid> = world.processes.iter().chain(&world.sessions).filter(|uid| !neighbours(uid)).collect();
                assert!(left.is_empty(), "{context}: processes of {left:?} are left");
            }
        }
        Outcome::RolledBack => assert!(same(&world, before), "{context}: rolled back, and yet\n{world:#?}\nis not\n{before:#?}"),
        other => panic!("{context}: {other:?}"),
    }
}

/// A repair may leave another generation in what it made anew.
fn without_generations(world: &World) -> World {
    let mut world = world.clone();
    for entry in world.sites.values_mut().filter_map(|seen| seen.entry.as_mut()) {
        entry.generation = Generation::FIRST;
    }
    for pool in world.pools.values_mut() {
        pool.generation = Generation::FIRST;
    }
    world
}

/// How many points the case has.
async fn points(case: &Case) -> usize {
    let host = prepared(case).await;
    let script = Script::new(&host, usize::MAX, Fault::Fail);
    let engine = start(with_hook(&host, script.clone())).await;
    let watcher = engine.submit(&change(&case.asked), case.creates()).expect("it is taken on");
    watcher.outcome(Duration::from_hours(1)).await;
    script.reached.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_anywhere_leaves_all_or_nothing() {
    for case in cases() {
        let wanted = after(&case).await;
        let points = points(&case).await;
        assert!(points > 5, "{} has {points} points", case.name);
        for at in 0..points {
            let host = prepared(&case).await;
            let before = host.world().clone();
            let script = Script::new(&host, at, Fault::Fail);
            let engine = start(with_hook(&host, script.clone())).await;
            let watcher = engine.submit(&change(&case.asked), case.creates()).expect("it is taken on");
            let report = watcher.outcome(Duration::from_hours(1)).await;
            assert!(script.reached.load(Ordering::SeqCst) > at, "{}: point {at} was reached", case.name);
            assert_whole(&format!("{}, failed at {at}", case.name), &case, &host, report.outcome, &before, &wanted).await;
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
                report = first_life(with_hook(&host, script.clone()), &change, case.creates()) => Some(report),
            };
            // What was answered before the kill stays true after it.
            let engine = start(Arc::new(host.clone())).await;
            let context = format!("{}, killed at {at}", case.name);
            // Sending the same operation again finds its outcome, or begins it where it had never been announced.
            engine.submit(&change, case.creates()).expect("the operation is known or can be begun");
            let report = decided(&engine, change.operation_id).await;
            if let Some(told) = told {
                assert_eq!(report.outcome, told.outcome, "{context}: the outcome changed");
            }
            assert_whole(&context, &case, &host, report.outcome, &before, &wanted).await;
            let again = engine.submit(&change, case.creates()).expect("the operation is known").now();
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
                    report = first_life(with_hook(&host, script.clone()), &change, case.creates()) => Some(report),
                };
                let engine = start(Arc::new(host.clone())).await;
                let context = format!("{}, failed at {failing}, killed at {killed}", case.name);
                let taken_on = engine.submit(&change, case.creates());
                assert!(taken_on.is_ok(), "{context}: {:?}, told {told:?}", taken_on.err());
                let report = decided(&engine, change.operation_id).await;
                assert_whole(&context, &case, &host, report.outcome, &before, &wanted).await;
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
    async fn reach(&self, call: &str, changes: bool, moment: Moment) -> Result<(), HostError> {
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
            let watcher = engine.submit(&change, case.creates()).expect("it is taken on");
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
            assert_whole(&context, &case, &host, report.outcome, &before, &wanted).await;
        }
    }
}

/// Puts something on the server where its place is free, and answers whether it was.
type Appears = fn(&mut World) -> bool;

/// What somebody may do by hand while something is done to an account of that name.
fn strangers() -> Vec<(&'static str, FailureKind, Appears)> {
    fn made(world: &mut World, uid: Option<u32>) -> bool {
        let free = !world.users.contains_key(&alice());
        let shadow = uid.map(|_| "!".into());
        let user = UserSeen { uid, account: None, group: Some(1000), shadow, expired: false, as_made: false };
        world.users.entry(alice()).or_insert(user);
        free
    }
    vec![
        ("a user", FailureKind::UsernameTaken, |world| made(world, Some(1000))),
        ("a group", FailureKind::UsernameTaken, |world| made(world, None)),
        ("a home", FailureKind::UsernameTaken, |world| {
            let free = !world.homes.contains_key(&alice());
            let home = FakeHome { owner: 1000, inside: 1000, flaws: BTreeSet::new(), roots: Vec::new() };
            world.homes.entry(alice()).or_insert(home);
            free
        }),
        ("logs", FailureKind::UsernameTaken, |world| {
            let free = !world.logs.contains_key(&alice());
            world.logs.entry(alice()).or_insert((None, false));
            free
        }),
        ("a site", FailureKind::DomainTaken, |world| {
            let free = !world.sites.contains_key(&domain());
            world.sites.entry(domain()).or_insert(crate::host::SiteSeen { entry: None, account: None });
            free
        }),
        ("a zone", FailureKind::DomainTaken, |world| {
            let free = !world.zones.contains_key(&domain());
            world.zones.entry(domain()).or_insert(ZoneSeen { account: None, records: BTreeSet::new() });
            free
        }),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_a_stranger_puts_there_at_any_instant_survives() {
    let mut met_in = BTreeSet::new();
    // The others have the account's names from their beginning to their end.
    let frees = ["create", "terminate", "restore", "restore under other names", "remove"];
    for case in cases().into_iter().filter(|case| frees.contains(&case.name)) {
        let wanted = after(&case).await;
        let points = points(&case).await;
        for (what, kind, put) in strangers() {
            for at in 0..points {
                let host = prepared(&case).await;
                let (mut before, mut wanted) = (host.world().clone(), wanted.clone());
                let free = Arc::new(AtomicBool::new(false));
                let noted = free.clone();
                let script = Script::new(&host, at, Fault::Meanwhile(Arc::new(move |world| noted.store(put(world), Ordering::SeqCst))));
                let engine = start(with_hook(&host, script)).await;
                let watcher = engine.submit(&change(&case.asked), case.creates()).expect("it is taken on");
                let report = watcher.outcome(Duration::from_hours(1)).await;
                let context = format!("{}, {what} made by hand at {at}", case.name);
                if free.load(Ordering::SeqCst) {
                    met_in.insert((case.name, what));
                    // A stranger's group or home may come too late to be in the way; whatever came, is still there.
                    put(&mut before);
                    put(&mut wanted);
                    if report.outcome == Outcome::RolledBack {
                        assert_eq!(report.failure.map(|failure| failure.kind), Some(kind), "{context}");
                    }
                }
                assert_whole(&context, &case, &host, report.outcome, &before, &wanted).await;
            }
        }
    }
    for case in ["create", "terminate", "restore"] {
        for (what, ..) in strangers() {
            assert!(met_in.contains(&(case, what)), "{what} could be made at some instant of: {case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_stranger_put_there_before_is_a_conflict_and_nothing_is_touched() {
    for case in cases().into_iter().filter(|case| ["create", "restore"].contains(&case.name)) {
        for (what, kind, put) in strangers() {
            let host = prepared(&case).await;
            put(&mut host.world());
            let before = host.world().clone();
            let script = Script::new(&host, usize::MAX, Fault::Fail);
            let engine = start(with_hook(&host, script.clone())).await;
            let watcher = engine.submit(&change(&case.asked), case.creates()).expect("it is taken on");
            let report = watcher.outcome(Duration::from_hours(1)).await;
            assert_eq!(report.failure.map(|failure| failure.kind), Some(kind), "{}, {what}", case.name);
            assert_whole(what, &case, &host, report.outcome, &before, &before).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_every_operation_the_plan_is_empty() {
    for case in cases() {
        let host = prepared(&case).await;
        let engine = start(with_hook(&host, Arc::new(Quiet))).await;
        let planned = engine.plan(case.asked.clone()).await.expect("a plan");
        let told = host.world().clone();
        assert!(planned.conflicts.is_empty() && planned.missing.is_empty(), "{}: {planned:?}", case.name);
        assert!(same(&host.world(), &told), "{}: a plan touches nothing", case.name);
        let report = engine.submit(&change(&case.asked), case.creates()).expect("it is taken on").outcome(Duration::from_hours(1)).await;
        assert_eq!(report.outcome, Outcome::Committed, "{}", case.name);
        // What was planned is what was done. A step that has several things to do is planned by its first.
        let done = report.steps.iter().filter(|step| step.state == StepState::Done && !step.name.starts_with("verify"));
        let done: BTreeSet<&str> = done.map(|step| step.name.as_str()).collect();
        let planned: BTreeSet<&str> = planned.changes.iter().map(|change| change.resource.as_str()).collect();
        // Ending PHP ends processes that a plan sees.
        let (done, planned) = (&done | &BTreeSet::from(["sessions"]), &planned | &BTreeSet::from(["sessions"]));
        assert_eq!(planned, done, "{}", case.name);
        let committed = engine.account(case.asked.account_id).expect("the account is known").spec;
        let plan = engine.plan(committed).await.expect("a plan");
        assert!(plan.is_empty(), "{}: {plan:?}", case.name);
    }
}

/// One thing that happens to an account, in a random life.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Hold(Hold),
    Lift(Hold),
    Password,
    Package,
    Terminate,
    Restore,
    Repair,
    Damage,
}

fn any_turn() -> impl Strategy<Value = (Turn, Option<usize>, bool)> {
    let hold = prop_oneof![Just(Hold::Billing), Just(Hold::Abuse)];
    let turn = prop_oneof![
        hold.clone().prop_map(Turn::Hold),
        hold.prop_map(Turn::Lift),
        Just(Turn::Password),
        Just(Turn::Package),
        Just(Turn::Terminate),
        Just(Turn::Restore),
        Just(Turn::Repair),
        Just(Turn::Damage),
    ];
    // Without a fault, or with one at some point; a failure, or a kill.
    (turn, proptest::option::of(0_usize..60), any::<bool>())
}

/// The Spec that a turn asks for; nothing if there is nothing to ask.
fn asked(turn: Turn, committed: &Spec) -> Option<Spec> {
    let next = Spec { generation: committed.generation.next(), ..committed.clone() };
    let live = committed.state != State::Absent;
    let holds = || committed.holds.iter().copied();
    match turn {
        Turn::Hold(hold) if live => Some(committed.held(holds().chain([hold]))),
        Turn::Lift(hold) if live => Some(committed.held(holds().filter(|other| *other != hold))),
        Turn::Password if live => {
            Some(Spec { password_hash: PasswordHash::parse(format!("$6$salt$hash{}", next.generation)).expect("a hash"), ..next })
        }
        Turn::Package if live => {
            let mut next = next;
            next.limits.php_workers = Limit::try_from(next.generation.get()).expect("a limit");
            Some(next)
        }
        Turn::Terminate if live => Some(committed.kept(Micros(i64::MAX))),
        Turn::Restore if !live => Some(committed.held([])),
        Turn::Repair if live => Some(next),
        _ => None,
    }
}

async fn live(turns: Vec<(Turn, Option<usize>, bool)>) {
    let host = prepared(&cases()[1]).await;
    let account = target().spec.account_id;
    let mut is_damaged = false;
    for (turn, at, kill) in turns {
        let committed = start(Arc::new(host.clone())).await.account(account).expect("it is known").spec;
        if matches!(turn, Turn::Damage) {
            if committed.state != State::Absent && !is_damaged {
                damaged(&mut host.world());
                is_damaged = true;
            }
            continue;
        }
        let Some(asked) = asked(turn, &committed) else { continue };
        let repairs = resources::repairs(&committed, &asked);
        if is_damaged && !repairs {
            continue;
        }
        let before = host.world().clone();
        let fault = if kill { Fault::Kill } else { Fault::Fail };
        let script = Script::new(&host, at.unwrap_or(usize::MAX), fault);
        let change = change(&asked);
        tokio::select! {
            () = script.died.notified() => {}
            _ = first_life(with_hook(&host, script.clone()), &change, false) => {}
        }
        let engine = start(Arc::new(host.clone())).await;
        engine.submit(&change, false).expect("it is known or can be begun");
        let report = decided(&engine, change.operation_id).await;
        match report.outcome {
            Outcome::Committed => is_damaged = false,
            Outcome::RolledBack if repairs => continue,
            Outcome::RolledBack => assert!(same(&host.world(), &before), "{turn:?} at {at:?}: rolled back, and something is left"),
            other => panic!("{turn:?} at {at:?}: {other:?}"),
        }
        let committed = engine.account(account).expect("it is known").spec;
        let expected = if report.outcome == Outcome::Committed { asked.state } else { committed.state };
        assert_eq!(committed.state, expected, "{turn:?} at {at:?}");
        let plan = engine.plan(committed).await.expect("a plan");
        assert!(plan.is_empty(), "{turn:?} at {at:?}: {plan:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// After whatever was applied there is nothing left to do, and after whatever was undone everything is as it was.
    #[test]
    fn any_life_with_any_faults_goes_from_whole_to_whole(turns in proptest::collection::vec(any_turn(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(live(turns));
    }
}

/// The build for fault tests on real servers stops at steps, so each must have a failpoint of its own.
#[tokio::test(start_paused = true)]
async fn every_step_of_every_operation_can_be_stopped_at() {
    for case in cases() {
        let host = prepared(&case).await;
        let passed = Arc::new(Passed::default());
        let engine = start(with_hook(&host, passed.clone())).await;
        let report = engine.submit(&change(&case.asked), case.creates()).expect("it is taken on").outcome(Duration::from_hours(1)).await;
        let steps = passed.0.lock().expect("no panic").clone();
        for step in &report.steps {
            let name = format!("step.forward.{}", step.name.replace(' ', "_"));
            assert!(steps.contains(&name), "{}: {name} has no failpoint", case.name);
        }
    }
}

#[derive(Default)]
struct Passed(std::sync::Mutex<BTreeSet<String>>);

#[async_trait]
impl Hook for Passed {
    async fn reach(&self, call: &str, _: bool, _: Moment) -> Result<(), HostError> {
        self.0.lock().expect("no panic").insert(call.to_owned());
        Ok(())
    }
}
