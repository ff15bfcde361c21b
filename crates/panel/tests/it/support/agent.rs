//! An Agent without a server: it keeps operations by their id, begins none twice, refuses stale Specs and late requests, and does what a
//! test scripts for a username.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path as UrlPath, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use opterius_model::{AccountId, OperationId, Spec, State as SpecState, Uid};
use opterius_protocol::agent::{
    Acknowledged, Change, Direction, Enforcement, Failure, FailureKind, Health, OperationReport, Outcome, PartHealth, StepReport, StepState,
};
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
    /// The request never arrives.
    LoseRequest,
    /// The operation is done, and the answer gets lost.
    LoseReply,
    /// The answer is not of the contract; nothing was done.
    Garbage,
    /// It is not begun.
    Refuse(WireCode, &'static str),
    /// It can be neither finished nor undone, until [`FakeAgent::decide`].
    Attention,
}

#[derive(Default)]
struct Inside {
    operations: HashMap<OperationId, (Change, OperationReport)>,
    accounts: HashMap<AccountId, Spec>,
    scripts: HashMap<String, VecDeque<Behaviour>>,
    acknowledged: HashSet<OperationId>,
    /// Every change that arrived, in order.
    arrived: Vec<Change>,
    /// How often an operation began.
    begun: Vec<OperationId>,
    refuse_acknowledgements: bool,
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
            inside: Arc::new(Mutex::new(Inside { next_uid: 20_000, ..Inside::default() })),
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
            .route("/accounts/create", post(change))
            .route("/accounts/apply", post(change))
            .route("/operations/{id}", get(operation))
            .route("/operations/{id}/acknowledge", post(acknowledge))
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

    pub(crate) fn refuse_acknowledgements(&self, refuse: bool) {
        self.inside.lock().unwrap().refuse_acknowledgements = refuse;
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
        inside.accounts.values().find(|spec| spec.username.as_str() == username && spec.state != SpecState::Absent).cloned()
    }

    pub(crate) fn acknowledged(&self, id: &str) -> bool {
        self.inside.lock().unwrap().acknowledged.contains(&OperationId::parse(id).unwrap())
    }

    /// How many accounts there are.
    pub(crate) fn accounts(&self) -> usize {
        self.inside.lock().unwrap().accounts.len()
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
                self.accounts.insert(change.spec.account_id, Spec { uid: Some(uid), ..change.spec.clone() });
            }
            Outcome::RolledBack | Outcome::NeedsAttention => {
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

async fn change(State(agent): State<FakeAgent>, Json(change): Json<Change>) -> Response {
    let id = change.operation_id;
    let script = {
        let mut inside = agent.inside.lock().unwrap();
        inside.scripts.get_mut(change.spec.username.as_str()).and_then(VecDeque::pop_front)
    };
    if let Some(Behaviour::LoseRequest) = script {
        return broken();
    }
    {
        let mut inside = agent.inside.lock().unwrap();
        inside.arrived.push(change.clone());
        if change.not_after < Micros::now() {
            return refused(WireCode::TooLate, "the request came too late");
        }
        let known = inside.operations.get(&id).map(|(known, _)| known.spec == change.spec);
        match (known, &script) {
            (Some(false), _) => return refused(WireCode::OtherContent, "the operation is known with another content"),
            (Some(true), _) => {}
            (None, Some(Behaviour::Garbage)) => return "this is not JSON".into_response(),
            (None, Some(Behaviour::Refuse(code, detail))) => return refused(*code, detail),
            (None, _) => {
                if inside.accounts.get(&change.spec.account_id).is_some_and(|spec| spec.generation >= change.spec.generation) {
                    return refused(WireCode::StaleGeneration, "the Spec is not newer");
                }
                change.spec.check().unwrap();
                inside.begin(&change);
                let other = inside.accounts.values().any(|spec| {
                    spec.username == change.spec.username && spec.account_id != change.spec.account_id && spec.state != SpecState::Absent
                });
                match &script {
                    Some(Behaviour::Hold) => {}
                    Some(Behaviour::Attention) => inside.finish(id, Outcome::NeedsAttention),
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
            let report = self.inside.lock().unwrap().operations.get(&id).map(|(_, report)| report.clone())?;
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
        None => refused(WireCode::NotFound, "there is no such operation"),
    }
}

async fn acknowledge(State(agent): State<FakeAgent>, UrlPath(id): UrlPath<OperationId>) -> Response {
    let mut inside = agent.inside.lock().unwrap();
    if inside.refuse_acknowledgements {
        return refused(WireCode::Internal, "not now");
    }
    if !inside.operations.contains_key(&id) {
        return refused(WireCode::NotFound, "there is no such operation");
    }
    inside.acknowledged.insert(id);
    Json(Acknowledged {}).into_response()
}

async fn health(State(agent): State<FakeAgent>) -> Json<Health> {
    let accounts = u64::try_from(agent.accounts()).unwrap();
    let enforcement = |limit: &str, enforced| Enforcement { limit: limit.to_owned(), enforced, detail: "probed".to_owned() };
    Json(Health {
        version: "0.1.0".to_owned(),
        protocol: opterius_protocol::VERSION,
        ready: true,
        parts: vec![PartHealth { name: "nginx".to_owned(), ok: true, detail: "answers".to_owned(), hint: None }],
        enforcement: vec![enforcement("disk_mib", false), enforcement("php_workers", true)],
        open_operations: Vec::new(),
        accounts,
    })
}
