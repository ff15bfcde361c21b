//! Operations.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderName, StatusCode, header};
use opterius_model::{AccountId, OperationId};
use opterius_protocol::agent::{Direction, StepReport, StepState};
use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

use super::shape::{Data, Id, List, Page, data};
use super::texts;
use crate::app::{self, Caller, Code, ExternalRef, Progress};
use crate::core::Core;
use crate::http::frame::Call;
use crate::http::problem::{Problem, ProblemView};
use crate::http::read::{OptionalBody, QueryFields};
use crate::store::operation::{self, Filter, Operation, Outcome};

/// One change of one account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Operation)]
pub(crate) struct OperationView {
    id: String,
    account_id: String,
    /// `create`, `password`, `suspend`, `unsuspend`, `package`, `terminate`, `restore` or `repair`.
    kind: &'static str,
    username: String,
    domain: String,
    external_ref: Option<String>,
    /// `running`, `committed`, `rolled_back` (all undone), `not_sent` (nothing was begun), or `needs_attention`.
    outcome: &'static str,
    /// Whether it is queued: nothing of it has been sent to its server yet. Each caller has a queue, and the queues take turns.
    waiting: bool,
    started_at: i64,
    finished_at: Option<i64>,
    request_id: String,
    /// In the order in which they began.
    steps: Vec<StepView>,
    /// Whether a person ended it where it stood.
    abandoned: bool,
    /// What is not as it should be, if it needs attention or was abandoned.
    left: Vec<String>,
    /// A problem document: why it did not succeed.
    #[schema(value_type = Option<ProblemView>)]
    error: Option<serde_json::Value>,
}

/// One step of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Step)]
pub(crate) struct StepView {
    name: String,
    /// `forward`, or `back` while it is undone.
    direction: &'static str,
    /// `running`, `done`, `unchanged` or `failed`.
    state: &'static str,
    started_at: i64,
    duration_us: Option<u64>,
    detail: Option<String>,
}

impl From<StepReport> for StepView {
    fn from(step: StepReport) -> Self {
        Self {
            name: step.name,
            direction: match step.direction {
                Direction::Forward => "forward",
                Direction::Back => "back",
            },
            state: match step.state {
                StepState::Running => "running",
                StepState::Done => "done",
                StepState::Unchanged => "unchanged",
                StepState::Failed => "failed",
            },
            started_at: step.started_at.0,
            duration_us: step.duration_us,
            detail: step.detail,
        }
    }
}

impl OperationView {
    pub(crate) fn new(core: &Core, caller: &Caller, operation: Operation) -> Self {
        // While it runs, its steps are only known to who carries it.
        let live = core.live.follow(operation.id).filter(|_| operation.outcome == Outcome::Running).map(|live| live.borrow().clone());
        let (live, waiting) = live.map_or((None, false), |live| (Some(live.steps), live.waits));
        let error = operation.error.as_ref().and_then(|error| serde_json::to_value(ProblemView::new(error, &operation.request_id)).ok());
        Self {
            id: operation.id.to_string(),
            account_id: operation.account_id.to_string(),
            kind: operation.kind.as_str(),
            external_ref: caller.shown_ref(operation.external_ref.as_deref()),
            username: operation.username,
            domain: operation.domain,
            outcome: operation.outcome.as_str(),
            waiting,
            started_at: operation.started_at.0,
            finished_at: operation.finished_at.map(|at| at.0),
            request_id: operation.request_id.to_string(),
            abandoned: operation.abandoned,
            left: operation.remains,
            steps: live.unwrap_or(operation.steps).into_iter().map(StepView::from).collect(),
            error,
        }
    }
}

