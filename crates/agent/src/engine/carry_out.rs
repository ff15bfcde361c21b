//! Carrying out one operation, from wherever it stands to its outcome.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use opterius_model::{OperationId, RequestId, Spec, State};
use opterius_protocol::Micros;
use opterius_protocol::agent::{Direction, Failure, FailureKind, OperationReport, Outcome, StepState};
use opterius_protocol::client::chain;

use super::journal::{AccountRecord, Line, Remains, Replay};
use super::operation::{Operation, Transition};
use super::{Engine, in_turn};
use crate::host::{HostError, Room};
use crate::operations;
use crate::run::{Run, details_of, hint_for, sentence};

/// The pauses between attempts; after the last of them a person is told, and the attempts go on in its rhythm.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(30),
];

/// The longest pause between attempts of what suspends or ends an account: as soon as the part that it waits for is back, nothing of the
/// account may go on.
const CLOSING_PAUSE: Duration = Duration::from_secs(5);

/// A person is told also when the attempts take this long.
const ATTENTION_AFTER: Duration = Duration::from_secs(30);

/// An operation at which the Agent panicked is left alone at this start with it.
const STARTS: u32 = 3;

/// One with which the Agent ended in another way, such as by a power cut or for want of memory, at this one.
const OTHER_STARTS: u32 = 6;

/// Why an operation has no outcome.
enum NotDecided {
    /// Nothing was begun and nothing is on disk: it is as if it had never been sent.
    NeverBegun(Failure),
    /// In the place of its journal there is another, so nobody knows what became of it. For people, with what to do.
    JournalTaken(String),
}

/// The outcome, as it will be told, and what is committed of the account, where that is another than before.
type Decided = (OperationReport, Option<AccountRecord>);

impl Engine {
    /// Carries an operation to its outcome, from wherever it stands.
    pub(super) async fn carry_out(&self, operation: &Arc<Operation>) {
        let account = operation.asked.account_id;
        // Behind whatever the Agent does to the account by itself.
        let turn = self.turn_of(account).await;
        let decided = self.decide(operation).await;
        if operation.transition == Transition::Restore && decided.as_ref().is_ok_and(|(report, _)| report.outcome == Outcome::Committed) {
            super::trash::tell(account, self.forget_keepsake(account).await);
        }
        let report = {
            let mut known = self.known();
            let report = match decided {
                Ok((report, record)) => {
                    if let Some(record) = record {
                        known.commit(record);
                    }
                    Some(report)
                }
                Err(NotDecided::NeverBegun(failure)) => {
                    known.operations.remove(&operation.id);
                    Some(operation.deciding(Outcome::RolledBack, Some(failure), Vec::new()))
                }
                Err(NotDecided::JournalTaken(cause)) => {
                    known.operations.remove(&operation.id);
                    let remains = Remains::of(operation.announcement().to_text().as_bytes());
                    let why = known.lose_operation(operation.id, remains, &cause);
                    operation.needs_attention(vec![why]);
                    None
                }
            };
            // The names of what cannot be read stay reserved.
            if report.is_some() {
                known.release_uncommitted(account);
            }
            known.writers.remove(&account);
            known.drift.remove(&account);
            report
        };
        drop(turn);
        self.inner.trash_changed.notify_one();
        // Only now may anybody hear of it: the next operation on the account must find it committed, and nobody writing.
        if let Some(report) = report {
            operation.decide(report);
            tell_outcome(operation);
        }
    }

