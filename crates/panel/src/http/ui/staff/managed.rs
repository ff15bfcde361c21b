//! `/accounts/{id}`: one account, for the host's people: what it is, what it uses, what was done to it, and what they may do.

use std::sync::Arc;

use askama::Template;
use axum::extract::State as Of;
use axum::response::Response;
use http::StatusCode;
use opterius_model::{AccountId, Limit, PhpChoice};
use opterius_protocol::Micros;
use opterius_protocol::agent::Drift;

use crate::app::{self, AppError, Caller, Reference, Scope};
use crate::core::Core;
use crate::fleet::ServerPhp;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::bytes::Use;
use crate::http::ui::kit::form::{Id, Typed, Wrong};
use crate::http::ui::kit::frame::{Asked, Frame, shown};
use crate::http::ui::kit::moment::Moment;
use crate::http::ui::kit::state::State;
use crate::store::account::{Account, Status};
use crate::store::account_usage::{self, AccountUsage};
use crate::store::activity;
use crate::store::operation::{self, Kind, Operation, Outcome};

/// Operations and rows of the Activity that are shown.
const LATEST: u32 = 15;

#[derive(Template)]
#[template(path = "managed.html")]
struct ManagedPage {
    frame: Frame,
    may: May,
    id: String,
    /// Of the account as it is shown here: a form that is sent says it.
    version: String,
    username: String,
    domain: String,
    state: State,
    /// Whether it was terminated.
    gone: bool,
    /// Whether it is held by nobody and active.
    suspended: bool,
    terminated: Option<Moment>,
    /// Until when it can be restored.
    restorable: Option<Moment>,
    holds: Vec<Held>,
    /// The operation that waits for somebody.
    waiting: Option<String>,
    /// The operation that goes on.
    running: Option<String>,
    facts: Vec<(String, String)>,
    ipv4: Vec<String>,
    ipv6: Vec<String>,
    nameservers: Vec<String>,
    sites: Vec<String>,
    uses: Vec<Used>,
    measured: Option<Moment>,
    limits: Vec<LimitLine>,
    /// Every PHP that it can have: as a form sends it, as people read it, and whether it is the one that it has.
    phps: Vec<(String, String, bool)>,
    drift: Option<Found>,
    operations: Vec<Line>,
    activity: Vec<Happened>,
    kept_days: u16,
    kept_until: Moment,
    /// The form that was not taken, and why.
    wrong: Option<(&'static str, Wrong)>,
    typed: Typed,
}

/// What whoever looks may do.
#[expect(clippy::struct_excessive_bools, reason = "each is one scope")]
struct May {
    suspend: bool,
    package: bool,
    password: bool,
    php: bool,
    terminate: bool,
    restore: bool,
    repair: bool,
    retry: bool,
    operations: bool,
    activity: bool,
}

impl May {
    fn of(caller: &Caller) -> Self {
        Self {
            suspend: caller.may(Scope::AccountsSuspend),
            package: caller.may(Scope::AccountsPackage),
            password: caller.may(Scope::AccountsPassword),
            php: caller.may(Scope::AccountsPhp),
            terminate: caller.may(Scope::AccountsTerminate),
            restore: caller.may(Scope::AccountsRestore),
            repair: caller.may(Scope::AccountsRepair),
            retry: caller.may(Scope::OperationsRetry),
            operations: caller.may(Scope::OperationsRead),
            activity: caller.may(Scope::ActivityRead),
        }
    }
}

struct Held {
    hold: &'static str,
    /// The same in words.
    who: String,
    reason: String,
    by: String,
    since: Moment,
}

/// What is used of a limit, as a bar.
struct Used {
    what: String,
    amount: String,
    limit: Option<String>,
    percent: Option<u64>,
    width: u64,
    class: &'static str,
}

struct LimitLine {
    name: String,
    value: String,
    /// Whether the account has its own.
    own: bool,
    enforced: String,
}

/// What is not as it should be.
struct Found {
    at: Moment,
    mended: bool,
    changes: Vec<(String, String)>,
    obstacles: Vec<(String, String)>,
}

/// One operation.
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) what: String,
    pub(crate) state: State,
    pub(crate) at: Moment,
    pub(crate) took: Option<String>,
    pub(crate) by: String,
    /// The account, if it has a page.
    pub(crate) account_id: Option<String>,
    pub(crate) username: String,
    pub(crate) domain: String,
    /// Why it did not succeed.
    pub(crate) why: Option<String>,
}

