//! Domains below which different customers may hold sites.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use opterius_model::DomainName;
use utoipa::ToSchema;

use super::shape::{List, whole};
use super::texts;
use crate::app;
use crate::core::Core;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::{Body, QueryFields};
use crate::store::shared_parent_domain;

/// All of them.
#[derive(ToSchema)]
#[schema(as = SharedParentDomains)]
#[expect(dead_code, reason = "describes the body in the document")]
struct SharedParentDomainsBody {
    names: Vec<texts::Domain>,
}

/// List the shared parent domains
///
/// Below these, different customers may hold sites: `client.hoster.example` beside `hoster.example`.
#[utoipa::path(
    get, path = "/api/shared-parent-domains", operation_id = "shared_parent_domains.read", tag = "servers", security(("token" = ["servers.read"])),
    responses((status = 200, description = "All of them.", body = List<String>))
)]
pub(crate) async fn list(
    State(core): State<Arc<Core>>,
    call: Call,
    QueryFields(fields): QueryFields,
) -> Result<Json<List<String>>, Problem> {
    let () = fields.finish(Some(()))?;
    let names = shared_parent_domain::list(core.store.read(), &call.caller.owner).await?;
    Ok(whole(names.iter().map(ToString::to_string).collect(), core.now().0))
}

/// Set the shared parent domains
#[utoipa::path(
    put, path = "/api/shared-parent-domains", operation_id = "shared_parent_domains.change", tag = "servers", security(("token" = ["servers.write"])),
    request_body = SharedParentDomainsBody,
    responses((status = 200, description = "All of them, as they are now.", body = List<String>))
)]
pub(crate) async fn replace(State(core): State<Arc<Core>>, call: Call, Body(mut fields): Body) -> Result<Json<List<String>>, Problem> {
    let names = fields.required_list("names", DomainName::parse);
    let mut names = fields.finish(names)?;
    names.sort();
    names.dedup();
    let names = app::set_shared_parent_domains(&core, &call.caller, names, None, &call.request_id).await?;
    Ok(whole(names.iter().map(ToString::to_string).collect(), core.now().0))
}