/// List operations
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/operations", operation_id = "operation.list", tag = "operations", security(("token" = ["operations.read"])),
    params(
        ("external_ref" = inline(Option<texts::ExternalRef>), Query, description = "Only operations of accounts with this ref, as the caller knows it."),
        ("account" = inline(Option<texts::Id>), Query, description = "Only operations of the account with this id."),
        ("cursor" = inline(Option<texts::Id>), Query, description = "`next` of the page before."),
        ("limit" = inline(Option<texts::PageSize>), Query, description = "At most so many, 1 to 500; 100 if nothing is said."),
    ),
    responses((status = 200, description = "One page.", body = List<OperationView>))
)]
pub(crate) async fn list(
    State(core): State<Arc<Core>>,
    call: Call,
    QueryFields(mut fields): QueryFields,
) -> Result<Json<List<OperationView>>, Problem> {
    let caller = &call.caller;
    let filter = Filter {
        account_id: fields.optional("account", AccountId::parse),
        external_ref: fields.optional("external_ref", ExternalRef::parse).map(|external_ref| caller.stored_ref(&external_ref)),
        outcome: None,
        ref_prefix: caller.ref_prefix.as_ref().map(|prefix| prefix.as_str().to_owned()),
    };
    let before = fields.optional("cursor", OperationId::parse);
    let limit = fields.page_size(500).unwrap_or(100);
    let () = fields.finish(Some(()))?;
    let total = operation::count(core.store.read(), &caller.owner, &filter).await?;
    let mut rows = operation::list(core.store.read(), &caller.owner, &filter, before, limit + 1).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|last| last.id.to_string());
    let data = rows.into_iter().map(|row| OperationView::new(&core, caller, row)).collect();
    Ok(Json(List { data, page: Page { next, total, snapshot: core.now().0.to_string() } }))
}

/// Look at an operation
#[utoipa::path(
    get, path = "/api/operations/{id}", operation_id = "operation.read", tag = "operations", security(("token" = ["operations.read"])),
    params(("id" = inline(texts::Id), Path, description = "The operation's id.")),
    responses((status = 200, description = "The operation.", body = Data<OperationView>))
)]
pub(crate) async fn get(State(core): State<Arc<Core>>, call: Call, Id(id): Id<OperationId>) -> Result<Json<Data<OperationView>>, Problem> {
    let operation = app::operation(&core, &call.caller, id).await?;
    Ok(data(OperationView::new(&core, &call.caller, operation)))
}

/// Try an operation again
///
/// One that needs attention is tried at once. One that does not is answered as it stands.
#[utoipa::path(
    post, path = "/api/operations/{id}/retry", operation_id = "operation.retry", extensions(("x-refusals" = json!([Code::OperationRunning, Code::ServerUnreachable]))), tag = "operations", security(("token" = ["operations.retry"])),
    params(("id" = inline(texts::Id), Path, description = "The operation's id."), ("Prefer" = Option<String>, Header, description = "`respond-async` waits for nothing.")),
    responses(
        (status = 200, description = "The operation, which is over.", body = Data<OperationView>),
        (status = 202, description = "The operation goes on, or needs attention still.", body = Data<OperationView>, headers(("Location" = String, description = "The operation."))),
    )
)]
pub(crate) async fn retry(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<OperationId>,
    headers: HeaderMap,
    OptionalBody(fields): OptionalBody,
) -> Result<Response, Problem> {
    let () = fields.finish(Some(()))?;
    let operation = app::retry_operation(&core, &call.caller, id, &call.request_id, patience(&core, &headers)).await?;
    Ok(answered(&core, &call.caller, operation))
}

/// Abandon an operation
///
/// Ends one that needs attention where it stands: what it had done stays, and `left` says what is not as it should be. A repair mends that later.
#[utoipa::path(
    post, path = "/api/operations/{id}/abandon", operation_id = "operation.abandon", extensions(("x-refusals" = json!([Code::OperationRunning, Code::ServerUnreachable]))), tag = "operations", security(("token" = ["operations.abandon"])),
    params(("id" = inline(texts::Id), Path, description = "The operation's id."), ("Prefer" = Option<String>, Header, description = "`respond-async` waits for nothing.")),
    responses(
        (status = 200, description = "The operation, which is over.", body = Data<OperationView>),
        (status = 202, description = "The operation is being ended.", body = Data<OperationView>, headers(("Location" = String, description = "The operation."))),
    )
)]
pub(crate) async fn abandon(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<OperationId>,
    headers: HeaderMap,
    OptionalBody(fields): OptionalBody,
) -> Result<Response, Problem> {
    let () = fields.finish(Some(()))?;
    let operation = app::abandon_operation(&core, &call.caller, id, &call.request_id, patience(&core, &headers)).await?;
    Ok(answered(&core, &call.caller, operation))
}

