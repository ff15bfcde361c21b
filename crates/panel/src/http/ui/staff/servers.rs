//! `/servers`: how every server is, and what names on it point to.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use opterius_model::{DomainName, PhpVersion};
use opterius_protocol::agent::{Health, PartHealth};

use crate::app::{self, AppError, Scope, ServerChange};
use crate::core::Core;
use crate::http::api::servers::change_of;
use crate::http::read::Fields;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::bytes::Use;
use crate::http::ui::kit::form::{Filled, Given, Typed, checked};
use crate::http::ui::kit::frame::{Asked, Frame, shown, to};
use crate::http::ui::kit::moment::Moment;
use crate::store::server::{self, Server};
use crate::tls::Pins;

/// Accounts with drift that are named.
const NAMED: usize = 20;

/// A certificate that ends so soon is told of, in microseconds.
const SOON: i64 = 30 * 86_400 * 1_000_000;

#[derive(Template)]
#[template(path = "servers.html")]
struct ServersPage {
    frame: Frame,
    servers: Vec<View>,
    panel: &'static str,
    may: bool,
    /// Whether whoever looks may look at accounts, and at operations.
    accounts: bool,
    operations: bool,
    pins: Option<Pins>,
    /// Until when the Panel's certificate is valid, and whether that is soon or over.
    certificate: Option<(Moment, bool)>,
}

/// A server as it is shown.
pub(crate) struct View {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) is_default: bool,
    pub(crate) hostname: String,
    pub(crate) ipv4: Vec<String>,
    pub(crate) ipv6: Vec<String>,
    pub(crate) nameservers: Vec<String>,
    pub(crate) accounts: i64,
    /// 0 for any number.
    pub(crate) max_accounts: u32,
    /// What it said when it was last asked; nothing if it did not answer.
    pub(crate) health: Option<Health>,
    /// Accounts that are not as committed: id, username, and whether the server mended it.
    drift: Vec<(String, String, bool)>,
    /// Every limit by its text, with whether the server makes it true and what was seen.
    enforcement: Vec<(String, bool, String)>,
}

/// How busy and how full a machine is, as it is shown.
pub(crate) struct Busy {
    /// The load of the last minute, and how many processors there are for it.
    pub(crate) average: String,
    pub(crate) memory: Use,
    pub(crate) disk: Use,
}

impl View {
    pub(crate) fn new(core: &Core, frame: &Frame, server: Server) -> Self {
        let health = core.fleet.health(server.id);
        let probed = health.iter().flat_map(|health| &health.enforcement);
        let enforcement = probed.map(|one| (frame.texts.say(&format!("limit-{}", one.limit)), one.enforced, one.detail.clone())).collect();
        let texts = |all: &[DomainName]| all.iter().map(ToString::to_string).collect();
        Self {
            id: server.id.to_string(),
            is_default: server.is_default,
            hostname: server.hostname.as_ref().map(ToString::to_string).unwrap_or_default(),
            ipv4: server.ipv4.iter().map(ToString::to_string).collect(),
            ipv6: server.ipv6.iter().map(ToString::to_string).collect(),
            nameservers: texts(&server.nameservers),
            accounts: server.accounts,
            max_accounts: server.max_accounts,
            drift: core
                .fleet
                .drifted(server.id)
                .into_iter()
                .map(|one| (one.account_id.to_string(), one.username.to_string(), one.mended))
                .collect(),
            name: server.name,
            enforcement,
            health,
        }
    }

    /// What does not do its work.
    pub(crate) fn broken(&self) -> Vec<&PartHealth> {
        self.health.iter().flat_map(|health| &health.parts).filter(|part| !part.ok).collect()
    }

    /// How busy and how full the machine is, if its Agent tells.
    pub(crate) fn load(&self) -> Option<Busy> {
        let load = self.health.as_ref()?.load?;
        let used = |all: u64, available: u64| Use::new(all.saturating_sub(available), Some(all));
        Some(Busy {
            average: format!("{}.{:02} / {}", load.average_hundredths / 100, load.average_hundredths % 100, load.processors),
            memory: used(load.memory_bytes, load.memory_available_bytes),
            disk: used(load.disk_bytes, load.disk_available_bytes),
        })
    }

    /// The PHPs that it has, the newest first, if its Agent tells.
    fn php(&self) -> Option<String> {
        let versions = self.health.as_ref()?.php_versions.as_ref().filter(|versions| !versions.is_empty())?;
        Some(versions.iter().map(PhpVersion::as_str).collect::<Vec<_>>().join(", "))
    }

    /// Whether its Agent is of another version than this Panel.
    fn is_of_another_version(&self) -> bool {
        self.health.as_ref().is_some_and(|health| health.version != env!("CARGO_PKG_VERSION"))
    }

