//! Carries an operation to its outcome, whatever happens to callers, connections and Panels in between.
//!
//! The Agent decides the outcome. Once a request may have reached it, the Panel frees no name and tells nobody "failed" until the Agent
//! has said so.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use opterius_model::{OperationId, Spec, State, Uid};
use opterius_protocol::agent::{
    self, AccountDetail, ApplySpec, Change, CreateAccount, GetAccount, GetOperation, NeverAnswer, NeverOperation, NoLimit, OperationReport,
    StepReport,
};
use opterius_protocol::client::{CallError, chain};
use opterius_protocol::{Micros, WireCode, WireError};
use tokio::sync::watch;
use tokio::time::Instant;

use super::adopt_account::take_over;
use super::faults::{self, point};
use super::servers::server_name;
use super::sign_in::end_sessions;
use super::{AppError, Memo, Refusal, tell};
use crate::core::Core;
use crate::fleet::OpenOperation;
use crate::store::activity::{self, Entry};
use crate::store::operation::{Ending, Kind, Operation, Outcome};
use crate::store::{self, StoreError, Write, account, claimed_name, operation};
use crate::tasks::message;
use crate::turns::{Party, Turn};

/// How long the Agent may keep the first answer back: most operations end within it, and need no second question.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// How much longer than a wait it takes at most until its answer is here.
const GRACE: Duration = Duration::from_secs(10);

/// How long an operation that nobody waits for is offered to an Agent that says that it cannot begin anything now.
const OFFERED: Duration = Duration::from_mins(2);

/// How often an operation is taken up again after the Panel broke at it, until a person is told. It is taken up after that, too, more slowly.
const ATTEMPTS: u32 = 5;

/// Where an operation stands.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub(crate) outcome: Outcome,
    pub(crate) steps: Vec<StepReport>,
    pub(crate) error: Option<Refusal>,
    /// Whether it waits for its turn: nothing of it was sent to its server since this Panel started.
    pub(crate) waits: bool,
}

/// The operations that this Panel is carrying.
#[derive(Debug, Default)]
pub(crate) struct Live(Mutex<HashMap<OperationId, watch::Receiver<Progress>>>);

