//! What surrounds every request: its id, its log line, its problem document, and the record of what was refused.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use opterius_model::RequestId;
use opterius_protocol::Micros;
use tracing::Instrument;

use super::auth::Access;
use super::connection::{Crowded, Visit, is_stream, with_place};
use super::problem::{self, Problem};
use super::ui;
use super::{body, headers};
use crate::app::{AppError, Caller, Code, Refusal, record_refusal};
use crate::core::Core;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Who asks, and under which id: what every verb wants to know.
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) request_id: RequestId,
}

impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        let request_id = parts.extensions.get::<RequestId>().cloned();
        match (caller, request_id) {
            (Some(caller), Some(request_id)) => Ok(Self { caller, request_id }),
            _ => Err(AppError::Broken("find out who asks").into()),
        }
    }
}

/// The outermost layer.
pub(crate) async fn outermost(State(core): State<Arc<Core>>, request: Request, next: Next) -> Response {
    let (mut request, rest) = body::bound(request, core.seams.timing.body_within);
    let began = Instant::now();
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).and_then(|text| RequestId::parse(text).ok());
    let request_id = given.unwrap_or_else(RequestId::generate);
    request.extensions_mut().insert(request_id.clone());
    let method = request.method().clone();
    let path = loggable(request.uri().path());
    let span = tracing::info_span!("request", request.id = %request_id);
    let visit = request.extensions().get::<Visit>().cloned();
    let mut answer = match (request.extensions().get::<Crowded>(), headers::twice(request.headers())) {
        (None, None) => unbroken(&core, next.run(request).instrument(span)).await,
        (crowd, twice) => {
            let answer = match twice {
                Some(name) if crowd.is_none() => {
                    let detail = format!("the header `{name}` is given twice: send it once");
                    Problem::from(Refusal::invalid_field(name, "invalid", detail)).into_response()
                }
                _ => crowded(),
            };
            drop(request);
            answer
        }
    };
    if let (true, Some(visit)) = (is_stream(&answer), visit) {
        answer = match visit.stream() {
            Some(place) => with_place(answer, place),
            None => crowded(),
        };
    }
    // Whatever the answer is: its caller hears it once it has sent everything.
    if let Some(rest) = rest {
        rest.throw_away().await;
    }
    let mut response = problem::write(answer, &request_id);
    headers::secure(response.headers_mut());
    if let Ok(value) = HeaderValue::from_str(request_id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let (status, duration_ms) = (response.status().as_u16(), began.elapsed().as_millis());
    tracing::info!(request.id = %request_id, %method, path, status, duration_ms, "{method} {path}: {status} in {duration_ms} ms");
    response
}

fn crowded() -> Response {
    let refusal = Refusal::too_many_requests("Too many requests from this address are under way.", Duration::from_secs(1));
    Problem::from(refusal.hint("Try again when some of them have been answered.")).into_response()
}

/// The answer, whether or not the handler breaks.
async fn unbroken(core: &Core, handled: impl Future<Output = Response>) -> Response {
    match AssertUnwindSafe(handled).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            core.task_states.request_broke(&*panic, Micros::now());
            Problem::from(AppError::Broken("finish a request")).into_response()
        }
    }
}

/// The path as the log may have it. Never with the query, which may hold what does not belong there; nor with the code of a sign-in link.
fn loggable(path: &str) -> String {
    if path.starts_with(ui::SIGN_IN) { format!("{}…", ui::SIGN_IN) } else { path.chars().take(200).collect() }
}

/// Runs whatever changes something to its end, even if its caller hangs up, and records it if it was refused.
pub(crate) async fn detached(State((core, access)): State<(Arc<Core>, Arc<Access>)>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let caller = request.extensions().get::<Caller>().cloned();
    let request_id = request.extensions().get::<RequestId>().cloned();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let action = access.action(&route, request.method());
    let span = tracing::Span::current();
    let work = {
        let core = core.clone();
        async move {
            let response = next.run(request).await;
            if let (Some(Problem(refusal)), Some(caller), Some(request_id)) = (response.extensions().get::<Problem>(), &caller, &request_id)
                && refusal.code != Code::Internal
            {
                record_refusal(&core, caller, &action, request_id, refusal).await;
            }
            response
        }
        .instrument(span)
    };
    match core.tasks.spawn(work).await {
        Ok(Some(response)) => response,
        Ok(None) => {
            Problem::from(Refusal::new(Code::Internal, "The Panel is stopping; what was begun goes on.").hint("Ask again in a moment."))
                .into_response()
        }
        Err(error) => {
            if let Ok(panic) = error.try_into_panic() {
                core.task_states.request_broke(&*panic, Micros::now());
            }
            Problem::from(AppError::Broken("finish a request")).into_response()
        }
    }
}
