//! Servers: which one an order goes to, and what names on it point to.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use opterius_model::{DomainName, RequestId, ServerId};
use sqlx::SqliteConnection;

use super::{AppError, Caller, Refusal, Version, record, still};
use crate::core::Core;
use crate::store::server::{self, Server};
use crate::store::{self, shared_parent_domain};

/// The server of this id or name, or the default one, if sites on it could be found.
pub(crate) fn choose_server(servers: Vec<Server>, choice: Option<&str>) -> Result<Server, AppError> {
    let server = find(servers, choice.unwrap_or("default"))?;
    if server.ipv4.is_empty() || server.nameservers.len() < 2 {
        return Err(Refusal::server_not_configured(&server.name).into());
    }
    Ok(server)
}

/// Checks that a server takes one more account. Accounts that come back to it are not kept out.
pub(super) async fn check_room(db: &mut SqliteConnection, server: &Server) -> Result<(), AppError> {
    if server.max_accounts == 0 || server::count_accounts(db, server.id).await? < i64::from(server.max_accounts) {
        return Ok(());
    }
    Err(Refusal::server_full(&server.name, server.max_accounts).into())
}

/// The server of this id or name; `default` is the default one whatever its name.
pub(crate) fn find(servers: Vec<Server>, choice: &str) -> Result<Server, AppError> {
    let found = servers
        .into_iter()
        .find(|server| server.name == choice || server.id.to_string() == choice || (choice == "default" && server.is_default));
    found.ok_or_else(|| Refusal::not_found("server", choice).into())
}

/// The name of a server, for people; its id, if it has none any more.
pub(super) async fn server_name(core: &Core, id: ServerId) -> String {
    let servers = server::list(core.store.read(), &core.owner).await.unwrap_or_default();
    servers.into_iter().find(|server| server.id == id).map_or_else(|| id.to_string(), |server| server.name)
}

/// Names that no account gets: the Panel's own, the servers' and the name servers'.
pub(crate) async fn reserved_names(core: &Core) -> Result<Vec<DomainName>, AppError> {
    let servers = server::list(core.store.read(), &core.owner).await?;
    let own = core.config.hostnames.iter().cloned();
    Ok(own.chain(servers.into_iter().flat_map(|server| server.nameservers.into_iter().chain(server.hostname))).collect())
}

/// What a server is to be.
#[derive(Debug)]
pub(crate) struct ServerChange {
    pub(crate) hostname: DomainName,
    pub(crate) ipv4: Vec<Ipv4Addr>,
    pub(crate) ipv6: Vec<Ipv6Addr>,
    pub(crate) nameservers: Vec<DomainName>,
    /// As it is, if nothing is said.
    pub(crate) max_accounts: Option<u32>,
}

/// What a form shows of a server.
pub(crate) fn server_version(server: &Server) -> Version {
    let hostname = server.hostname.as_ref().map(DomainName::as_str);
    let nameservers: Vec<&str> = server.nameservers.iter().map(DomainName::as_str).collect();
    Version::of(&(hostname, &server.ipv4, &server.ipv6, nameservers, server.max_accounts))
}

/// What a form shows of the shared parent domains.
pub(crate) fn shared_parent_domains_version(names: &[DomainName]) -> Version {
    Version::of(&names.iter().map(DomainName::as_str).collect::<Vec<_>>())
}

/// Sets a server's names and addresses. Accounts that are there keep theirs.
pub(crate) async fn change_server(
    core: &Arc<Core>,
    caller: &Caller,
    choice: &str,
    change: ServerChange,
    seen: Option<&Version>,
    request: &RequestId,
) -> Result<Server, AppError> {
    let mut write = core.store.write().await?;
    let server = find(server::list_counted(&mut *write, &caller.owner).await?, choice)?;
    still(&format!("The server `{}`", server.name), seen, &server_version(&server))?;
    let server = Server {
        hostname: Some(change.hostname),
        ipv4: change.ipv4,
        ipv6: change.ipv6,
        nameservers: change.nameservers,
        max_accounts: change.max_accounts.unwrap_or(server.max_accounts),
        ..server
    };
    server::update(&mut write, &caller.owner, &server).await?;
    record::done(&mut write, core, caller, "server.change", request, format!("The server {} was configured.", server.name)).await?;
    store::commit(write).await?;
    Ok(server)
}

/// Replaces the domains below which different customers may hold sites.
pub(crate) async fn set_shared_parent_domains(
    core: &Arc<Core>,
    caller: &Caller,
    names: Vec<DomainName>,
    seen: Option<&Version>,
    request: &RequestId,
) -> Result<Vec<DomainName>, AppError> {
    let mut write = core.store.write().await?;
    let before = shared_parent_domain::list(&mut *write, &caller.owner).await?;
    still("The list of shared parent domains", seen, &shared_parent_domains_version(&before))?;
    shared_parent_domain::replace(&mut write, &caller.owner, &names).await?;
    let list = names.iter().map(DomainName::as_str).collect::<Vec<_>>().join(", ");
    record::done(&mut write, core, caller, "shared_parent_domains.change", request, format!("The shared parent domains are now: {list}."))
        .await?;
    store::commit(write).await?;
    Ok(names)
}