fn answered(core: &Core, caller: &Caller, operation: Operation) -> Response {
    if operation.outcome.is_final() {
        return data(OperationView::new(core, caller, operation)).into_response();
    }
    running(core, caller, operation)
}

/// Follow an operation
///
/// Server-sent events: `step` with a step whenever one begins or ends, then one `done` with the operation.
#[utoipa::path(
    get, path = "/api/operations/{id}/events", operation_id = "operation.follow", tag = "operations", security(("token" = ["operations.read"])),
    params(("id" = inline(texts::Id), Path, description = "The operation's id.")),
    responses((status = 200, description = "The events.", content_type = "text/event-stream"))
)]
pub(crate) async fn events(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<OperationId>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let live = core.live.follow(id);
    let operation = app::operation(&core, &call.caller, id).await?;
    let closing = core.tasks.closing.clone();
    let following = Following {
        core,
        caller: call.caller,
        id,
        live,
        stored: operation.steps.into_iter().map(StepView::from).collect(),
        told: Vec::new(),
        over: false,
    };
    let events = stream::unfold(following, Following::more).flat_map(stream::iter).map(Ok);
    let events = events.take_until(closing.cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// Somebody who follows an operation.
struct Following {
    core: Arc<Core>,
    caller: Caller,
    id: OperationId,
    live: Option<watch::Receiver<Progress>>,
    /// The steps of an operation that is over.
    stored: Vec<StepView>,
    /// The steps as they were told.
    told: Vec<StepView>,
    over: bool,
}

impl Following {
    /// Waits for news and tells them.
    async fn more(mut self) -> Option<(Vec<Event>, Self)> {
        if self.over {
            return None;
        }
        let (steps, outcome) = match &mut self.live {
            None => (self.stored.clone(), None),
            Some(live) => {
                // The first time there is always something to tell; later only after a change.
                if !self.told.is_empty() && live.changed().await.is_err() {
                    self.live = None;
                }
                match &mut self.live {
                    None => (self.told.clone(), None),
                    Some(live) => {
                        let now = live.borrow_and_update();
                        (now.steps.iter().cloned().map(StepView::from).collect(), Some(now.outcome))
                    }
                }
            }
        };
        let mut events: Vec<Event> = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            if self.told.get(at) != Some(step) {
                events.extend(Event::default().event("step").json_data(step));
            }
        }
        let nothing_yet = steps.is_empty();
        self.told = steps;
        if outcome == Some(Outcome::Running) {
            if nothing_yet
                && let Some(live) = &mut self.live
                && live.changed().await.is_err()
            {
                self.live = None;
            }
            return Some((events, self));
        }
        self.over = true;
        if let Ok(operation) = app::operation(&self.core, &self.caller, self.id).await {
            events.extend(Event::default().event("done").json_data(OperationView::new(&self.core, &self.caller, operation)));
        }
        Some((events, self))
    }
}

/// An operation that goes on.
pub(super) fn running(core: &Core, caller: &Caller, operation: Operation) -> Response {
    let location = format!("/api/operations/{}", operation.id);
    (StatusCode::ACCEPTED, [(header::LOCATION, location)], data(OperationView::new(core, caller, operation))).into_response()
}

/// How long the caller wants to wait.
pub(super) fn patience(core: &Core, headers: &HeaderMap) -> Duration {
    let prefers = headers.get_all(HeaderName::from_static("prefer")).iter().filter_map(|value| value.to_str().ok());
    let at_once = prefers.flat_map(|value| value.split([',', ';'])).any(|word| word.trim().eq_ignore_ascii_case("respond-async"));
    if at_once { Duration::ZERO } else { core.seams.timing.patience }
}
