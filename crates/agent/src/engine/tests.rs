//! What the engine promises to its callers.

use std::sync::Arc;
use std::time::Duration;

use opterius_model::{AccountId, Hold, Limits, OperationId, PhpVersion, Pool, Spec, State, Uid};
use opterius_protocol::agent::{Change, FailureKind, OperationReport, Outcome, StepState};
use opterius_protocol::phpd::PoolState;
use opterius_protocol::{Micros, WireCode};

use super::Engine;
use crate::host::fake::FakeHost;
use crate::host::{Hook, Host as _, HostError, Moment};
use crate::testing::{change, target};

fn new_account(username: &str, domain: &str) -> Spec {
    let mut spec = Spec { uid: None, account_id: AccountId::generate(), ..target().spec };
    spec.username = username.parse().expect("a username");
    spec.sites[0].hosts[0] = domain.parse().expect("a domain");
    spec
}

async fn engine(host: &FakeHost) -> Engine {
    let engine = Engine::load(Arc::new(host.clone())).await.expect("the fake host can be read");
    engine.recover().await;
    forgets(&engine);
    engine
}

/// Has the engine forget what was acknowledged, as its job does.
fn forgets(engine: &Engine) {
    let engine = engine.clone();
    tokio::spawn(async move { while engine.forget_acknowledged().await.is_ok() {} });
}

async fn run(engine: &Engine, change: Change, creates: bool) -> opterius_protocol::agent::OperationReport {
    engine.submit(&change, creates).expect("it is taken on").outcome(Duration::from_hours(1)).await
}

#[tokio::test(start_paused = true)]
async fn an_account_is_created_and_every_step_is_told() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let report = run(&engine, change(&new_account("alice", "example.com")), true).await;
    assert_eq!(report.outcome, Outcome::Committed, "{report:?}");
    let mut steps: Vec<&str> = report.steps.iter().map(|step| step.name.as_str()).collect();
    assert!(report.steps.iter().all(|step| step.duration_us.is_some()), "{report:?}");
    steps.sort_unstable();
    assert_eq!(steps, ["dns zone", "home", "linux user", "logs", "password", "php pool", "preflight", "site", "verify dns", "verify site"]);
    assert_eq!(engine.account(report.account_id).and_then(|account| account.spec.uid), report.uid);
}

#[tokio::test(start_paused = true)]
async fn the_same_operation_never_begins_twice_and_another_content_is_refused() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let first = change(&new_account("alice", "example.com"));
    let report = run(&engine, first.clone(), true).await;
    let again = engine.submit(&first, true).expect("it is known").now();
    assert_eq!(again, report);
    let other = Change { spec: Spec { username: "bob".parse().expect("a username"), ..first.spec.clone() }, ..first.clone() };
    assert_eq!(engine.submit(&other, true).err().map(|error| error.code), Some(WireCode::OtherContent));

    // Also after a restart.
    let engine = Engine::load(Arc::new(host.clone())).await.expect("the fake host can be read");
    let after = engine.submit(&first, true).expect("it is known").now();
    assert_eq!((after.outcome, after.uid, after.steps.len()), (report.outcome, report.uid, report.steps.len()));
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_stale_are_refused_before_anything_happens() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let spec = new_account("alice", "example.com");
    run(&engine, change(&spec), true).await;
    assert_eq!(engine.submit(&change(&spec), true).err().map(|error| error.code), Some(WireCode::StaleGeneration));
    let gone = run(&engine, change(&spec.absent()), false).await;
    assert_eq!(gone.outcome, Outcome::Committed);
    // The account is gone for good: a copy of its create that arrives now is older than its removal.
    assert_eq!(engine.submit(&change(&spec), true).err().map(|error| error.code), Some(WireCode::StaleGeneration));
    assert_eq!(engine.account(spec.account_id).map(|account| account.summary.state), Some(State::Absent));
}

#[tokio::test(start_paused = true)]
async fn an_absent_spec_keeps_an_older_create_from_ever_beginning() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let spec = new_account("alice", "example.com");
    let absent = Spec { uid: None, ..spec.absent() };
    assert_eq!(run(&engine, change(&absent), false).await.outcome, Outcome::Committed);
    assert_eq!(engine.submit(&change(&spec), true).err().map(|error| error.code), Some(WireCode::StaleGeneration));
    assert_eq!(*host.world(), crate::host::fake::World::default());
}

