//! An Agent without a server: it keeps operations by their id, begins none twice, refuses stale Specs and what never begins, and does what a test
//! scripts for a username.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path as UrlPath, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use opterius_model::{AccountId, OperationId, Pages, PhpVersion, Spec, State as SpecState, Uid};
use opterius_protocol::agent::{
    AccountDetail, AccountPage, AccountSummary, AccountUsage, Acknowledged, ActivityHead, Change, Direction, DiskUsage, Drift, DriftReport,
    Enforcement, Failure, FailureKind, HeadPage, Health, Load, NeverAnswer, NotedHead, OperationReport, Outcome, PagesKept, PartHealth,
    Php, PhpPool, Plan, PlanAccount, PlannedChange, PutPages, StepReport, StepState, Usage, UsageReport, pages_hash, spec_hash,
};
use opterius_protocol::phpd::{CgroupLevel, PoolFailure, PoolState};
use opterius_protocol::{Micros, WireCode, WireError};
use serde::Deserialize;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What happens to the next request for a username.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// The operation begins, and has no outcome until [`FakeAgent::decide`].
    Hold,
    /// A step fails, and everything is undone.
    Fail(&'static str, FailureKind, &'static str),
    /// The request does not arrive before [`FakeAgent::lost_requests_arrive`].
    LoseRequest,
    /// The request arrives, nothing is done, and there is no answer.
    Silence,
    /// The operation is done, and the answer gets lost.
    LoseReply,
    /// The answer is not of the contract; nothing was done.
    Garbage,
    /// It is not begun.
    Refuse(WireCode, &'static str),
    /// It can be neither finished nor undone, until [`FakeAgent::decide`].
    Attention,
    /// It goes only forwards by now, and cannot be finished, until [`FakeAgent::decide`].
    Stuck,
}

/// How a hostile Agent lists its accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// A page has more entries than were asked for.
    LongPages,
    /// The ids of a page do not grow.
    Backwards,
}

/// What it does when it is asked for the promise that an operation never begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Promises {
    #[default]
    Made,
    /// It cannot write it down.
    Refused,
    /// It is written down, and the answer gets lost.
    Lost,
    /// It is an Agent of the version before, which knows no such call and refuses what comes later than a change says, by its own clock.
    Unknown,
}