    /// Whether its Agent speaks another version of the contract.
    fn speaks_another_protocol(&self) -> bool {
        self.health.as_ref().is_some_and(|health| health.protocol != opterius_protocol::VERSION)
    }

    /// The first accounts with drift.
    fn first_drifted(&self) -> &[(String, String, bool)] {
        &self.drift[..self.drift.len().min(NAMED)]
    }

    /// How full it is, if it takes only so many accounts.
    pub(crate) fn is_limited(&self) -> bool {
        self.max_accounts > 0
    }

    /// Whether sites on it could be found.
    pub(crate) fn is_configured(&self) -> bool {
        !self.ipv4.is_empty() && self.nameservers.len() >= 2
    }
}

pub(crate) async fn views(core: &Core, asked: &Asked, frame: &Frame) -> Result<Vec<View>, AppError> {
    let servers = server::list_counted(core.store.read(), &asked.caller.owner).await?;
    Ok(servers.into_iter().map(|server| View::new(core, frame, server)).collect())
}

pub(crate) async fn list(State(core): State<Arc<Core>>, asked: Asked) -> Response {
    let view = async {
        let frame = asked.frame(&core).await?;
        let servers = views(&core, &asked, &frame).await?;
        let until = crate::tls::valid_until(&core.config.tls_dir());
        let may = |scope| asked.caller.may(scope);
        // A token with a prefix would see whose accounts are not its own.
        let sees_all = asked.caller.ref_prefix.is_none();
        Ok::<_, AppError>(ServersPage {
            servers,
            panel: env!("CARGO_PKG_VERSION"),
            may: may(Scope::ServersWrite),
            accounts: sees_all && may(Scope::AccountsRead),
            operations: sees_all && may(Scope::OperationsRead),
            pins: core.pins.clone(),
            certificate: until.map(|until| (frame.moment(until), until.0 - core.now().0 < SOON)),
            frame,
        })
    };
    match view.await {
        Ok(view) => shown(StatusCode::OK, &view),
        Err(error) => asked.failed(&core, error).await,
    }
}

#[derive(Template)]
#[template(path = "server_form.html")]
struct ServerForm {
    frame: Frame,
    filled: Filled,
    /// As it is.
    server: View,
    version: String,
}

pub(crate) async fn form(State(core): State<Arc<Core>>, asked: Asked, Path(id): Path<String>) -> Response {
    page(&core, &asked, &id, Typed::default(), None).await
}

async fn page(core: &Core, asked: &Asked, id: &str, mut typed: Typed, error: Option<AppError>) -> Response {
    let view = async {
        let server = app::server(core, &asked.caller, id).await?;
        let frame = asked.frame(core).await?;
        let version = app::server_version(&server).as_str().to_owned();
        let server = View::new(core, &frame, server);
        for (field, value) in [
            ("hostname", server.hostname.clone()),
            ("ipv4", server.ipv4.join("\n")),
            ("ipv6", server.ipv6.join("\n")),
            ("nameservers", server.nameservers.join("\n")),
            ("max_accounts", server.max_accounts.to_string()),
        ] {
            typed.fill(field, value);
        }
        Ok(ServerForm { frame, filled: Filled::new(typed, error)?, server, version })
    };
    match view.await {
        Ok(view) => shown(view.filled.status(), &view),
        Err(error) => asked.failed(core, error).await,
    }
}

fn wanted(fields: &mut Fields) -> Option<ServerChange> {
    let hostname = fields.text("hostname", DomainName::parse);
    let ipv4 = fields.lines("ipv4", str::parse::<Ipv4Addr>);
    let ipv6 = fields.lines("ipv6", str::parse::<Ipv6Addr>);
    let nameservers = fields.lines("nameservers", DomainName::parse);
    let most = fields.text("max_accounts", |text| {
        text.parse::<u32>().map_err(|_| "the number of accounts must be a whole number from 0 (any number)".to_owned())
    });
    change_of(fields, hostname, ipv4, ipv6, nameservers, most)
}

pub(crate) async fn change(
    State(core): State<Arc<Core>>,
    asked: Asked,
    Path(id): Path<String>,
    Given { mut fields, typed, .. }: Given,
) -> Response {
    let done = async {
        let (seen, wanted) = (fields.version(), wanted(&mut fields));
        let (seen, change) = checked(fields.finish(seen.zip(wanted)))?;
        app::change_server(&core, &asked.caller, &id, change, Some(&seen), &asked.request_id).await
    };
    match done.await {
        Ok(_) => to("/servers", asked.part),
        Err(error) => page(&core, &asked, &id, typed, Some(error)).await,
    }
}
