//! The routes of the Agent, one line a call of the contract.

use std::time::Duration;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use opterius_model::{AccountId, OperationId};
use opterius_protocol::agent::{
    AbandonOperation, AccountDetail, AccountPage, AcknowledgeOperation, Acknowledged, ActivityHead, ApplySpec, Change, CreateAccount,
    DriftReport, GetAccount, GetDrift, GetHealth, GetOperation, GetPhp, GetUsage, HeadPage, Health, ListAccounts, ListHeads, ListUsage,
    NeverAnswer, NeverOperation, NoteHead, NotedHead, OperationReport, Outcome, PagesKept, Php, Plan, PlanAccount, PutPages,
    RetryOperation, Usage, UsageReport, pages_hash,
};
use opterius_protocol::{Call, Micros, WireCode, WireError};
use serde::Deserialize;
use tokio::net::UnixListener;

use super::peer::Peer;
use crate::engine::{Engine, Tally, Watcher};
use crate::host::Condition;
use crate::logs::Losses;

/// The longest that an answer waits for something to happen.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// How long a retry waits for the first sign of what comes of it.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Serves the contract on `listener` until `ended`. Only root and `panel_uid` are heard.
pub async fn serve(
    listener: UnixListener,
    engine: Engine,
    panel_uid: Option<u32>,
    ended: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let app = router(engine).layer(middleware::from_fn(move |peer, request, next| only_ours(panel_uid, peer, request, next)));
    axum::serve(listener, app.into_make_service_with_connect_info::<Peer>()).with_graceful_shutdown(ended).await
}

fn router(engine: Engine) -> Router {
    Router::new()
        .route(CreateAccount::ROUTE, post(create_account))
        .route(ApplySpec::ROUTE, post(apply_spec))
        .route(PlanAccount::ROUTE, post(plan_account))
        .route(ListAccounts::ROUTE, get(list_accounts))
        .route(GetAccount::ROUTE, get(get_account))
        .route(GetUsage::ROUTE, get(get_usage))
        .route(GetPhp::ROUTE, get(get_php))
        .route(ListUsage::ROUTE, get(list_usage))
        .route(GetDrift::ROUTE, get(get_drift))
        .route(GetOperation::ROUTE, get(get_operation))
        .route(RetryOperation::ROUTE, post(retry_operation))
        .route(AbandonOperation::ROUTE, post(abandon_operation))
        .route(AcknowledgeOperation::ROUTE, post(acknowledge_operation))
        .route(NeverOperation::ROUTE, post(never_operation))
        .route(PutPages::ROUTE, put(put_pages))
        .route(NoteHead::ROUTE, post(note_head).get(list_heads))
        .route(GetHealth::ROUTE, get(get_health))
        .fallback(|| async { Refusal::not_found("call") })
        .method_not_allowed_fallback(|| async { Refusal::not_found("call") })
        .with_state(engine)
}

async fn only_ours(panel_uid: Option<u32>, ConnectInfo(peer): ConnectInfo<Peer>, request: Request, next: Next) -> Response {
    match peer.0 {
        Some(uid) if uid == 0 || Some(uid) == panel_uid => next.run(request).await,
        _ => {
            tracing::warn!("refused a call to {} from uid {:?}", request.uri().path(), peer.0);
            let detail = "Only root and the Panel may use the Agent's socket.".to_owned();
            Refusal(WireError { code: WireCode::Forbidden, detail }).into_response()
        }
    }
}

/// A refusal on its way out.
struct Refusal(WireError);

impl Refusal {
    fn not_found(what: &str) -> Self {
        Self(WireError { code: WireCode::NotFound, detail: format!("There is no such {what}.") })
    }
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        Self(error)
    }
}

