//! `/operations/{id}`: one operation, while it runs and afterwards: its steps with their times, what failed, what was undone, what is left.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State as Of;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, stream};
use http::StatusCode;
use opterius_model::OperationId;
use opterius_protocol::Micros;
use opterius_protocol::agent::{Direction, StepReport, StepState};
use tokio::sync::watch;

use super::managed::{Happened, never_came, took};
use super::managed_changes::PATIENCE;
use crate::app::{self, AppError, Progress, Scope};
use crate::core::Core;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::form::Id;
use crate::http::ui::kit::frame::{Asked, Frame, shown, to};
use crate::http::ui::kit::moment::Moment;
use crate::http::ui::kit::state::State;
use crate::http::ui::kit::texts::Texts;
use crate::store::operation::{Kind, Operation, Outcome};
use crate::store::{activity, server};

/// How long one browser may follow an operation before it asks again, and has to be signed in still.
const LONGEST: Duration = Duration::from_mins(5);

/// How wide the bars of the steps are drawn.
const WIDTH: i64 = 1000;

#[derive(Template)]
#[template(path = "operation.html")]
struct OperationPage {
    frame: Frame,
    view: View,
    /// Whether there may be more to say, so that the browser listens.
    open: bool,
}

/// What changes of the page while the operation runs.
#[expect(clippy::struct_excessive_bools, reason = "each shows one thing or not")]
#[derive(Template)]
#[template(path = "operation_state.html")]
struct View {
    texts: Texts,
    id: String,
    what: String,
    outcome: Outcome,
    state: State,
    /// A sentence of what that means.
    means: String,
    account_id: String,
    username: String,
    domain: String,
    /// Whether the account is there now, and so its site.
    there: bool,
    /// Whether the account never came to be, so that it has no page.
    never: bool,
    external_ref: Option<String>,
    actor: String,
    request_id: String,
    server: String,
    started: Moment,
    took: Option<String>,
    /// In the order in which they began, on the way to what was wanted.
    forward: Vec<Step>,
    /// And on the way back.
    back: Vec<Step>,
    error: Option<(String, Option<String>)>,
    left: Vec<String>,
    may_retry: bool,
    /// Whether the order did not succeed, and can be placed again.
    may_again: bool,
    may_abandon: bool,
    may_accounts: bool,
    story: Vec<Happened>,
}

struct Step {
    name: String,
    word: String,
    class: &'static str,
    detail: Option<String>,
    took: Option<String>,
    /// Where its bar begins and how wide it is, in thousandths of the whole time.
    from: i64,
    width: i64,
}

pub(crate) async fn show(Of(core): Of<Arc<Core>>, asked: Asked, id: Id<OperationId>) -> Response {
    match page(&core, &asked, &id).await {
        Ok(page) => shown(StatusCode::OK, &page),
        Err(error) => asked.failed(&core, error).await,
    }
}

async fn page(core: &Core, asked: &Asked, id: &Id<OperationId>) -> Result<OperationPage, AppError> {
    let frame = asked.frame(core).await?;
    let view = View::read(core, asked, &frame, id.of("operation")?).await?;
    Ok(OperationPage { open: !view.outcome.is_final(), frame, view })
}

impl View {
    async fn read(core: &Core, asked: &Asked, frame: &Frame, id: OperationId) -> Result<Self, AppError> {
        let caller = &asked.caller;
        // While it runs, its steps are only known to who carries it; followed first, so that no outcome slips through in between.
        let live = core.live.follow(id).map(|live| live.borrow().clone());
        let operation = app::operation(core, caller, id).await?;
        let story = if caller.may(Scope::ActivityRead) {
            activity::of_operation(core.store.read(), &caller.owner, operation.account_id, id, &operation.request_id).await?
        } else {
            Vec::new()
        };
        let servers = server::list(core.store.read(), &caller.owner).await?;
        let server = servers.into_iter().find(|server| server.id == operation.server_id).map(|server| server.name).unwrap_or_default();
        let external_ref = caller.shown_ref(operation.external_ref.as_deref());
        let waits = operation.outcome == Outcome::NeedsAttention;
        Ok(Self {
            external_ref,
            server,
            story: story.into_iter().map(|row| Happened::new(frame, row)).collect(),
            may_again: never_came(operation.kind, operation.outcome) && operation.memo.is_some() && caller.may(Scope::AccountsCreate),
            may_retry: waits && caller.may(Scope::OperationsRetry),
            may_abandon: waits && caller.may(Scope::OperationsAbandon),
            may_accounts: caller.may(Scope::AccountsRead),
            ..Self::of(frame, operation, live)
        })
    }

