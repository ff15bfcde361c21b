//! Keeps a task going whatever happens to one of its turns, and knows how each of them does.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use opterius_model::{OperationId, ServerId, clean};
use opterius_protocol::Micros;
use opterius_protocol::client::chain;
use tokio::sync::Notify;

use crate::core::Core;
use crate::store::server::Server;

/// The longest text of a failure that is kept, in characters.
const LONGEST: usize = 500;

/// A piece of work that is done again and again.
///
/// A turn may fail, panic, or be cut off at its limit wherever it awaits something: the next one begins with whatever the turn left in `self`.
pub(crate) trait Task: Send + 'static {
    /// How long a turn may take; nothing if it takes as long as the Panel runs.
    const LIMIT: Option<Duration> = Some(Duration::from_mins(10));

    /// Works once, and says when it is to work again. An error is for what the Panel itself could not do: of a server that does not answer,
    /// the server's own state tells.
    fn turn(&mut self, core: &Arc<Core>) -> impl Future<Output = Result<Next, Failure>> + Send;
}

/// Why a turn came to nothing.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// When a task works again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// After this pause, or when it is woken.
    After(Duration),
    /// The same, and why it did nothing now though nothing failed.
    Held(Duration, String),
    /// Never: there is nothing left to do.
    Done,
}

/// Which task it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    /// What it does.
    pub(crate) what: &'static str,
    /// The server that it does it for, if it is for one.
    pub(crate) server: Option<(ServerId, String)>,
    /// Where several do the same: which of them, from 0.
    pub(crate) nth: usize,
}

impl Name {
    pub(crate) fn of(what: &'static str) -> Self {
        Self { what, server: None, nth: 0 }
    }

    pub(crate) fn of_server(what: &'static str, server: &Server) -> Self {
        Self { server: Some((server.id, server.name.clone())), ..Self::of(what) }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.server {
            Some((_, server)) => write!(f, "{} of {server}", self.what),
            None => f.write_str(self.what),
        }
    }
}

/// How a task does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TaskState {
    /// How many turns in a row came to nothing; of operations, how many cannot be carried on now.
    pub(crate) failing: u64,
    /// How many turns came to nothing since the Panel started, panics included.
    pub(crate) failures: u64,
    /// How many of them panicked.
    pub(crate) panics: u64,
    /// The last of them, and when it was.
    pub(crate) last_failure: Option<(Micros, String)>,
    /// When a turn was last done.
    pub(crate) done_at: Option<Micros>,
    /// Why it did nothing then, if it was right not to.
    pub(crate) held: Option<String>,
}

/// What the tasks of a Panel are and how they do.
#[derive(Debug, Default)]
pub(crate) struct TaskStates {
    tasks: Mutex<BTreeMap<Name, (TaskState, Arc<Notify>)>>,
    /// The operations that cannot be carried on now.
    stuck: Mutex<BTreeSet<OperationId>>,
}

/// The work of carrying operations, which is done in tasks of their own.
const OPERATIONS: &str = "operations";

/// Requests that change something.
const REQUESTS: &str = "requests";

impl TaskStates {
    /// Every task, in the order of their names.
    pub(crate) fn all(&self) -> Vec<(Name, TaskState)> {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.iter().map(|(name, (state, _))| (name.clone(), state.clone())).collect()
    }

    /// Whether there is a task that comes to nothing at present.
    pub(crate) fn any_failing(&self) -> bool {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).values().any(|(state, _)| state.failing > 0)
    }

    /// Has the tasks that do this work without waiting for their pause to end: those of one server, or of all.
    pub(crate) fn wake(&self, what: &str, server: Option<ServerId>) {
        let of = |name: &Name| server.is_none() || name.server.as_ref().map(|(id, _)| *id) == server;
        for (name, (_, wake)) in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if name.what == what && of(name) {
                wake.notify_one();
            }
        }
    }

    /// The carrier of an operation panicked.
    pub(crate) fn operation_stuck(&self, id: OperationId, panic: &(dyn Any + Send), now: Micros) {
        let stuck = {
            let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
            stuck.insert(id);
            stuck.len()
        };
        self.change(&Name::of(OPERATIONS), |state| {
            state.broke(now, &format!("operation {id}: {}", message(panic)));
            state.failing = stuck as u64;
        });
    }

    /// The operation is over, or its carrier goes on.
    pub(crate) fn operation_carried(&self, id: OperationId) {
        let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        if stuck.remove(&id) {
            let left = stuck.len();
            drop(stuck);
            self.change(&Name::of(OPERATIONS), |state| state.failing = left as u64);
        }
    }

    /// A request panicked; whoever sent it was told.
    pub(crate) fn request_broke(&self, panic: &(dyn Any + Send), now: Micros) {
        self.change(&Name::of(REQUESTS), |state| {
            state.broke(now, &message(panic));
            state.failing = 0;
        });
    }

    /// Nothing, if there is a task of that name already.
    fn add(&self, name: &Name) -> Option<Arc<Notify>> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if tasks.contains_key(name) {
            return None;
        }
        let wake = Arc::new(Notify::new());
        tasks.insert(name.clone(), (TaskState::default(), wake.clone()));
        Some(wake)
    }

    fn remove(&self, name: &Name) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    fn change(&self, name: &Name, change: impl FnOnce(&mut TaskState)) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut tasks.entry(name.clone()).or_default().0);
    }
}