/// What axum could not read is refused in our form. Its text names the field and never repeats a value that is a secret: passwords are
/// only in Specs as hashes, and a hash that is not one is refused without being shown.
macro_rules! refuse_rejections {
    ($($rejection:ty),*) => {
        $(impl From<$rejection> for Refusal {
            fn from(rejection: $rejection) -> Self {
                Self(WireError { code: WireCode::Invalid, detail: rejection.body_text() })
            }
        })*
    };
}
refuse_rejections!(JsonRejection, PathRejection, QueryRejection);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.status().as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self.0)).into_response()
    }
}

#[derive(FromRequest)]
#[from_request(via(Json), rejection(Refusal))]
struct Body<T>(T);

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Refusal))]
struct Path<T>(T);

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Refusal))]
struct Query<T>(T);

fn wait(milliseconds: u32) -> Duration {
    Duration::from_millis(milliseconds.into()).min(LONGEST_WAIT)
}

async fn submit(engine: &Engine, change: Change, creates: bool) -> Result<Json<OperationReport>, Refusal> {
    let patience = wait(change.wait_ms);
    let watcher = engine.submit(&change, creates)?;
    Ok(Json(watcher.outcome(patience).await))
}

async fn create_account(
    State(engine): State<Engine>,
    Body(CreateAccount(change)): Body<CreateAccount>,
) -> Result<Json<OperationReport>, Refusal> {
    submit(&engine, change, true).await
}

async fn apply_spec(State(engine): State<Engine>, Body(ApplySpec(change)): Body<ApplySpec>) -> Result<Json<OperationReport>, Refusal> {
    submit(&engine, change, false).await
}

async fn plan_account(State(engine): State<Engine>, Body(call): Body<PlanAccount>) -> Result<Json<Plan>, Refusal> {
    Ok(Json(engine.plan(call.spec).await?))
}

async fn list_accounts(State(engine): State<Engine>, Query(call): Query<ListAccounts>) -> Json<AccountPage> {
    let (accounts, total) = engine.list(call.after, call.limit.clamp(1, 1000).into());
    Json(AccountPage { accounts, total: total as u64 })
}

/// What cannot be read is not gone.
fn readable(engine: &Engine, id: AccountId) -> Result<(), Refusal> {
    engine.unreadable_account(id).map_or(Ok(()), |error| Err(error.into()))
}

async fn get_account(State(engine): State<Engine>, Path(id): Path<AccountId>) -> Result<Json<AccountDetail>, Refusal> {
    readable(&engine, id)?;
    engine.account(id).map(Json).ok_or_else(|| Refusal::not_found("account"))
}

/// How an operation is asked about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Following {
    #[serde(default)]
    seen: u64,
    #[serde(default)]
    wait_ms: u32,
}

async fn get_operation(
    State(engine): State<Engine>,
    Path(id): Path<OperationId>,
    Query(following): Query<Following>,
) -> Result<Json<OperationReport>, Refusal> {
    let why = || engine.unreadable_operation(id).or_else(|| engine.never_begins(id));
    let unknown = || why().map_or_else(|| Refusal::not_found("operation"), Refusal::from);
    let watcher: Watcher = engine.operation(id).ok_or_else(unknown)?;
    let decided = matches!(watcher.now().outcome, Outcome::Committed | Outcome::RolledBack);
    Ok(Json(if decided { watcher.now() } else { watcher.beyond(following.seen, wait(following.wait_ms)).await }))
}

async fn acknowledge_operation(State(engine): State<Engine>, Path(id): Path<OperationId>) -> Result<Json<Acknowledged>, Refusal> {
    if !engine.acknowledge_never(id).await? {
        // One that is not known was acknowledged and forgotten before.
        engine.acknowledge(id).await;
    }
    Ok(Json(Acknowledged {}))
}

async fn never_operation(State(engine): State<Engine>, Path(id): Path<OperationId>) -> Result<Json<NeverAnswer>, Refusal> {
    Ok(Json(engine.never(id).await?))
}