impl Live {
    /// Follows an operation; nothing if it is not being carried, since it is over.
    pub(crate) fn follow(&self, id: OperationId) -> Option<watch::Receiver<Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn add(&self, id: OperationId, progress: watch::Receiver<Progress>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, progress);
    }

    fn remove(&self, id: OperationId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

/// Waits until the operation has an outcome, or needs attention, or `patience` is over, and says where it stands then.
pub(crate) async fn wait(core: &Core, id: OperationId, until: tokio::time::Instant) -> Result<Progress, AppError> {
    if let Some(mut progress) = core.live.follow(id) {
        match tokio::time::timeout_at(until, progress.wait_for(|now| now.outcome != Outcome::Running)).await {
            Ok(Ok(now)) => return Ok(now.clone()),
            // Nobody carries it any more without an outcome: this Panel is ending.
            Ok(Err(_)) => return Err(AppError::Stopping),
            Err(_) => {}
        }
    }
    let stored = operation::by_id(core.store.read(), &core.owner, id).await?.ok_or(AppError::Broken("find an operation that is there"))?;
    Ok(Progress { outcome: stored.outcome, steps: stored.steps, error: stored.error, waits: false })
}

/// Waits until the operation is over for good, or `until`.
pub(super) async fn wait_for_the_end(core: &Core, id: OperationId, until: tokio::time::Instant) {
    if let Some(mut progress) = core.live.follow(id) {
        // Whether it is over, or this Panel is, or patience: the caller looks at what is stored.
        let _ = tokio::time::timeout_at(until, progress.wait_for(|now| now.outcome.is_final())).await;
    }
}

/// Commits what puts an operation down, of which nothing was sent, and begins to carry it. It can be followed before anybody can read of it:
/// whoever finds it in the database waits for its outcome, and does not take it for one that goes on for longer than they wait. Refused, with nothing put
/// down, if too many of whoever ordered it are open.
pub(crate) async fn commit_and_begin(core: &Arc<Core>, write: Write, operation: Operation) -> Result<(), AppError> {
    let open = if operation.kind.closes() {
        None
    } else {
        let open = core.fleet.queue(operation.server_id).open.take(Party::of(&operation.actor));
        Some(open.map_err(Refusal::too_many_operations)?)
    };
    let progress = announce(core, &operation);
    if let Err(error) = store::commit(write).await {
        core.live.remove(operation.id);
        return Err(error.into());
    }
    carry(core, operation, progress, open, true);
    Ok(())
}

/// Carries on with every operation that an earlier Panel left without an outcome.
pub(crate) async fn resume(core: &Arc<Core>) -> Result<usize, StoreError> {
    let open = operation::open(core.store.read()).await?;
    let count = open.len();
    for operation in open {
        let progress = announce(core, &operation);
        let counts = operation.outcome == Outcome::Running && !operation.kind.closes();
        let open = counts.then(|| core.fleet.queue(operation.server_id).open.retake(Party::of(&operation.actor)));
        carry(core, operation, progress, open, false);
    }
    Ok(count)
}

/// Lets an operation be followed from here on.
fn announce(core: &Core, operation: &Operation) -> watch::Sender<Progress> {
    let first = Progress { outcome: operation.outcome, steps: operation.steps.clone(), error: operation.error.clone(), waits: false };
    let (progress, follow) = watch::channel(first);
    core.live.add(operation.id, follow);
    progress
}

fn carry(core: &Arc<Core>, operation: Operation, progress: watch::Sender<Progress>, open: Option<OpenOperation>, fresh: bool) {
    let core = core.clone();
    let tasks = core.tasks.clone();
    tasks.spawn(async move {
        let id = operation.id;
        let mut carrier = Carrier { core: &core, operation, progress, open, turn: None, seen: 0, pause: core.seams.timing.first_pause };
        // A broken Panel must not forget an operation; what it may have sent is asked for, as after a start.
        let mut fresh = fresh;
        let mut broke: u32 = 0;
        loop {
            let work = async {
                if broke >= ATTEMPTS {
                    carrier.give_to_a_person().await;
                }
                carrier.run(fresh).await;
            };
            let Err(panic) = AssertUnwindSafe(work).catch_unwind().await else { break };
            broke += 1;
            fresh = false;
            carrier.turn = None;
            tracing::error!(operation.id = %id, error = %message(&*panic), broke, "the Panel broke while it carried an operation; will go on with it");
            core.task_states.operation_stuck(id, &*panic, Micros::now());
            // The last report may be what it broke at.
            carrier.seen = 0;
            let timing = &core.seams.timing;
            tokio::time::sleep(timing.first_pause.saturating_mul(1 << broke.min(16)).min(timing.longest_pause)).await;
        }
        core.task_states.operation_carried(id);
        core.live.remove(id);
    });
}

struct Carrier<'a> {
    core: &'a Arc<Core>,
    operation: Operation,
    progress: watch::Sender<Progress>,
    /// It is open, and counts.
    open: Option<OpenOperation>,
    /// While it counts among those that its server works on.
    turn: Option<Turn<OperationId>>,
    /// The revision of the last report.
    seen: u64,
    pause: Duration,
}

/// What a question to the Agent came to.
enum Heard {
    Report(OperationReport),
    /// The Agent answered that it does not, and did nothing.
    Refused(WireError),
    /// No connection was made.
    NotSent(String),
    /// It may or may not have heard the question.
    Unclear(String),
}

impl From<Result<OperationReport, CallError>> for Heard {
    fn from(answer: Result<OperationReport, CallError>) -> Self {
        match answer {
            Ok(report) => Self::Report(report),
            Err(CallError::Refused(error)) => Self::Refused(error),
            Err(error @ CallError::NotSent { .. }) => Self::NotSent(chain(&error)),
            Err(error) => Self::Unclear(chain(&error)),
        }
    }
}

/// What the Agent has of an account.
enum Look {
    Has(Box<AccountDetail>),
    Unknown,
    Unclear(String),
}

/// The end of an operation whose account is as new or newer on its server, as after this Panel was restored from a backup: the Agent has
/// decided this operation and forgotten it, or another Panel's came behind it.
fn superseded(operation: &Operation, detail: Box<AccountDetail>) -> End {
    let there = &detail.spec;
    let made = match (operation.kind, &operation.spec) {
        (Kind::Create, _) => there.state != State::Absent,
        (_, Some(spec)) if spec.state == State::Absent => there.state == State::Absent,
        // Who wrote the last record says nothing: one that was rolled back leaves its number there, too.
        (_, Some(spec)) => Spec { generation: there.generation, uid: there.uid, ..spec.clone() } == *there,
        (_, None) => false,
    };
    if made {
        return End { uid: there.uid, detail: Some(detail), ..End::untold(Outcome::Committed) };
    }
    let error = Refusal::superseded(operation.kind, &operation.username, there.generation.get());
    End { detail: Some(detail), ..End::failed(Outcome::RolledBack, error) }
}