/// One account as the Agent committed it.
#[derive(Clone)]
struct Committed {
    spec: Spec,
    memo: Option<serde_json::Value>,
    at: Micros,
    operation: OperationId,
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault that a test switches on")]
struct Inside {
    operations: HashMap<OperationId, (Change, OperationReport)>,
    /// What never begins.
    nevers: HashSet<OperationId>,
    promises: Promises,
    /// How often it was asked for a promise.
    asked_for_promises: usize,
    /// The requests that got lost, and whether each applies.
    lost: Vec<(serde_json::Value, bool)>,
    /// How far its clock is ahead, in microseconds.
    ahead_by: i64,
    accounts: BTreeMap<AccountId, Committed>,
    /// What of an account is not as it was committed, by username; a change of the account mends it.
    drift: BTreeMap<String, Vec<String>>,
    mends: bool,
    usage: HashMap<String, Usage>,
    /// Whether the Agent has measured those by itself since it started.
    has_measured: bool,
    /// What the Agent counts of this month, by username.
    traffic: HashMap<String, u64>,
    /// The month that it takes for this one.
    month: String,
    /// An Agent of an earlier version measures nothing by itself.
    knows_no_usage: bool,
    /// An Agent of an earlier version knows of no drift.
    knows_no_drift: bool,
    /// The host's own pages, once they were sent.
    pages: Option<Pages>,
    /// An Agent of an earlier version takes no pages.
    knows_no_pages: bool,
    /// How often pages were sent.
    pages_sent: usize,
    /// What the one pool of an account does, by username; asleep, if nothing is said.
    php: HashMap<String, (PoolState, Option<PoolFailure>)>,
    /// An Agent of an earlier version does not tell.
    knows_no_php: bool,
    /// The PHPs that its server has; an Agent of an earlier version does not tell.
    php_versions: Option<Vec<PhpVersion>>,
    /// What it was told of the Activity.
    heads: Vec<NotedHead>,
    /// An Agent of an earlier version is told of none.
    knows_no_heads: bool,
    /// How far its clock was moved, in microseconds.
    later: i64,
    /// Whether a retry finds what is in the way still there.
    stays_stuck: bool,
    scripts: HashMap<String, VecDeque<Behaviour>>,
    acknowledged: HashSet<OperationId>,
    /// Every change that arrived, in order.
    arrived: Vec<Change>,
    /// How often an operation began.
    begun: Vec<OperationId>,
    refuse_acknowledgements: bool,
    /// Accounts whose record it cannot read, by username.
    unreadable: HashSet<String>,
    listing: Option<Listing>,
    /// So many steps stand in every report before those that were taken.
    more_steps: usize,
    /// How often it was asked how it is.
    asked_for_health: u64,
    /// The version that it says it is of; this one's, if nothing is said.
    version: Option<String>,
    next_uid: u32,
}

#[derive(Clone)]
pub(crate) struct FakeAgent {
    inside: Arc<Mutex<Inside>>,
    changed: watch::Sender<u64>,
    socket: PathBuf,
    serving: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl FakeAgent {
    pub(crate) fn start(socket: &Path) -> Self {
        let agent = Self {
            inside: Arc::new(Mutex::new(Inside {
                next_uid: 20_000,
                has_measured: true,
                month: "2026-01".to_owned(),
                php_versions: Some(["8.4", "8.2"].map(|text| text.parse().unwrap()).to_vec()),
                ..Inside::default()
            })),
            changed: watch::Sender::new(0),
            socket: socket.to_owned(),
            serving: Arc::default(),
        };
        agent.listen();
        agent
    }

    /// Answers again, knowing what it knew.
    pub(crate) fn listen(&self) {
        let _ = std::fs::remove_file(&self.socket);
        let listener = UnixListener::bind(&self.socket).unwrap();
        let router = Router::new()
            .route("/accounts/create", post(create))
            .route("/accounts/apply", post(apply))
            .route("/accounts/plan", post(plan))
            .route("/accounts", get(accounts))
            .route("/accounts/{id}", get(account))
            .route("/accounts/{id}/usage", get(usage))
            .route("/accounts/{id}/php", get(php))
            .route("/usage", get(all_usage))
            .route("/drift", get(drift))
            .route("/pages", put(put_pages))
            .route("/activity/heads", post(note_head).get(heads))
            .route("/operations/{id}/retry", post(retry))
            .route("/operations/{id}/abandon", post(abandon))
            .route("/operations/{id}", get(operation))
            .route("/operations/{id}/acknowledge", post(acknowledge))
            .route("/operations/{id}/never", post(never))
            .route("/health", get(health))
            .with_state(self.clone());
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = TowerToHyperService::new(router.clone());
                connections.spawn(async move {
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        *self.serving.lock().unwrap() = Some(serving);
    }

    /// Cuts every connection, and answers nobody.
    pub(crate) async fn stop(&self) {
        let serving = self.serving.lock().unwrap().take();
        if let Some(serving) = serving {
            serving.abort();
            let _ = serving.await;
        }
        let _ = std::fs::remove_file(&self.socket);
    }

    /// What the next request for `username` meets.
    pub(crate) fn script(&self, username: &str, behaviour: Behaviour) {
        self.inside.lock().unwrap().scripts.entry(username.to_owned()).or_default().push_back(behaviour);
    }

    pub(crate) fn asked_for_health(&self) -> u64 {
        self.inside.lock().unwrap().asked_for_health
    }

    pub(crate) fn refuse_acknowledgements(&self, refuse: bool) {
        self.inside.lock().unwrap().refuse_acknowledgements = refuse;
    }

    pub(crate) fn promises(&self, promises: Promises) {
        self.inside.lock().unwrap().promises = promises;
    }

    /// How often it was asked for a promise.
    pub(crate) fn asked_for_promises(&self) -> usize {
        self.inside.lock().unwrap().asked_for_promises
    }

    /// Whether it was promised that this operation never begins.
    pub(crate) fn never_begins(&self, id: &str) -> bool {
        self.inside.lock().unwrap().nevers.contains(&OperationId::parse(id).unwrap())
    }

    /// Its clock goes so far ahead, or behind if that is negative, in seconds.
    pub(crate) fn clock_is_ahead_by(&self, seconds: i64) {
        self.inside.lock().unwrap().ahead_by = seconds * 1_000_000;
    }

    /// Every request that got lost arrives now; returns the status of each answer.
    pub(crate) async fn lost_requests_arrive(&self) -> Vec<u16> {
        let lost = std::mem::take(&mut self.inside.lock().unwrap().lost);
        let mut answers = Vec::new();
        for (change, applies) in lost {
            answers.push(take(State(self.clone()), Json(change), applies).await.status().as_u16());
        }
        answers
    }

    /// Decides an operation that was held.
    pub(crate) fn decide(&self, username: &str, outcome: Outcome) {
        let mut inside = self.inside.lock().unwrap();
        let id = inside
            .operations
            .iter()
            .find(|(_, (change, report))| {
                change.spec.username.as_str() == username && !matches!(report.outcome, Outcome::Committed | Outcome::RolledBack)
            })
            .map(|(id, _)| *id)
            .unwrap();
        inside.finish(id, outcome);
        drop(inside);
        self.changed.send_modify(|n| *n += 1);
    }

    /// As [`Self::decide`], if there is one; says whether there is.
    pub(crate) fn decide_if_held(&self, username: &str, outcome: Outcome) -> bool {
        let held = {
            let inside = self.inside.lock().unwrap();
            let running = |(change, report): &(Change, OperationReport)| {
                change.spec.username.as_str() == username && report.outcome == Outcome::Running
            };
            inside.operations.values().any(running)
        };
        if held {
            self.decide(username, outcome);
        }
        held
    }

    /// Lets a step of a held operation be seen.
    pub(crate) fn step(&self, username: &str, name: &str) {
        let mut inside = self.inside.lock().unwrap();
        let (_, report) = inside.operations.values_mut().find(|(change, _)| change.spec.username.as_str() == username).unwrap();
        report.steps.push(step(name, StepState::Done));
        report.revision += 1;
        drop(inside);
        self.changed.send_modify(|n| *n += 1);
    }

    /// Every change that arrived for a username.
    pub(crate) fn arrived(&self, username: &str) -> Vec<Change> {
        self.inside.lock().unwrap().arrived.iter().filter(|change| change.spec.username.as_str() == username).cloned().collect()
    }

    /// How many operations began for a username.
    pub(crate) fn begun(&self, username: &str) -> usize {
        let inside = self.inside.lock().unwrap();
        inside.begun.iter().filter(|id| inside.operations[id].0.spec.username.as_str() == username).count()
    }

    /// The committed Spec of the account with this username.
    pub(crate) fn account(&self, username: &str) -> Option<Spec> {
        let inside = self.inside.lock().unwrap();
        inside.live(username).map(|(_, committed)| committed.spec.clone())
    }

    /// What the account with this username was last committed to, whatever it is now.
    pub(crate) fn last(&self, username: &str) -> Option<Spec> {
        let inside = self.inside.lock().unwrap();
        inside.accounts.values().filter(|one| one.spec.username.as_str() == username).map(|one| one.spec.clone()).next_back()
    }

    /// What the Panel gave the Agent to keep with the account.
    pub(crate) fn memo(&self, username: &str) -> Option<serde_json::Value> {
        self.inside.lock().unwrap().live(username).and_then(|(_, committed)| committed.memo.clone())
    }

    /// Changes what the Agent has committed, as an operation of another Panel would.
    pub(crate) fn rewrite(&self, username: &str, change: impl FnOnce(&mut Spec, &mut Option<serde_json::Value>)) {
        let mut inside = self.inside.lock().unwrap();
        let id = inside.live(username).map(|(id, _)| *id).unwrap();
        let committed = inside.accounts.get_mut(&id).unwrap();
        change(&mut committed.spec, &mut committed.memo);
    }

    /// Has an account that an earlier Panel made.
    pub(crate) fn has(&self, spec: Spec) {
        let committed = Committed { memo: None, at: Micros::now(), operation: OperationId::generate(), spec };
        self.inside.lock().unwrap().accounts.insert(committed.spec.account_id, committed);
    }

    /// Forgets an account, as if it had never been there.
    pub(crate) fn forget(&self, username: &str) {
        self.inside.lock().unwrap().accounts.retain(|_, one| one.spec.username.as_str() != username);
    }

    /// Forgets every operation, as after their acknowledgement.
    pub(crate) fn forget_operations(&self) {
        self.inside.lock().unwrap().operations.clear();
    }

    /// Damages something of an account.
    pub(crate) fn damage(&self, username: &str, change: &str) {
        self.inside.lock().unwrap().drift.entry(username.to_owned()).or_default().push(change.to_owned());
    }

    /// Whether the Agent says that it mended what it found.
    /// The record of an account cannot be read: it is listed, and refused by itself.
    pub(crate) fn cannot_read(&self, username: &str) {
        self.inside.lock().unwrap().unreadable.insert(username.to_owned());
    }

    pub(crate) fn lists(&self, listing: Listing) {
        self.inside.lock().unwrap().listing = Some(listing);
    }

    /// Tells of so many steps that nobody took.
    pub(crate) fn tells_of_steps(&self, number: usize) {
        self.inside.lock().unwrap().more_steps = number;
    }

    /// What of an account is not as it was committed is this alone.
    pub(crate) fn damage_instead(&self, username: &str, change: &str) {
        self.inside.lock().unwrap().drift.insert(username.to_owned(), vec![change.to_owned()]);
    }

    pub(crate) fn mends(&self, mends: bool) {
        self.inside.lock().unwrap().mends = mends;
    }

    pub(crate) fn knows_no_drift(&self) {
        self.inside.lock().unwrap().knows_no_drift = true;
    }

    /// The host's own pages, if they were ever sent, and how often they were.
    pub(crate) fn pages(&self) -> (Option<Pages>, usize) {
        let inside = self.inside.lock().unwrap();
        (inside.pages.clone(), inside.pages_sent)
    }

    /// It loses the host's own pages, as a server does that is made anew.
    pub(crate) fn forget_pages(&self) {
        self.inside.lock().unwrap().pages = None;
    }

    pub(crate) fn knows_no_pages(&self, knows_none: bool) {
        self.inside.lock().unwrap().knows_no_pages = knows_none;
    }

    /// What the PHP of the account with this username does.
    pub(crate) fn php_is(&self, username: &str, state: PoolState, failure: Option<PoolFailure>) {
        self.inside.lock().unwrap().php.insert(username.to_owned(), (state, failure));
    }

    /// The PHPs that its server has; nothing for an Agent of an earlier version, which does not tell.
    pub(crate) fn has_phps(&self, versions: Option<&[&str]>) {
        self.inside.lock().unwrap().php_versions = versions.map(|texts| texts.iter().map(|text| text.parse().unwrap()).collect());
    }

    pub(crate) fn knows_no_php(&self) {
        self.inside.lock().unwrap().knows_no_php = true;
    }

    pub(crate) fn knows_no_heads(&self) {
        self.inside.lock().unwrap().knows_no_heads = true;
    }

    /// The key that it was told last.
    pub(crate) fn key(&self) -> Option<String> {
        self.inside.lock().unwrap().heads.last().and_then(|noted| noted.head.key.clone())
    }

    /// Moves its clock.
    pub(crate) fn advance(&self, by: std::time::Duration) {
        self.inside.lock().unwrap().later += i64::try_from(by.as_micros()).unwrap();
    }

    /// The rows of the Activity that it was told of, in that order.
    pub(crate) fn heads(&self) -> Vec<i64> {
        self.inside.lock().unwrap().heads.iter().map(|noted| noted.head.row.cast_signed()).collect()
    }

    pub(crate) fn is_of_version(&self, version: &str) {
        self.inside.lock().unwrap().version = Some(version.to_owned());
    }

    pub(crate) fn stays_stuck(&self, stays: bool) {
        self.inside.lock().unwrap().stays_stuck = stays;
    }

    /// What the account with this username uses; without it, its usage cannot be measured.
    pub(crate) fn uses(&self, username: &str, disk_bytes: u64, files: u64) {
        let usage = Usage { measured_at: Micros::now(), disk_bytes, files, at_least: false, traffic_bytes: 0, processes: 3 };
        self.inside.lock().unwrap().usage.insert(username.to_owned(), usage);
    }

    /// The same, of a home of which not all could be counted.
    pub(crate) fn uses_at_least(&self, username: &str, disk_bytes: u64, files: u64) {
        self.uses(username, disk_bytes, files);
        self.inside.lock().unwrap().usage.get_mut(username).unwrap().at_least = true;
    }

    /// What the account with this username has sent and received in this month.
    pub(crate) fn sends(&self, username: &str, bytes: u64) {
        let mut inside = self.inside.lock().unwrap();
        inside.traffic.insert(username.to_owned(), bytes);
    }

    /// Which month it is on the server.
    pub(crate) fn is_in(&self, month: &str) {
        month.clone_into(&mut self.inside.lock().unwrap().month);
    }

    /// Starts anew: what was measured before is not known any more.
    pub(crate) fn has_measured_nothing(&self) {
        self.inside.lock().unwrap().has_measured = false;
    }

    pub(crate) fn knows_no_usage(&self) {
        self.inside.lock().unwrap().knows_no_usage = true;
    }

    pub(crate) fn acknowledged(&self, id: &str) -> bool {
        self.inside.lock().unwrap().acknowledged.contains(&OperationId::parse(id).unwrap())
    }

    /// How many accounts are there.
    pub(crate) fn accounts(&self) -> usize {
        self.inside.lock().unwrap().accounts.values().filter(|one| one.spec.state != SpecState::Absent).count()
    }
}

fn step(name: &str, state: StepState) -> StepReport {
    StepReport {
        name: name.to_owned(),
        direction: Direction::Forward,
        state,
        started_at: Micros::now(),
        duration_us: Some(1_000),
        detail: None,
    }
}

impl Inside {
    fn live(&self, username: &str) -> Option<(&AccountId, &Committed)> {
        self.accounts.iter().find(|(_, one)| one.spec.username.as_str() == username && one.spec.state != SpecState::Absent)
    }

    fn begin(&mut self, change: &Change) {
        let report = OperationReport {
            operation_id: change.operation_id,
            account_id: change.spec.account_id,
            revision: 1,
            outcome: Outcome::Running,
            direction: Direction::Forward,
            started_at: Micros::now(),
            finished_at: None,
            steps: vec![step("preflight", StepState::Done)],
            failure: None,
            left: Vec::new(),
            abandoned: false,
            uid: None,
        };
        self.operations.insert(change.operation_id, (change.clone(), report));
        self.begun.push(change.operation_id);
    }

    fn finish(&mut self, id: OperationId, outcome: Outcome) {
        self.next_uid += 1;
        let uid = Uid::try_from(self.next_uid).unwrap();
        let (change, report) = self.operations.get_mut(&id).unwrap();
        report.outcome = outcome;
        report.revision += 1;
        report.finished_at = Some(Micros::now());
        match outcome {
            Outcome::Committed => {
                for name in ["linux user", "home", "php pool", "site", "dns zone", "verify site", "verify dns"] {
                    report.steps.push(step(name, StepState::Done));
                }
                let uid = change.spec.uid.unwrap_or(uid);
                report.uid = Some(uid);
                let before = self.accounts.get(&change.spec.account_id).and_then(|before| before.memo.clone());
                let committed = Committed {
                    spec: Spec { uid: Some(uid), ..change.spec.clone() },
                    memo: change.memo.clone().or(before),
                    at: Micros::now(),
                    operation: id,
                };
                self.drift.remove(change.spec.username.as_str());
                self.accounts.insert(change.spec.account_id, committed);
            }
            Outcome::RolledBack | Outcome::NeedsAttention => {
                let (account, generation) = (change.spec.account_id, change.spec.generation);
                match self.accounts.get_mut(&account) {
                    // What the account was, under the number of what came to nothing.
                    Some(committed) if outcome == Outcome::RolledBack => committed.spec.generation = generation,
                    None if outcome == Outcome::RolledBack => {
                        let spec = Spec { generation, ..change.spec.absent() };
                        self.accounts.insert(account, Committed { spec, memo: None, at: Micros::now(), operation: id });
                    }
                    _ => {}
                }
                report.direction = Direction::Back;
                if outcome == Outcome::NeedsAttention {
                    report.left = vec!["the home of the account".to_owned()];
                }
            }
            Outcome::Running => {}
        }
    }

    fn fail(&mut self, id: OperationId, failure: Failure) {
        let (_, report) = self.operations.get_mut(&id).unwrap();
        report.steps.push(step(&failure.step, StepState::Failed));
        report.failure = Some(failure);
        self.finish(id, Outcome::RolledBack);
    }
}

fn refused(code: WireCode, detail: &str) -> Response {
    (code.status(), Json(WireError { code, detail: detail.to_owned() })).into_response()
}

/// A reply that breaks off.
fn broken() -> Response {
    let body = futures::stream::iter([Ok("{"), Err(std::io::Error::other("cut"))]);
    Response::new(Body::from_stream(body))
}

async fn create(agent: State<FakeAgent>, change: Json<serde_json::Value>) -> Response {
    take(agent, change, false).await
}

async fn apply(agent: State<FakeAgent>, change: Json<serde_json::Value>) -> Response {
    take(agent, change, true).await
}

async fn take(State(agent): State<FakeAgent>, Json(sent): Json<serde_json::Value>, applies: bool) -> Response {
    let change: Change = serde_json::from_value(sent.clone()).unwrap();
    let id = change.operation_id;
    let script = {
        let mut inside = agent.inside.lock().unwrap();
        inside.scripts.get_mut(change.spec.username.as_str()).and_then(VecDeque::pop_front)
    };
    if let Some(Behaviour::LoseRequest) = script {
        agent.inside.lock().unwrap().lost.push((sent, applies));
        return broken();
    }
    if let Some(Behaviour::Silence) = script {
        agent.inside.lock().unwrap().arrived.push(change);
        return std::future::pending().await;
    }
    {
        let mut inside = agent.inside.lock().unwrap();
        inside.arrived.push(change.clone());
        if inside.promises == Promises::Unknown && sent["not_after"].as_i64().unwrap() < Micros::now().0 + inside.ahead_by {
            return refused(WireCode::TooLate, "the request came too late");
        }
        if inside.nevers.contains(&id) {
            return refused(WireCode::NeverBegins, "it was promised that this operation never begins");
        }
        let known = inside.operations.get(&id).map(|(known, _)| known.spec == change.spec);
        match (known, &script) {
            (Some(false), _) => return refused(WireCode::OtherContent, "the operation is known with another content"),
            (Some(true), _) => {}
            (None, Some(Behaviour::Garbage)) => return "this is not JSON".into_response(),
            (None, Some(Behaviour::Refuse(code, detail))) => return refused(*code, detail),
            (None, _) => {
                let there = inside.accounts.get(&change.spec.account_id).map(|one| one.spec.clone());
                if there.as_ref().is_some_and(|spec| spec.generation >= change.spec.generation) {
                    return refused(WireCode::StaleGeneration, "the Spec is not newer");
                }
                if there.is_none() == applies {
                    let code = if applies { WireCode::NotFound } else { WireCode::Conflict };
                    return refused(code, "the account is not what the call is for");
                }
                change.spec.check().unwrap();
                inside.begin(&change);
                let other = inside.live(change.spec.username.as_str()).is_some_and(|(id, _)| *id != change.spec.account_id)
                    && change.spec.state != SpecState::Absent;
                let gone = change.spec.state != SpecState::Absent
                    && there
                        .is_some_and(|spec| spec.state == SpecState::Absent && spec.kept_until.is_none_or(|until| until < Micros::now()));
                match &script {
                    Some(Behaviour::Hold) => {}
                    Some(Behaviour::Attention) => inside.finish(id, Outcome::NeedsAttention),
                    Some(Behaviour::Stuck) => {
                        inside.finish(id, Outcome::NeedsAttention);
                        inside.operations.get_mut(&id).unwrap().1.direction = Direction::Forward;
                    }
                    _ if gone => {
                        let detail = "nothing of the account is kept".to_owned();
                        inside.fail(id, Failure { step: "trash".to_owned(), kind: FailureKind::NotKept, detail, hint: None });
                    }
                    Some(Behaviour::Fail(step, kind, detail)) => {
                        let failure = Failure { step: (*step).to_owned(), kind: *kind, detail: (*detail).to_owned(), hint: None };
                        inside.fail(id, failure);
                    }
                    _ if other => {
                        let detail = "the user is there and is another account's".to_owned();
                        inside.fail(id, Failure { step: "preflight".to_owned(), kind: FailureKind::UsernameTaken, detail, hint: None });
                    }
                    _ => inside.finish(id, Outcome::Committed),
                }
            }
        }
    }
    agent.changed.send_modify(|n| *n += 1);
    if let Some(Behaviour::LoseReply) = script {
        return broken();
    }
    let report = agent.wait(id, 0, change.wait_ms, true).await.unwrap();
    Json(report).into_response()
}

impl FakeAgent {
    async fn wait(&self, id: OperationId, seen: u64, wait_ms: u32, outcome: bool) -> Option<OperationReport> {
        let mut changed = self.changed.subscribe();
        let deadline = tokio::time::Instant::now() + Duration::from_millis(wait_ms.into());
        loop {
            let report = {
                let inside = self.inside.lock().unwrap();
                let mut report = inside.operations.get(&id).map(|(_, report)| report.clone())?;
                report.steps.splice(0..0, (0..inside.more_steps).map(|_| step("home", StepState::Done)));
                report
            };
            let enough = if outcome { report.outcome != Outcome::Running } else { report.revision > seen };
            if enough || tokio::time::timeout_at(deadline, changed.changed()).await.is_err() {
                return Some(report);
            }
        }
    }
}

#[derive(Deserialize)]
struct Waiting {
    seen: u64,
    wait_ms: u32,
}

async fn operation(State(agent): State<FakeAgent>, UrlPath(id): UrlPath<OperationId>, Query(waiting): Query<Waiting>) -> Response {
    match agent.wait(id, waiting.seen, waiting.wait_ms, false).await {
        Some(report) => Json(report).into_response(),
        None if agent.inside.lock().unwrap().nevers.contains(&id) => {
            refused(WireCode::NeverBegins, "it was promised that this operation never begins")
        }
        None => refused(WireCode::NotFound, "there is no such operation"),
    }
}

async fn never(State(agent): State<FakeAgent>, UrlPath(id): UrlPath<OperationId>) -> Response {
    let mut inside = agent.inside.lock().unwrap();
    inside.asked_for_promises += 1;
    match inside.promises {
        Promises::Unknown => return refused(WireCode::NotFound, "there is no such call"),
        Promises::Refused => return refused(WireCode::Unavailable, "it cannot be written down"),
        Promises::Made | Promises::Lost => {}
    }
    if let Some((_, report)) = inside.operations.get(&id) {
        return Json(NeverAnswer::Known(Box::new(report.clone()))).into_response();
    }
    inside.nevers.insert(id);
    if inside.promises == Promises::Lost { broken() } else { Json(NeverAnswer::NeverBegins).into_response() }
}

async fn acknowledge(State(agent): State<FakeAgent>, UrlPath(id): UrlPath<OperationId>) -> Response {
    let mut inside = agent.inside.lock().unwrap();
    if inside.refuse_acknowledgements {
        return refused(WireCode::Internal, "not now");
    }
    if !inside.operations.contains_key(&id) && !inside.nevers.contains(&id) {
        return refused(WireCode::NotFound, "there is no such operation");
    }
    inside.acknowledged.insert(id);
    Json(Acknowledged {}).into_response()
}

async fn plan(State(agent): State<FakeAgent>, Json(PlanAccount { spec }): Json<PlanAccount>) -> Json<Plan> {
    let inside = agent.inside.lock().unwrap();
    let mut plan = Plan::default();
    let mut say = |resource: &str, change: &str| {
        plan.changes.push(PlannedChange { resource: resource.to_owned(), change: change.to_owned() });
    };
    let there = inside.accounts.get(&spec.account_id).map(|one| one.spec.clone());
    match &there {
        None => say("linux user", "would be made"),
        Some(there) => {
            if there.state != spec.state {
                say("site", &format!("{:?} to {:?}", there.state, spec.state));
            }
            if there.password_hash != spec.password_hash {
                say("password", "would be changed");
            }
            if there.limits != spec.limits {
                say("php pool", "would get other limits");
            }
        }
    }
    for change in inside.drift.get(spec.username.as_str()).into_iter().flatten() {
        say("home", change);
    }
    if inside.live(spec.username.as_str()).is_some_and(|(id, _)| *id != spec.account_id) {
        plan.conflicts.push(Failure {
            step: "linux user".to_owned(),
            kind: FailureKind::UsernameTaken,
            detail: "the user is there and is another account's".to_owned(),
            hint: None,
        });
    }
    Json(plan)
}

fn summary(id: AccountId, one: &Committed, ahead_by: i64) -> AccountSummary {
    AccountSummary {
        id,
        username: one.spec.username.clone(),
        generation: one.spec.generation,
        spec_hash: spec_hash(&one.spec),
        state: one.spec.state,
        uid: one.spec.uid,
        committed_at: Micros(one.at.0 + ahead_by),
        operation_id: Some(one.operation),
        kept_until: one.spec.kept_until,
    }
}

#[derive(Deserialize)]
struct Paging {
    after: Option<AccountId>,
    limit: u16,
}

async fn accounts(State(agent): State<FakeAgent>, Query(page): Query<Paging>) -> Json<AccountPage> {
    let inside = agent.inside.lock().unwrap();
    let behind = inside.accounts.iter().filter(|(id, _)| page.after.is_none_or(|after| **id > after));
    let mut accounts: Vec<AccountSummary> = behind.take(page.limit.into()).map(|(id, one)| summary(*id, one, inside.ahead_by)).collect();
    match (inside.listing, accounts.first().cloned()) {
        (Some(Listing::LongPages), Some(first)) => {
            let more = usize::from(page.limit) + 1 - accounts.len();
            accounts.extend((0..more).map(|_| AccountSummary { id: AccountId::generate(), ..first.clone() }));
        }
        (Some(Listing::Backwards), Some(first)) => accounts.push(first),
        _ => {}
    }
    Json(AccountPage { accounts, total: u64::try_from(inside.accounts.len()).unwrap() })
}

async fn account(State(agent): State<FakeAgent>, UrlPath(id): UrlPath<AccountId>) -> Response {
    let inside = agent.inside.lock().unwrap();
    match inside.accounts.get(&id) {
        Some(one) if inside.unreadable.contains(one.spec.username.as_str()) => {
            refused(WireCode::Internal, "the record of this account cannot be read")
        }
        Some(one) => Json(AccountDetail { summary: summary(id, one, inside.ahead_by), spec: one.spec.clone(), memo: one.memo.clone() })
            .into_response(),
        None => refused(WireCode::NotFound, "there is no such account"),
    }
}

async fn usage(State(agent): State<FakeAgent>, UrlPath(id): UrlPath<AccountId>) -> Response {
    let inside = agent.inside.lock().unwrap();
    let Some(one) = inside.accounts.get(&id) else { return refused(WireCode::NotFound, "there is no such account") };
    match inside.usage.get(one.spec.username.as_str()) {
        Some(usage) => Json(*usage).into_response(),
        None => refused(WireCode::Unavailable, "the home cannot be read now"),
    }
}

async fn php(State(agent): State<FakeAgent>, UrlPath(id): UrlPath<AccountId>) -> Response {
    let inside = agent.inside.lock().unwrap();
    if inside.knows_no_php {
        return refused(WireCode::NotFound, "there is nothing here");
    }
    let Some(one) = inside.accounts.get(&id) else { return refused(WireCode::NotFound, "there is no such account") };
    let (state, last_failure) = inside.php.get(one.spec.username.as_str()).cloned().unwrap_or((PoolState::Asleep, None));
    let state = (one.spec.state == SpecState::Active).then_some(state);
    let pools = one.spec.pools.iter().map(|pool| PhpPool {
        name: pool.name.clone(),
        runs: pool.php_version.pick(inside.php_versions.iter().flatten()).cloned(),
        php_version: pool.php_version.clone(),
        state,
        last_failure: last_failure.clone(),
    });
    Json(Php { pools: pools.collect() }).into_response()
}

async fn all_usage(State(agent): State<FakeAgent>) -> Response {
    let inside = agent.inside.lock().unwrap();
    if inside.knows_no_usage {
        return refused(WireCode::NotFound, "there is nothing here");
    }
    let live = inside.accounts.iter().filter(|(_, one)| one.spec.state != SpecState::Absent);
    let accounts = live.map(|(id, one)| {
        let username = one.spec.username.as_str();
        let measured = inside.usage.get(username).filter(|_| inside.has_measured);
        AccountUsage {
            account_id: *id,
            traffic_bytes: inside.traffic.get(username).copied().unwrap_or_default(),
            disk: measured.map(|usage| DiskUsage {
                measured_at: usage.measured_at,
                bytes: usage.disk_bytes,
                files: usage.files,
                at_least: usage.at_least,
            }),
        }
    });
    Json(UsageReport { month: inside.month.clone(), accounts: accounts.collect() }).into_response()
}

async fn drift(State(agent): State<FakeAgent>) -> Response {
    let inside = agent.inside.lock().unwrap();
    if inside.knows_no_drift {
        return refused(WireCode::NotFound, "there is nothing here");
    }
    let mut report = DriftReport { looked_at: Some(Micros::now()), mends: inside.mends, accounts: Vec::new() };
    for (username, changes) in &inside.drift {
        let Some((id, committed)) = inside.live(username) else { continue };
        let changes = changes.iter().map(|change| PlannedChange { resource: "home".to_owned(), change: change.clone() }).collect();
        report.accounts.push(Drift {
            account_id: *id,
            username: committed.spec.username.clone(),
            found_at: Micros(committed.at.0 + inside.ahead_by),
            plan: Plan { changes, ..Plan::default() },
            mended: inside.mends,
        });
    }
    Json(report).into_response()
}

async fn put_pages(State(agent): State<FakeAgent>, Json(PutPages { pages }): Json<PutPages>) -> Response {
    let mut inside = agent.inside.lock().unwrap();
    if inside.knows_no_pages {
        return refused(WireCode::NotFound, "there is nothing here");
    }
    inside.pages_sent += 1;
    let hash = pages_hash(&pages);
    inside.pages = Some(pages);
    Json(PagesKept { hash }).into_response()
}

async fn note_head(State(agent): State<FakeAgent>, Json(head): Json<ActivityHead>) -> Response {
    let mut inside = agent.inside.lock().unwrap();
    if inside.knows_no_heads {
        return refused(WireCode::NotFound, "there is nothing here");
    }
    let number = u64::try_from(inside.heads.len()).unwrap() + 1;
    let noted_at = Micros(Micros::now().0 + inside.later);
    inside.heads.push(NotedHead { number, noted_at, head });
    Json(inside.heads.last().cloned()).into_response()
}

#[derive(Deserialize)]
struct Heads {
    after: u64,
}

async fn heads(State(agent): State<FakeAgent>, Query(page): Query<Heads>) -> Response {
    let inside = agent.inside.lock().unwrap();
    if inside.knows_no_heads {
        return refused(WireCode::NotFound, "there is nothing here");
    }
    // Three a page, so that there are several.
    let heads = inside.heads.iter().filter(|noted| noted.number > page.after).take(3).cloned().collect();
    Json(HeadPage { heads, total: inside.heads.len() as u64, unreadable: 0 }).into_response()
}

async fn retry(State(agent): State<FakeAgent>, UrlPath(id): UrlPath<OperationId>) -> Response {
    let mut inside = agent.inside.lock().unwrap();
    let Some((_, report)) = inside.operations.get(&id) else { return refused(WireCode::NotFound, "there is no such operation") };
    if report.outcome == Outcome::NeedsAttention && !inside.stays_stuck {
        let end = if report.direction == Direction::Forward { Outcome::Committed } else { Outcome::RolledBack };
        inside.finish(id, end);
    }
    let report = inside.operations[&id].1.clone();
    drop(inside);
    agent.changed.send_modify(|n| *n += 1);
    Json(report).into_response()
}

async fn abandon(State(agent): State<FakeAgent>, UrlPath(id): UrlPath<OperationId>) -> Response {
    let mut inside = agent.inside.lock().unwrap();
    let Some((_, report)) = inside.operations.get_mut(&id) else { return refused(WireCode::NotFound, "there is no such operation") };
    match report.outcome {
        Outcome::Running => return refused(WireCode::Conflict, "the operation does not need attention"),
        Outcome::NeedsAttention => {
            report.abandoned = true;
            let end = if report.direction == Direction::Forward { Outcome::Committed } else { Outcome::RolledBack };
            inside.finish(id, end);
        }
        Outcome::Committed | Outcome::RolledBack => {}
    }
    let report = inside.operations[&id].1.clone();
    drop(inside);
    agent.changed.send_modify(|n| *n += 1);
    Json(report).into_response()
}

async fn health(State(agent): State<FakeAgent>) -> Json<Health> {
    agent.inside.lock().unwrap().asked_for_health += 1;
    let accounts = u64::try_from(agent.accounts()).unwrap();
    let (pages, knows_no_pages) = {
        let inside = agent.inside.lock().unwrap();
        (inside.pages.clone().unwrap_or_default(), inside.knows_no_pages)
    };
    let enforcement = |limit: &str, enforced| Enforcement { limit: limit.to_owned(), enforced, detail: "probed".to_owned() };
    let clock = Some(Micros(Micros::now().0 + agent.inside.lock().unwrap().ahead_by));
    let php_versions = agent.inside.lock().unwrap().php_versions.clone();
    let (version, open_operations) = {
        let inside = agent.inside.lock().unwrap();
        let open = |report: &OperationReport| !matches!(report.outcome, Outcome::Committed | Outcome::RolledBack);
        let open = inside.operations.iter().filter(|(_, (_, report))| open(report)).map(|(id, _)| *id).collect();
        (inside.version.clone().unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()), open)
    };
    Json(Health {
        version,
        protocol: opterius_protocol::VERSION,
        ready: true,
        parts: vec![PartHealth { name: "nginx".to_owned(), ok: true, detail: "answers".to_owned(), hint: None }],
        enforcement: vec![enforcement("disk_mib", false), enforcement("php_workers", true)],
        open_operations,
        accounts,
        kept: 0,
        deleting: 0,
        drifted: 0,
        jobs: Vec::new(),
        pages_hash: (!knows_no_pages).then(|| pages_hash(&pages)),
        lines_lost: None,
        lines_lost_unknown: false,
        clock,
        cgroup_level: Some(CgroupLevel::Tree),
        php_versions,
        load: Some(Load {
            average_hundredths: 125,
            processors: 2,
            memory_bytes: 4 << 30,
            memory_available_bytes: 1 << 30,
            disk_bytes: 100 << 30,
            disk_available_bytes: 3 << 30,
        }),
    })
}