async fn get_usage(State(engine): State<Engine>, Path(id): Path<AccountId>) -> Result<Json<Usage>, Refusal> {
    readable(&engine, id)?;
    engine.usage(id).await.map_err(|error| internal(&error))?.map(Json).ok_or_else(|| Refusal::not_found("account"))
}

async fn get_php(State(engine): State<Engine>, Path(id): Path<AccountId>) -> Result<Json<Php>, Refusal> {
    readable(&engine, id)?;
    engine.php(id).await.map_err(|error| internal(&error))?.map(Json).ok_or_else(|| Refusal::not_found("account"))
}

async fn list_usage(State(engine): State<Engine>) -> Result<Json<UsageReport>, Refusal> {
    engine.all_usage().await.map(Json).map_err(|error| internal(&error))
}

async fn get_drift(State(engine): State<Engine>) -> Json<DriftReport> {
    Json(engine.drift())
}

async fn retry_operation(State(engine): State<Engine>, Path(id): Path<OperationId>) -> Result<Json<OperationReport>, Refusal> {
    let watcher = engine.retry(id).ok_or_else(|| Refusal::not_found("operation"))?;
    let seen = watcher.now().revision;
    Ok(Json(watcher.beyond(seen, A_MOMENT).await))
}

async fn abandon_operation(State(engine): State<Engine>, Path(id): Path<OperationId>) -> Result<Json<OperationReport>, Refusal> {
    let watcher = engine.abandon(id).ok_or_else(|| Refusal::not_found("operation"))??;
    Ok(Json(watcher.beyond(u64::MAX, LONGEST_WAIT).await))
}

async fn put_pages(State(engine): State<Engine>, Body(call): Body<PutPages>) -> Result<Json<PagesKept>, Refusal> {
    engine.host().put_pages(&call.pages).await.map_err(|error| internal(&error))?;
    Ok(Json(PagesKept { hash: pages_hash(&call.pages) }))
}

async fn note_head(State(engine): State<Engine>, Body(NoteHead(head)): Body<NoteHead>) -> Result<Json<NotedHead>, Refusal> {
    let ActivityHead { row, hash, .. } = &head;
    if *row == 0 || hash.len() != 64 || !hash.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        let detail = "A head has a row from 1 and a hash of 64 lower-case hexadecimal digits.".to_owned();
        return Err(WireError { code: WireCode::Invalid, detail }.into());
    }
    engine.note_head(head).await.map(Json).map_err(|error| internal(&error))
}

async fn list_heads(State(engine): State<Engine>, Query(call): Query<ListHeads>) -> Result<Json<HeadPage>, Refusal> {
    engine.heads(call.after, call.limit.clamp(1, 1000).into()).await.map(Json).map_err(|error| internal(&error))
}

fn internal(error: &crate::host::HostError) -> Refusal {
    let code = if matches!(error, crate::host::HostError::Unavailable { .. }) { WireCode::Unavailable } else { WireCode::Internal };
    Refusal(WireError { code, detail: opterius_protocol::client::chain(error) })
}