/// What the Agent is asked next.
enum Question {
    /// What has become of the operation.
    Ask,
    /// To do it.
    Send,
    /// That it never begins.
    Never,
}

impl Carrier<'_> {
    async fn run(&mut self, fresh: bool) {
        // When it was first sent.
        let mut began = None;
        // Whether a request that the Agent has not answered may still reach it, at any time. An earlier Panel may have sent one just before it ended.
        let mut may_arrive = !fresh;
        let mut nothing_sent = fresh;
        let mut refusal: Option<WireError> = None;
        let mut may_be_newer = true;
        let mut question = Question::Ask;
        if fresh {
            point(faults::RESERVED).await;
            question = Question::Send;
        }
        loop {
            let heard = match question {
                Question::Ask => self.ask().await,
                Question::Never => self.never().await,
                Question::Send => {
                    self.take_turn().await;
                    began.get_or_insert_with(Instant::now);
                    let heard = self.send().await;
                    point(faults::SENT).await;
                    heard
                }
            };
            question = match (question, heard) {
                (_, Heard::Report(report)) => {
                    if self.hear(report).await {
                        return;
                    }
                    Question::Ask
                }
                // Promised for ever, and on the server's disk: no request of it can make it begin any more.
                (_, Heard::Refused(error)) if error.code == WireCode::NeverBegins => {
                    return self.give_up(&refusal.unwrap_or(error), true).await;
                }
                (Question::Ask, Heard::Refused(error)) if error.code == WireCode::NotFound => match &refusal {
                    None => Question::Send,
                    // The server has this generation or a newer one, and refuses for ever what is not newer: what it has decides.
                    Some(error) if error.code == WireCode::StaleGeneration && may_be_newer => {
                        match self.look().await {
                            Look::Has(detail) => {
                                point(faults::DECIDED).await;
                                return self.end(superseded(&self.operation, detail)).await;
                            }
                            Look::Unknown => may_be_newer = false,
                            Look::Unclear(cause) => self.rest(&cause).await,
                        }
                        Question::Ask
                    }
                    // The Agent would not begin. A request that it never answered can still make it.
                    Some(_) if may_arrive => Question::Never,
                    Some(error) => return self.give_up(error, false).await,
                },
                (Question::Send, Heard::NotSent(cause)) if nothing_sent => {
                    let error = Refusal::server_unreachable(&server_name(self.core, self.operation.server_id).await, &cause);
                    return self.end(End::failed(Outcome::NotSent, error)).await;
                }
                (Question::Send, Heard::Unclear(cause)) => {
                    (may_arrive, nothing_sent) = (true, false);
                    self.rest(&cause).await;
                    Question::Ask
                }
                // A server that is starting: an operation that somebody was promised is offered again for a while.
                (Question::Send, Heard::Refused(error))
                    if error.code != WireCode::Unavailable || fresh || began.is_none_or(|began| began.elapsed() >= OFFERED) =>
                {
                    nothing_sent = false;
                    refusal = Some(error);
                    Question::Ask
                }
                (_, Heard::Refused(WireError { detail: cause, .. }) | Heard::NotSent(cause) | Heard::Unclear(cause)) => {
                    self.rest(&cause).await;
                    Question::Ask
                }
            };
        }
    }

    /// Ends an operation that the Agent refused to begin, and that no earlier request can make it begin any more.
    async fn give_up(&mut self, refusal: &WireError, promised: bool) {
        let end = if refusal.code == WireCode::NotFound && self.operation.kind == Kind::Terminate {
            // Of an account that the server knows nothing of there is nothing to terminate, and nothing kept.
            if let Some(spec) = &mut self.operation.spec {
                spec.kept_until = None;
            }
            End::untold(Outcome::Committed)
        } else {
            End::failed(Outcome::RolledBack, Refusal::refused_by_agent(self.operation.kind, refusal))
        };
        if promised {
            point(faults::DECIDED).await;
        }
        self.end(End { to_acknowledge: promised, ..end }).await;
    }

    /// Says that the operation needs attention, since the Panel itself cannot go on with it. Its names stay reserved: the server may have done it.
    async fn give_to_a_person(&mut self) {
        if self.operation.outcome != Outcome::Running {
            return;
        }
        let error = Refusal::not_carried(self.operation.id, &self.operation.username);
        let steps = self.progress.borrow().steps.clone();
        self.end(End { steps, ..End::failed(Outcome::NeedsAttention, error) }).await;
        self.operation.outcome = Outcome::NeedsAttention;
    }

    /// Waits until it may be sent to its server. What suspends or ends an account waits for nothing.
    async fn take_turn(&mut self) {
        if self.turn.is_some() || self.operation.kind.closes() {
            return;
        }
        let turns = self.core.fleet.queue(self.operation.server_id).turns;
        let waits = || self.progress.send_modify(|progress| progress.waits = true);
        let turn = turns.take(Party::of(&self.operation.actor), self.operation.id, waits).await;
        self.progress.send_if_modified(|progress| std::mem::take(&mut progress.waits));
        self.turn = Some(turn);
    }

    /// Sends the change. The same id is never begun twice, so sending it again is harmless.
    async fn send(&self) -> Heard {
        let Some(spec) = self.operation.spec.clone() else {
            // An open operation always has its Spec: the table's writes see to it.
            return Heard::Refused(WireError { code: WireCode::Internal, detail: "the Panel has lost what was to be done".to_owned() });
        };
        let change = Change {
            operation_id: self.operation.id,
            request_id: self.operation.request_id.clone(),
            not_after: NoLimit,
            wait_ms: millis(FIRST_WAIT),
            spec,
            memo: self.operation.memo.as_ref().map(Memo::to_value),
        };
        let agent = self.core.fleet.agent(self.operation.server_id);
        match self.operation.kind {
            Kind::Create => agent.call(&CreateAccount(change), FIRST_WAIT + GRACE).await.into(),
            _ => agent.call(&ApplySpec(change), FIRST_WAIT + GRACE).await.into(),
        }
    }

    /// Asks what the server has of the account.
    async fn look(&self) -> Look {
        let agent = self.core.fleet.agent(self.operation.server_id);
        match agent.call(&GetAccount { id: self.operation.account_id }, GRACE).await {
            Ok(detail) => Look::Has(Box::new(detail)),
            Err(CallError::Refused(error)) if error.code == WireCode::NotFound => Look::Unknown,
            Err(error) => Look::Unclear(chain(&error)),
        }
    }

    /// Asks what has become of the operation, and waits for news.
    async fn ask(&self) -> Heard {
        let wait = self.core.seams.timing.long_poll;
        let question = GetOperation { id: self.operation.id, seen: self.seen, wait_ms: millis(wait) };
        self.core.fleet.agent(self.operation.server_id).call(&question, wait + GRACE).await.into()
    }

    /// Asks for the promise that the operation never begins. An Agent of the version before makes none: then its update is waited for.
    async fn never(&self) -> Heard {
        let agent = self.core.fleet.agent(self.operation.server_id);
        match agent.call(&NeverOperation { id: self.operation.id }, GRACE).await {
            Ok(NeverAnswer::Known(report)) => Heard::Report(*report),
            Ok(NeverAnswer::NeverBegins) => {
                Heard::Refused(WireError { code: WireCode::NeverBegins, detail: "the server never begins it".to_owned() })
            }
            Err(CallError::Refused(error)) if error.code == WireCode::NotFound => {
                let detail = "the server refused the operation and an earlier request of it may still arrive, which only a newer version of \
                              opterius-agent can rule out: update it on the server";
                Heard::Refused(WireError { code: WireCode::Unavailable, detail: detail.to_owned() })
            }
            Err(error) => Heard::Unclear(chain(&error)),
        }
    }

    /// Takes a report in; says whether the operation is over.
    async fn hear(&mut self, report: OperationReport) -> bool {
        self.pause = self.core.seams.timing.first_pause;
        let news = report.revision > self.seen;
        self.seen = self.seen.max(report.revision);
        let kind = self.operation.kind;
        match report.outcome {
            agent::Outcome::Running => {
                if news && self.operation.outcome == Outcome::Running {
                    self.progress.send_modify(|progress| progress.steps = report.steps);
                }
                // An Agent that answers at once with nothing new must not keep us busy.
                if !news {
                    self.rest_quietly().await;
                }
                false
            }
            agent::Outcome::NeedsAttention => {
                if self.operation.outcome == Outcome::Running {
                    let error = Refusal::needs_attention(&self.operation.username, &report);
                    self.end(End { error: Some(error), ..End::told(Outcome::NeedsAttention, report) }).await;
                    self.operation.outcome = Outcome::NeedsAttention;
                } else if !news {
                    self.rest_quietly().await;
                }
                false
            }
            agent::Outcome::Committed => {
                point(faults::DECIDED).await;
                self.end(End::told(Outcome::Committed, report)).await;
                true
            }
            agent::Outcome::RolledBack => {
                point(faults::DECIDED).await;
                let error = Refusal::rolled_back(kind, &self.operation.username, &self.operation.domain, &report);
                self.end(End { error: Some(error), ..End::told(Outcome::RolledBack, report) }).await;
                true
            }
        }
    }

    /// Records the outcome, however long the database takes, tells everybody who waits, and acknowledges it.
    async fn end(&mut self, mut end: End) {
        // Its server is done with it, or does not go on with it now.
        self.turn = None;
        end.error = end.error.map(|error| error.of_operation(self.operation.id));
        while let Err(error) = record(self.core, &self.operation, &end).await {
            tracing::error!(operation.id = %self.operation.id, error = %chain(&error), "could not record an outcome; will try again");
            self.rest_quietly().await;
        }
        self.open = None;
        let End { outcome, steps, error, detail, to_acknowledge, .. } = end;
        let duration_ms = self.core.now().since(self.operation.started_at).as_millis();
        let (id, username, request) = (&self.operation.id, &self.operation.username, &self.operation.request_id);
        let (kind, word) = (self.operation.kind.as_str(), outcome.as_str());
        if let Some(error) = &error {
            let error = &error.detail;
            tracing::warn!(operation.id = %id, account.username = %username, request.id = %request, kind, outcome = word, duration_ms, error, "the operation is not done");
        } else {
            tracing::info!(operation.id = %id, account.username = %username, request.id = %request, kind, outcome = word, duration_ms, "the operation is done");
        }
        self.progress.send_replace(Progress { outcome, steps, error, waits: false });
        if to_acknowledge {
            point(faults::RECORDED).await;
            self.core.acknowledger.acknowledge(&self.core.task_states, self.operation.id, self.operation.server_id);
        }
        // Whoever asked for what the server has instead is not there any more to acknowledge it.
        if let Some(other) = detail.and_then(|detail| detail.summary.operation_id) {
            self.core.acknowledger.acknowledge(&self.core.task_states, other, self.operation.server_id);
        }
    }

    async fn rest(&mut self, cause: &str) {
        tracing::warn!(operation.id = %self.operation.id, error = cause, "do not know yet what became of an operation; will ask again");
        self.rest_quietly().await;
    }

    async fn rest_quietly(&mut self) {
        self.turn = None;
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(self.core.seams.timing.longest_pause);
    }
}

