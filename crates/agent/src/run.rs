//! One attempt to make the server as a target says: what the operations are written with.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use opterius_protocol::agent::{Direction, Failure, FailureKind, Plan, PlannedChange, StepState};
use opterius_protocol::client::chain;

use tokio::sync::Semaphore;

use crate::host::{Host, HostError, Moment};
use crate::resources::{Conflict, Resource, Target};

/// More rounds than any resource needs to get from any state to any other.
const ROUNDS: usize = 4;

/// How often a proof is tried, and the pause between: a server that was just started answers a little later.
const PROOFS: u32 = 12;
const BETWEEN_PROOFS: Duration = Duration::from_millis(250);

/// After this time no other is begun: a customer's program can make each take as long as an answer is waited for, and whoever wants to
/// suspend the account waits for the end of it.
const PROVING: Duration = Duration::from_secs(20);

/// Follows the steps of a run.
pub(crate) trait Observer: Send + Sync {
    /// A step begins; answers its number.
    fn begin_step(&self, name: &str, direction: Direction) -> usize;

    /// The step of this number is over.
    fn end_step(&self, step: usize, state: StepState, detail: Option<String>);
}

/// One attempt to make the server as a target says.
pub(crate) struct Run {
    host: Arc<dyn Host>,
    /// Who follows the steps; nobody for a plan.
    observer: Option<Arc<dyn Observer>>,
    pub(crate) target: Target,
    direction: Direction,
    /// The first failure of a step, after which the steps beside it begin nothing more.
    failed: OnceLock<Failure>,
    /// Set before the first change that a visitor can notice.
    noticed: AtomicBool,
    /// Who takes turns with what comes after an account is closed.
    turns: Option<Arc<Semaphore>>,
}

impl Run {
    /// A run whose steps somebody follows.
    pub(crate) fn observed(host: Arc<dyn Host>, observer: Arc<dyn Observer>, target: Target, direction: Direction) -> Self {
        Self { host, observer: Some(observer), target, direction, failed: OnceLock::new(), noticed: AtomicBool::default(), turns: None }
    }

    /// A run whose steps nobody follows.
    pub(crate) fn unobserved(host: Arc<dyn Host>, target: Target) -> Self {
        let direction = Direction::Forward;
        Self { host, observer: None, target, direction, failed: OnceLock::new(), noticed: AtomicBool::default(), turns: None }
    }

    /// This run, with [`Run::in_turn`] taking turns with others.
    pub(crate) fn taking_turns(self, turns: Arc<Semaphore>) -> Self {
        Self { turns: Some(turns), ..self }
    }

    /// Does what may wait for a service that does not answer, or is much work, in its turn.
    pub(crate) async fn in_turn<T>(&self, work: impl Future<Output = T>) -> T {
        match &self.turns {
            Some(turns) => crate::engine::in_turn(turns, work).await,
            None => work.await,
        }
    }

    pub(crate) fn host(&self) -> &dyn Host {
        &*self.host
    }

    /// Whether a live account may have left something in the trash that is not wanted: one that is repaired, or whose termination turned back.
    pub(crate) fn keeps_nothing(&self) -> bool {
        self.target.repairs() || (self.direction == Direction::Back && self.target.before.is_none())
    }

    /// Whether something was changed, or begun to be, that a visitor can notice.
    pub(crate) fn was_noticed(&self) -> bool {
        self.noticed.load(Ordering::Acquire)
    }

    fn failure<R: Resource>(error: &HostError) -> Failure {
        failure(R::NAME, R::TAKEN, error)
    }

    fn conflict<R: Resource>(conflict: Conflict) -> Failure {
        let kind = conflict.kind.unwrap_or(R::TAKEN);
        Failure { step: R::NAME.to_owned(), kind, detail: conflict.detail, hint: Some(hint_for(kind)) }
    }

    /// Whether nothing more is begun once a step has failed: on the way to something that is then undone. What suspends or ends an account, and
    /// what undoes, does as much as can be done.
    fn stops(&self) -> bool {
        self.direction == Direction::Forward && !self.target.absent() && !self.target.closes()
    }

    async fn look<R: Resource>(&self) -> Result<Option<R::Change>, Failure> {
        let seen = R::inspect(&*self.host, &self.target).await.map_err(|error| Self::failure::<R>(&error))?;
        R::diff(&seen, &self.target).map_err(Self::conflict::<R>)
    }

    /// Looks at a resource, and answers why it cannot become what the target says, if it cannot.
    pub(crate) async fn check<R: Resource>(&self) -> Result<(), Failure> {
        self.look::<R>().await.map(drop)
    }

    /// Whether something else is in a resource's place. What cannot be looked at now is no answer to that.
    pub(crate) async fn check_for_a_conflict<R: Resource>(&self) -> Result<(), Failure> {
        match self.check::<R>().await {
            Err(failure) if matches!(failure.kind, FailureKind::Unavailable | FailureKind::Failed) => Ok(()),
            checked => checked,
        }
    }

    /// [`Run::check`] where that is `wanted`.
    pub(crate) async fn check_if<R: Resource>(&self, wanted: bool) -> Result<(), Failure> {
        if wanted { self.check::<R>().await } else { Ok(()) }
    }

    /// [`Run::plan`] where that is `wanted`.
    pub(crate) async fn plan_if<R: Resource>(&self, wanted: bool, plan: &mut Plan) {
        if wanted {
            self.plan::<R>(plan).await;
        }
    }

