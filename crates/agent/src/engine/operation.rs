//! One operation while the Agent knows it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use opterius_model::{OperationId, RequestId, Spec, State, Uid};
use opterius_protocol::Micros;
use opterius_protocol::agent::{Change, Direction, Failure, OperationReport, Outcome, StepReport, StepState};
use serde_json::Value;
use tokio::sync::{Notify, watch};

use super::journal::{Line, Replay, VERSION};
use crate::resources::{self, Target};
use crate::run::Observer;

/// From where to where an operation leads, as far as its course depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transition {
    /// From nothing to a live account.
    Create,
    /// From the trash to a live account.
    Restore,
    /// From one state of a live account to another.
    Change,
    /// From whatever a live account has become to what it was committed as.
    Repair,
    /// To nothing, or into the trash.
    Remove,
}

impl Transition {
    fn new(previous: Option<&Spec>, next: &Spec) -> Self {
        match (previous, next.state) {
            (_, State::Absent) => Self::Remove,
            (None, _) => Self::Create,
            (Some(previous), _) if previous.state == State::Absent => Self::Restore,
            (Some(previous), _) if resources::repairs(previous, next) => Self::Repair,
            (Some(_), _) => Self::Change,
        }
    }
}

/// An operation, with everything that is told of it.
pub(crate) struct Operation {
    pub(crate) id: OperationId,
    pub(crate) request: RequestId,
    /// The Spec that was asked for.
    pub(crate) asked: Spec,
    /// The Spec committed before, unless that was `absent` with nothing kept.
    pub(crate) previous: Option<Spec>,
    /// What the Panel wants kept with the account once this is committed.
    pub(crate) memo: Option<Value>,
    pub(crate) transition: Transition,
    /// Whether it was sent as one that makes an account.
    pub(crate) creates: bool,
    /// The Spec to reach, with its uid as soon as that is chosen.
    next: Mutex<Spec>,
    /// Whether its journal is on disk.
    pub(crate) announced: bool,
    /// Why it is not carried out before a person asks for it.
    parked: Option<String>,
    /// Whether it is being carried out.
    carried: AtomicBool,
    acknowledged: AtomicBool,
    /// Since when this process knows that the outcome was acknowledged.
    acknowledged_since: OnceLock<tokio::time::Instant>,
    /// A person ended it where it stands.
    abandoned: AtomicBool,
    /// A person wants to see another attempt, or none.
    poked: Notify,
    report: watch::Sender<OperationReport>,
}

/// Follows one operation.
pub struct Watcher(pub(super) watch::Receiver<OperationReport>);

impl Watcher {
    /// The operation as it stands.
    pub fn now(&self) -> OperationReport {
        self.0.borrow().clone()
    }

    /// The operation as soon as it has its outcome or needs attention, or as it stands after `patience`.
    pub async fn outcome(mut self, patience: Duration) -> OperationReport {
        let _ = tokio::time::timeout(patience, self.0.wait_for(|report| report.outcome != Outcome::Running)).await;
        self.now()
    }

    /// The operation as soon as its revision is beyond `seen` or its outcome is decided, or as it stands after `patience`.
    pub async fn beyond(mut self, seen: u64, patience: Duration) -> OperationReport {
        let news = |report: &OperationReport| report.revision > seen || matches!(report.outcome, Outcome::Committed | Outcome::RolledBack);
        let _ = tokio::time::timeout(patience, self.0.wait_for(news)).await;
        self.now()
    }
}

impl Operation {
    /// `uid` is the one that the account has or had on this server.
    pub(crate) fn new(change: &Change, previous: Option<Spec>, creates: bool, uid: Option<Uid>) -> Self {
        let mut next = change.spec.clone();
        next.uid = uid.or(next.uid);
        Self {
            memo: change.memo.clone(),
            transition: Transition::new(previous.as_ref(), &next),
            creates,
            abandoned: AtomicBool::new(false),
            poked: Notify::new(),
            id: change.operation_id,
            request: change.request_id.clone(),
            asked: change.spec.clone(),
            previous,
            announced: false,
            parked: None,
            carried: AtomicBool::new(false),
            acknowledged: AtomicBool::new(false),
            acknowledged_since: OnceLock::new(),
            report: watch::Sender::new(OperationReport {
                operation_id: change.operation_id,
                account_id: change.spec.account_id,
                revision: 0,
                outcome: Outcome::Running,
                direction: Direction::Forward,
                started_at: Micros::now(),
                finished_at: None,
                steps: Vec::new(),
                failure: None,
                left: Vec::new(),
                abandoned: false,
                uid: next.uid,
            }),
            next: Mutex::new(next),
        }
    }