impl Line {
    pub(crate) fn new(frame: &Frame, operation: Operation) -> Self {
        Self {
            id: operation.id.to_string(),
            what: frame.texts.say(&format!("kind-{}", operation.kind.as_str())),
            state: State::of_operation(frame.texts, operation.outcome),
            at: frame.moment(operation.started_at),
            took: operation.finished_at.map(|at| took(at.0 - operation.started_at.0)),
            by: operation.actor,
            account_id: (!never_came(operation.kind, operation.outcome)).then(|| operation.account_id.to_string()),
            username: operation.username,
            domain: operation.domain,
            why: operation.error.map(|error| error.detail),
        }
    }
}

/// Whether an operation with this outcome leaves no account behind.
pub(crate) fn never_came(kind: Kind, outcome: Outcome) -> bool {
    kind == Kind::Create && matches!(outcome, Outcome::RolledBack | Outcome::NotSent)
}

/// How long something took, in microseconds, as people read it.
pub(crate) fn took(microseconds: i64) -> String {
    match microseconds.max(0) {
        less @ ..1_000_000 => format!("{} ms", less / 1_000),
        less @ 1_000_000..60_000_000 => format!("{}.{} s", less / 1_000_000, less % 1_000_000 / 100_000),
        more => format!("{} min {} s", more / 60_000_000, more % 60_000_000 / 1_000_000),
    }
}

/// One row of the Activity.
pub(crate) struct Happened {
    pub(crate) at: Moment,
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) class: &'static str,
    pub(crate) detail: String,
    pub(crate) operation: Option<String>,
}

impl Happened {
    pub(crate) fn new(frame: &Frame, row: activity::Row) -> Self {
        let class = match row.outcome.as_str() {
            "ok" => "status-green",
            "refused" => "status-orange",
            _ => "status-red",
        };
        Self {
            at: frame.moment(Micros(row.at)),
            actor: row.actor,
            action: row.action,
            class,
            detail: row.detail,
            operation: row.operation_id,
        }
    }
}

pub(crate) async fn show(Of(core): Of<Arc<Core>>, asked: Asked, id: Id<AccountId>) -> Response {
    match id.of("account") {
        Ok(id) => answer(&core, &asked, id, None, Typed::default()).await,
        Err(error) => asked.failed(&core, error).await,
    }
}

