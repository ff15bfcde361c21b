//! What the Panel says of itself and of the caller.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, data};
use crate::app::CallerKind;
use crate::core::Core;
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
pub(crate) async fn get(State(core): State<Arc<Core>>, call: Call) -> Result<Json<Data<OwnView>>, Problem> {
    let caller = call.caller;
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
        },
    }))
}