/// How an operation ends, or that it needs attention.
struct End {
    outcome: Outcome,
    steps: Vec<StepReport>,
    error: Option<Refusal>,
    uid: Option<Uid>,
    abandoned: bool,
    remains: Vec<String>,
    /// What the server has of the account, where that is what decided.
    detail: Option<Box<AccountDetail>>,
    to_acknowledge: bool,
}

impl End {
    /// As the Agent told it.
    fn told(outcome: Outcome, report: OperationReport) -> Self {
        let OperationReport { steps, uid, abandoned, left, .. } = report;
        Self { outcome, steps, error: None, uid, abandoned, remains: left, detail: None, to_acknowledge: outcome.is_final() }
    }

    /// Without anything that the Agent keeps.
    fn untold(outcome: Outcome) -> Self {
        Self {
            outcome,
            steps: Vec::new(),
            error: None,
            uid: None,
            abandoned: false,
            remains: Vec::new(),
            detail: None,
            to_acknowledge: false,
        }
    }

    fn failed(outcome: Outcome, error: Refusal) -> Self {
        Self { error: Some(error), ..Self::untold(outcome) }
    }
}

/// Writes an outcome down: the operation, what it means for the account and its names, and the Activity, all or nothing.
async fn record(core: &Core, operation: &Operation, end: &End) -> Result<(), AppError> {
    let now = core.now();
    let mut write = core.store.write().await?;
    let ending = Ending {
        outcome: end.outcome,
        finished_at: end.outcome.is_final().then_some(now),
        steps: &end.steps,
        error: end.error.as_ref(),
        abandoned: end.abandoned,
        remains: &end.remains,
        to_acknowledge: end.to_acknowledge,
    };
    // Two writers of one outcome would be two Panels on one database; the first one counts.
    if !operation::set_outcome(&mut write, operation.id, &ending).await? {
        return Ok(());
    }
    let id = operation.account_id;
    let taken_over = match end.detail.as_ref().filter(|detail| detail.spec.state != State::Absent || operation.kind != Kind::Create) {
        Some(detail) => {
            let here = account::by_id(&mut *write, &core.owner, id).await?;
            match take_over(&mut write, core, operation.server_id, here.as_ref(), detail).await {
                Ok(_) => true,
                // Names that belong to another account here: a person has to decide, and `opterius resync` goes on saying so.
                Err(AppError::Refused(refusal)) => {
                    tracing::error!(operation.id = %operation.id, error = refusal.detail, "could not take over what the server has");
                    false
                }
                Err(error) => return Err(error),
            }
        }
        None => false,
    };
    match (end.outcome, &operation.spec) {
        _ if taken_over => {}
        (Outcome::Committed, Some(spec)) => {
            let spec = Spec { uid: end.uid.or(spec.uid), ..spec.clone() };
            account::set_spec(&mut write, &spec, now).await?;
            if let Some(memo) = &operation.memo {
                memo.put_down(&mut write, id).await?;
            }
            if spec.state == State::Absent {
                claimed_name::free(&mut write, id).await?;
            }
            if spec.state == State::Absent || operation.kind == Kind::Password {
                end_sessions(&mut write, id).await?;
            }
        }
        (Outcome::NeedsAttention, _) => account::set_status(&mut write, id, account::Status::NeedsAttention).await?,
        _ if operation.kind == Kind::Create => {
            account::set_failed(&mut write, id).await?;
            claimed_name::free(&mut write, id).await?;
        }
        // The account is as it was before; one that was to be restored is as gone as it was.
        _ => {
            if account::put_back(&mut write, id).await? == Some(State::Absent) {
                claimed_name::free(&mut write, id).await?;
            }
        }
    }
    if end.outcome == Outcome::NeedsAttention {
        tell::of_attention(&mut write, core, operation, end.error.as_ref(), &end.remains).await?;
    }
    let committed = end.outcome == Outcome::Committed;
    let entry = Entry {
        at: now,
        actor: &operation.actor,
        // Whoever asked is long gone; the row of the request knows them.
        from: None,
        action: &format!("{}.outcome", operation.kind.action()),
        account_id: Some(id),
        operation_id: Some(operation.id),
        request_id: Some(operation.request_id.as_str()),
        outcome: if committed { activity::Outcome::Ok } else { activity::Outcome::Failed },
        detail: end.error.as_ref().map_or_else(|| done(operation, end), |error| error.detail.clone()),
    };
    activity::append(&mut write, &core.owner, entry).await?;
    Ok(store::commit(write).await?)
}

