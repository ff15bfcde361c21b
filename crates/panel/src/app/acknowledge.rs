//! Tells the Agents which outcomes are recorded here, so that they may forget them.

use std::collections::VecDeque;
use std::time::Duration;

use opterius_model::{OperationId, ServerId};
use opterius_protocol::WireCode;
use opterius_protocol::agent::AcknowledgeOperation;
use opterius_protocol::client::{CallError, chain};
use tokio::sync::mpsc;

use crate::core::{Tasks, Timing};
use crate::fleet::Fleet;
use crate::store::{self, Store, StoreError, operation};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Where to hand in an outcome that was recorded. Nobody waits for its acknowledgement, and one transaction puts many of them down.
#[derive(Debug)]
pub(crate) struct Acknowledger {
    queue: mpsc::UnboundedSender<(OperationId, ServerId)>,
}

impl Acknowledger {
    /// Begins with what an earlier Panel left.
    pub(crate) fn start(tasks: &Tasks, store: Store, fleet: Fleet, timing: Timing) -> Self {
        let (queue, recorded) = mpsc::unbounded_channel();
        tasks.spawn(run(store, fleet, timing, recorded));
        Self { queue }
    }

    pub(crate) fn acknowledge(&self, operation: OperationId, server: ServerId) {
        // Without a receiver the Panel is ending, and the next one finds the operation in the database.
        let _ = self.queue.send((operation, server));
    }
}

async fn run(store: Store, fleet: Fleet, timing: Timing, mut recorded: mpsc::UnboundedReceiver<(OperationId, ServerId)>) {
    let mut due: VecDeque<(OperationId, ServerId)> = loop {
        match operation::unacknowledged(store.read()).await {
            Ok(rows) => break rows.into(),
            Err(error) => tracing::error!(error = %chain(&error), "could not read what is to be acknowledged"),
        }
        tokio::time::sleep(timing.longest_pause).await;
    };
    let mut pause = timing.first_pause;
    loop {
        if due.is_empty() {
            match recorded.recv().await {
                Some(one) => due.push_back(one),
                None => return,
            }
        }
        while let Ok(one) = recorded.try_recv() {
            due.push_back(one);
        }
        let mut done = Vec::new();
        let mut again = VecDeque::new();
        for (id, server) in due.drain(..) {
            match fleet.agent(server).call(&AcknowledgeOperation { id }, TIMEOUT).await {
                Ok(_) => done.push(id),
                // An operation that the Agent does not know has nothing left to acknowledge.
                Err(CallError::Refused(error)) if error.code == WireCode::NotFound => done.push(id),
                Err(error) => {
                    tracing::warn!(operation.id = %id, error = %chain(&error), "could not acknowledge an outcome; will try again");
                    again.push_back((id, server));
                }
            }
        }
        due = again;
        if !done.is_empty()
            && let Err(error) = put_down(&store, &done).await
        {
            // An acknowledgement that is not put down is sent again by the next Panel, which is harmless.
            tracing::warn!(error = %chain(&error), "could not record acknowledgements");
        }
        if due.is_empty() {
            pause = timing.first_pause;
        } else {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(timing.longest_pause);
        }
    }
}

async fn put_down(store: &Store, done: &[OperationId]) -> Result<(), StoreError> {
    let mut write = store.write().await?;
    operation::set_acknowledged(&mut write, done).await?;
    store::commit(write).await
}
