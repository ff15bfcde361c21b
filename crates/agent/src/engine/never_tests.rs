//! Operations that never begin: of the promise and the operation exactly one wins, whatever happens at whatever moment.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use opterius_model::{OperationId, Spec};
use opterius_protocol::agent::{Change, NeverAnswer, Outcome};
use opterius_protocol::{Micros, WireCode, WireError};
use tokio::sync::Notify;

use super::Engine;
use crate::host::fake::{FakeHost, World};
use crate::host::{Hook, Host, HostError, Moment, Watched};
use crate::testing::{change, target};

/// An order of the account of the fixture.
fn order() -> Change {
    change(&Spec { uid: None, ..target().spec })
}

fn with_hook(host: &FakeHost, hook: Arc<dyn Hook>) -> Arc<dyn Host> {
    Arc::new(Watched::new(host.hooked(hook.clone()), hook))
}

async fn start(host: Arc<dyn Host>) -> Engine {
    let engine = Engine::load(host).await.expect("the fake host can be read");
    engine.recover().await;
    let forgetting = engine.clone();
    tokio::spawn(async move { while forgetting.forget_acknowledged().await.is_ok() {} });
    engine
}

fn refusal(engine: &Engine, change: &Change) -> Option<WireCode> {
    engine.submit(change, true).err().map(|error| error.code)
}