/// The page of an account, perhaps with a form on it that was not taken, as it was typed.
pub(crate) async fn answer(core: &Core, asked: &Asked, id: AccountId, wrong: Option<(&'static str, Wrong)>, typed: Typed) -> Response {
    match view(core, asked, id, typed).await {
        Ok(view) => {
            let status = wrong.as_ref().map_or(StatusCode::OK, |(_, wrong)| wrong.status);
            shown(status, &ManagedPage { wrong, ..view })
        }
        Err(error) => asked.failed(core, error).await,
    }
}

async fn view(core: &Core, asked: &Asked, id: AccountId, typed: Typed) -> Result<ManagedPage, AppError> {
    let (caller, read) = (&asked.caller, core.store.read());
    let account = app::any_account(core, caller, &Reference::Id(id)).await?;
    let frame = asked.frame(core).await?;
    let may = May::of(caller);
    let usage = account_usage::of(read, id).await?;
    let operations = if may.operations {
        let filter = operation::Filter { account_id: Some(id), ..operation::Filter::default() };
        operation::list(read, &caller.owner, &filter, None, LATEST).await?
    } else {
        Vec::new()
    };
    let activity = if may.activity {
        let filter = activity::Filter { account_id: Some(id), ..activity::Filter::default() };
        activity::list(read, &caller.owner, &filter, None, LATEST).await?
    } else {
        Vec::new()
    };
    let kept = app::settings(core).await?.kept;
    let open = account.operation.filter(|operation| !operation.outcome.is_final());
    let open = |outcome: Outcome| open.filter(|open| open.outcome == outcome).map(|open| open.id.to_string());
    let gone = account.status == Status::Terminated;
    let held = |hold: &crate::store::account_hold::AccountHold| Held {
        hold: hold.hold.as_str(),
        who: frame.texts.say(&format!("hold-{}", hold.hold)),
        reason: hold.reason.clone(),
        by: hold.by.clone(),
        since: frame.moment(hold.since),
    };
    let (mut ipv4, mut ipv6, mut nameservers, mut sites) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    if let Some(spec) = &account.spec {
        ipv4 = spec.addresses.ipv4.iter().map(ToString::to_string).collect();
        ipv6 = spec.addresses.ipv6.iter().map(ToString::to_string).collect();
        nameservers = spec.nameservers.iter().map(ToString::to_string).collect();
        sites = spec.sites.iter().flat_map(|site| &site.hosts).map(ToString::to_string).collect();
    }
    Ok(ManagedPage {
        may,
        id: id.to_string(),
        version: app::version(&account).as_str().to_owned(),
        username: account.username.to_string(),
        domain: account.domain.to_string(),
        state: State::of_account(frame.texts, account.status),
        gone,
        suspended: account.status == Status::Suspended,
        terminated: account.terminated_at.map(|at| frame.moment(at)),
        restorable: account.kept_until.filter(|until| *until > core.now()).map(|until| frame.moment(until)),
        // One that is gone remembers who held it, and is held by nobody.
        holds: if gone { Vec::new() } else { account.holds.iter().map(held).collect() },
        waiting: open(Outcome::NeedsAttention),
        running: open(Outcome::Running),
        facts: facts(&frame, caller, &account),
        ipv4,
        ipv6,
        nameservers,
        sites,
        uses: if gone { Vec::new() } else { uses(&frame, &account, &usage, core.now()) },
        measured: usage.disk.map(|disk| frame.moment(disk.measured_at)),
        limits: limits(core, &frame, &account),
        phps: phps(core, &frame, &account),
        drift: core.fleet.drift(account.server.id, id).filter(|_| !gone).map(|drift| found(&frame, drift)),
        operations: operations.into_iter().map(|operation| Line::new(&frame, operation)).collect(),
        activity: activity.into_iter().map(|row| Happened::new(&frame, row)).collect(),
        kept_days: kept.get(),
        kept_until: frame.moment(core.now().plus(kept.duration())),
        wrong: None,
        typed,
        frame,
    })
}

/// What there is to know, by name. What is not known is left out.
fn facts(frame: &Frame, caller: &Caller, account: &Account) -> Vec<(String, String)> {
    let php = account.spec.as_ref().and_then(|spec| spec.pools.first()).map(|pool| frame.php(&pool.php_version));
    let named = [
        ("account-package", Some(account.package.as_ref().map_or_else(|| frame.texts.say("none"), |package| package.name.clone()))),
        ("account-server", Some(account.server.name.clone())),
        ("account-php", php),
        ("account-uid", account.uid.map(|uid| uid.to_string())),
        ("account-email", account.email.clone()),
        ("account-ref", caller.shown_ref(account.external_ref.as_deref())),
        ("account-client", caller.shown_ref(account.client.client_ref.as_deref())),
        ("account-next-due", account.client.next_due_on.map(|day| day.to_string())),
        ("account-created", Some(frame.moment(account.created_at).exact)),
        ("account-generation", Some(account.generation.get().to_string())),
        ("account-id", Some(account.id.to_string())),
    ];
    named.into_iter().filter_map(|(name, value)| Some((frame.texts.say(name), value?))).collect()
}

/// The newest, what the server has, and what the account has.
fn phps(core: &Core, frame: &Frame, account: &Account) -> Vec<(String, String, bool)> {
    let has = account.spec.as_ref().and_then(|spec| spec.pools.first()).map(|pool| pool.php_version.clone());
    let there = match core.fleet.php(account.server.id) {
        ServerPhp::Versions(versions) => versions,
        ServerPhp::Unknown | ServerPhp::OnlyVersions => Vec::new(),
    };
    let mut choices: Vec<PhpChoice> = [PhpChoice::Newest].into_iter().chain(there.into_iter().map(PhpChoice::Version)).collect();
    choices.extend(has.clone().filter(|has| !choices.contains(has)));
    choices.into_iter().map(|choice| (choice.to_string(), frame.php(&choice), has.as_ref() == Some(&choice))).collect()
}

fn uses(frame: &Frame, account: &Account, usage: &AccountUsage, now: Micros) -> Vec<Used> {
    let limits = account.spec.as_ref().map(|spec| spec.limits);
    let most = |limit: Option<Limit>, unit: u64| limit.and_then(Limit::get).map(|number| u64::from(number) * unit);
    let at_least = usage.disk.is_some_and(|disk| disk.at_least);
    let disk = usage.disk.map(|disk| (disk.bytes, most(limits.map(|limits| limits.disk_mib), 1 << 20)));
    let traffic = usage.traffic_in(&app::month(now)).map(|bytes| (bytes, most(limits.map(|limits| limits.bandwidth_gib), 1 << 30)));
    let files = usage.disk.map(|disk| (disk.files, most(limits.map(|limits| limits.files), 1)));
    let bar = |name: &str, (used, limit): (u64, Option<u64>), counted: bool, at_least: bool| {
        let one = Use::new(used, limit);
        let said = |bytes: crate::http::ui::kit::bytes::Bytes| if counted { bytes.0.to_string() } else { bytes.to_string() };
        Used {
            what: frame.texts.say(name),
            amount: if at_least { frame.texts.about("at-least", "amount", &said(one.used)) } else { said(one.used) },
            limit: one.limit.map(said),
            percent: one.percent(),
            width: one.width(),
            class: one.class(),
        }
    };
    let bars = [
        disk.map(|use_| bar("account-disk", use_, false, at_least)),
        traffic.map(|use_| bar("account-traffic", use_, false, false)),
        files.map(|use_| bar("account-files", use_, true, at_least)),
    ];
    bars.into_iter().flatten().collect()
}

fn limits(core: &Core, frame: &Frame, account: &Account) -> Vec<LimitLine> {
    let enforcement = core.fleet.enforcement(account.server.id);
    let line = |(name, limit): (&'static str, Limit)| LimitLine {
        name: frame.texts.say(&format!("limit-{name}")),
        value: limit.get().map_or_else(|| frame.texts.say("unlimited"), |number| number.to_string()),
        own: account.overrides.contains_key(name),
        enforced: frame.texts.say(match enforcement.get(name).map(String::as_str) {
            Some("enforced") => "enforced-yes",
            Some("not enforced on this server") => "enforced-no",
            _ => "enforced-unknown",
        }),
    };
    account.spec.iter().flat_map(|spec| spec.limits.named()).map(line).collect()
}

fn found(frame: &Frame, drift: Drift) -> Found {
    let obstacles = drift.plan.conflicts.into_iter().chain(drift.plan.missing);
    Found {
        at: frame.moment(drift.found_at),
        mended: drift.mended,
        changes: drift.plan.changes.into_iter().map(|change| (change.resource, change.change)).collect(),
        obstacles: obstacles.map(|failure| (failure.step, failure.detail)).collect(),
    }
}

impl ManagedPage {
    /// Why this form was not taken.
    fn wrong(&self, form: &str) -> Option<&Wrong> {
        self.wrong.as_ref().filter(|(name, _)| *name == form).map(|(_, wrong)| wrong)
    }

    /// What was typed into this form, which a form of another name does not show.
    fn typed(&self, form: &str, field: &str) -> &str {
        if self.wrong(form).is_some() { self.typed.get(field) } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use super::took;

    #[test]
    fn a_time_reads_as_people_say_it() {
        assert_eq!(
            [-1, 999, 250_000, 1_500_000, 59_999_999, 90_000_000].map(took),
            ["0 ms", "0 ms", "250 ms", "1.5 s", "59.9 s", "1 min 30 s"]
        );
    }
}