    /// The operation that a journal tells of. `parked` says why it waits for a person.
    pub(crate) fn recovered(replay: &Replay, parked: Option<String>) -> Self {
        let report = replay.decided.clone().unwrap_or_else(|| OperationReport {
            operation_id: replay.operation_id,
            account_id: replay.next.account_id,
            // Beyond all that an earlier life of the Agent told, so that whoever followed it hears of this one's steps.
            revision: u64::try_from(Micros::now().0).unwrap_or(1),
            outcome: Outcome::Running,
            direction: replay.direction,
            started_at: replay.announced_at,
            finished_at: None,
            steps: Vec::new(),
            failure: replay.failure.clone(),
            left: Vec::new(),
            abandoned: false,
            uid: replay.next.uid,
        });
        Self {
            memo: replay.memo.clone(),
            transition: Transition::new(replay.previous.as_ref(), &replay.next),
            creates: replay.previous.is_none(),
            abandoned: AtomicBool::new(false),
            poked: Notify::new(),
            id: replay.operation_id,
            request: replay.request_id.clone(),
            asked: replay.next.clone(),
            previous: replay.previous.clone(),
            next: Mutex::new(replay.next.clone()),
            announced: true,
            parked,
            carried: AtomicBool::new(false),
            acknowledged: AtomicBool::new(replay.acknowledged),
            acknowledged_since: if replay.acknowledged { OnceLock::from(tokio::time::Instant::now()) } else { OnceLock::new() },
            report: watch::Sender::new(report),
        }
    }

    /// Why it is not carried out before a person asks for it.
    pub(crate) fn parked(&self) -> Option<&str> {
        self.parked.as_deref()
    }

    /// Whether the caller is the one to carry it out.
    pub(crate) fn take(&self) -> bool {
        !self.carried.swap(true, Ordering::AcqRel)
    }

    /// Whether it takes something away from those who use the account: it suspends or ends it.
    pub(crate) fn closes(&self) -> bool {
        match self.transition {
            Transition::Remove => true,
            Transition::Change => self.previous.as_ref().is_some_and(|previous| resources::closes(previous, &self.asked)),
            Transition::Create | Transition::Restore | Transition::Repair => false,
        }
    }

    /// Whether it makes an account that was not there.
    pub(crate) fn makes_an_account(&self) -> bool {
        matches!(self.transition, Transition::Create | Transition::Restore)
    }

    /// What announces it in its journal.
    pub(crate) fn announcement(&self) -> Line {
        Line::Announced {
            version: VERSION,
            at: Micros::now(),
            operation_id: self.id,
            request_id: self.request.clone(),
            previous: self.previous.clone().map(Box::new),
            next: Box::new(self.next()),
            memo: self.memo.clone().map(Box::new),
        }
    }

    /// Whether this operation was asked for with `spec`. The uid does not count: callers may or may not know it.
    pub(crate) fn is_for(&self, spec: &Spec) -> bool {
        Spec { uid: None, ..self.asked.clone() } == Spec { uid: None, ..spec.clone() }
    }

    pub(crate) fn watch(&self) -> Watcher {
        Watcher(self.report.subscribe())
    }

    pub(crate) fn report(&self) -> OperationReport {
        self.report.borrow().clone()
    }

    pub(crate) fn direction(&self) -> Direction {
        self.report.borrow().direction
    }

    /// Committed or rolled back.
    pub(crate) fn is_decided(&self) -> bool {
        matches!(self.report.borrow().outcome, Outcome::Committed | Outcome::RolledBack)
    }

    pub(crate) fn is_committed(&self) -> bool {
        self.report.borrow().outcome == Outcome::Committed
    }

    /// Whether this is the first acknowledgement.
    pub(crate) fn acknowledge(&self) -> bool {
        let first = !self.acknowledged.swap(true, Ordering::AcqRel);
        if first {
            let _ = self.acknowledged_since.set(tokio::time::Instant::now());
        }
        first
    }

    /// Whether this process has known for so long that the outcome was acknowledged.
    pub(crate) fn is_acknowledged_for(&self, time: Duration) -> bool {
        self.acknowledged_since.get().is_some_and(|since| since.elapsed() >= time)
    }