    /// [`Run::converge`] where that is `wanted`.
    pub(crate) async fn converge_if<R: Resource>(&self, wanted: bool) -> Result<(), Failure> {
        if wanted { self.converge::<R>().await } else { Ok(()) }
    }

    /// Adds what [`Run::converge`] would do first to a plan.
    pub(crate) async fn plan<R: Resource>(&self, plan: &mut Plan) {
        match self.look::<R>().await {
            Ok(Some(change)) => plan.changes.push(PlannedChange { resource: R::NAME.to_owned(), change: change.to_string() }),
            Ok(None) => {}
            Err(failure) if matches!(failure.kind, FailureKind::Unavailable | FailureKind::Failed) => plan.missing.push(failure),
            Err(failure) => plan.conflicts.push(failure),
        }
    }

    /// Changes a resource until it is as the target says, and has looked that it is.
    pub(crate) async fn converge<R: Resource>(&self) -> Result<(), Failure> {
        self.step(R::NAME, async {
            let mut done = Vec::new();
            for _ in 0..ROUNDS {
                let Some(change) = self.look::<R>().await? else {
                    if done.is_empty() {
                        R::apply_unseen(&*self.host, &self.target).await.map_err(|error| Self::failure::<R>(&error))?;
                    }
                    return Ok((if done.is_empty() { StepState::Unchanged } else { StepState::Done }, done.join(", ")));
                };
                if R::VISIBLE {
                    self.noticed.store(true, Ordering::Release);
                }
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
        let begun = tokio::time::Instant::now();
        self.step(name, async {
            for attempt in 1.. {
                match proof().await {
                    Ok(saw) => return Ok((StepState::Done, saw)),
                    Err(_) if attempt < PROOFS && begun.elapsed() < PROVING && !(self.stops() && self.failed.get().is_some()) => {
                        tokio::time::sleep(BETWEEN_PROOFS).await;
                    }
                    Err(error) => return Err(failure(name, FailureKind::Failed, &error)),
                }
            }
            unreachable!("the attempts are counted to their end")
        })
        .await
    }

    /// Every failure among the results of steps, each once, that which came first in front.
    pub(crate) fn failures(&self, results: impl IntoIterator<Item = Result<(), Failure>>) -> Result<(), Vec<Failure>> {
        let mut failures: Vec<Failure> = Vec::new();
        for failure in results.into_iter().filter_map(Result::err) {
            if !failures.contains(&failure) {
                failures.push(failure);
            }
        }
        failures.sort_by_key(|failure| Some(failure) != self.failed.get());
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    /// Does one step and tells of it. Where a run stops at a failure, nothing is begun once another step has failed.
    pub(crate) async fn step(
        &self,
        name: &str,
        work: impl Future<Output = Result<(StepState, String), Failure>> + Send,
    ) -> Result<(), Failure> {
        if self.stops()
            && let Some(failure) = self.failed.get()
        {
            // Whichever of the steps beside each other is asked first, the answer is why the run came to its end.
            return Err(failure.clone());
        }
        let index = self.observer.as_ref().map(|observer| observer.begin_step(name, self.direction));
        let pass = |moment| async move {
            let passed = self.host.pass_step(name, self.direction, moment).await;
            passed.map_err(|error| failure(name, FailureKind::Failed, &error))
        };
        let result = async {
            pass(Moment::Before).await?;
            let done = work.await?;
            pass(Moment::After).await?;
            Ok(done)
        };
        let result: Result<(StepState, String), Failure> = result.await;
        let (state, detail) = match &result {
            Ok((state, detail)) => (*state, Some(detail.clone()).filter(|text| !text.is_empty())),
            Err(failure) => {
                let _ = self.failed.set(failure.clone());
                (StepState::Failed, Some(failure.detail.clone()))
            }
        };
        if let (Some(observer), Some(index)) = (&self.observer, index) {
            observer.end_step(index, state, detail);
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

/// What a caller is told of `error` in a step.
pub(crate) fn failure(step: &str, taken: FailureKind, error: &HostError) -> Failure {
    let (kind, hint) = match error {
        HostError::Taken { .. } => (taken, Some(hint_for(taken))),
        HostError::Unavailable { hint, .. } => (FailureKind::Unavailable, Some(hint.clone())),
        HostError::Failed { .. } => (FailureKind::Failed, None),
    };
    Failure { step: step.to_owned(), kind, detail: sentence(error), hint }
}

/// What to do about something in an account's place.
pub(crate) fn hint_for(taken: FailureKind) -> String {
    match taken {
        FailureKind::UsernameTaken => "Order with another username, or remove what stands in its place on the server.",
        FailureKind::DomainTaken => "Order another domain, or remove what stands in its place on the server.",
        FailureKind::NotKept => "Look whether a backup has the account, and order it anew.",
        FailureKind::Unavailable | FailureKind::Failed => "Run `opterius doctor` on the server.",
    }
    .to_owned()
}

/// Each failure with the step that it is of, for people.
pub(crate) fn details_of(failures: &[Failure]) -> Vec<String> {
    failures.iter().map(|failure| format!("{}: {}", failure.step, failure.detail)).collect()
}

/// An error with its causes as a sentence of its own.
pub(crate) fn sentence(error: &HostError) -> String {
    let text = chain(error);
    if matches!(error, HostError::Unavailable { .. }) {
        // It begins with the name of a service, which is written as it is.
        return format!("{}.", text.trim_end_matches('.'));
    }
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str().trim_end_matches('.'))
}
