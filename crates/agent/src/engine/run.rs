//! Carrying out one operation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use opterius_model::{OperationId, RequestId, State};
use opterius_protocol::Micros;
use opterius_protocol::agent::{Direction, Failure, FailureKind, OperationReport, Outcome, Plan, PlannedChange, StepState};

use super::Engine;
use super::journal::{AccountRecord, Line};
use super::operation::Operation;
use crate::host::{Host, HostError};
use crate::operations;
use crate::resources::{Conflict, Resource, Target};

pub(super) use opterius_protocol::client::chain;

/// More rounds than any resource needs to get from any state to any other.
const ROUNDS: usize = 4;

/// How often a proof is tried, and the pause between: a server that was just started answers a little later.
const PROOFS: u32 = 12;
const BETWEEN_PROOFS: Duration = Duration::from_millis(250);

/// The pauses between attempts to get back; after the last of them a person is told, and the attempts go on in its rhythm.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(30),
];

/// One attempt to make the server as a target says.
pub(crate) struct Run {
    host: Arc<dyn Host>,
    /// Where the steps are told; nowhere for a plan.
    operation: Option<Arc<Operation>>,
    pub(crate) target: Target,
    direction: Direction,
    /// Set when a step failed, so that the steps beside it begin nothing more.
    stopped: AtomicBool,
}

impl Run {
    fn new(host: Arc<dyn Host>, operation: Arc<Operation>, target: Target, direction: Direction) -> Self {
        Self { host, operation: Some(operation), target, direction, stopped: AtomicBool::new(false) }
    }

    /// A run whose steps nobody follows.
    pub(super) fn unrecorded(host: Arc<dyn Host>, target: Target) -> Self {
        Self { host, operation: None, target, direction: Direction::Forward, stopped: AtomicBool::new(false) }
    }

    pub(crate) fn host(&self) -> &dyn Host {
        &*self.host
    }

    fn failure<R: Resource>(error: &HostError) -> Failure {
        let (kind, hint) = match error {
            HostError::Taken { .. } => (R::TAKEN, Some(hint_for(R::TAKEN))),
            HostError::Unavailable { hint, .. } => (FailureKind::Unavailable, Some(hint.clone())),
            HostError::Failed { .. } => (FailureKind::Failed, None),
        };
        Failure { step: R::NAME.to_owned(), kind, detail: sentence(error), hint }
    }

    fn conflict<R: Resource>(conflict: Conflict) -> Failure {
        Failure { step: R::NAME.to_owned(), kind: R::TAKEN, detail: conflict.detail, hint: Some(hint_for(R::TAKEN)) }
    }

    async fn look<R: Resource>(&self) -> Result<Option<R::Change>, Failure> {
        let seen = R::inspect(&*self.host, &self.target).await.map_err(|error| Self::failure::<R>(&error))?;
        R::diff(&seen, &self.target).map_err(Self::conflict::<R>)
    }

    /// Looks at a resource, and answers why it cannot become what the target says, if it cannot.
    pub(crate) async fn check<R: Resource>(&self) -> Result<(), Failure> {
        self.look::<R>().await.map(drop)
    }

    /// Adds what [`Run::converge`] would do first to a plan.
    pub(crate) async fn plan<R: Resource>(&self, plan: &mut Plan) {
        match self.look::<R>().await {
            Ok(Some(change)) => plan.changes.push(PlannedChange { resource: R::NAME.to_owned(), change: change.to_string() }),
            Ok(None) => {}
            Err(failure) => plan.conflicts.push(failure),
        }
    }

    /// Changes a resource until it is as the target says, and has looked that it is.
    pub(crate) async fn converge<R: Resource>(&self) -> Result<(), Failure> {
        self.step(R::NAME, async {
            let mut done = Vec::new();
            for _ in 0..ROUNDS {
                let Some(change) = self.look::<R>().await? else {
                    return Ok((if done.is_empty() { StepState::Unchanged } else { StepState::Done }, done.join(", ")));
                };
                R::apply(&*self.host, &self.target, &change).await.map_err(|error| Self::failure::<R>(&error))?;
                done.push(change.to_string());
            }
            let detail = format!("It is still not as wanted after this was done: {}.", done.join(", "));
            Err(Failure { step: R::NAME.to_owned(), kind: FailureKind::Failed, detail, hint: None })
        })
        .await
    }