fn done(operation: &Operation, end: &End) -> String {
    let account = format!("The account {} ({})", operation.username, operation.domain);
    let holds =
        operation.memo.as_ref().map(|memo| memo.holds.iter().map(|hold| hold.hold.as_str()).collect::<Vec<_>>()).unwrap_or_default();
    let done = match operation.kind {
        Kind::Create => format!("{account} is there."),
        Kind::Password => format!("{account} has its new password."),
        Kind::Suspend => format!("{account} is suspended, held by {}.", holds.join(" and ")),
        Kind::Unsuspend if holds.is_empty() => format!("{account} is active again."),
        Kind::Unsuspend => format!("{account} stays suspended, held by {}.", holds.join(" and ")),
        Kind::Package => {
            let package = operation.memo.as_ref().and_then(|memo| memo.package_name.as_deref()).unwrap_or_default();
            format!("{account} has the package {package}.")
        }
        Kind::PhpVersion => {
            let choice = operation.spec.as_ref().and_then(|spec| spec.pools.first()).map(|pool| pool.php_version.to_string());
            format!("{account} has the PHP {}.", choice.unwrap_or_default())
        }
        Kind::Terminate => format!("{account} is terminated."),
        Kind::Restore => format!("{account} is restored."),
        Kind::Repair => format!("{account} is as it should be."),
    };
    if !end.abandoned {
        return done;
    }
    format!(
        "The operation ({}) of the account {} was ended where it stood; left: {}.",
        operation.kind.as_str(),
        operation.username,
        end.remains.join(", ")
    )
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).min(60_000)
}