    /// Answers the outcome and what is committed of the account now, both on disk, or why nothing could be begun.
    async fn decide(&self, operation: &Arc<Operation>) -> Result<Decided, NotDecided> {
        if operation.announced {
            if let Some(why) = operation.parked() {
                tracing::error!(operation.id = %operation.id, account.id = %operation.asked.account_id, "the operation {} is not gone on with: {why}", operation.id);
                operation.needs_attention(vec![why.to_owned()]);
                operation.wait_for_a_person().await;
                if operation.is_abandoned() && operation.direction() == Direction::Forward && operation.makes_an_account() {
                    // Half an account is none. What cannot be undone at the first attempt is left as it stands.
                    let (kind, hint) = (FailureKind::Failed, None);
                    let failure = Failure { step: "abandoned".to_owned(), kind, detail: why.to_owned(), hint };
                    self.write(operation.id, &Line::Turned { at: Micros::now(), failure: failure.clone() }).await;
                    operation.turn(failure);
                } else if operation.is_abandoned() {
                    let outcome = if operation.direction() == Direction::Forward { Outcome::Committed } else { Outcome::RolledBack };
                    return Ok(self.conclude(operation, outcome, vec![why.to_owned()]).await);
                }
            }
            // Before anything is done that may end the Agent again.
            self.write(operation.id, &Line::Resumed { at: Micros::now() }).await;
        } else {
            if let Err(failure) = self.prepare(operation).await {
                return self.refuse(operation, failure).await;
            }
            self.announce(operation).await?;
        }
        if operation.direction() == Direction::Forward {
            match self.forward(operation).await {
                Ok(left) => return Ok(self.conclude(operation, Outcome::Committed, left).await),
                Err(failure) => {
                    let line = Line::Turned { at: Micros::now(), failure: failure.clone() };
                    self.write(operation.id, &line).await;
                    tracing::warn!(
                        operation.id = %operation.id, request.id = %operation.request, account.id = %operation.asked.account_id, step = failure.step,
                        "the step {} of {} failed, so {}: {} (request {})",
                        failure.step, subject(operation), if operation.transition == Transition::Repair { "it stays as it is" } else { "everything is being undone" },
                        failure.detail, operation.request
                    );
                    operation.turn(failure);
                }
            }
        }
        // Back from a repair would be the same way once more.
        let left =
            if operation.transition == Transition::Repair { Vec::new() } else { self.until_reached(operation, Direction::Back).await };
        Ok(self.conclude(operation, Outcome::RolledBack, left).await)
    }

    /// Everything that comes before the first write: a uid, the names, and a look at every resource.
    async fn prepare(&self, operation: &Arc<Operation>) -> Result<(), Failure> {
        let refused = |kind, detail| Failure { step: "preflight".to_owned(), kind, detail, hint: Some(hint_for(kind)) };
        if operation.next().uid.is_none() {
            let uid = self.free_uid().await.map_err(|detail| refused(FailureKind::Failed, detail))?;
            operation.set_uid(uid);
        }
        let next = operation.next();
        if operation.transition == Transition::Create && !operation.creates {
            let detail = format!("Nothing of the account {} is kept on this server any more.", next.username);
            return Err(refused(FailureKind::NotKept, detail));
        }
        if next.state != State::Absent {
            self.claim(&next).map_err(|(kind, detail)| refused(kind, detail))?;
        }
        let run = self.run_of(operation, Direction::Forward);
        let look = async { operations::preflight(&run).await.map(|()| (StepState::Unchanged, String::new())) };
        self.first(operation, run.step("preflight", look)).await
    }

    /// Does something of an operation's first attempt. What closes an account does so at once, however many others do, and takes a turn only
    /// for what comes after that ([`Run::in_turn`]).
    async fn first<T>(&self, operation: &Operation, work: impl Future<Output = T>) -> T {
        if operation.closes() { work.await } else { in_turn(&self.inner.slots.making, work).await }
    }

    fn run_of(&self, operation: &Arc<Operation>, direction: Direction) -> Run {
        Run::observed(self.inner.host.clone(), operation.clone(), operation.target(direction), direction)
    }