    fn of(frame: &Frame, operation: Operation, live: Option<Progress>) -> Self {
        let texts = frame.texts;
        let live = live.filter(|_| !operation.outcome.is_final());
        let waits = live.as_ref().is_some_and(|live| live.waits);
        let steps = live.map_or(operation.steps, |live| live.steps);
        let ends = operation.finished_at.unwrap_or(frame.now);
        let last = steps.iter().map(|step| step.started_at.0 + length(step, ends)).max().unwrap_or_default();
        let whole = (last.max(ends.0) - operation.started_at.0).max(1);
        let drawn = |way: Direction| -> Vec<Step> {
            let steps = steps.iter().filter(|step| step.direction == way);
            steps.map(|step| Step::of(texts, step, operation.started_at, ends, whole)).collect()
        };
        let means = match (operation.outcome, operation.abandoned) {
            (_, true) => "operation-means-abandoned".to_owned(),
            (Outcome::Running, false) if waits => "operation-means-waiting".to_owned(),
            (outcome, false) => format!("operation-means-{}", outcome.as_str()),
        };
        Self {
            id: operation.id.to_string(),
            what: texts.say(&format!("kind-{}", operation.kind.as_str())),
            state: State::of_operation(texts, operation.outcome),
            means: texts.say(&means),
            account_id: operation.account_id.to_string(),
            username: operation.username,
            domain: operation.domain,
            there: operation.outcome == Outcome::Committed && matches!(operation.kind, Kind::Create | Kind::Restore | Kind::Unsuspend),
            never: never_came(operation.kind, operation.outcome),
            external_ref: None,
            actor: operation.actor,
            request_id: operation.request_id.to_string(),
            server: String::new(),
            started: frame.moment(operation.started_at),
            took: operation.finished_at.map(|at| took(at.0 - operation.started_at.0)),
            forward: drawn(Direction::Forward),
            back: drawn(Direction::Back),
            error: operation.error.map(|error| (error.detail, error.hint)),
            left: operation.remains,
            may_retry: false,
            may_again: false,
            may_abandon: false,
            may_accounts: false,
            story: Vec::new(),
            outcome: operation.outcome,
            texts,
        }
    }
}

/// How long a step took, or has taken until now, in microseconds.
fn length(step: &StepReport, now: Micros) -> i64 {
    step.duration_us.map_or_else(|| (now.0 - step.started_at.0).max(0), |took| i64::try_from(took).unwrap_or(i64::MAX / 2))
}

impl Step {
    fn of(texts: Texts, step: &StepReport, began: Micros, now: Micros, whole: i64) -> Self {
        let (word, class) = match step.state {
            StepState::Running => ("step-running", "status-blue"),
            StepState::Done => ("step-done", "status-green"),
            StepState::Unchanged => ("step-unchanged", "status-secondary"),
            StepState::Failed => ("step-failed", "status-red"),
        };
        let thousandths = |time: i64| i64::try_from(i128::from(time.max(0)) * i128::from(WIDTH) / i128::from(whole)).unwrap_or(WIDTH);
        let from = thousandths(step.started_at.0 - began.0).min(WIDTH - 4);
        Self {
            name: step.name.clone(),
            word: texts.say(word),
            class,
            detail: step.detail.clone(),
            took: step.duration_us.map(|_| took(length(step, now))),
            from,
            // Something is always to be seen, and nothing beyond the end.
            width: thousandths(length(step, now)).clamp(4, WIDTH - from),
        }
    }
}