impl TaskState {
    fn failed(&mut self, now: Micros, why: &str) {
        self.failing += 1;
        self.failures += 1;
        self.last_failure = Some((now, clean(why.as_bytes(), LONGEST)));
    }

    fn broke(&mut self, now: Micros, why: &str) {
        self.failed(now, why);
        self.panics += 1;
    }
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    clean(opterius_protocol::panic_message(panic).as_bytes(), LONGEST)
}

/// Works turn by turn until the task is done or the Panel ends. Nothing happens if there is a task of that name.
pub(crate) fn supervise<T: Task>(core: &Arc<Core>, name: Name, task: T) {
    if let Some(wake) = core.task_states.add(&name) {
        core.tasks.spawn(turns(core.clone(), name, wake, task));
    }
}

/// As [`supervise`], for whoever has a task to run it in.
pub(crate) async fn run_supervised<T: Task>(core: &Arc<Core>, name: Name, task: T) {
    if let Some(wake) = core.task_states.add(&name) {
        turns(core.clone(), name, wake, task).await;
    }
}

async fn turns<T: Task>(core: Arc<Core>, name: Name, wake: Arc<Notify>, mut task: T) {
    let first = core.seams.timing.first_pause;
    let mut pause = first;
    loop {
        let work = async {
            breaks(&name);
            task.turn(&core).await
        };
        let turn = async {
            match T::LIMIT {
                Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(late(limit))),
                None => work.await,
            }
        };
        // The clock is a part that may break, too.
        let now = || std::panic::catch_unwind(AssertUnwindSafe(|| core.now())).unwrap_or_else(|_| Micros::now());
        match AssertUnwindSafe(turn).catch_unwind().await {
            Ok(Ok(next)) => {
                pause = first;
                let at = now();
                let (pause, held) = match next {
                    Next::After(pause) => (pause, None),
                    Next::Held(pause, why) => (pause, Some(clean(why.as_bytes(), LONGEST))),
                    Next::Done => {
                        core.task_states.remove(&name);
                        return;
                    }
                };
                core.task_states.change(&name, |state| {
                    if let Some(why) = held.as_ref().filter(|_| state.held.is_none()) {
                        tracing::warn!(task = %name, "a task of the Panel does nothing at present: {why}");
                    }
                    state.failing = 0;
                    state.done_at = Some(at);
                    state.held = held;
                });
                // Whether it was woken or waited does not matter.
                let _ = tokio::time::timeout(pause, wake.notified()).await;
                continue;
            }
            Ok(Err(error)) => {
                let (at, why) = (now(), chain(&*error));
                tracing::error!(task = %name, error = %why, "a task of the Panel failed; will try again");
                core.task_states.change(&name, |state| state.failed(at, &why));
            }
            Err(panic) => {
                let (at, why) = (now(), message(&*panic));
                tracing::error!(task = %name, error = %why, "a task of the Panel broke; it starts again");
                core.task_states.change(&name, |state| state.broke(at, &why));
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(core.seams.timing.longest_pause);
    }
}

fn late(limit: Duration) -> Failure {
    format!("a turn took longer than {} s", limit.as_secs()).into()
}

/// Where a test has a turn panic.
fn breaks(name: &Name) {
    fail::fail_point!(&format!("task {}", name.what));
    // Without the feature nothing above is left.
    let _ = name;
}
