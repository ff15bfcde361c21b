//! Tells a server which outcomes are recorded here, so that it may forget them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opterius_model::{OperationId, ServerId};
use opterius_protocol::WireCode;
use opterius_protocol::agent::AcknowledgeOperation;
use opterius_protocol::client::{CallError, chain};

use super::supervisor::{Failure, Next, Task, TaskStates};
use crate::core::Core;
use crate::store::{self, StoreError, operation};

pub(super) const NAME: &str = "acknowledging";

const TIMEOUT: Duration = Duration::from_secs(10);

/// The most that one turn acknowledges; what it comes to is put down in one transaction.
const A_TURN: usize = 200;

/// Nothing is due until it is woken; it looks now and then all the same.
const IDLE: Duration = Duration::from_hours(1);

/// Where to hand in an outcome that was recorded. Nobody waits for its acknowledgement.
#[derive(Debug, Default)]
pub(crate) struct Acknowledger {
    recorded: Mutex<HashMap<ServerId, Vec<OperationId>>>,
}

impl Acknowledger {
    pub(crate) fn acknowledge(&self, task_states: &TaskStates, operation: OperationId, server: ServerId) {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).entry(server).or_default().push(operation);
        task_states.wake(NAME, Some(server));
    }

    fn take(&self, server: ServerId) -> Vec<OperationId> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).remove(&server).unwrap_or_default()
    }
}

pub(super) struct Acknowledge {
    server: ServerId,
    /// Nothing, if it has to be read from the database: at the start, and after a turn that came to nothing.
    due: Option<VecDeque<OperationId>>,
    pause: Duration,
}

impl Acknowledge {
    pub(super) fn new(core: &Core, server: ServerId) -> Self {
        Self { server, due: None, pause: core.seams.timing.first_pause }
    }
}

impl Task for Acknowledge {
    async fn turn(&mut self, core: &Arc<Core>) -> Result<Next, Failure> {
        let mut due = if let Some(due) = self.due.take() {
            due
        } else {
            let all = operation::unacknowledged(core.store.read()).await?;
            all.into_iter().filter(|(_, server)| *server == self.server).map(|(id, _)| id).collect()
        };
        due.extend(core.acknowledger.take(self.server));
        let mut done = Vec::new();
        let mut answers = true;
        for _ in 0..A_TURN {
            let Some(id) = due.pop_front() else { break };
            match core.fleet.agent(self.server).call(&AcknowledgeOperation { id }, TIMEOUT).await {
                Ok(_) => done.push(id),
                // An operation that the Agent does not know has nothing left to acknowledge.
                Err(CallError::Refused(error)) if error.code == WireCode::NotFound => done.push(id),
                Err(error) => {
                    tracing::warn!(operation.id = %id, error = %chain(&error), "could not acknowledge an outcome; will try again");
                    // Behind the others: it may be the only one that is refused.
                    due.push_back(id);
                    answers = false;
                    break;
                }
            }
        }
        if !done.is_empty() {
            // An acknowledgement that is not put down is sent again, which is harmless.
            put_down(core, &done).await?;
        }
        let next = if answers {
            self.pause = core.seams.timing.first_pause;
            if due.is_empty() { IDLE } else { Duration::ZERO }
        } else {
            let pause = self.pause;
            self.pause = (pause * 2).min(core.seams.timing.longest_pause);
            pause
        };
        self.due = Some(due);
        Ok(Next::After(next))
    }
}

async fn put_down(core: &Core, done: &[OperationId]) -> Result<(), StoreError> {
    let mut write = core.store.write().await?;
    operation::set_acknowledged(&mut write, done).await?;
    store::commit(write).await
}
