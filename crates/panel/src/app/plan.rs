//! What a change would do, without doing any of it: what the server says of its part, and what the Panel adds of its own.

use std::time::Duration;

use opterius_model::{Limits, ServerId, Spec, State};
use opterius_protocol::agent::{Failure, FailureKind, PlanAccount, PlannedChange};
use opterius_protocol::client::chain;

use super::change_account::{Next, Verb, Wanted};
use super::refusal::rfc_3339;
use super::{AppError, Caller, Code, Memo, Reference, Refusal, read};
use crate::core::Core;
use crate::store::account::{Account, Status};
use crate::store::account_hold::AccountHold;
use crate::store::operation::Outcome;

/// Looking at everything of one account takes milliseconds; services that do not answer take longer.
const LOOKING: Duration = Duration::from_secs(20);

/// What would change, what is in the way, and what is needed and not there.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) action: &'static str,
    pub(crate) changes: Vec<PlannedChange>,
    pub(crate) conflicts: Vec<Obstacle>,
    pub(crate) missing: Vec<Obstacle>,
}

/// Something that would keep a change from being made.
#[derive(Debug)]
pub(crate) struct Obstacle {
    /// The step that would fail; `panel` if nothing would be begun.
    pub(crate) step: String,
    pub(crate) code: String,
    pub(crate) detail: String,
    pub(crate) hint: Option<String>,
}

impl From<Refusal> for Obstacle {
    fn from(refusal: Refusal) -> Self {
        let code = serde_json::to_value(refusal.code).ok().and_then(|code| code.as_str().map(str::to_owned)).unwrap_or_default();
        Self { step: "panel".to_owned(), code, detail: refusal.detail, hint: refusal.hint }
    }
}

impl From<Failure> for Obstacle {
    fn from(failure: Failure) -> Self {
        let code = match failure.kind {
            FailureKind::UsernameTaken => "username_taken",
            FailureKind::DomainTaken => "domain_taken",
            FailureKind::Unavailable => "unavailable",
            FailureKind::NotKept => "account_gone",
            FailureKind::Failed => "failed",
        };
        Self { step: failure.step, code: code.to_owned(), detail: failure.detail, hint: failure.hint }
    }
}