#[tokio::test(start_paused = true)]
async fn what_was_promised_never_begins_however_late_it_arrives() {
    let host = FakeHost::new();
    let late = order();
    let id = late.operation_id;
    let engine = start(Arc::new(host.clone())).await;
    assert_eq!(engine.never(id).await, Ok(NeverAnswer::NeverBegins));
    for engine in [&engine, &start(Arc::new(host.clone())).await] {
        assert_eq!(refusal(engine, &late), Some(WireCode::NeverBegins));
        assert_eq!(engine.never(id).await, Ok(NeverAnswer::NeverBegins), "asked again it is the same");
        tokio::time::sleep(Duration::from_hours(24 * 40)).await;
        assert_eq!(refusal(engine, &late), Some(WireCode::NeverBegins), "unacknowledged it is kept");
        assert_eq!(engine.never_begins(id).map(|error| error.code.status().as_u16()), Some(410));
        assert!(engine.operation(id).is_none() && engine.tally().open.is_empty());
    }
    assert_eq!(*host.world(), World::default());
    // Another operation on the same account is another matter.
    let report = engine.submit(&order(), true).expect("it is taken on").outcome(Duration::from_hours(1)).await;
    assert_eq!(report.outcome, Outcome::Committed);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_told_as_it_stands_and_nothing_is_promised() {
    let host = FakeHost::new();
    let engine = start(Arc::new(host.clone())).await;
    let known = order();
    let watcher = engine.submit(&known, true).expect("it is taken on");
    assert!(matches!(engine.never(known.operation_id).await, Ok(NeverAnswer::Known(_))));
    let report = watcher.outcome(Duration::from_hours(1)).await;
    for engine in [engine, start(Arc::new(host.clone())).await] {
        let NeverAnswer::Known(told) = engine.never(known.operation_id).await.expect("an answer") else { panic!("it was promised") };
        assert_eq!((told.outcome, told.uid), (Outcome::Committed, report.uid));
    }
    assert!(host.files().nevers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_an_operation_whose_journal_cannot_be_read_nothing_is_promised() {
    for (journal, account_is_known) in
        [("nonsense\n".to_owned(), false), (format!("{{\"account_id\":\"{}\"}}\n", target().spec.account_id), true)]
    {
        let host = FakeHost::new();
        let asked = order();
        host.files().journals.insert(asked.operation_id, journal);
        let engine = start(Arc::new(host.clone())).await;
        match engine.never(asked.operation_id).await {
            Ok(NeverAnswer::Known(report)) => assert!(account_is_known && report.outcome == Outcome::NeedsAttention),
            Err(error) => assert!(!account_is_known && error.code == WireCode::Internal),
            Ok(NeverAnswer::NeverBegins) => panic!("nobody knows whether it began"),
        }
        assert!(host.files().nevers.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_beside_a_promise_counts_since_the_promise_was_never_made() {
    let host = FakeHost::new();
    let asked = order();
    let engine = start(Arc::new(host.clone())).await;
    engine.submit(&asked, true).expect("it is taken on").outcome(Duration::from_hours(1)).await;
    host.files().nevers.insert(asked.operation_id, None);
    let engine = start(Arc::new(host.clone())).await;
    let answer = engine.never(asked.operation_id).await.expect("an answer");
    assert!(matches!(answer, NeverAnswer::Known(report) if report.outcome == Outcome::Committed));
}

/// Does something at one of the points at which the host is called to change something.
struct At {
    point: usize,
    reached: AtomicUsize,
    act: Act,
    dead: AtomicBool,
    died: Notify,
    engine: OnceLock<Engine>,
    heard: Mutex<Option<Result<NeverAnswer, WireError>>>,
}

enum Act {
    Nothing,
    Fail,
    /// This call and every later one never returns.
    Kill,
    /// The operation arrives.
    Submit(Box<Change>),
    /// It is asked for the promise.
    Never(OperationId),
}

impl At {
    fn new(point: usize, act: Act) -> Arc<Self> {
        Arc::new(Self {
            point,
            act,
            reached: AtomicUsize::new(0),
            dead: AtomicBool::new(false),
            died: Notify::new(),
            engine: OnceLock::new(),
            heard: Mutex::default(),
        })
    }
}

#[async_trait]
impl Hook for At {
    async fn reach(&self, call: &str, changes: bool, _: Moment) -> Result<(), HostError> {
        if self.dead.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        // What a start does is no part of what is looked at.
        if !changes || self.engine.get().is_none() || self.reached.fetch_add(1, Ordering::SeqCst) != self.point {
            return Ok(());
        }
        match &self.act {
            Act::Nothing => {}
            Act::Fail => return Err(HostError::failed(format!("pass {call}"))("the test says so")),
            Act::Kill => {
                self.dead.store(true, Ordering::SeqCst);
                self.died.notify_one();
                return std::future::pending().await;
            }
            Act::Submit(change) => {
                let engine = self.engine.get().expect("it is started");
                let refused = engine.submit(change, true).err().expect("it is being promised that this never begins");
                *self.heard.lock().expect("no panic") = Some(Err(refused));
            }
            Act::Never(id) => {
                let answer = self.engine.get().expect("it is started").never(*id).await;
                *self.heard.lock().expect("no panic") = Some(answer);
            }
        }
        Ok(())
    }
}

/// Makes a promise with something happening at one point of it. Answers what was answered, and whether the point was reached.
async fn promised(host: &FakeHost, at: &Arc<At>, id: OperationId) -> (Option<Result<NeverAnswer, WireError>>, bool) {
    let engine = start(with_hook(host, at.clone())).await;
    assert!(at.engine.set(engine.clone()).is_ok());
    let answer = tokio::select! {
        () = at.died.notified() => None,
        answer = engine.never(id) => Some(answer),
    };
    (answer, at.reached.load(Ordering::SeqCst) > at.point)
}

#[tokio::test(start_paused = true)]
async fn a_promise_that_was_answered_survives_a_kill_at_any_moment_and_one_that_was_not_is_made_when_asked_again() {
    for (point, arrives_first) in (0..).flat_map(|point| [(point, false), (point, true)]) {
        let host = FakeHost::new();
        let late = order();
        let (answer, reached) = promised(&host, &At::new(point, Act::Kill), late.operation_id).await;
        let context = format!("killed at {point}, {arrives_first}");
        let engine = start(Arc::new(host.clone())).await;
        if answer.is_some() {
            assert_eq!((answer, reached), (Some(Ok(NeverAnswer::NeverBegins)), false), "{context}");
            assert_eq!(refusal(&engine, &late), Some(WireCode::NeverBegins), "{context}");
            assert!(point >= 3, "before, in the middle and after: {context}");
            break;
        }
        // Nobody was told anything: it may come first now, and then it counts.
        let began = arrives_first && engine.submit(&late, true).is_ok();
        match engine.never(late.operation_id).await.expect("an answer") {
            NeverAnswer::Known(_) => assert!(began, "{context}"),
            NeverAnswer::NeverBegins => {
                assert!(!began, "{context}");
                assert_eq!(refusal(&engine, &late), Some(WireCode::NeverBegins), "{context}");
                assert_eq!(*host.world(), World::default(), "{context}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_arrives_while_it_is_promised_does_not_begin() {
    for point in 0.. {
        let host = FakeHost::new();
        let late = order();
        let at = At::new(point, Act::Submit(Box::new(late.clone())));
        let (answer, reached) = promised(&host, &at, late.operation_id).await;
        assert_eq!(answer, Some(Ok(NeverAnswer::NeverBegins)), "{point}");
        if !reached {
            assert!(point >= 3, "before, in the middle and after");
            break;
        }
        let heard = at.heard.lock().expect("no panic").take().expect("it arrived").map_err(|error| error.code);
        assert_eq!(heard, Err(WireCode::Unavailable), "{point}: nothing is promised yet, and nothing begins");
        assert_eq!(*host.world(), World::default(), "{point}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_promised_at_any_moment_of_an_operation_and_it_is_done_all_the_same() {
    for point in 0.. {
        let host = FakeHost::new();
        let asked = order();
        let at = At::new(point, Act::Never(asked.operation_id));
        let engine = start(with_hook(&host, at.clone())).await;
        assert!(at.engine.set(engine.clone()).is_ok());
        let report = engine.submit(&asked, true).expect("it is taken on").outcome(Duration::from_hours(1)).await;
        assert_eq!(report.outcome, Outcome::Committed, "{point}: {report:?}");
        assert!(host.files().nevers.is_empty(), "{point}");
        let Some(heard) = at.heard.lock().expect("no panic").take() else {
            assert!(point > 20, "the announcement and every step");
            break;
        };
        assert!(matches!(&heard, Ok(NeverAnswer::Known(report)) if report.outcome == Outcome::Running), "{point}: {heard:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_written_is_no_promise_and_leaves_nothing() {
    for point in 0.. {
        let host = FakeHost::new();
        let late = order();
        let at = At::new(point, Act::Fail);
        let (answer, reached) = promised(&host, &at, late.operation_id).await;
        let answer = answer.expect("an answer");
        if !reached {
            assert_eq!(answer, Ok(NeverAnswer::NeverBegins));
            assert!(point >= 3, "before, in the middle and after");
            break;
        }
        assert_eq!(answer.map_err(|error| error.code), Err(WireCode::Unavailable), "{point}");
        assert!(host.files().nevers.is_empty(), "{point}: nothing of it is left");
        let engine = at.engine.get().expect("it is started");
        let report = engine.submit(&late, true).expect("it is taken on").outcome(Duration::from_hours(1)).await;
        assert_eq!(report.outcome, Outcome::Committed, "{point}");
    }
}

/// The calls that fail, for as long as the test says.
#[derive(Default)]
struct Failing(Mutex<Vec<&'static str>>);

#[async_trait]
impl Hook for Failing {
    async fn reach(&self, call: &str, _: bool, moment: Moment) -> Result<(), HostError> {
        let fails = moment == Moment::During && self.0.lock().expect("no panic").contains(&call);
        if fails { Err(HostError::failed(format!("pass {call}"))("it is stuck")) } else { Ok(()) }
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_be_on_the_disk_is_neither_promised_nor_begun_until_that_is_settled() {
    let host = FakeHost::new();
    let failing = Arc::new(Failing::default());
    let late = order();
    *failing.0.lock().expect("no panic") = vec!["add_never", "remove_never"];
    let engine = start(with_hook(&host, failing.clone())).await;
    for _ in 0..2 {
        assert_eq!(engine.never(late.operation_id).await.map_err(|error| error.code), Err(WireCode::Unavailable));
        assert_eq!(refusal(&engine, &late), Some(WireCode::Unavailable));
        assert!(engine.never_begins(late.operation_id).is_none(), "nothing is promised");
    }
    // The next start finds it, and holds it to be promised.
    assert_eq!(refusal(&start(Arc::new(host.clone())).await, &late), Some(WireCode::NeverBegins));
    failing.0.lock().expect("no panic").clear();
    assert_eq!(engine.never(late.operation_id).await, Ok(NeverAnswer::NeverBegins));
    assert_eq!(refusal(&engine, &late), Some(WireCode::NeverBegins));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_the_promise_made() {
    let host = FakeHost::new();
    let engine = start(with_hook(&host, At::new(usize::MAX, Act::Nothing))).await;
    let late = order();
    {
        let mut call = std::pin::pin!(engine.never(late.operation_id));
        assert!(futures::poll!(&mut call).is_pending(), "it was asked");
    }
    while engine.never_begins(late.operation_id).is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(refusal(&engine, &late), Some(WireCode::NeverBegins));
}

#[tokio::test(start_paused = true)]
async fn on_a_full_disk_it_is_promised_all_the_same() {
    let host = FakeHost::new();
    host.files().full = true;
    let engine = start(Arc::new(host.clone())).await;
    let late = order();
    assert_eq!(engine.never(late.operation_id).await, Ok(NeverAnswer::NeverBegins));
    assert_eq!(host.files().spares, 0, "and takes no room from what closes accounts");
    assert_eq!(refusal(&start(Arc::new(host.clone())).await, &late), Some(WireCode::NeverBegins));
}

#[tokio::test(start_paused = true)]
async fn a_promise_is_kept_for_a_day_after_its_acknowledgement_and_then_forgotten() {
    let host = FakeHost::new();
    let failing = Arc::new(Failing::default());
    let engine = start(with_hook(&host, failing.clone())).await;
    let late = order();
    let id = late.operation_id;
    assert_eq!(engine.acknowledge_never(id).await, Ok(false), "nothing was promised");
    assert_eq!(engine.never(id).await, Ok(NeverAnswer::NeverBegins));
    failing.0.lock().expect("no panic").push("acknowledge_never");
    assert_eq!(engine.acknowledge_never(id).await.map_err(|error| error.code), Err(WireCode::Unavailable), "the Panel says it again");
    failing.0.lock().expect("no panic").clear();
    for _ in 0..2 {
        assert_eq!(engine.acknowledge_never(id).await, Ok(true));
    }
    tokio::time::sleep(Duration::from_hours(23)).await;
    assert_eq!(refusal(&engine, &late), Some(WireCode::NeverBegins));
    assert_eq!(engine.never(id).await, Ok(NeverAnswer::NeverBegins));
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert!(host.files().nevers.is_empty());
    assert_eq!(refusal(&engine, &late), None);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_is_started_every_night_forgets_a_promise_too_and_a_clock_that_jumps_takes_no_more_than_a_day() {
    let host = FakeHost::new();
    let (old, new) = (order(), order());
    let two_days_ago = Micros(Micros::now().0 - 2 * 86_400_000_000);
    host.files().nevers.extend([(old.operation_id, Some(two_days_ago)), (new.operation_id, Some(Micros::now()))]);
    let engine = start(Arc::new(host.clone())).await;
    tokio::time::sleep(Duration::from_mins(50)).await;
    assert_eq!(host.files().nevers.len(), 2, "a copy may have waited for the start");
    tokio::time::sleep(Duration::from_mins(20)).await;
    assert_eq!(host.files().nevers.keys().copied().collect::<Vec<_>>(), [new.operation_id]);
    assert_eq!((refusal(&engine, &new), refusal(&engine, &old)), (Some(WireCode::NeverBegins), None));
}

#[tokio::test(start_paused = true)]
async fn there_are_so_many_promises_and_not_more() {
    let host = FakeHost::new();
    let engine = start(Arc::new(host.clone())).await;
    let first = OperationId::generate();
    assert_eq!(engine.never(first).await, Ok(NeverAnswer::NeverBegins));
    for _ in 1..10_000 {
        assert_eq!(engine.never(OperationId::generate()).await, Ok(NeverAnswer::NeverBegins));
    }
    let late = order();
    let refused = engine.never(late.operation_id).await.expect_err("there are as many as there may be");
    assert_eq!((refused.code, host.files().nevers.len()), (WireCode::Unavailable, 10_000));
    assert_eq!(engine.never(first).await, Ok(NeverAnswer::NeverBegins), "what was promised stays promised");
    assert_eq!(engine.acknowledge_never(first).await, Ok(true));
    tokio::time::sleep(Duration::from_hours(25)).await;
    assert_eq!(engine.never(late.operation_id).await, Ok(NeverAnswer::NeverBegins));
}