    pub(crate) fn next(&self) -> Spec {
        self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Where it leads in this direction.
    pub(crate) fn target(&self, direction: Direction) -> Target {
        let next = self.next();
        let uid = next.uid.expect("an operation has its uid before anything is done");
        let (spec, before) = match (direction, &self.previous) {
            (Direction::Forward, previous) => (next, previous.clone()),
            // Into the trash again, from under the names that it was restored to.
            (Direction::Back, Some(previous)) if self.transition == Transition::Restore => {
                (Spec { kept_until: previous.kept_until, generation: next.generation, ..next.absent() }, Some(next))
            }
            // Nothing was taken away yet: a termination does not turn back later.
            (Direction::Back, Some(previous)) if self.transition == Transition::Remove => (previous.clone(), None),
            (Direction::Back, Some(previous)) => (previous.clone(), Some(next)),
            (Direction::Back, None) => (Spec { state: State::Absent, holds: Vec::new(), ..next }, None),
        };
        Target { spec, uid, before }
    }

    /// Whether a failure of an attempt turns it back. What makes an account turns back until it is decided; a change only until a visitor can
    /// have noticed it; what suspends or ends an account never: half of it is better than none.
    pub(crate) fn turns_back(&self, noticed: bool) -> bool {
        match self.transition {
            Transition::Create | Transition::Restore | Transition::Repair => true,
            Transition::Change => !noticed && !self.closes(),
            Transition::Remove => false,
        }
    }

    /// Tries again at once. One that needs attention runs until it has, so that whoever asked hears what came of this try.
    pub(crate) fn poke(&self) {
        self.report.send_if_modified(|report| {
            let stuck = report.outcome == Outcome::NeedsAttention;
            if stuck {
                report.outcome = Outcome::Running;
                report.revision += 1;
            }
            stuck
        });
        self.poked.notify_one();
    }

    /// Tries no more. Answers whether it needs attention, so that this is possible.
    pub(crate) fn abandon(&self) -> bool {
        let stuck = self.report.borrow().outcome == Outcome::NeedsAttention;
        if stuck {
            self.abandoned.store(true, Ordering::Release);
            self.poked.notify_one();
        }
        stuck
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Waits for a time, or until a person pokes it.
    pub(crate) async fn pause(&self, pause: Duration) {
        let _ = tokio::time::timeout(pause, self.poked.notified()).await;
    }

    /// Waits until a person wants to see an attempt, or none.
    pub(crate) async fn wait_for_a_person(&self) {
        self.poked.notified().await;
    }

    pub(crate) fn set_uid(&self, uid: Uid) {
        self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner).uid = Some(uid);
        self.tell(|report| report.uid = Some(uid));
    }

    fn tell(&self, change: impl FnOnce(&mut OperationReport)) {
        self.report.send_modify(|report| {
            change(report);
            report.revision += 1;
        });
    }

    pub(crate) fn turn(&self, failure: Failure) {
        self.tell(|report| {
            report.direction = Direction::Back;
            report.failure = Some(failure);
        });
    }

    /// The report as it will be once `outcome` is decided, for the journal, which comes first. `left` is what a person gave up on.
    pub(crate) fn deciding(&self, outcome: Outcome, failure: Option<Failure>, left: Vec<String>) -> OperationReport {
        let mut report = self.report();
        report.outcome = outcome;
        report.failure = failure.or(report.failure);
        report.finished_at = Some(Micros::now());
        report.abandoned = !left.is_empty();
        report.left = left;
        report.revision += 1;
        report
    }

    pub(crate) fn decide(&self, report: OperationReport) {
        self.report.send_replace(report);
    }

    pub(crate) fn needs_attention(&self, left: Vec<String>) {
        self.tell(|report| {
            report.outcome = Outcome::NeedsAttention;
            report.left = left;
        });
    }

    /// Forgets the steps of attempts that are about to be repeated.
    pub(crate) fn keep_steps(&self, count: usize) {
        if self.report.borrow().steps.len() > count {
            self.tell(|report| report.steps.truncate(count));
        }
    }
}

impl Observer for Operation {
    fn begin_step(&self, name: &str, direction: Direction) -> usize {
        let mut index = 0;
        self.tell(|report| {
            index = report.steps.len();
            report.steps.push(StepReport {
                name: name.to_owned(),
                direction,
                state: StepState::Running,
                started_at: Micros::now(),
                duration_us: None,
                detail: None,
            });
        });
        index
    }

    fn end_step(&self, index: usize, state: StepState, detail: Option<String>) {
        self.tell(|report| {
            let step = &mut report.steps[index];
            step.state = state;
            step.duration_us = u64::try_from(Micros::now().since(step.started_at).as_micros()).ok();
            step.detail = detail;
        });
    }
}