impl Plan {
    pub(super) fn of(action: &'static str) -> Self {
        Self { action, changes: Vec::new(), conflicts: Vec::new(), missing: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.conflicts.is_empty() && self.missing.is_empty()
    }

    pub(super) fn change(&mut self, resource: &str, change: String) {
        self.changes.push(PlannedChange { resource: resource.to_owned(), change });
    }

    /// Takes in why a change would be refused; gives back what is not an obstacle of the change but a fault of the request.
    pub(super) fn refused(&mut self, error: AppError) -> Result<(), AppError> {
        let AppError::Refused(refusal) = error else { return Err(error) };
        match refusal.code {
            Code::PackageNotFound | Code::PackageRetired | Code::ServerUnreachable | Code::ServerNotConfigured | Code::ServerFull => {
                self.missing.push((*refusal).into());
            }
            Code::UsernameTaken | Code::DomainTaken | Code::ExternalRefTaken | Code::ExternalRefMismatch | Code::LimitsBelowUse => {
                self.conflicts.push((*refusal).into());
            }
            _ => return Err(AppError::Refused(refusal)),
        }
        Ok(())
    }

    /// Adds what the account's server says of it.
    pub(super) async fn ask(&mut self, core: &Core, server: ServerId, name: &str, spec: Spec) {
        match core.fleet.agent(server).call(&PlanAccount { spec }, LOOKING).await {
            Ok(plan) => {
                self.changes.extend(plan.changes);
                self.conflicts.extend(plan.conflicts.into_iter().map(Obstacle::from));
                self.missing.extend(plan.missing.into_iter().map(Obstacle::from));
            }
            Err(error) => self.missing.push(Refusal::server_unreachable(name, &chain(&error)).into()),
        }
    }
}

/// What `verb` would do to an account now. Takes nothing, waits for nothing.
pub(crate) async fn plan_change<V: Verb>(core: &Core, caller: &Caller, reference: &Reference, verb: &V) -> Result<Plan, AppError> {
    let account = read::any_account(core, caller, reference).await?;
    plan_of(core, caller, &account, verb).await
}

/// As [`plan_change`], of an account that was read just now.
pub(super) async fn plan_of<V: Verb>(core: &Core, caller: &Caller, account: &Account, verb: &V) -> Result<Plan, AppError> {
    if account.status == Status::Terminated && !V::TAKES_TERMINATED {
        return Err(Refusal::account_gone(account, core.now()).into());
    }
    let mut plan = Plan::of(V::KIND.as_str());
    if let Some(open) = account.operation.filter(|operation| !operation.outcome.is_final()) {
        let open = match open.outcome {
            Outcome::NeedsAttention if V::replaces(open.kind) => None,
            Outcome::NeedsAttention => Some(Refusal::still_needs_attention(account, open.id)),
            _ => Some(Refusal::operation_running(account, open.id, open.kind)),
        };
        plan.conflicts.extend(open.map(Into::into));
    }
    let mut wanted = match verb.next(core, caller, account).await {
        Ok(Next::Nothing) => return Ok(plan),
        Ok(Next::Rows(memo)) => {
            own_changes(core, account, account.spec.as_ref(), &memo, &mut plan);
            return Ok(plan);
        }
        Ok(Next::Change(wanted)) => *wanted,
        Err(error) => {
            plan.refused(error)?;
            return Ok(plan);
        }
    };
    plan.conflicts.extend(std::mem::take(&mut wanted.in_the_way).into_iter().map(Obstacle::from));
    try_to_reserve(core, caller, account, verb, &wanted, &mut plan).await?;
    own_changes(core, account, Some(&wanted.spec), &wanted.memo, &mut plan);
    plan.ask(core, account.server.id, &account.server.name, wanted.spec).await;
    Ok(plan)
}

/// Takes what the change needs, in a transaction that leaves nothing behind.
async fn try_to_reserve<V: Verb>(
    core: &Core,
    caller: &Caller,
    account: &Account,
    verb: &V,
    wanted: &Wanted,
    plan: &mut Plan,
) -> Result<(), AppError> {
    let _turn = if V::KIND.closes() { None } else { Some(core.turn_to_reserve(&caller.actor()).await) };
    let mut write = core.store.write().await?;
    match verb.reserve(&mut write, caller, account, wanted).await {
        Ok(()) => Ok(()),
        Err(error) => plan.refused(error),
    }
}

/// What of an account only the Panel knows, and what becomes of it.
fn own_changes(core: &Core, account: &Account, spec: Option<&Spec>, memo: &Memo, plan: &mut Plan) {
    if let (Some(before), Some(after)) = (account.spec.as_ref(), spec) {
        let status = Status::of(after.state);
        if status != account.status {
            plan.change("account", format!("status: {} to {}", account.status.as_str(), status.as_str()));
        }
        for (what, old, new) in [
            ("username", before.username.as_str(), after.username.as_str()),
            ("domain", before.sites[0].primary().as_str(), after.sites[0].primary().as_str()),
        ] {
            if old != new {
                plan.change("account", format!("{what}: {old} to {new}"));
            }
        }
        limit_changes(core, account, before.limits, after.limits, plan);
        if after.state == State::Absent {
            let fate = match after.kept_until.filter(|until| *until > core.now()) {
                Some(until) => format!("would be kept until {}, and deleted then", rfc_3339(until)),
                None => "would be deleted".to_owned(),
            };
            plan.change("home", fate);
        }
    }
    let package = account.package.as_ref().map(|package| package.name.as_str());
    if memo.package_id != account.package.as_ref().map(|package| package.id) {
        let new = memo.package_name.as_deref().unwrap_or("none");
        plan.change("account", format!("package: {} to {new}", package.unwrap_or("none")));
    }
    for (name, limit) in memo.overrides.iter().filter(|(name, limit)| account.overrides.get(*name) != Some(limit)) {
        plan.change("account", format!("override {name}: {}", amount(limit.stored())));
    }
    for name in account.overrides.keys().filter(|name| !memo.overrides.contains_key(*name)) {
        plan.change("account", format!("override {name}: dropped"));
    }
    hold_changes(&account.holds, &memo.holds, plan);
}

fn limit_changes(core: &Core, account: &Account, before: Limits, after: Limits, plan: &mut Plan) {
    let enforcement = core.fleet.enforcement(account.server.id);
    for ((name, old), (_, new)) in before.named().into_iter().zip(after.named()) {
        if old != new {
            let enforced = enforcement.get(name).map(String::as_str).unwrap_or_default();
            let enforced = if enforced == "unknown" { "unknown whether this server enforces it" } else { enforced };
            plan.change("limits", format!("{name}: {} to {} ({enforced})", amount(old.stored()), amount(new.stored())));
        }
    }
}

fn hold_changes(before: &[AccountHold], after: &[AccountHold], plan: &mut Plan) {
    for hold in after {
        match before.iter().find(|there| there.hold == hold.hold) {
            None => plan.change("account", format!("hold {}: {}", hold.hold, hold.reason)),
            Some(there) if there.reason != hold.reason => {
                plan.change("account", format!("reason of the hold {}: {} to {}", hold.hold, there.reason, hold.reason));
            }
            Some(_) => {}
        }
    }
    for hold in before.iter().filter(|there| after.iter().all(|hold| hold.hold != there.hold)) {
        plan.change("account", format!("hold {}: lifted", hold.hold));
    }
}

fn amount(limit: u32) -> String {
    if limit == 0 { "unlimited".to_owned() } else { limit.to_string() }
}
