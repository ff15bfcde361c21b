//! What the Panel says of itself and of the caller.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, data};
use super::tokens::NewTokenView;
use crate::app::{self, CallerKind, Code, Refusal};
use crate::core::Core;
use crate::http::auth::calls_from;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::store::{package, server};

/// This Panel, and who asks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Own)]
pub(crate) struct OwnView {
    version: &'static str,
    api_version: u32,
    /// The id of this installation.
    installation: String,
    /// What the Panel takes for now.
    server_time_at: i64,
    caller: CallerView,
    /// How many packages there are.
    packages: i64,
    servers: Vec<ServerName>,
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
struct CallerView {
    /// `token` or `administrator`.
    kind: &'static str,
    name: String,
    owner: String,
    scopes: Vec<&'static str>,
    ref_prefix: Option<String>,
    expires_at: Option<i64>,
    /// Where the calling installation says it is, as this Panel understands its `Opterius-Caller`.
    calls_from: Option<String>,
    /// Whether it may change anything from there.
    allowed: bool,
}

/// A server, and whether it answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServerReach)]
struct ServerName {
    id: String,
    name: String,
    hostname: String,
    reachable: bool,
}

/// Ask who one is
#[utoipa::path(
    get, path = "/api/self", operation_id = "self.read", tag = "api", security(("token" = ["self.read"])),
    responses((status = 200, description = "This Panel, and who asks.", body = Data<OwnView>))
)]
pub(crate) async fn get(State(core): State<Arc<Core>>, call: Call, headers: HeaderMap) -> Result<Json<Data<OwnView>>, Problem> {
    let caller = call.caller;
    let calls_from = calls_from(&headers)?;
    let allowed = match (caller.token_id, &calls_from) {
        (Some(token), Some(from)) => app::may_change(&core, token, from).await?,
        _ => true,
    };
    let servers = server::list(core.store.read(), &caller.owner).await?.into_iter().map(|server| ServerName {
        id: server.id.to_string(),
        hostname: server.hostname.map(|name| name.to_string()).unwrap_or_default(),
        reachable: core.fleet.reachable(server.id),
        name: server.name,
    });
    Ok(data(OwnView {
        version: env!("CARGO_PKG_VERSION"),
        api_version: 1,
        installation: core.installation.clone(),
        server_time_at: core.now().0,
        packages: package::count(core.store.read(), &caller.owner).await?,
        servers: servers.collect(),
        caller: CallerView {
            kind: if caller.kind == CallerKind::Token { "token" } else { "administrator" },
            name: caller.name,
            owner: caller.owner.as_str().to_owned(),
            scopes: caller.scopes.iter().map(|scope| scope.as_str()).collect(),
            ref_prefix: caller.ref_prefix.map(|prefix| prefix.as_str().to_owned()),
            expires_at: caller.expires_at.map(|at| at.0),
            calls_from: calls_from.map(|from| from.to_string()),
            allowed,
        },
    }))
}

/// Get another text for one's own token
///
/// The answer is the only place where it is ever shown. The old one opens until the new one is used for the first time.
#[utoipa::path(
    post, path = "/api/self/token", operation_id = "token.rotate_own", extensions(("x-refusals" = json!([Code::NotFound]))), tag = "api", security(("token" = ["self.rotate"])),
    responses((status = 201, description = "The token has a new text.", body = Data<NewTokenView>))
)]
pub(crate) async fn rotate(State(core): State<Arc<Core>>, call: Call) -> Result<(StatusCode, Json<Data<NewTokenView>>), Problem> {
    let Some(id) = call.caller.token_id else {
        return Err(Refusal::new(Code::NotFound, "Whoever asks came with no token, so there is none to rotate.")
            .hint("Use `opterius token rotate` with the token's name.")
            .into());
    };
    let (token, text) = app::rotate_token(&core, &app::confirm(&core, &call.caller, None).await?, id, &call.request_id).await?;
    Ok((StatusCode::CREATED, data(NewTokenView::new(&core, token, &text))))
}
