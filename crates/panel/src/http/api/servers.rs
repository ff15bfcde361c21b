//! Servers.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use opterius_model::DomainName;
use opterius_protocol::phpd::CgroupLevel;
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, Id, List, ServerRef, data, whole};
use super::texts;
use crate::app::{self, ServerChange};
use crate::core::Core;
use crate::fleet::ServerPhp;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::{Body, Fields, QueryFields};
use crate::store::server::{self, Server};

/// A machine that runs an Agent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Server)]
pub(crate) struct ServerView {
    id: String,
    name: String,
    hostname: Option<String>,
    ipv4: Vec<String>,
    ipv6: Vec<String>,
    nameservers: Vec<String>,
    /// Whether its Agent answered when it was last asked.
    reachable: bool,
    /// How many accounts are on it.
    accounts: i64,
    /// How many it takes; 0 for any number.
    max_accounts: u32,
    /// Whether orders that name no server go here.
    default: bool,
    /// For every limit: `enforced`, `not enforced on this server`, or `unknown` while the server does not answer.
    enforcement: BTreeMap<String, String>,
    /// What cgroups of the accounts can do there. `none`: there are none of version 2. `tree`: there are, without the controllers `cpu`, `memory`
    /// and `pids`, so that these cannot be limited. `full`: with these controllers. Nothing while the server does not answer, or does not say.
    cgroups: Option<Cgroups>,
    /// The versions of PHP that it has, the newest first, at most 32; null while that is not known, as while it does not answer.
    php_versions: Option<Vec<String>>,
}

/// What cgroups of the accounts can do on a server.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Cgroups {
    None,
    Tree,
    Full,
}

impl From<CgroupLevel> for Cgroups {
    fn from(level: CgroupLevel) -> Self {
        match level {
            CgroupLevel::None => Self::None,
            CgroupLevel::Tree => Self::Tree,
            CgroupLevel::Full => Self::Full,
        }
    }
}

impl ServerView {
    fn new(core: &Core, server: Server) -> Self {
        Self {
            id: server.id.to_string(),
            hostname: server.hostname.map(|name| name.to_string()),
            ipv4: server.ipv4.iter().map(ToString::to_string).collect(),
            ipv6: server.ipv6.iter().map(ToString::to_string).collect(),
            nameservers: server.nameservers.iter().map(ToString::to_string).collect(),
            reachable: core.fleet.reachable(server.id),
            accounts: server.accounts,
            max_accounts: server.max_accounts,
            default: server.is_default,
            enforcement: core.fleet.enforcement(server.id),
            cgroups: core.fleet.health(server.id).and_then(|health| health.cgroup_level).map(Cgroups::from),
            php_versions: match core.fleet.php(server.id) {
                ServerPhp::Versions(versions) => Some(versions.iter().map(ToString::to_string).collect()),
                ServerPhp::Unknown | ServerPhp::OnlyVersions => None,
            },
            name: server.name,
        }
    }
}

/// What names of accounts on a server point to.
#[derive(ToSchema)]
#[schema(as = ChangeServer)]
#[expect(dead_code, reason = "describes the body in the document")]
struct ChangeServerBody {
    hostname: texts::Domain,
    /// At least one.
    #[schema(min_items = 1)]
    ipv4: Vec<texts::Ipv4>,
    ipv6: Option<Vec<texts::Ipv6>>,
    /// At least two different ones.
    #[schema(min_items = 2)]
    nameservers: Vec<texts::Domain>,
    /// How many accounts it takes; 0 for any number. As it is, if nothing is said.
    max_accounts: Option<texts::MaxAccounts>,
}

/// List servers
#[utoipa::path(
    get, path = "/api/servers", operation_id = "server.list", tag = "servers", security(("token" = ["servers.read"])),
    responses((status = 200, description = "All servers, the default one first.", body = List<ServerView>))
)]
pub(crate) async fn list(
    State(core): State<Arc<Core>>,
    call: Call,
    QueryFields(fields): QueryFields,
) -> Result<Json<List<ServerView>>, Problem> {
    let () = fields.finish(Some(()))?;
    let servers = server::list_counted(core.store.read(), &call.caller.owner).await?;
    Ok(whole(servers.into_iter().map(|server| ServerView::new(&core, server)).collect(), core.now().0))
}

