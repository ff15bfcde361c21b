//! `/account/{id}`: one account, for its customer and for staff.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use opterius_model::{AccountId, Limit, PhpChoice};
use opterius_protocol::Micros;

use crate::app::{self, AppError, Scope};
use crate::core::Core;
use crate::http::ui::kit::bytes::Use;
use crate::http::ui::kit::gate::Visitor;
use crate::http::ui::kit::message::Message;
use crate::http::ui::kit::moment::Moment;
use crate::http::ui::kit::page::page;
use crate::http::ui::kit::style;
use crate::store::account::{Account, Status};
use crate::store::account_usage::{self, AccountUsage};
use crate::store::operation::{self, Kind, Operation, Outcome};

/// Operations that are shown.
const OPERATIONS: u32 = 10;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    /// Whether staff look at it, who are told more.
    staff: bool,
    username: String,
    domain: String,
    status: Word,
    suspended: bool,
    /// For staff: who holds it, and why.
    holds: Vec<Held>,
    package: String,
    php: Option<String>,
    disk: Option<Use>,
    measured: Option<Moment>,
    traffic: Option<Use>,
    ipv4: Vec<String>,
    ipv6: Vec<String>,
    nameservers: Vec<String>,
    operations: Vec<Line>,
}

/// A word, and how it is drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word {
    pub(crate) word: &'static str,
    pub(crate) class: &'static str,
}

struct Held {
    hold: &'static str,
    reason: String,
    by: String,
    since: Moment,
}

struct Line {
    what: &'static str,
    outcome: Word,
    at: Moment,
    /// For staff.
    by: String,
}

pub(crate) async fn show(State(core): State<Arc<Core>>, Visitor(visitor): Visitor, id: Result<Path<AccountId>, PathRejection>) -> Response {
    let Ok(Path(id)) = id else { return Message::nothing_here().into_response() };
    let staff = match &visitor {
        app::Visitor::Staff(caller, _) if !caller.may(Scope::AccountsRead) => return Message::may_not(Scope::AccountsRead).into_response(),
        app::Visitor::Staff(..) => true,
        app::Visitor::Customer(_) => false,
    };
    match view(&core, &visitor, staff, id).await {
        Ok(view) => page(StatusCode::OK, &view),
        Err(AppError::Refused(refusal)) if staff => Message::refused(&refusal).into_response(),
        Err(error) => Message::of(error).into_response(),
    }
}

async fn view(core: &Core, visitor: &app::Visitor, staff: bool, id: AccountId) -> Result<AccountPage, AppError> {
    let account = visitor.account(core, id).await?;
    let usage = account_usage::of(core.store.read(), id).await?;
    let filter = operation::Filter { account_id: Some(id), ..operation::Filter::default() };
    let operations = operation::list(core.store.read(), &core.owner, &filter, None, OPERATIONS).await?;
    let choice = account.spec.as_ref().and_then(|spec| spec.pools.first()).map(|pool| &pool.php_version);
    let php = choice.map(|choice| match (core.fleet.php_of(account.server.id, choice), choice) {
        (Some(runs), _) => runs,
        (None, PhpChoice::Version(version)) => version.to_string(),
        (None, PhpChoice::Newest) => "the newest".to_owned(),
    });
    Ok(AccountPage::new(account, php, &usage, operations, staff, core.now()))
}

impl AccountPage {
    fn new(account: Account, php: Option<String>, usage: &AccountUsage, operations: Vec<Operation>, staff: bool, now: Micros) -> Self {
        let limits = account.spec.as_ref().map(|spec| spec.limits);
        let most = |limit: Option<Limit>, unit: u64| limit.and_then(Limit::get).map(|number| u64::from(number) * unit);
        let disk_limit = most(limits.map(|limits| limits.disk_mib), 1 << 20);
        let traffic_limit = most(limits.map(|limits| limits.bandwidth_gib), 1 << 30);
        let (mut ipv4, mut ipv6, mut nameservers) = (Vec::new(), Vec::new(), Vec::new());
        if let Some(spec) = &account.spec {
            ipv4 = spec.addresses.ipv4.iter().map(ToString::to_string).collect();
            ipv6 = spec.addresses.ipv6.iter().map(ToString::to_string).collect();
            nameservers = spec.nameservers.iter().map(ToString::to_string).collect();
        }
        let held = |hold: crate::store::account_hold::AccountHold| Held {
            hold: hold.hold.as_str(),
            reason: hold.reason,
            by: hold.by,
            since: Moment::new(hold.since, now),
        };
        Self {
            staff,
            username: account.username.to_string(),
            domain: account.domain.to_string(),
            status: status(account.status),
            suspended: account.status == Status::Suspended,
            holds: if staff { account.holds.into_iter().map(held).collect() } else { Vec::new() },
            package: account.package.map(|package| package.name).unwrap_or_default(),
            php,
            disk: usage.disk.map(|disk| Use::new(disk.bytes, disk_limit).at_least(disk.at_least)),
            measured: usage.disk.map(|disk| Moment::new(disk.measured_at, now)),
            traffic: usage.traffic_in(&app::month(now)).map(|bytes| Use::new(bytes, traffic_limit)),
            ipv4,
            ipv6,
            nameservers,
            operations: operations.into_iter().map(|operation| Line::new(operation, staff, now)).collect(),
        }
    }
}

impl Line {
    fn new(operation: Operation, staff: bool, now: Micros) -> Self {
        Self {
            what: what(operation.kind),
            outcome: outcome(operation.outcome),
            at: Moment::new(operation.finished_at.unwrap_or(operation.started_at), now),
            by: if staff { operation.actor } else { String::new() },
        }
    }
}

/// The status as customers read it.
pub(crate) fn status(status: Status) -> Word {
    let (word, class) = match status {
        Status::Provisioning => ("being set up", "busy"),
        Status::Active => ("active", "good"),
        Status::Suspended => ("suspended", "held"),
        Status::NeedsAttention => ("being looked at", "busy"),
        Status::Terminated | Status::Failed => ("gone", "held"),
    };
    Word { word, class }
}

fn what(kind: Kind) -> &'static str {
    match kind {
        Kind::Create => "Set up",
        Kind::Password => "New password",
        Kind::Suspend => "Suspension",
        Kind::Unsuspend => "End of a suspension",
        Kind::Package => "Change of package",
        Kind::PhpVersion => "Change of PHP",
        Kind::Terminate => "Termination",
        Kind::Restore => "Restore",
        Kind::Repair => "Repair",
    }
}

fn outcome(outcome: Outcome) -> Word {
    let (word, class) = match outcome {
        Outcome::Running => ("going on", "busy"),
        Outcome::Committed => ("done", "good"),
        Outcome::RolledBack | Outcome::NotSent => ("not done", "held"),
        Outcome::NeedsAttention => ("being looked at", "busy"),
    };
    Word { word, class }
}