    /// Tries a proof until it succeeds, for a few seconds.
    pub(crate) async fn prove<'a>(
        &self,
        name: &str,
        proof: impl Fn() -> BoxFuture<'a, Result<String, HostError>> + Send + Sync,
    ) -> Result<(), Failure> {
        self.step(name, async {
            for attempt in 1.. {
                match proof().await {
                    Ok(saw) => return Ok((StepState::Done, saw)),
                    Err(_) if attempt < PROOFS && !self.stopped.load(Ordering::Acquire) => tokio::time::sleep(BETWEEN_PROOFS).await,
                    Err(error) => {
                        let (kind, hint) = match &error {
                            HostError::Unavailable { hint, .. } => (FailureKind::Unavailable, Some(hint.clone())),
                            _ => (FailureKind::Failed, None),
                        };
                        return Err(Failure { step: name.to_owned(), kind, detail: sentence(&error), hint });
                    }
                }
            }
            unreachable!("the attempts are counted to their end")
        })
        .await
    }

    async fn step(&self, name: &str, work: impl Future<Output = Result<(StepState, String), Failure>> + Send) -> Result<(), Failure> {
        if self.direction == Direction::Forward && self.stopped.load(Ordering::Acquire) {
            // The failure that stopped the run is told elsewhere; this one is never shown beside it.
            let detail = "Another step had failed.".to_owned();
            return Err(Failure { step: name.to_owned(), kind: FailureKind::Failed, detail, hint: None });
        }
        let index = self.operation.as_ref().map(|operation| operation.begin_step(name, self.direction));
        let result = work.await;
        let (state, detail) = match &result {
            Ok((state, detail)) => (*state, Some(detail.clone()).filter(|text| !text.is_empty())),
            Err(failure) => {
                self.stopped.store(true, Ordering::Release);
                (StepState::Failed, Some(failure.detail.clone()))
            }
        };
        if let (Some(operation), Some(index)) = (&self.operation, index) {
            operation.end_step(index, state, detail);
        }
        result.map(drop)
    }

    /// Does two things at the same time, both to their end: a step that is dropped half-way would go on working behind an undo. Answers
    /// the failure that came first.
    pub(crate) async fn both(
        &self,
        one: impl Future<Output = Result<(), Failure>>,
        other: impl Future<Output = Result<(), Failure>>,
    ) -> Result<(), Failure> {
        let first = std::sync::Mutex::new(None);
        let keep = |result: Result<(), Failure>| {
            if let Err(failure) = result {
                first.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(failure);
            }
        };
        tokio::join!(async { keep(one.await) }, async { keep(other.await) });
        first.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).map_or(Ok(()), Err)
    }
}

fn hint_for(taken: FailureKind) -> String {
    match taken {
        FailureKind::UsernameTaken => "Order with another username, or remove what stands in its place on the server.",
        FailureKind::DomainTaken => "Order another domain, or remove what stands in its place on the server.",
        FailureKind::Unavailable | FailureKind::Failed => "Run `opterius doctor` on the server.",
    }
    .to_owned()
}

/// An error with its causes as a sentence of its own.
fn sentence(error: &HostError) -> String {
    let text = chain(error);
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str().trim_end_matches('.'))
}

impl Engine {
    /// Carries an operation to its outcome, from wherever it stands.
    pub(super) async fn carry_out(&self, operation: &Arc<Operation>) {
        let account = operation.asked.account_id;
        let record = match self.decide(operation).await {
            Ok(record) => record,
            // Nothing was begun and nothing is on disk: whoever waits is told, and then it is as if it had never been sent.
            Err(failure) => {
                self.known().operations.remove(&operation.id);
                operation.decide(operation.deciding(Outcome::RolledBack, Some(failure)));
                None
            }
        };
        let report = operation.report();
        tell_outcome(operation);
        {
            let mut known = self.known();
            if let Some(record) = record {
                known.commit(record);
            } else if operation.previous.is_none() && report.outcome == Outcome::RolledBack {
                known.release(account);
            }
            known.writers.remove(&account);
        }
    }

    /// Answers what is committed of the account now, or why nothing could be begun.
    async fn decide(&self, operation: &Arc<Operation>) -> Result<Option<AccountRecord>, Failure> {
        if !operation.announced {
            if let Err(failure) = self.prepare(operation).await {
                return self.refuse(operation, failure).await;
            }
            self.announce(operation).await?;
        }
        if operation.direction() == Direction::Forward {
            match self.forward(operation).await {
                Ok(()) => return Ok(self.conclude(operation, Outcome::Committed).await),
                Err(failure) => {
                    let line = Line::Turned { at: Micros::now(), failure: failure.clone() };
                    self.write(operation.id, &line).await;
                    tracing::warn!(
                        operation.id = %operation.id, request.id = %operation.request, account.id = %operation.asked.account_id, step = failure.step,
                        "the step {} of {} failed, so everything is being undone: {} (request {})",
                        failure.step, subject(operation), failure.detail, operation.request
                    );
                    operation.turn(failure);
                }
            }
        }
        self.back(operation).await;
        Ok(self.conclude(operation, Outcome::RolledBack).await)
    }