#[tokio::test(start_paused = true)]
async fn twenty_at_once_for_one_username_make_one_account() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let watchers: Vec<_> = (0..20)
        .map(|n| engine.submit(&change(&new_account("alice", &format!("site{n}.example"))), true).expect("it is taken on"))
        .collect();
    let mut outcomes = Vec::new();
    for watcher in watchers {
        let report = watcher.outcome(Duration::from_hours(1)).await;
        outcomes.push((report.outcome, report.failure.map(|failure| failure.kind)));
    }
    let made = outcomes.iter().filter(|outcome| **outcome == (Outcome::Committed, None)).count();
    let refused = outcomes.iter().filter(|outcome| **outcome == (Outcome::RolledBack, Some(FailureKind::UsernameTaken))).count();
    assert_eq!((made, refused), (1, 19), "{outcomes:?}");
    assert_eq!(host.world().homes.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_down_fails_its_own_step_before_anything_is_touched() {
    for (service, step) in [("nginx", "site"), ("pdns", "dns zone"), ("phpd", "php pool")] {
        let host = FakeHost::new();
        let stop = |up: bool| {
            let mut services = host.services();
            match service {
                "nginx" => services.nginx = up,
                "pdns" => services.pdns = up,
                _ => services.phpd = up,
            }
        };
        stop(false);
        let engine = engine(&host).await;
        let report = run(&engine, change(&new_account("alice", "example.com")), true).await;
        let failure = report.failure.expect("it says why");
        assert_eq!((report.outcome, failure.step.as_str(), failure.kind), (Outcome::RolledBack, step, FailureKind::Unavailable));
        assert!(failure.hint.is_some());
        assert_eq!(*host.world(), crate::host::fake::World::default());
        stop(true);
        let again = run(&engine, change(&new_account("alice", "example.com")), true).await;
        assert_eq!(again.outcome, Outcome::Committed, "{service} is back");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_password_changes_the_password_and_nothing_else() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let spec = new_account("alice", "example.com");
    run(&engine, change(&spec), true).await;
    let before = host.world().clone();
    let mut next = spec.clone();
    next.generation = next.generation.next();
    next.password_hash = opterius_model::PasswordHash::parse("$6$another$hash".to_owned()).expect("a hash");
    let report = run(&engine, change(&next), false).await;
    let changed: Vec<&str> = report
        .steps
        .iter()
        .filter(|step| step.state == StepState::Done && !step.name.starts_with("verify"))
        .map(|step| step.name.as_str())
        .collect();
    assert_eq!((report.outcome, changed), (Outcome::Committed, vec!["password"]));
    let mut expected = before;
    expected.users.get_mut(&spec.username).expect("the user").shadow = Some("$6$another$hash".into());
    assert_eq!(*host.world(), expected);
}

#[tokio::test(start_paused = true)]
async fn one_unreadable_file_does_not_keep_the_others_from_being_recovered() {
    let host = FakeHost::new();
    let spec = new_account("alice", "example.com");
    run(&engine(&host).await, change(&spec), true).await;
    host.files().journals.insert(OperationId::generate(), "nonsense\n".to_owned());
    host.files().accounts.insert(AccountId::generate(), "{}".to_owned());
    let engine = engine(&host).await;
    let tally = engine.tally();
    assert_eq!((tally.open.len(), tally.live, tally.unreadable.len()), (0, 1, 2), "{tally:?}");
    assert!(engine.account(spec.account_id).is_some());
}

#[tokio::test(start_paused = true)]
async fn after_a_power_cut_the_accounts_committed_shortly_before_are_repaired() {
    let host = FakeHost::new();
    let spec = new_account("alice", "example.com");
    run(&engine(&host).await, change(&spec), true).await;
    let whole = host.world().clone();
    host.world().homes.clear();
    host.world().sites.clear();
    engine(&host).await;
    assert_ne!(*host.world(), whole, "a start in good order repairs nothing");
    host.files().cut_off = true;
    engine(&host).await;
    assert_eq!(*host.world(), whole);
}

#[tokio::test(start_paused = true)]
async fn an_acknowledged_operation_is_remembered_for_a_while_and_then_forgotten() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let change = change(&new_account("alice", "example.com"));
    run(&engine, change.clone(), true).await;
    assert!(engine.acknowledge(change.operation_id).await);
    assert!(engine.operation(change.operation_id).is_some());
    assert!(engine.acknowledge(change.operation_id).await, "a repeat is the same");
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert!(engine.operation(change.operation_id).is_none());
    assert!(host.files().journals.is_empty());
    assert!(engine.account(change.spec.account_id).is_some());
}

/// A disk without room for records of accounts.
struct NoRoom;

#[async_trait::async_trait]
impl Hook for NoRoom {
    async fn reach(&self, call: &str, _: bool, _: Moment) -> Result<(), HostError> {
        if call == "write_account" { Err(HostError::failed("write the record")("no space left on device")) } else { Ok(()) }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_full_disk_kept_from_being_recorded_stays_in_its_journal_until_there_is_room() {
    let host = FakeHost::new();
    let full = host.hooked(Arc::new(NoRoom));
    let engine = engine(&full).await;
    let change = change(&new_account("alice", "example.com"));
    assert_eq!(run(&engine, change.clone(), true).await.outcome, Outcome::Committed);
    assert!(engine.acknowledge(change.operation_id).await);
    tokio::time::sleep(Duration::from_hours(5)).await;
    drop(engine);

    // Also an Agent that starts on the full disk knows the account.
    let engine = Engine::load(Arc::new(full.clone())).await.expect("a start needs no room");
    engine.recover().await;
    forgets(&engine);
    assert!(engine.account(change.spec.account_id).is_some());
    tokio::time::sleep(Duration::from_hours(5)).await;
    let kept = || {
        let files = host.files();
        (files.journals.len(), files.accounts.len())
    };
    assert_eq!(kept(), (1, 0));
    drop(engine);

    let engine = self::engine(&host).await;
    assert!(engine.is_ready());
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert_eq!(kept(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn whoever_counted_further_than_this_agent_hears_the_outcome_at_once() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let begun = tokio::time::Instant::now();
    let watcher = engine.submit(&change(&new_account("alice", "example.com")), true).expect("it is taken on");
    let report = watcher.beyond(u64::MAX, Duration::from_hours(1)).await;
    assert_eq!(report.outcome, Outcome::Committed);
    assert!(begun.elapsed() < Duration::from_mins(1));
}

fn next(spec: &Spec) -> Spec {
    Spec { generation: spec.generation.next(), ..spec.clone() }
}

#[tokio::test(start_paused = true)]
async fn a_terminated_account_frees_its_names_at_once_and_comes_back_as_it_was_or_under_others() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let spec = new_account("alice", "example.com");
    run(&engine, change(&spec), true).await;
    let live = host.world().clone();
    let kept = spec.kept(Micros::now().plus(Duration::from_hours(24)));
    assert_eq!(run(&engine, change(&kept), false).await.outcome, Outcome::Committed);
    assert_eq!(engine.tally().kept, 1);

    // Back as it was.
    let back = Spec { generation: kept.generation.next(), ..spec.clone() };
    assert_eq!(run(&engine, change(&back), false).await.outcome, Outcome::Committed);
    let mut again = host.world().clone();
    again.pools.values_mut().for_each(|pool| pool.generation = spec.generation);
    again.sites.values_mut().filter_map(|seen| seen.entry.as_mut()).for_each(|entry| entry.generation = spec.generation);
    assert_eq!(again, live);
    assert_eq!(
        engine.account(spec.account_id).and_then(|account| account.spec.uid),
        live.users[&spec.username].uid.map(|uid| Uid::try_from(uid).expect("a uid"))
    );

    // Its names are another's while it is kept; then it can only come back under others.
    let kept = back.kept(Micros::now().plus(Duration::from_hours(24)));
    run(&engine, change(&kept), false).await;
    assert_eq!(run(&engine, change(&new_account("alice", "example.com")), true).await.outcome, Outcome::Committed);
    let back = Spec { generation: kept.generation.next(), ..spec.clone() };
    let refused = run(&engine, change(&back), false).await;
    assert_eq!((refused.outcome, refused.failure.map(|failure| failure.kind)), (Outcome::RolledBack, Some(FailureKind::UsernameTaken)));
    let mut renamed = Spec { generation: back.generation.next(), ..new_account("alice2", "example.org") };
    renamed.account_id = spec.account_id;
    assert_eq!(run(&engine, change(&renamed), false).await.outcome, Outcome::Committed);
    assert_eq!(host.world().homes.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_long_enough_is_deleted_and_cannot_be_restored() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let spec = new_account("alice", "example.com");
    run(&engine, change(&spec), true).await;
    let uid = engine.account(spec.account_id).and_then(|account| account.spec.uid);
    let kept = spec.kept(Micros::now());
    run(&engine, change(&kept), false).await;
    assert!(!host.world().deleting.is_empty(), "it goes in time, and keeps nobody waiting");
    let emptying = engine.clone();
    tokio::spawn(async move { while emptying.empty_the_trash().await.is_ok() {} });
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(*host.world(), crate::host::fake::World::default());
    assert_eq!(engine.tally().kept, 0);
    let back = Spec { generation: kept.generation.next(), ..spec.clone() };
    let refused = run(&engine, change(&back), false).await;
    assert_eq!((refused.outcome, refused.failure.map(|failure| failure.kind)), (Outcome::RolledBack, Some(FailureKind::NotKept)));
    assert_eq!(*host.world(), crate::host::fake::World::default());
    assert_eq!(engine.account(spec.account_id).map(|account| (account.spec.uid, account.spec.state)), Some((uid, State::Absent)));
    let never = new_account("bob", "bob.example");
    assert_eq!(engine.submit(&change(&never), false).err().map(|error| error.code), Some(WireCode::NotFound));
}

#[tokio::test(start_paused = true)]
async fn a_password_can_be_changed_and_an_account_suspended_while_the_dns_server_is_down() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let spec = new_account("alice", "example.com");
    run(&engine, change(&spec), true).await;
    host.services().pdns = false;
    let hash = opterius_model::PasswordHash::parse("$6$another$hash".to_owned()).expect("a hash");
    let other = Spec { password_hash: hash, ..next(&spec) };
    assert_eq!(run(&engine, change(&other), false).await.outcome, Outcome::Committed);
    assert_eq!(run(&engine, change(&other.held([Hold::Abuse])), false).await.outcome, Outcome::Committed);
    // Its zone can neither be kept nor removed now: it is closed, and the rest of it waits for the DNS server.
    let kept = change(&next(&other.held([])).kept(Micros(i64::MAX)));
    let report = run(&engine, kept.clone(), false).await;
    assert_eq!((report.outcome, host.world().homes.len()), (Outcome::NeedsAttention, 1), "{report:?}");
    host.services().pdns = true;
    let report = engine.operation(kept.operation_id).expect("it is known").beyond(u64::MAX, Duration::from_mins(1)).await;
    assert_eq!((report.outcome, host.world().homes.len()), (Outcome::Committed, 0), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn drift_is_told_once_it_is_looked_for_and_mended_only_where_that_is_set() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let spec = new_account("alice", "example.com");
    run(&engine, change(&spec), true).await;
    let whole = host.world().clone();
    engine.look_for_drift(false).await.expect("it can be looked at");
    assert!(engine.drift().accounts.is_empty() && engine.drift().looked_at.is_some());
    host.world().zones.values_mut().for_each(|zone| zone.records.clear());
    host.files().accounts.clear();
    engine.look_for_drift(false).await.expect("it can be looked at");
    let report = engine.drift();
    let named: Vec<&str> = report.accounts[0].plan.changes.iter().map(|change| change.resource.as_str()).collect();
    assert_eq!((named, report.accounts[0].mended), (vec!["dns zone", "record"], false));
    assert_ne!(*host.world(), whole, "it was not told to mend");
    assert_eq!(engine.tally().drifted, 1);

    engine.look_for_drift(true).await.expect("it can be looked at");
    assert!(engine.drift().accounts[0].mended);
    assert_eq!((host.world().clone(), host.files().accounts.len()), (whole, 1));
    engine.look_for_drift(true).await.expect("it can be looked at");
    assert!(engine.drift().accounts.is_empty());
}

/// A call that fails for as long as the test says.
struct Failing(std::sync::Mutex<Option<&'static str>>);

#[async_trait::async_trait]
impl Hook for Failing {
    async fn reach(&self, call: &str, _: bool, _: Moment) -> Result<(), HostError> {
        if *self.0.lock().expect("no panic") == Some(call) { Err(HostError::failed(format!("pass {call}"))("it is stuck")) } else { Ok(()) }
    }
}

#[tokio::test(start_paused = true)]
async fn what_needs_attention_can_be_tried_again_at_once_or_given_up() {
    for abandon in [false, true] {
        let host = FakeHost::new();
        let failing = Arc::new(Failing(std::sync::Mutex::new(None)));
        let engine = engine(&host.hooked(failing.clone())).await;
        let spec = new_account("alice", "example.com");
        run(&engine, change(&spec), true).await;
        *failing.0.lock().expect("no panic") = Some("mend_user");
        let held = change(&spec.held([Hold::Abuse]));
        let report = run(&engine, held.clone(), false).await;
        assert_eq!(report.outcome, Outcome::NeedsAttention);
        assert!(report.left[0].contains("linux user"), "{report:?}");
        assert!(engine.abandon(OperationId::generate()).is_none());
        let begun = tokio::time::Instant::now();
        if abandon {
            let watcher = engine.abandon(held.operation_id).expect("it is known").expect("it needs attention");
            let report = watcher.beyond(u64::MAX, Duration::from_hours(1)).await;
            // The visitor sees the suspension, so it is what the account is; what is missing of it is drift, which a repair mends.
            assert_eq!((report.outcome, report.abandoned, report.left.is_empty()), (Outcome::Committed, true, false));
            *failing.0.lock().expect("no panic") = None;
            let committed = engine.account(spec.account_id).expect("it is there").spec;
            let plan = engine.plan(committed.clone()).await.expect("a plan");
            assert_eq!(plan.changes.iter().map(|change| change.resource.as_str()).collect::<Vec<_>>(), ["linux user"]);
            assert_eq!(run(&engine, change(&next(&committed)), false).await.outcome, Outcome::Committed);
        } else {
            // A try that comes to nothing is told as such, and not as the one before.
            let mut report = engine.retry(held.operation_id).expect("it is known").now();
            assert_eq!(report.outcome, Outcome::Running);
            while report.outcome == Outcome::Running {
                let watcher = engine.operation(held.operation_id).expect("it is known");
                report = watcher.beyond(report.revision, Duration::from_hours(1)).await;
            }
            assert_eq!((report.outcome, report.left.len()), (Outcome::NeedsAttention, 1));
            *failing.0.lock().expect("no panic") = None;
            let watcher = engine.retry(held.operation_id).expect("it is known");
            let report = watcher.beyond(u64::MAX, Duration::from_hours(1)).await;
            assert_eq!((report.outcome, report.abandoned, report.left.len()), (Outcome::Committed, false, 0));
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "nobody waits for the next attempt");
        assert!(host.world().users[&spec.username].expired);
        assert!(engine.abandon(held.operation_id).expect("it is known").is_ok() == abandon, "there is nothing to give up");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_panel_wants_kept_with_an_account_is_kept_until_it_says_otherwise() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let spec = new_account("alice", "example.com");
    let memo = |text: &str| Some(serde_json::json!({ "external_ref": text }));
    run(&engine, Change { memo: memo("s1"), ..change(&spec) }, true).await;
    run(&engine, change(&next(&spec)), false).await;
    let kept = |engine: &Engine| engine.account(spec.account_id).and_then(|account| account.memo);
    assert_eq!(kept(&engine), memo("s1"));
    run(&engine, Change { memo: memo("s2"), ..change(&next(&next(&spec))) }, false).await;
    // Also after a restart that finds nothing but the journals.
    host.files().accounts.clear();
    let engine = Engine::load(Arc::new(host.clone())).await.expect("the fake host can be read");
    assert_eq!(kept(&engine), memo("s2"));
}

/// Counts the looks at homes, and lets them fail.
#[derive(Default)]
struct Measures {
    count: std::sync::atomic::AtomicUsize,
    fail: std::sync::atomic::AtomicBool,
}

#[async_trait::async_trait]
impl Hook for Measures {
    async fn reach(&self, call: &str, _: bool, moment: Moment) -> Result<(), HostError> {
        use std::sync::atomic::Ordering::Relaxed;
        if call == "disk_usage" && moment == Moment::Before {
            self.count.fetch_add(1, Relaxed);
            if self.fail.load(Relaxed) {
                return Err(HostError::failed("measure a home")("it cannot be read now"));
            }
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn every_live_account_is_measured_when_its_last_measurement_is_old_and_only_then() {
    use std::sync::atomic::Ordering::Relaxed;
    let (host, measures) = (FakeHost::new(), Arc::new(Measures::default()));
    let engine = Engine::load(Arc::new(crate::host::Watched::new(host.clone(), measures.clone()))).await.expect("it can be read");
    engine.recover().await;
    let (alice, bob) = (new_account("alice", "alice.example"), new_account("bob", "bob.example"));
    for spec in [&alice, &bob] {
        assert_eq!(run(&engine, change(spec), true).await.outcome, Outcome::Committed);
    }
    host.files().traffic.insert(bob.account_id, 7);
    let told = async || {
        let report = engine.all_usage().await.expect("it is told");
        assert_eq!(report.month, "2026-10");
        report
            .accounts
            .into_iter()
            .map(|one| (one.account_id, one.traffic_bytes, one.disk.map(|disk| (disk.bytes, disk.files))))
            .collect::<Vec<_>>()
    };
    assert_eq!(told().await, [(alice.account_id, 0, None), (bob.account_id, 7, None)]);
    let hour = Duration::from_hours(1);
    let measuring = engine.clone();
    tokio::spawn(async move {
        loop {
            let _ = measuring.keep_measuring(hour).await;
        }
    });
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(told().await, [(alice.account_id, 0, Some((8192, 5))), (bob.account_id, 7, Some((8192, 5)))]);
    assert_eq!(measures.count.load(Relaxed), 2);

    // Measured on demand in between: not again when the hour is over.
    tokio::time::sleep(hour / 2).await;
    assert_eq!(engine.usage(alice.account_id).await.expect("it is measured").expect("it is there").disk_bytes, 8192);
    tokio::time::sleep(hour / 2 + Duration::from_mins(1)).await;
    assert_eq!(measures.count.load(Relaxed), 4, "alice by the caller, bob by the timer");

    // What cannot be measured is what it was, and is not tried again and again.
    measures.fail.store(true, Relaxed);
    assert!(engine.usage(alice.account_id).await.is_err());
    tokio::time::sleep(hour / 2).await;
    assert_eq!(measures.count.load(Relaxed), 5);
    assert_eq!(told().await[0], (alice.account_id, 0, Some((8192, 5))));

    run(&engine, change(&Spec { uid: None, ..next(&alice).absent() }), false).await;
    assert_eq!(told().await, [(bob.account_id, 7, Some((8192, 5)))]);
    assert_eq!(engine.usage(alice.account_id).await.expect("a look"), None);
    // Made anew after a restart, the Panel having kept what it was told.
    let engine = Engine::load(Arc::new(host.clone())).await.expect("the fake host can be read");
    assert_eq!(engine.all_usage().await.expect("it is told").accounts[0].disk, None);
}

/// Homes so large that a look at one takes hours; counts how many are looked at, now and in all.
#[derive(Default)]
struct HugeHomes {
    now: std::sync::atomic::AtomicUsize,
    most: std::sync::atomic::AtomicUsize,
    begun: std::sync::atomic::AtomicUsize,
}

struct Looking<'a>(&'a HugeHomes);

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[async_trait::async_trait]
impl Hook for HugeHomes {
    async fn reach(&self, call: &str, _: bool, moment: Moment) -> Result<(), HostError> {
        use std::sync::atomic::Ordering::Relaxed;
        if call == "disk_usage" && moment == Moment::Before {
            self.begun.fetch_add(1, Relaxed);
            self.most.fetch_max(self.now.fetch_add(1, Relaxed) + 1, Relaxed);
            let _looking = Looking(self);
            tokio::time::sleep(Duration::from_hours(5)).await;
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_huge_home_is_looked_at_once_for_all_who_ask_and_only_for_as_long_as_they_wait() {
    use std::sync::atomic::Ordering::Relaxed;
    let (host, homes) = (FakeHost::new(), Arc::new(HugeHomes::default()));
    let specs: Vec<Spec> = (0..10).map(|n| new_account(&format!("user{n}"), &format!("site{n}.example"))).collect();
    let first = engine(&host).await;
    for spec in &specs {
        run(&first, change(spec), true).await;
    }
    let engine = Engine::load(Arc::new(crate::host::Watched::new(host.clone(), homes.clone()))).await.expect("it can be read");
    engine.recover().await;
    let asked: Vec<_> = (0..20)
        .map(|_| {
            let (engine, id) = (engine.clone(), specs[0].account_id);
            tokio::spawn(async move { engine.usage(id).await.map(|_| ()) })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((homes.begun.load(Relaxed), homes.now.load(Relaxed)), (1, 1), "one look is enough for all");
    let others: Vec<_> = specs[1..]
        .iter()
        .map(|spec| {
            tokio::spawn({
                let (engine, id) = (engine.clone(), spec.account_id);
                async move { engine.usage(id).await.map(|_| ()) }
            })
        })
        .collect();
    for asked in asked.into_iter().chain(others) {
        let answered = tokio::time::timeout(Duration::from_secs(50), asked).await;
        answered.expect("nobody waits longer than a Panel does").expect("no panic").expect_err("nothing is known yet");
    }
    assert!(homes.most.load(Relaxed) <= 2, "{} at once", homes.most.load(Relaxed));
    assert_eq!(homes.now.load(Relaxed), 0, "nobody waits any more");

    // Whoever goes away takes the look with him.
    let gone = tokio::time::timeout(Duration::from_secs(1), engine.usage(specs[0].account_id)).await;
    assert!(gone.is_err() && homes.now.load(Relaxed) == 0, "{}", homes.now.load(Relaxed));
}

#[tokio::test(start_paused = true)]
async fn a_home_that_is_too_large_to_be_measured_again_is_told_as_it_was_last_seen() {
    let host = FakeHost::new();
    let engine =
        Engine::load(Arc::new(crate::host::Watched::new(host.clone(), Arc::new(LaterHuge::default())))).await.expect("it can be read");
    engine.recover().await;
    let spec = new_account("alice", "example.com");
    run(&engine, change(&spec), true).await;
    let before = engine.usage(spec.account_id).await.expect("it is measured").expect("it is there");
    let again = tokio::time::timeout(Duration::from_secs(50), engine.usage(spec.account_id)).await.expect("in time");
    let again = again.expect("it is told").expect("it is there");
    assert_eq!((again.measured_at, again.disk_bytes), (before.measured_at, before.disk_bytes));
}

/// The first look at a home is quick, and every further one takes hours.
#[derive(Default)]
struct LaterHuge(std::sync::atomic::AtomicBool);

#[async_trait::async_trait]
impl Hook for LaterHuge {
    async fn reach(&self, call: &str, _: bool, moment: Moment) -> Result<(), HostError> {
        if call == "disk_usage" && moment == Moment::Before && self.0.swap(true, std::sync::atomic::Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_hours(5)).await;
        }
        Ok(())
    }
}

/// Every second look at a home, from the first on, panics.
#[derive(Default)]
struct PanicsAtEverySecondHome(std::sync::atomic::AtomicUsize);

#[async_trait::async_trait]
impl Hook for PanicsAtEverySecondHome {
    async fn reach(&self, call: &str, _: bool, moment: Moment) -> Result<(), HostError> {
        if call == "disk_usage" && moment == Moment::Before {
            assert!(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2 == 1, "the test says so");
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_home_at_which_measuring_panics_keeps_no_other_from_being_measured_and_is_told() {
    let host = FakeHost::new();
    let hook: Arc<dyn Hook> = Arc::new(PanicsAtEverySecondHome::default());
    let engine = Engine::load(Arc::new(crate::host::Watched::new(host.clone(), hook))).await.expect("it can be read");
    engine.recover().await;
    let (alice, bob) = (new_account("alice", "alice.example"), new_account("bob", "bob.example"));
    for spec in [&alice, &bob] {
        run(&engine, change(spec), true).await;
    }
    let measuring = engine.clone();
    tokio::spawn(async move {
        let jobs = measuring.jobs().clone();
        let round = || async {
            let _ = measuring.keep_measuring(Duration::from_hours(1)).await;
            Ok(())
        };
        jobs.run("usage", round).await;
    });
    tokio::time::sleep(Duration::from_mins(30)).await;
    let report = engine.all_usage().await.expect("it is told");
    let measured: Vec<bool> = report.accounts.iter().map(|one| one.disk.is_some()).collect();
    assert_eq!(measured, [false, true]);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_restored_account_is_not_lost_and_its_failure_is_the_jobs() {
    let host = FakeHost::new();
    let spec = new_account("alice", "example.com");
    let first = engine(&host).await;
    run(&first, change(&spec), true).await;
    let kept = spec.kept(Micros(i64::MAX));
    run(&first, change(&kept), false).await;
    drop(first);
    let hook = Arc::new(NoKeepsakeGoes::default());
    let engine = Engine::load(Arc::new(crate::host::Watched::new(host.clone(), hook.clone()))).await.expect("it can be read");
    engine.recover().await;
    let back = Spec { state: State::Active, kept_until: None, ..next(&kept) };
    let report = run(&engine, change(&back), false).await;
    assert_eq!((report.outcome, engine.tally().deleting), (Outcome::Committed, 1));
    for panics in [false, true, false] {
        hook.0.store(panics, std::sync::atomic::Ordering::Relaxed);
        let why = engine.empty_the_trash().await.expect_err("it says so");
        assert!(why.contains(&back.account_id.to_string()) || panics, "{why}");
        assert_eq!(engine.tally().deleting, 1, "panics: {panics}");
    }
}

/// Nothing can be deleted of what the trash has of an account: that fails, or panics.
#[derive(Default)]
struct NoKeepsakeGoes(std::sync::atomic::AtomicBool);

#[async_trait::async_trait]
impl Hook for NoKeepsakeGoes {
    async fn reach(&self, call: &str, _: bool, moment: Moment) -> Result<(), HostError> {
        if call == "remove_keepsake" && moment == Moment::Before {
            assert!(!self.0.load(std::sync::atomic::Ordering::Relaxed), "the test says so");
            return Err(HostError::failed("delete it")("the disk is broken"));
        }
        Ok(())
    }
}

fn with_php(spec: &Spec, choice: &str) -> Spec {
    let pools = vec![Pool { php_version: choice.parse().expect("a choice"), ..spec.pools[0].clone() }];
    Spec { pools, generation: spec.generation.next(), ..spec.clone() }
}

#[tokio::test(start_paused = true)]
async fn a_version_of_php_that_is_chosen_must_be_there_and_one_that_was_chosen_before_need_not_be() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let refused = |report: &OperationReport| {
        let failure = report.failure.as_ref().expect("it says why");
        assert_eq!((report.outcome, failure.step.as_str()), (Outcome::RolledBack, "php pool"));
        assert_eq!(failure.detail, "php_version: PHP 7.4 is not on this server, which has PHP 8.4, 8.2.");
    };
    let alice = with_php(&new_account("alice", "example.com"), "7.4");
    let (plan, before) = (engine.plan(alice.clone()).await.expect("a plan"), host.world().clone());
    assert!(plan.conflicts.iter().any(|conflict| conflict.detail.starts_with("php_version")), "{plan:?}");
    refused(&run(&engine, change(&alice), true).await);
    assert!(*host.world() == before, "nothing was touched");

    let alice = with_php(&new_account("alice", "example.com"), "8.2");
    assert_eq!(run(&engine, change(&alice), true).await.outcome, Outcome::Committed);
    refused(&run(&engine, change(&with_php(&alice, "7.4")), false).await);

    // Its version goes, and whatever else is done to the account goes on; also another choice.
    host.phps().retain(|version| version.as_str() != "8.2");
    let limits = Limits { php_workers: 9.try_into().expect("a limit"), ..alice.limits };
    let more = Spec { generation: alice.generation.next().next(), limits, ..alice.clone() };
    assert_eq!(run(&engine, change(&more), false).await.outcome, Outcome::Committed);
    let runs = engine.php(alice.account_id).await.expect("phpd answers").expect("it is here").pools.swap_remove(0);
    assert_eq!((runs.php_version.as_str(), runs.runs.expect("one runs").as_str()), ("8.2", "8.4"));
    let newest = with_php(&more, "newest");
    assert_eq!(run(&engine, change(&newest), false).await.outcome, Outcome::Committed);
    assert_eq!(host.world().pools.values().next().expect("its pool").generation, newest.generation, "what runs is replaced");
}

#[tokio::test(start_paused = true)]
async fn what_php_does_is_told_of_live_accounts() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let spec = new_account("alice", "example.com");
    run(&engine, change(&spec), true).await;
    let php = engine.php(spec.account_id).await.expect("phpd answers").expect("it is here");
    assert_eq!(php.pools.iter().map(|pool| (pool.name.as_str(), pool.state)).collect::<Vec<_>>(), [("main", Some(PoolState::Asleep))]);
    assert_eq!(php.pools[0].runs.as_ref().map(PhpVersion::as_str), Some("8.2"));
    host.world().pools.clear();
    let php = engine.php(spec.account_id).await.expect("phpd answers").expect("it is here");
    assert_eq!(php.pools[0].state, None, "phpd knows nothing of it");
    host.services().phpd = false;
    assert!(matches!(engine.php(spec.account_id).await, Err(HostError::Unavailable { .. })));
    assert_eq!(engine.php(AccountId::generate()).await.ok(), Some(None));
}

/// The account's site, login and processes as they are now: whether visitors are told that it is suspended (or find no site), whether the user
/// has expired, and whether anything of it runs.
fn closed(host: &FakeHost, spec: &Spec) -> (bool, bool, bool) {
    let world = host.world();
    let site = world.sites.get(spec.sites[0].primary());
    let is_closed = site.is_none_or(|site| site.entry.as_ref().is_some_and(|entry| entry.suspended));
    let user = world.users.get(&spec.username);
    let runs = !world.processes.is_empty() || !world.sessions.is_empty();
    (is_closed, user.is_none_or(|user| user.expired), runs)
}

#[tokio::test(start_paused = true)]
async fn what_is_closed_is_closed_at_once_whatever_does_not_answer_and_committed_when_that_is_back() {
    let services = ["nginx", "pdns", "phpd"];
    let set = |host: &FakeHost, service: &str, up: bool| {
        let mut services = host.services();
        match service {
            "nginx" => services.nginx = up,
            "pdns" => services.pdns = up,
            _ => services.phpd = up,
        }
    };
    for service in services {
        for terminate in [false, true] {
            let host = FakeHost::new();
            let engine = engine(&host).await;
            let spec = new_account("alice", "example.com");
            run(&engine, change(&spec), true).await;
            let uid = Uid::try_from(host.world().users[&spec.username].uid.expect("a uid")).expect("a uid");
            host.world().sessions.insert(uid);
            set(&host, service, false);
            let asked = if terminate { spec.kept(Micros(i64::MAX)) } else { spec.held([Hold::Abuse]) };
            let watcher = engine.submit(&change(&asked), false).expect("it is taken on");
            let begun = tokio::time::Instant::now();
            while closed(&host, &spec) != (true, true, false) {
                assert!(begun.elapsed() < Duration::from_secs(5), "{service} is down: it is not closed, but {:?}", closed(&host, &spec));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            tokio::time::sleep(Duration::from_mins(5)).await;
            let report = watcher.now();
            let waits = !matches!(report.outcome, Outcome::Committed);
            assert_eq!(report.direction, opterius_protocol::agent::Direction::Forward, "{service}: {report:?}");
            if waits {
                assert_eq!(report.outcome, Outcome::NeedsAttention, "{service}: {report:?}");
                let named = if service == "pdns" { "PowerDNS" } else { service };
                assert!(report.left.iter().any(|left| left.contains(named)), "it names {named}: {report:?}");
                // Nothing of what a restore needs is gone, and nothing that could still be used has lost its owner.
                assert!(host.world().homes.contains_key(&spec.username) && host.world().users.contains_key(&spec.username));
            }
            assert!(waits || (service == "pdns" && !terminate) || (service == "nginx" && terminate), "{service}: {report:?}");
            // A thawed phpd starts PHP for whoever waited, and somebody is in again.
            host.world().processes.insert(uid);
            set(&host, service, true);
            if waits {
                let report = watcher.beyond(u64::MAX, Duration::from_mins(2)).await;
                assert_eq!(report.outcome, Outcome::Committed, "{service} is back: {report:?}");
                assert_eq!(closed(&host, &spec), (true, true, false), "{service} is back");
                assert!(host.world().pools.is_empty());
            }
            if terminate {
                assert_eq!(
                    host.world().trash.values().filter(|trash| trash.zone.is_some() && trash.spec.is_some()).count(),
                    1,
                    "{service}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn operations_that_wait_for_a_service_keep_no_other_waiting() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let specs: Vec<Spec> = (0..12).map(|n| new_account(&format!("user{n}"), &format!("site{n}.example"))).collect();
    for spec in &specs {
        run(&engine, change(spec), true).await;
    }
    // phpd is frozen: whoever asks it waits for a long time.
    let frozen = with_frozen_phpd(&host);
    let engine = Engine::load(Arc::new(frozen)).await.expect("the fake host can be read");
    engine.recover().await;
    for spec in &specs[..11] {
        engine.submit(&change(&spec.held([Hold::Abuse])), false).expect("it is taken on");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = tokio::time::Instant::now();
    let hash = opterius_model::PasswordHash::parse("$6$another$hash".to_owned()).expect("a hash");
    let report = run(&engine, change(&Spec { password_hash: hash, ..next(&specs[11]) }), false).await;
    assert_eq!(report.outcome, Outcome::Committed);
    assert!(begun.elapsed() < Duration::from_secs(1), "it waited {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn however_many_accounts_are_closed_at_once_each_is_closed_at_once_while_phpd_is_frozen() {
    for ends in [false, true] {
        let host = FakeHost::new();
        let first = engine(&host).await;
        let specs: Vec<Spec> = (0..100).map(|n| new_account(&format!("user{n}"), &format!("site{n}.example"))).collect();
        for spec in &specs {
            run(&first, change(spec), true).await;
            let uid = Uid::try_from(host.world().users[&spec.username].uid.expect("a uid")).expect("a uid");
            host.world().sessions.insert(uid);
        }
        let engine = Engine::load(Arc::new(with_frozen_phpd(&host))).await.expect("the fake host can be read");
        engine.recover().await;
        for spec in &specs {
            let wanted = if ends { next(spec).kept(Micros(i64::MAX)) } else { spec.held([Hold::Abuse]) };
            engine.submit(&change(&wanted), false).expect("it is taken on");
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        let open = specs.iter().filter(|spec| closed(&host, spec) != (true, true, false)).count();
        assert_eq!(open, 0, "ends: {ends}");
    }
}

/// phpd takes connections and answers none.
struct Frozen;

#[async_trait::async_trait]
impl Hook for Frozen {
    async fn reach(&self, call: &str, _: bool, moment: Moment) -> Result<(), HostError> {
        if moment == Moment::Before && ["pool", "put_pool", "remove_pool"].contains(&call) {
            tokio::time::sleep(Duration::from_secs(15)).await;
            return Err(HostError::Unavailable { part: "phpd", hint: "Start it.".to_owned(), source: "timed out".into() });
        }
        Ok(())
    }
}

fn with_frozen_phpd(host: &FakeHost) -> impl crate::host::Host + use<> {
    crate::host::Watched::new(host.clone(), Arc::new(Frozen))
}

/// Calls of this name panic.
struct Panics(&'static str);

#[async_trait::async_trait]
impl Hook for Panics {
    async fn reach(&self, call: &str, _: bool, moment: Moment) -> Result<(), HostError> {
        assert!(call != self.0 || moment != Moment::Before, "the test says so");
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_at_which_the_agent_panics_is_parked_at_the_third_start_and_goes_on_when_a_person_asks() {
    for (call, abandons) in [("put_pool", false), ("put_pool", true), ("end_processes", false)] {
        let host = FakeHost::new();
        let spec = new_account("alice", "example.com");
        let mut asked = change(&spec);
        if call == "end_processes" {
            run(&engine(&host).await, asked, true).await;
            let uid = Uid::try_from(host.world().users[&spec.username].uid.expect("a uid")).expect("a uid");
            host.world().sessions.insert(uid);
            asked = change(&spec.held([Hold::Abuse]));
        }
        let broken = || Arc::new(crate::host::Watched::new(host.clone(), Arc::new(Panics(call)) as Arc<dyn Hook>));
        let first = Engine::load(broken()).await.expect("the fake host can be read");
        let recovered = tokio::time::timeout(Duration::from_mins(1), first.recover()).await;
        recovered.expect("there is nothing to recover");
        first.submit(&asked, call == "put_pool").expect("it is taken on");
        tokio::time::sleep(Duration::from_mins(1)).await;
        for start in 1..=4 {
            let engine = Engine::load(broken()).await.expect("the fake host can be read");
            let _ = tokio::time::timeout(Duration::from_mins(10), engine.recover()).await;
            let report = engine.operation(asked.operation_id).expect("it is known").now();
            let parked = report.outcome == Outcome::NeedsAttention;
            assert_eq!(parked, start >= 3, "at start {start}: {report:?}");
            assert!(!parked || report.left.iter().any(|left| left.contains("operation retry")), "it says what to do: {report:?}");
        }
        // What was broken is mended, which alone changes nothing.
        let engine = Engine::load(Arc::new(host.clone())).await.expect("the fake host can be read");
        tokio::time::timeout(Duration::from_mins(10), engine.recover()).await.expect("a parked operation keeps nobody waiting");
        tokio::time::sleep(Duration::from_hours(1)).await;
        let watcher = engine.operation(asked.operation_id).expect("it is known");
        assert_eq!(watcher.now().outcome, Outcome::NeedsAttention);
        if abandons {
            engine.abandon(asked.operation_id).expect("it is known").expect("it needs attention");
        } else {
            engine.retry(asked.operation_id).expect("it is known");
        }
        let report = watcher.beyond(u64::MAX, Duration::from_hours(1)).await;
        // Half an account is no account: given up, it goes.
        let outcome = if abandons { Outcome::RolledBack } else { Outcome::Committed };
        assert_eq!((report.outcome, report.abandoned), (outcome, false), "{report:?}");
        assert_eq!(engine.tally().live, usize::from(!abandons));
        let there = {
            let world = host.world();
            (world.homes.len(), world.users.len())
        };
        assert_eq!(there, if abandons { (0, 0) } else { (1, 1) });
    }
}

/// A text with one bit of the byte behind `before` flipped.
fn flipped(text: &str, before: &str) -> String {
    let at = text.find(before).expect("it is there") + before.len();
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] ^= 1;
    String::from_utf8(bytes).expect("still text")
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_read_is_kept_and_its_operation_account_and_names_are_refused() {
    // Killed in the middle of a create, and then a byte flips: in the announcement, behind it, or in the end of its line.
    // The last one is a newer Agent's.
    for flip in ["{\"", "\"at", "}\n{\"", "}", "\"version\":"] {
        let host = FakeHost::new();
        let spec = new_account("alice", "example.com");
        let asked = change(&spec);
        let first = Engine::load(Arc::new(crate::host::Watched::new(host.clone(), Arc::new(Stuck)))).await.expect("it can be read");
        first.recover().await;
        first.submit(&asked, true).expect("it is taken on");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let text = host.files().journals[&asked.operation_id].clone();
        let longer = format!("{text}{{\"event\":\"turned\"}}\n");
        let broken = if flip == "}" { format!("{}\u{b}", text.trim_end()) } else { flipped(&longer, flip) };
        host.files().journals.insert(asked.operation_id, broken.clone());
        let half_made = host.world().clone();

        let engine = engine(&host).await;
        assert_eq!(engine.tally().unreadable.len(), 1, "{flip}");
        assert!(engine.tally().unreadable[0].contains(&asked.operation_id.to_string()), "it names the file");
        // The same operation again is neither begun nor told as undone.
        let again = engine.submit(&asked, true).expect("it is known").outcome(Duration::from_hours(1)).await;
        assert_eq!(again.outcome, Outcome::NeedsAttention, "{flip}: {again:?}");
        assert!(again.left.iter().any(|left| left.contains(&format!("{}.jsonl", asked.operation_id))), "it names the file: {again:?}");
        assert!(engine.operation(asked.operation_id).is_some());
        assert_eq!(engine.retry(asked.operation_id).expect("it is known").now().outcome, Outcome::NeedsAttention);
        assert!(engine.abandon(asked.operation_id).expect("it is known").is_err(), "nobody can decide what cannot be read");
        // Nor does the account get another operation.
        let other = Spec { generation: spec.generation.next(), ..spec.kept(Micros(i64::MAX)) };
        assert_eq!(engine.submit(&change(&other), false).err().map(|error| error.code), Some(WireCode::Conflict), "{flip}");
        let names = new_account("alice", "other.example");
        let taken = run(&engine, change(&names), true).await;
        assert_eq!(taken.failure.map(|failure| failure.kind), Some(FailureKind::UsernameTaken), "{flip}");
        let names = new_account("other", "example.com");
        let taken = run(&engine, change(&names), true).await;
        assert_eq!(taken.failure.map(|failure| failure.kind), Some(FailureKind::DomainTaken), "{flip}");
        tokio::time::sleep(Duration::from_hours(3)).await;
        assert_eq!(host.files().journals.get(&asked.operation_id), Some(&broken), "{flip}: it is kept as it was");
        assert_eq!(*host.world(), half_made, "{flip}: nothing was touched");
    }
}

/// Opening a pool never ends.
struct Stuck;

#[async_trait::async_trait]
impl Hook for Stuck {
    async fn reach(&self, call: &str, _: bool, _: Moment) -> Result<(), HostError> {
        if call == "put_pool" { std::future::pending().await } else { Ok(()) }
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_has_lost_its_announcement_is_kept_and_its_operation_is_never_begun_again() {
    for left in ["", "{", "{\"event\":\"announ", "\0\0\0\0", "\n\n"] {
        let host = FakeHost::new();
        let asked = change(&new_account("alice", "example.com"));
        host.files().journals.insert(asked.operation_id, left.to_owned());
        let engine = engine(&host).await;
        assert_eq!(engine.tally().unreadable.len(), 1, "{left:?}");
        assert!(engine.unreadable_operation(asked.operation_id).is_some(), "{left:?}: it is not told as unknown");
        let again = engine.submit(&asked, true).expect("it is known").outcome(Duration::from_hours(1)).await;
        assert_eq!(again.outcome, Outcome::NeedsAttention, "{left:?}: {again:?}");
        assert_eq!(host.files().journals.get(&asked.operation_id).map(String::as_str), Some(left));
        assert_eq!(*host.world(), crate::host::fake::World::default());
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_is_kept_and_its_account_is_refused_and_its_uid_not_given_away() {
    for kept in [false, true] {
        let host = FakeHost::new();
        let first = engine(&host).await;
        let spec = new_account("alice", "example.com");
        run(&first, change(&spec), true).await;
        let mut last = spec.clone();
        if kept {
            last = spec.kept(Micros(i64::MAX));
            run(&first, change(&last), false).await;
        }
        drop(first);
        let uid = engine(&host).await.account(spec.account_id).and_then(|account| account.spec.uid).expect("a uid");
        host.files().journals.clear();
        let broken = flipped(&host.files().accounts[&spec.account_id].clone(), "\"uid\": 5");
        host.files().accounts.insert(spec.account_id, broken.replace("\"state\"", "\"stat\u{1}\""));
        let broken = host.files().accounts[&spec.account_id].clone();
        let engine = engine(&host).await;
        assert_eq!(engine.tally().unreadable.len(), 1);
        assert!(engine.tally().unreadable[0].contains(&format!("{}.json", spec.account_id)), "{:?}", engine.tally());
        let next = next(&last);
        assert_eq!(engine.submit(&change(&next), false).err().map(|error| error.code), Some(WireCode::Conflict));
        // Which says that the server can be reached, and that something is the matter with this account.
        assert_eq!(engine.unreadable_account(spec.account_id).map(|error| error.code), Some(WireCode::Conflict));
        let other = new_account("bob", "bob.example");
        let report = run(&engine, change(&other), true).await;
        assert_eq!(report.outcome, Outcome::Committed);
        assert_ne!(report.uid, Some(uid), "kept: {kept}");
        assert_eq!(host.files().accounts[&spec.account_id], broken, "it is kept as it was");
    }
}

#[tokio::test(start_paused = true)]
async fn an_announcement_never_takes_the_place_of_another() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let asked = change(&new_account("alice", "example.com"));
    // What appears behind the Agent's back, as from a backup that is put back meanwhile.
    host.files().journals.insert(asked.operation_id, "something\n".to_owned());
    let report = run(&engine, asked.clone(), true).await;
    assert_eq!(report.outcome, Outcome::NeedsAttention, "{report:?}");
    assert_eq!(host.files().journals[&asked.operation_id], "something\n");
    assert_eq!(*host.world(), crate::host::fake::World::default(), "nothing was begun");
    let other = new_account("alice", "other.example");
    assert_eq!(run(&engine, change(&other), true).await.failure.map(|failure| failure.kind), Some(FailureKind::UsernameTaken));
}

#[tokio::test(start_paused = true)]
async fn names_are_held_by_what_is_committed_and_by_open_operations_and_by_nothing_else() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let spec = new_account("alice", "example.com");
    run(&engine, change(&spec), true).await;
    let mut moved = next(&spec);
    moved.sites[0].hosts[0] = "moved.example".parse().expect("a domain");
    let report = run(&engine, change(&moved), false).await;
    assert_eq!(report.outcome, Outcome::Committed, "{report:?}");
    assert!(engine.owner_of(&"moved.example".parse().expect("a domain")).is_some());
    assert_eq!(engine.owner_of(&"example.com".parse().expect("a domain")), None, "a name that the account has no more is free");
}

/// Something of an account that becomes something else.
type Alters = fn(&mut Spec);

#[test]
fn whatever_changes_of_an_account_is_looked_at() {
    let before = target().spec;
    let with = |change: Alters| {
        let mut spec = Spec { generation: before.generation.next(), ..before.clone() };
        change(&mut spec);
        crate::resources::Target { before: Some(before.clone()), spec, ..target() }.scope()
    };
    let ten = || opterius_model::Limit::try_from(10).expect("a limit");
    let looked_at = |scope: crate::resources::Scope| scope.login || scope.password || scope.php || scope.site || scope.zone || scope.rest;
    let changes: [(&str, Alters); 5] = [
        ("disk", |spec| spec.limits.disk_mib = opterius_model::Limit::try_from(10).expect("a limit")),
        ("processes", |spec| spec.limits.processes = opterius_model::Limit::try_from(10).expect("a limit")),
        ("databases", |spec| spec.limits.databases = opterius_model::Limit::try_from(10).expect("a limit")),
        ("records", |spec| spec.records = Some(opterius_model::ZoneRecords::built_in())),
        ("name servers", |spec| spec.nameservers.reverse()),
    ];
    assert_ne!(before.limits.disk_mib, ten());
    for (what, change) in changes {
        assert!(looked_at(with(change)), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_keeps_no_account_from_being_suspended_or_ended_and_nothing_else_takes_the_room_for_that() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let (alice, bob) = (new_account("alice", "alice.example"), new_account("bob", "bob.example"));
    for spec in [&alice, &bob] {
        run(&engine, change(spec), true).await;
    }
    host.keep_spare_journals().await.expect("made");
    host.files().full = true;
    let hash = opterius_model::PasswordHash::parse("$6$another$hash".to_owned()).expect("a hash");
    let refused = run(&engine, change(&Spec { password_hash: hash, ..next(&alice) }), false).await;
    assert_eq!((refused.outcome, refused.failure.map(|failure| failure.step)), (Outcome::RolledBack, Some("journal".to_owned())));
    assert_eq!(run(&engine, change(&alice.held([Hold::Billing])), false).await.outcome, Outcome::Committed);
    assert_eq!(run(&engine, change(&bob.kept(Micros(i64::MAX))), false).await.outcome, Outcome::Committed);
    assert_eq!(host.files().spares, 6);
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_needs_attention_keeps_no_other_account_from_being_looked_at() {
    let host = FakeHost::new();
    let engine = engine(&host).await;
    let (alice, bob) = (new_account("alice", "alice.example"), new_account("bob", "bob.example"));
    for spec in [&alice, &bob] {
        run(&engine, change(spec), true).await;
    }
    host.services().phpd = false;
    assert_eq!(run(&engine, change(&alice.held([Hold::Abuse])), false).await.outcome, Outcome::NeedsAttention);
    host.services().phpd = true;
    host.services().pdns = false;
    let look = tokio::time::timeout(Duration::from_secs(2), engine.look_for_drift(false)).await;
    look.expect("it waits for nobody").expect("it can be looked at");
    assert!(engine.drift().accounts.iter().any(|drift| drift.account_id == bob.account_id));
}
