//! The control socket: the contract of [`opterius_protocol::phpd`] as HTTP over a Unix socket.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{DefaultBodyLimit, Path as Segments, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{MethodRouter, get};
use axum::serve::IncomingStream;
use opterius_model::{AccountId, PoolName};
use opterius_protocol::phpd::{Deleted, GetHealth, GetPool, Health, ListPools, PoolStatus, PutPool};
use opterius_protocol::{Call, WireCode, WireError};
use tokio::net::UnixListener;

use crate::panics::Panics;
use crate::registry::Registry;

/// The largest request: a Spec is a few hundred bytes.
const LARGEST: usize = 64 * 1024;

/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(12);

/// The uid at the other end; nothing where the kernel does not say.
#[derive(Debug, Clone, Copy)]
struct Peer(Option<u32>);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|peer| peer.uid()))
    }
}

/// A refusal, as an answer.
struct Refused(WireError);

impl Refused {
    fn new(code: WireCode, detail: impl Into<String>) -> Self {
        Self(WireError { code, detail: detail.into() })
    }
}

impl From<WireError> for Refused {
    fn from(error: WireError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0.code.status(), Json(self.0)).into_response()
    }
}

type Answer<T> = Result<Json<T>, Refused>;

/// Opens the control socket, for root alone. One that an earlier phpd left is replaced.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    drop(fs::remove_file(&new));
    let listener = UnixListener::bind(&new)?;
    fs::set_permissions(&new, Permissions::from_mode(0o600))?;
    fs::rename(&new, path)?;
    Ok(listener)
}

/// Serves until the process ends.
pub async fn serve(listener: UnixListener, registry: Arc<Registry>, allowed_uid: u32) -> io::Result<()> {
    let panics = registry.panics().clone();
    let app = Router::new()
        .route(PutPool::ROUTE, get(list).put(put))
        .route(GetPool::ROUTE, one())
        .route(GetHealth::ROUTE, get(health))
        .fallback(async || Refused::new(WireCode::NotFound, "phpd has no such call"))
        .method_not_allowed_fallback(async || Refused::new(WireCode::NotFound, "phpd has no such call"))
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(middleware::from_fn(move |request, next| guard(panics.clone(), request, next)))
        .layer(middleware::from_fn(move |peer: ConnectInfo<Peer>, request, next| admit(allowed_uid, peer, request, next)))
        .with_state(registry);
    debug_assert_eq!(PutPool::ROUTE, ListPools::ROUTE);
    axum::serve(listener, app.into_make_service_with_connect_info::<Peer>()).await
}

async fn admit(allowed_uid: u32, ConnectInfo(Peer(uid)): ConnectInfo<Peer>, request: Request, next: Next) -> Response {
    if uid == Some(allowed_uid) {
        return next.run(request).await;
    }
    tracing::warn!("refused a call of uid {uid:?} on the control socket");
    Refused::new(WireCode::Forbidden, format!("only uid {allowed_uid} may use this socket")).into_response()
}

/// A panic in a call is counted, and answered.
async fn guard(panics: Panics, request: Request, next: Next) -> Response {
    let mistake = || Refused::new(WireCode::Internal, "phpd made a mistake in this call; see the journal of opterius-phpd").into_response();
    panics.guard("a call", next.run(request)).await.unwrap_or_else(mistake)
}

fn one() -> MethodRouter<Arc<Registry>> {
    get(get_pool).delete(delete)
}

async fn put(State(registry): State<Arc<Registry>>, body: Bytes) -> Answer<PoolStatus> {
    let PutPool { spec } =
        serde_json::from_slice(&body).map_err(|error| Refused::new(WireCode::Invalid, format!("this is not a pool: {error}")))?;
    Ok(Json(registry.put(spec).await?))
}

/// What looks at files, on a thread that may wait for them.
async fn looked<T: Send + 'static>(registry: Arc<Registry>, look: impl FnOnce(&Registry) -> T + Send + 'static) -> Result<T, Refused> {
    let panics = registry.panics().clone();
    let looking = panics.on_a_thread("a look at the pools", move || look(&registry));
    tokio::time::timeout(PATIENCE, looking).await.map_err(io::Error::from).flatten().map_err(|error| {
        tracing::error!("could not look at the pools: {error}");
        Refused::new(WireCode::Internal, format!("could not look at the pools: {error}"))
    })
}

async fn list(State(registry): State<Arc<Registry>>) -> Answer<Vec<PoolStatus>> {
    Ok(Json(looked(registry, Registry::list).await?))
}

/// The names in the path, which are refused if they are none.
fn names((account, pool): (String, String)) -> Result<(AccountId, PoolName), Refused> {
    let invalid = |error: &dyn std::error::Error| Refused::new(WireCode::Invalid, error.to_string());
    Ok((AccountId::parse(&account).map_err(|error| invalid(&error))?, PoolName::parse(&pool).map_err(|error| invalid(&error))?))
}

async fn get_pool(State(registry): State<Arc<Registry>>, Segments(path): Segments<(String, String)>) -> Answer<PoolStatus> {
    let (account, pool) = names(path)?;
    let name = pool.clone();
    let found = looked(registry, move |registry| registry.get(account, &name)).await?;
    found.map(Json).ok_or_else(|| Refused::new(WireCode::NotFound, format!("account {account} has no pool {pool}")))
}

async fn delete(State(registry): State<Arc<Registry>>, Segments(path): Segments<(String, String)>) -> Answer<Deleted> {
    let (account, pool) = names(path)?;
    Ok(Json(registry.delete(account, &pool).await?))
}

async fn health(State(registry): State<Arc<Registry>>) -> Answer<Health> {
    Ok(Json(looked(registry, Registry::health).await?))
}