    /// Everything that comes before the first write: a uid, the names, and a look at every resource.
    async fn prepare(&self, operation: &Arc<Operation>) -> Result<(), Failure> {
        let refused = |kind, detail| Failure { step: "preflight".to_owned(), kind, detail, hint: Some(hint_for(kind)) };
        if operation.next().uid.is_none() {
            let uid = self.free_uid().await.map_err(|detail| refused(FailureKind::Failed, detail))?;
            operation.set_uid(uid);
        }
        let next = operation.next();
        if next.state == State::Absent {
            return Ok(());
        }
        self.known().claim(&next).map_err(|(user, other)| {
            let (kind, name) = if user {
                (FailureKind::UsernameTaken, format!("The username {}", next.username))
            } else {
                (FailureKind::DomainTaken, format!("The domain {}", next.sites[0].primary()))
            };
            refused(kind, format!("{name} belongs to the account {other} on this server."))
        })?;
        let _slot = self.inner.slots.acquire().await;
        let index = operation.begin_step("preflight", Direction::Forward);
        let run = Run::new(self.inner.host.clone(), operation.clone(), operation.target(Direction::Forward), Direction::Forward);
        let result = operations::preflight(&run).await;
        let (state, detail) = match &result {
            Ok(()) => (StepState::Unchanged, None),
            Err(failure) => (StepState::Failed, Some(failure.detail.clone())),
        };
        operation.end_step(index, state, detail);
        result
    }

    async fn free_uid(&self) -> Result<opterius_model::Uid, String> {
        // Bounded, so that a host whose look-ups always say "taken" ends in an error and not in a loop.
        for _ in 0..1000 {
            let uid = self.known().next_uid().ok_or("Every uid from 20000 to 59999 belongs to an account.")?;
            match self.inner.host.uid_in_use(uid).await {
                Ok(false) => return Ok(uid),
                Ok(true) => {}
                Err(error) => return Err(sentence(&error)),
            }
        }
        Err("A thousand uids in a row are in use by users, groups or processes that are not accounts'.".to_owned())
    }

    /// Nothing was touched. The refusal is journaled all the same, since it is the outcome of this operation id.
    async fn refuse(&self, operation: &Arc<Operation>, failure: Failure) -> Result<Option<AccountRecord>, Failure> {
        let next = operation.next();
        if next.uid.is_none() {
            return Err(failure);
        }
        let report = operation.deciding(Outcome::RolledBack, Some(failure.clone()));
        let announced = Line::announced(operation.id, &operation.request, operation.previous.as_ref(), &next);
        let lines = announced.to_text() + &Line::Decided { report: Box::new(report.clone()) }.to_text();
        self.begin(operation, &lines).await.map_err(|_| failure)?;
        Ok(self.settle(operation, report).await)
    }

    async fn announce(&self, operation: &Operation) -> Result<(), Failure> {
        let line = Line::announced(operation.id, &operation.request, operation.previous.as_ref(), &operation.next());
        tracing::info!(
            operation.id = %operation.id, request.id = %operation.request, account.id = %operation.asked.account_id,
            account.username = %operation.asked.username,
            "{} {} (request {})", began(operation), subject(operation), operation.request
        );
        self.begin(operation, &line.to_text()).await.map_err(|error| Failure {
            step: "journal".to_owned(),
            kind: FailureKind::Failed,
            detail: sentence(&error),
            hint: Some("Nothing was begun. See that the disk of /var/lib/opterius-agent has room, then try again.".to_owned()),
        })
    }

    /// Begins the operation's journal, or makes sure that there is none: an announcement that failed may be on the disk all the same,
    /// and a start would then act on it.
    async fn begin(&self, operation: &Operation, lines: &str) -> Result<(), HostError> {
        let begun = self.inner.host.begin_journal(operation.id, lines).await;
        if begun.is_err() {
            self.until_done("forget an operation that was not begun", || self.inner.host.remove_journal(operation.id)).await;
        }
        begun
    }

    async fn forward(&self, operation: &Arc<Operation>) -> Result<(), Failure> {
        let target = operation.target(Direction::Forward);
        if target.absent() {
            // A removal that has begun has no way back: it goes on until nothing is left.
            self.until_reached(operation, Direction::Forward).await;
            return Ok(());
        }
        let _slot = self.inner.slots.acquire().await;
        let run = Run::new(self.inner.host.clone(), operation.clone(), target, Direction::Forward);
        operations::reach(&run).await.map_err(|mut failures| failures.swap_remove(0))
    }