/// Look at a server
#[utoipa::path(
    get, path = "/api/servers/{id}", operation_id = "server.read", tag = "servers", security(("token" = ["servers.read"])),
    params(("id" = inline(texts::ServerChoice), Path, description = "The server's id or name; `default` is the default one.")),
    responses((status = 200, description = "The server.", body = Data<ServerView>))
)]
pub(crate) async fn get(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(ServerRef(id)): Id<ServerRef>,
) -> Result<Json<Data<ServerView>>, Problem> {
    let server = app::server(&core, &call.caller, &id).await?;
    Ok(data(ServerView::new(&core, server)))
}

/// Set a server's names and addresses
///
/// Accounts that are there keep what they have.
#[utoipa::path(
    put, path = "/api/servers/{id}", operation_id = "server.change", tag = "servers", security(("token" = ["servers.write"])),
    params(("id" = inline(texts::ServerChoice), Path, description = "The server's id or name; `default` is the default one.")),
    request_body = ChangeServerBody,
    responses((status = 200, description = "The server as it is now.", body = Data<ServerView>))
)]
pub(crate) async fn change(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(ServerRef(id)): Id<ServerRef>,
    Body(mut fields): Body,
) -> Result<Json<Data<ServerView>>, Problem> {
    let hostname = fields.required("hostname", DomainName::parse);
    let ipv4 = fields.required_list("ipv4", str::parse::<Ipv4Addr>);
    let ipv6 = fields.list("ipv6", str::parse::<Ipv6Addr>).unwrap_or_default();
    let nameservers = fields.required_list("nameservers", DomainName::parse);
    let max_accounts = fields.number("max_accounts", |number| {
        u32::try_from(number).map_err(|_| "`max_accounts` is too large: use at most 4294967295, or 0 for any number".to_owned())
    });
    let change = change_of(&mut fields, hostname, ipv4, Some(ipv6), nameservers, max_accounts);
    let change = fields.finish(change)?;
    let server = app::change_server(&core, &call.caller, &id, change, None, &call.request_id).await?;
    Ok(data(ServerView::new(&core, server)))
}

/// What a server is to be, if enough is given.
pub(crate) fn change_of(
    fields: &mut Fields,
    hostname: Option<DomainName>,
    ipv4: Option<Vec<Ipv4Addr>>,
    ipv6: Option<Vec<Ipv6Addr>>,
    nameservers: Option<Vec<DomainName>>,
    max_accounts: Option<u32>,
) -> Option<ServerChange> {
    if ipv4.as_ref().is_some_and(Vec::is_empty) {
        fields.refuse("ipv4", "empty", "a server needs at least one IPv4 address");
    }
    for address in ipv4.iter().flatten().copied().map(IpAddr::V4).filter(|address| !app::can_be_reached(*address)) {
        fields.refuse("ipv4", "invalid", format!("nobody reaches a server at `{address}`: use the address that visitors find it at"));
    }
    for address in ipv6.iter().flatten().copied().map(IpAddr::V6).filter(|address| !app::can_be_reached(*address)) {
        fields.refuse("ipv6", "invalid", format!("nobody reaches a server at `{address}`: use the address that visitors find it at"));
    }
    let nameservers = enough(fields, nameservers);
    Some(ServerChange { hostname: hostname?, ipv4: ipv4?, ipv6: ipv6?, nameservers: nameservers?, max_accounts })
}

/// Name servers, if there are enough for a zone.
pub(crate) fn enough(fields: &mut Fields, nameservers: Option<Vec<DomainName>>) -> Option<Vec<DomainName>> {
    let names = nameservers?;
    if names.len() < 2 || names.iter().enumerate().any(|(at, name)| names[..at].contains(name)) {
        fields.refuse("nameservers", "invalid", "a zone needs at least two different name servers");
    }
    Some(names)
}