/// Follows an operation: the part of the page that changes, as often as it does, and in the end `over`.
pub(crate) async fn events(Of(core): Of<Arc<Core>>, asked: Asked, id: Id<OperationId>) -> Response {
    match follow(core.clone(), &asked, &id).await {
        Ok(events) => Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response(),
        Err(error) => asked.failed(&core, error).await,
    }
}

async fn follow(
    core: Arc<Core>,
    asked: &Asked,
    id: &Id<OperationId>,
) -> Result<impl Stream<Item = Result<Event, Infallible>> + use<>, AppError> {
    let id = id.of("operation")?;
    let live = core.live.follow(id);
    // Whoever may not see it is told so before anything is sent.
    app::operation(&core, &asked.caller, id).await?;
    let closing = core.tasks.closing.clone();
    let following = Following { core, asked: asked.clone(), id, live, stage: Stage::Beginning };
    let events = futures::StreamExt::map(stream::unfold(following, Following::more), Ok);
    let until = async move {
        let _ = tokio::time::timeout(LONGEST, closing.cancelled_owned()).await;
    };
    Ok(futures::StreamExt::take_until(events, Box::pin(until)))
}

/// Somebody who follows an operation.
struct Following {
    core: Arc<Core>,
    asked: Asked,
    id: OperationId,
    live: Option<watch::Receiver<Progress>>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was told yet.
    Beginning,
    /// There may be more.
    Telling,
    /// The last state was told, and that it was the last one is still to be said: a browser whose stream just ends comes again.
    Told,
    Over,
}

impl Following {
    /// Waits for news and tells them.
    async fn more(mut self) -> Option<(Event, Self)> {
        match self.stage {
            Stage::Over => return None,
            Stage::Told => {
                self.stage = Stage::Over;
                return Some((Event::default().event("over").data("over"), self));
            }
            Stage::Telling => {
                if let Some(live) = &mut self.live
                    && live.changed().await.is_err()
                {
                    // Nobody carries it any more: what is stored is how it ended.
                    self.live = None;
                }
            }
            Stage::Beginning => {}
        }
        if let Some(live) = &mut self.live {
            live.mark_unchanged();
        }
        let frame = self.asked.frame(&self.core).await.ok()?;
        let view = View::read(&self.core, &self.asked, &frame, self.id).await.ok()?;
        self.stage = if view.outcome.is_final() || self.live.is_none() { Stage::Told } else { Stage::Telling };
        // A line of the stream cannot hold this one character.
        let part = view.render().ok()?.replace('\r', " ");
        Some((Event::default().event("state").data(part), self))
    }
}

pub(crate) async fn retry(Of(core): Of<Arc<Core>>, asked: Asked, id: Id<OperationId>) -> Response {
    let retried = match id.of("operation") {
        Ok(id) => app::retry_operation(&core, &asked.caller, id, &asked.request_id, PATIENCE.min(core.seams.timing.patience)).await,
        Err(error) => Err(error),
    };
    told(&core, &asked, retried).await
}

pub(crate) async fn abandon(Of(core): Of<Arc<Core>>, asked: Asked, id: Id<OperationId>) -> Response {
    let abandoned = match id.of("operation") {
        Ok(id) => app::abandon_operation(&core, &asked.caller, id, &asked.request_id, PATIENCE.min(core.seams.timing.patience)).await,
        Err(error) => Err(error),
    };
    told(&core, &asked, abandoned).await
}

async fn told(core: &Core, asked: &Asked, operation: Result<Operation, AppError>) -> Response {
    match operation {
        Ok(operation) => to(&format!("/operations/{}", operation.id), asked.part),
        Err(error) => asked.failed(core, error).await,
    }
}