    async fn back(&self, operation: &Arc<Operation>) {
        self.until_reached(operation, Direction::Back).await;
    }

    async fn until_reached(&self, operation: &Arc<Operation>, direction: Direction) {
        let steps_before = operation.report().steps.len();
        for attempt in 0.. {
            operation.keep_steps(steps_before);
            let target = operation.target(direction);
            let run = Run::new(self.inner.host.clone(), operation.clone(), target, direction);
            // Held for an attempt only, so that operations that need attention for days keep nobody waiting.
            let slot = self.inner.slots.acquire().await;
            let Err(failures) = operations::reach(&run).await else { return };
            drop(slot);
            let left: Vec<String> = failures.iter().map(|failure| format!("{}: {}", failure.step, failure.detail)).collect();
            let pause = PAUSES[attempt.min(PAUSES.len() - 1)];
            if attempt == PAUSES.len() - 1 {
                tracing::error!(
                    operation.id = %operation.id, request.id = %operation.request, account.id = %operation.asked.account_id,
                    "the operation {} on {} needs attention; what is left: {} (request {})",
                    operation.id, subject(operation), left.join(" "), operation.request
                );
                operation.needs_attention(left);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn conclude(&self, operation: &Arc<Operation>, outcome: Outcome) -> Option<AccountRecord> {
        let report = operation.deciding(outcome, None);
        self.write(operation.id, &Line::Decided { report: Box::new(report.clone()) }).await;
        self.settle(operation, report).await
    }

    /// Writes what is committed now that the outcome is in the journal, and tells it.
    async fn settle(&self, operation: &Arc<Operation>, report: OperationReport) -> Option<AccountRecord> {
        let at = report.finished_at.unwrap_or(report.started_at);
        let record = AccountRecord::after(report.outcome, operation.id, operation.previous.as_ref(), &operation.next(), at);
        if let Some(record) = &record {
            self.record(record).await;
        }
        // Only now may anybody hear of it: the next operation on the account must find it committed.
        operation.decide(report);
        record
    }

    /// Writes a line that must not be lost. Its room on the disk was reserved when the operation was announced; should it fail all the
    /// same, there is nothing to do but to try again, since neither direction may go on without it.
    async fn write(&self, id: OperationId, line: &Line) {
        let text = line.to_text();
        self.until_done(&format!("write the journal of operation {id}"), || self.inner.host.append_journal(id, &text)).await;
    }

    async fn until_done<'a>(&self, doing: &str, work: impl Fn() -> BoxFuture<'a, Result<(), HostError>> + Send + Sync) {
        for attempt in 0.. {
            match work().await {
                Ok(()) => return,
                Err(error) => tracing::error!("could not {doing}, trying again: {}", chain(&error)),
            }
            tokio::time::sleep(PAUSES[attempt.min(PAUSES.len() - 1)]).await;
        }
    }

    /// Writes what is committed. It can be made again from the journal, which is kept until this has worked.
    pub(super) async fn record(&self, record: &AccountRecord) {
        let account = record.spec.account_id;
        if let Err(error) = self.inner.host.write_account(account, &record.to_text()).await {
            tracing::error!(account.id = %account, "could not write what is committed of account {account}; its journal has it: {}", chain(&error));
        }
    }
}

fn began(operation: &Operation) -> &'static str {
    match (operation.asked.state, &operation.previous) {
        (State::Absent, _) => "removing",
        (_, None) => "creating",
        (_, Some(_)) => "changing",
    }
}

fn subject(operation: &Operation) -> String {
    let spec = &operation.asked;
    format!("the account {} ({}, {})", spec.username, spec.sites[0].primary(), spec.account_id)
}

fn tell_outcome(operation: &Operation) {
    let report = operation.report();
    let took = report.finished_at.unwrap_or(report.started_at).since(report.started_at);
    let request: &RequestId = &operation.request;
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let outcome = match (report.outcome, operation.asked.state, &operation.previous) {
        (Outcome::Committed, State::Absent, _) => "removed",
        (Outcome::Committed, _, None) => "created",
        (Outcome::Committed, _, Some(_)) => "changed",
        _ => "left as it was",
    };
    let why = report.failure.map(|failure| format!(": the step {} failed: {}", failure.step, failure.detail)).unwrap_or_default();
    tracing::info!(
        operation.id = %operation.id, request.id = %request, account.id = %report.account_id, account.username = %operation.asked.username,
        duration_ms = milliseconds,
        "{outcome} {} in {milliseconds} ms{why} (request {request})", subject(operation)
    );
}