async fn get_health(State(engine): State<Engine>) -> Result<Json<Health>, Refusal> {
    let Tally { open, live, kept, deleting, drifted, unreadable } = engine.tally();
    let Condition { mut parts, enforcement, cgroup_level, php_versions } =
        engine.host().condition().await.map_err(|error| internal(&error))?;
    if !unreadable.is_empty() {
        parts.push(opterius_protocol::agent::PartHealth {
            name: "journal".to_owned(),
            ok: false,
            detail: format!("The Agent could not read {}.", unreadable.join("; ")),
            hint: Some("Look at the named files in /var/lib/opterius-agent, and restore them from a backup.".to_owned()),
        });
    }
    let (lines_lost, lines_lost_unknown) = match engine.losses() {
        Losses::Known(lost) => (lost, false),
        Losses::Unknown => (None, true),
    };
    let jobs = engine.jobs().health();
    parts.extend(jobs.iter().filter(|job| job.failing).map(|job| opterius_protocol::agent::PartHealth {
        name: "jobs".to_owned(),
        ok: false,
        detail: format!(
            "The job `{}` of the Agent failed {} times since its start, the last time: {}",
            job.name,
            job.failures,
            job.last_failure.as_deref().unwrap_or("it does not say why")
        ),
        hint: Some("It is begun again by itself. See `journalctl -u opterius-agent -n 200`.".to_owned()),
    }));
    Ok(Json(Health {
        jobs,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: opterius_protocol::VERSION,
        ready: engine.is_ready(),
        parts,
        enforcement,
        open_operations: open,
        accounts: live as u64,
        kept: kept as u64,
        deleting: deleting as u64,
        drifted: drifted as u64,
        // What cannot be read is what nobody has sent, so that it is sent again.
        pages_hash: Some(engine.host().pages().await.map(|pages| pages_hash(&pages.unwrap_or_default())).unwrap_or_default()),
        load: engine.host().load().await.map_err(|error| internal(&error))?,
        lines_lost,
        lines_lost_unknown,
        clock: Some(Micros::now()),
        cgroup_level,
        php_versions,
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use opterius_model::Spec;
    use opterius_protocol::client::{CallError, Client};

    use super::*;
    use crate::host::fake::{FakeHost, World};
    use crate::testing::{change, target};

    const PATIENCE: Duration = Duration::from_secs(30);

    fn refusal<T>(answer: Result<T, CallError>) -> Option<(WireCode, u16)> {
        match answer {
            Err(CallError::Refused(error)) => Some((error.code, error.code.status().as_u16())),
            _ => None,
        }
    }

    #[tokio::test]
    async fn what_never_begins_is_refused_by_every_call_that_could_begin_or_tell_of_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("sock");
        let host = FakeHost::new();
        let engine = Engine::load(Arc::new(host.clone())).await.expect("the fake host can be read");
        engine.recover().await;
        let listener = UnixListener::bind(&socket).expect("a socket");
        let myself = nix::unistd::Uid::current().as_raw();
        tokio::spawn(serve(listener, engine, Some(myself), std::future::pending()));
        let client = Client::new(socket);

        let change = change(&Spec { uid: None, ..target().spec });
        let id = change.operation_id;
        assert_eq!(refusal(client.call(&GetOperation { id, seen: 0, wait_ms: 0 }, PATIENCE).await), Some((WireCode::NotFound, 404)));
        for _ in 0..2 {
            assert_eq!(client.call(&NeverOperation { id }, PATIENCE).await.expect("an answer"), NeverAnswer::NeverBegins);
        }
        let gone = Some((WireCode::NeverBegins, 410));
        assert_eq!(refusal(client.call(&CreateAccount(change.clone()), PATIENCE).await), gone);
        assert_eq!(refusal(client.call(&ApplySpec(change), PATIENCE).await), gone);
        assert_eq!(refusal(client.call(&GetOperation { id, seen: 0, wait_ms: 0 }, PATIENCE).await), gone);
        assert_eq!(*host.world(), World::default());
        for _ in 0..2 {
            client.call(&AcknowledgeOperation { id }, PATIENCE).await.expect("it is acknowledged");
        }
        assert!(host.files().nevers[&id].is_some());
    }

    #[tokio::test]
    async fn versions_of_php_are_told_though_phpd_does_not_answer() {
        let host = FakeHost::new();
        let engine = Engine::load(Arc::new(host.clone())).await.expect("the fake host can be read");
        let versions = async || get_health(State(engine.clone())).await.map(|Json(health)| health.php_versions).map_err(|_| ());
        assert!(versions().await.is_ok_and(|versions| versions.is_some_and(|versions| !versions.is_empty())));
        host.services().phpd = false;
        assert_eq!(versions().await, Ok(Some(Vec::new())), "nothing would say that this Agent knows no choice but a version");
    }
}