    /// Reserves the Spec's names for its account, or answers who has which.
    fn claim(&self, next: &Spec) -> Result<(), (FailureKind, String)> {
        self.known().claim(next).map_err(|(user, other)| {
            let (kind, name) = if user {
                (FailureKind::UsernameTaken, format!("The username {}", next.username))
            } else {
                (FailureKind::DomainTaken, format!("The domain {}", next.sites[0].primary()))
            };
            (kind, format!("{name} belongs to the account {other} on this server."))
        })
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
    async fn refuse(&self, operation: &Arc<Operation>, failure: Failure) -> Result<Decided, NotDecided> {
        if operation.next().uid.is_none() {
            return Err(NotDecided::NeverBegun(failure));
        }
        let report = operation.deciding(Outcome::RolledBack, Some(failure.clone()), Vec::new());
        let announced = operation.announcement();
        let lines = announced.to_text() + &Line::Decided { report: Box::new(report.clone()) }.to_text();
        self.begin(operation, &lines, failure).await?;
        Ok(self.settle(operation, report).await)
    }

    async fn announce(&self, operation: &Operation) -> Result<(), NotDecided> {
        let line = operation.announcement();
        tracing::info!(
            operation.id = %operation.id, request.id = %operation.request, account.id = %operation.asked.account_id,
            account.username = %operation.asked.username,
            "{} {} (request {})", began(operation), subject(operation), operation.request
        );
        let failure = Failure {
            step: "journal".to_owned(),
            kind: FailureKind::Failed,
            detail: String::new(),
            hint: Some("Nothing was begun. See that the disk of /var/lib/opterius-agent has room, then try again.".to_owned()),
        };
        self.begin(operation, &line.to_text(), failure).await
    }

    /// Begins the operation's journal, or makes sure that there is none: an announcement that failed may be on the disk all the same,
    /// and a start would then act on it. What was there before is another's, and stays. `failure` is what its caller hears; without a detail
    /// it gets that of this.
    async fn begin(&self, operation: &Operation, lines: &str, mut failure: Failure) -> Result<(), NotDecided> {
        let room = if operation.closes() { Room::Spare } else { Room::Ordinary };
        let error = match self.inner.host.begin_journal(operation.id, lines, room).await {
            Ok(()) => return Ok(()),
            Err(error @ HostError::Taken { .. }) => return Err(NotDecided::JournalTaken(chain(&error))),
            Err(error) => error,
        };
        self.until_done("forget an operation that was not begun", || self.inner.host.remove_journal(operation.id)).await;
        if failure.detail.is_empty() {
            failure.detail = sentence(&error);
        }
        Err(NotDecided::NeverBegun(failure))
    }

    /// Answers what a person gave up on, which is nothing for an operation that came through, or the failure that turns it back.
    async fn forward(&self, operation: &Arc<Operation>) -> Result<Vec<String>, Failure> {
        // An earlier life of the Agent may have gone past the point of no return, so one that was recovered is taken to have.
        if operation.turns_back(operation.announced) {
            let run = self.run_of(operation, Direction::Forward);
            let Err(mut failures) = self.first(operation, operations::reach(&run)).await else { return Ok(Vec::new()) };
            if operation.turns_back(run.was_noticed()) {
                return Err(failures.swap_remove(0));
            }
        }
        Ok(self.until_reached(operation, Direction::Forward).await)
    }

    /// Tries until it is reached, or until a person gives up; answers what they gave up on.
    async fn until_reached(&self, operation: &Arc<Operation>, direction: Direction) -> Vec<String> {
        let steps_before = operation.report().steps.len();
        let begun = tokio::time::Instant::now();
        let mut told = Vec::new();
        for attempt in 0.. {
            operation.keep_steps(steps_before);
            let run = self.run_of(operation, direction);
            let reached = if attempt == 0 && operation.closes() {
                operations::reach(&run.taking_turns(self.inner.slots.closing.clone())).await
            } else if attempt == 0 {
                in_turn(&self.inner.slots.making, operations::reach(&run)).await
            } else {
                in_turn(&self.inner.slots.again, operations::reach(&run)).await
            };
            let Err(failures) = reached else { return Vec::new() };
            if attempt == 0 && operation.announced {
                self.write(operation.id, &Line::Returned { at: Micros::now() }).await;
            }
            let left = details_of(&failures);
            let pause = PAUSES[attempt.min(PAUSES.len() - 1)];
            if attempt >= PAUSES.len() - 1 || begun.elapsed() >= ATTENTION_AFTER {
                if told != left {
                    tracing::error!(
                        operation.id = %operation.id, request.id = %operation.request, account.id = %operation.asked.account_id,
                        "the operation {} on {} needs attention; what is left: {} (request {})",
                        operation.id, subject(operation), left.join(" "), operation.request
                    );
                    told.clone_from(&left);
                }
                operation.needs_attention(left.clone());
            }
            operation.pause(if operation.closes() { pause.min(CLOSING_PAUSE) } else { pause }).await;
            if operation.is_abandoned() {
                return left;
            }
        }
        unreachable!("the attempts have no end")
    }

    async fn conclude(&self, operation: &Arc<Operation>, outcome: Outcome, left: Vec<String>) -> Decided {
        let report = operation.deciding(outcome, None, left);
        self.write(operation.id, &Line::Decided { report: Box::new(report.clone()) }).await;
        self.settle(operation, report).await
    }

    /// Writes what is committed now that the outcome is in the journal.
    async fn settle(&self, operation: &Operation, report: OperationReport) -> Decided {
        let at = report.finished_at.unwrap_or(report.started_at);
        let kept = self.known().accounts.get(&operation.asked.account_id).and_then(|record| record.memo.clone());
        let memos = (operation.memo.as_ref(), kept.as_ref());
        let record = AccountRecord::after(report.outcome, operation.id, operation.previous.as_ref(), &operation.next(), memos, at);
        if let Some(record) = &record {
            self.record(record).await;
        }
        (report, record)
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

    /// Writes what is committed, and answers whether that worked. It can be made again from the journal, which is kept until it has.
    pub(super) async fn record(&self, record: &AccountRecord) -> bool {
        let account = record.spec.account_id;
        match self.inner.host.write_account(account, &record.to_text()).await {
            Ok(()) => {
                self.known().unwritten.remove(&account);
                true
            }
            Err(error) => {
                tracing::error!(account.id = %account, "could not write what is committed of account {account}; its journal has it: {}", chain(&error));
                self.known().unwritten.insert(account);
                false
            }
        }
    }
}

/// Why an operation is not gone on with before a person asks for it, if the Agent ended too often while it was open.
pub(super) fn parked(replay: &Replay) -> Option<String> {
    let starts = replay.resumed + 1;
    let most = if replay.panicked.is_some() { STARTS } else { OTHER_STARTS };
    (replay.decided.is_none() && starts >= most).then(|| {
        let why = replay.panicked.as_ref().map(|why| format!(" The last time it panicked: {why}.")).unwrap_or_default();
        format!(
            "The Agent ended {starts} times in a row while it carried this operation out, so it does not go on with it by itself.{why} See \
             `journalctl -u opterius-agent -n 200`; `opterius operation retry {id}` goes on with it, `opterius operation abandon {id}` gives it up: \
             an account that was being made or restored is undone as far as that goes, anything else stays as it stands.",
            id = replay.operation_id
        )
    })
}

fn began(operation: &Operation) -> &'static str {
    match operation.transition {
        Transition::Create => "creating",
        Transition::Restore => "restoring",
        Transition::Change => "changing",
        Transition::Repair => "repairing",
        Transition::Remove => "removing",
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
    let outcome = match (report.outcome, operation.transition) {
        (Outcome::Committed, Transition::Create) => "created",
        (Outcome::Committed, Transition::Restore) => "restored",
        (Outcome::Committed, Transition::Change) => "changed",
        (Outcome::Committed, Transition::Repair) => "repaired",
        (Outcome::Committed, Transition::Remove) => "removed",
        _ => "left as it was",
    };
    let why = report.failure.map(|failure| format!(": the step {} failed: {}", failure.step, failure.detail)).unwrap_or_default();
    tracing::info!(
        operation.id = %operation.id, request.id = %request, account.id = %report.account_id, account.username = %operation.asked.username,
        duration_ms = milliseconds,
        "{outcome} {} in {milliseconds} ms{why} (request {request})", subject(operation)
    );
}
