//! What the Panel does by itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{List, whole};
use crate::core::Core;
use crate::http::LISTENING;
use crate::http::problem::Problem;
use crate::http::read::QueryFields;
use crate::tasks::{Name, TaskState};

/// Something that the Panel does again and again, and how it does since the Panel started.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Task)]
pub(crate) struct TaskView {
    name: &'static str,
    /// The server that it is for; null if it is for none.
    server: Option<String>,
    /// `ok`, or `failing`: it comes to nothing at present, and is tried again and again.
    state: &'static str,
    /// How often it came to nothing.
    failures: u64,
    /// How often of these the Panel itself broke.
    panics: u64,
    /// When it last came to nothing.
    failed_at: Option<i64>,
    /// Why.
    detail: Option<String>,
    /// When it was last done.
    done_at: Option<i64>,
    /// Why it did nothing then though nothing failed, such as that the Activity has more rows than are kept and all are young; null if it did.
    held: Option<String>,
    /// Of listening over TLS: connections that were refused, or ended for others, within the last hour because there were too many; null for
    /// everything else.
    refused: Option<u64>,
}

impl TaskView {
    fn new(name: Name, state: TaskState) -> Self {
        let (failed_at, detail) = state.last_failure.map(|(at, why)| (at.0, why)).unzip();
        Self {
            name: name.what,
            server: name.server.map(|(_, server)| server),
            state: if state.failing > 0 { "failing" } else { "ok" },
            failures: state.failures,
            panics: state.panics,
            failed_at,
            detail,
            done_at: state.done_at.map(|at| at.0),
            held: state.held,
            refused: None,
        }
    }
}

/// List what the Panel does by itself
#[utoipa::path(
    get, path = "/api/tasks", operation_id = "task.list", tag = "servers", security(("token" = ["settings.read"])),
    responses((status = 200, description = "All of it.", body = List<TaskView>))
)]
pub(crate) async fn list(State(core): State<Arc<Core>>, QueryFields(fields): QueryFields) -> Result<Json<List<TaskView>>, Problem> {
    let () = fields.finish(Some(()))?;
    let mut tasks: Vec<TaskView> = core.task_states.all().into_iter().map(|(name, state)| TaskView::new(name, state)).collect();
    // All listeners share the connections; the number stands once.
    if let Some(listening) = tasks.iter_mut().find(|task| task.name == LISTENING) {
        listening.refused = Some(core.connections.refused_lately(tokio::time::Instant::now()));
    }
    Ok(whole(tasks, core.now().0))
}
