//! How accounts are told.

use std::collections::BTreeMap;

use opterius_model::Limit;
use opterius_protocol::agent::Drift;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{Caller, Obstacle};
use crate::core::Core;
use crate::http::api::plan::{ChangeView, ConflictView, MissingView, PlanView};
use crate::http::api::shape::Data;
use crate::store::account::{Account, Status};

/// One customer's hosting.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountView {
    /// For ever: never used again.
    id: String,
    owner: String,
    /// The caller's own name for it, without the token's prefix.
    external_ref: Option<String>,
    username: String,
    /// The primary domain, as a lower-case A-label.
    domain: String,
    email: Option<String>,
    /// The caller's own name for the client that it is for, without the token's prefix.
    client_ref: Option<String>,
    /// When the client pays next, as in 2026-12-31.
    next_due_on: Option<String>,
    package: PackageName_,
    server: ServerName,
    /// `provisioning`, `active`, `suspended`, `needs_attention`; `terminated` only in lists that ask for it.
    status: &'static str,
    /// Who holds it, if it is suspended.
    holds: Vec<HoldView>,
    /// A sentence for people, if it is suspended: who holds it, and why.
    pub(super) notice: Option<String>,
    ipv4: Vec<String>,
    ipv6: Vec<String>,
    nameservers: Vec<String>,
    /// The PHP that its site is to run: `newest`, or a version.
    php_version: Option<String>,
    /// The version that its server runs for it, where that is known: of `newest` the newest that is installed, and another one than was chosen where that is not.
    php_runs: Option<String>,
    /// Of its Linux user, once it is there.
    uid: Option<u32>,
    created_at: i64,
    /// When it was terminated.
    terminated_at: Option<i64>,
    /// Until when it can be restored; null if nothing of it was kept.
    restorable_until: Option<i64>,
    /// Counts its desired states; it only grows.
    generation: u64,
    /// 0 means unlimited.
    limits: BTreeMap<String, u64>,
    /// The limits that its package does not decide.
    overrides: BTreeMap<String, u64>,
    /// Only in the answer to a change of the package: the overrides that were dropped for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped_overrides: Option<BTreeMap<String, u64>>,
    /// Only in the answer to an order: the account that had this external_ref before, if it could still be restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<PreviousView>,
    /// For every limit: `enforced`, `not enforced on this server`, or `unknown` while the server does not answer.
    enforcement: BTreeMap<String, String>,
    /// Its last operation.
    operation: Option<OperationName>,
    /// What of it is not as it should be, as its server saw when it last looked; null if nothing is.
    drift: Option<DriftView>,
}

/// What of an account is not as it should be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Drift)]
pub(super) struct DriftView {
    found_at: i64,
    /// What a repair would change.
    changes: Vec<ChangeView>,
    /// What would be in the way of a repair.
    conflicts: Vec<ConflictView>,
    /// What a repair needs and is not there.
    missing: Vec<MissingView>,
    /// Whether the server has mended it by itself since.
    mended: bool,
}

impl From<Drift> for DriftView {
    fn from(drift: Drift) -> Self {
        Self {
            found_at: drift.found_at.0,
            changes: drift.plan.changes.into_iter().map(ChangeView::from).collect(),
            conflicts: drift.plan.conflicts.into_iter().map(|failure| Obstacle::from(failure).into()).collect(),
            missing: drift.plan.missing.into_iter().map(|failure| Obstacle::from(failure).into()).collect(),
            mended: drift.mended,
        }
    }
}

/// Who holds a suspended account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Hold)]
pub(super) struct HoldView {
    /// `billing` or `abuse`.
    hold: &'static str,
    reason: String,
    since: i64,
    /// As the Activity names who set it.
    by: String,
}

/// An account that is terminated and could still be restored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PreviousAccount)]
pub(super) struct PreviousView {
    id: String,
    terminated_at: Option<i64>,
    restorable_until: Option<i64>,
}

/// What is left of an account that was terminated.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TerminatedAccount)]
pub(crate) struct TerminatedView {
    id: String,
    username: String,
    domain: String,
    external_ref: Option<String>,
    terminated_at: Option<i64>,
    /// Until when it can be restored; null if nothing of it was kept.
    restorable_until: Option<i64>,
    /// `terminated`.
    status: &'static str,
}

impl TerminatedView {
    pub(super) fn new(caller: &Caller, account: &Account) -> Self {
        Self {
            id: account.id.to_string(),
            username: account.username.to_string(),
            domain: account.domain.to_string(),
            external_ref: caller.shown_ref(account.external_ref.as_deref()),
            terminated_at: account.terminated_at.map(|at| at.0),
            restorable_until: account.kept_until.map(|until| until.0),
            status: account.status.as_str(),
        }
    }
}

/// What answers a change: the account as it is now, or with `plan` what the change would do.
#[derive(Serialize, ToSchema)]
#[schema(as = ChangedAccount)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the answer in the document")]
pub(super) enum ChangedView {
    Account(Box<Data<AccountView>>),
    Plan(Data<PlanView>),
}

/// What answers a terminate.
#[derive(Serialize, ToSchema)]
#[schema(as = EndedAccount)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the answer in the document")]
pub(super) enum EndedView {
    Account(Data<TerminatedView>),
    Plan(Data<PlanView>),
}

/// A package, by name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PackageName)]
pub(super) struct PackageName_ {
    id: String,
    name: String,
}

/// A server, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ServerName {
    id: String,
    name: String,
    hostname: String,
}

/// An operation, by what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OperationName {
    id: String,
    kind: &'static str,
    outcome: &'static str,
}

impl AccountView {
    /// With the account of the same reference that was there before.
    pub(super) fn after(self, previous: Option<Box<Account>>) -> Self {
        let previous = previous.map(|previous| PreviousView {
            id: previous.id.to_string(),
            terminated_at: previous.terminated_at.map(|at| at.0),
            restorable_until: previous.kept_until.map(|until| until.0),
        });
        Self { previous, ..self }
    }

    /// With the account's own limits that a change dropped.
    pub(super) fn without(self, dropped: BTreeMap<String, Limit>) -> Self {
        Self { dropped_overrides: Some(numbers(dropped)), ..self }
    }

    pub(super) fn new(core: &Core, caller: &Caller, account: Account) -> Self {
        let enforcement = core.fleet.enforcement(account.server.id);
        Self::with(core, caller, account, enforcement)
    }

    pub(super) fn with(core: &Core, caller: &Caller, account: Account, enforcement: BTreeMap<String, String>) -> Self {
        let drift = core.fleet.drift(account.server.id, account.id).map(DriftView::from);
        let package = account.package.map(|package| (package.id.to_string(), package.name)).unwrap_or_default();
        let (mut ipv4, mut ipv6, mut nameservers, mut limits) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
        let (mut php_version, mut php_runs) = (None, None);
        if let Some(spec) = account.spec {
            ipv4 = spec.addresses.ipv4.iter().map(ToString::to_string).collect();
            ipv6 = spec.addresses.ipv6.iter().map(ToString::to_string).collect();
            nameservers = spec.nameservers.iter().map(ToString::to_string).collect();
            let choice = spec.pools.first().map(|pool| &pool.php_version);
            php_version = choice.map(ToString::to_string);
            php_runs = choice.and_then(|choice| core.fleet.php_of(account.server.id, choice));
            limits = spec.limits.named().into_iter().map(|(name, limit)| (name.to_owned(), u64::from(limit))).collect();
        }
        // A terminated account remembers who held it, and is held by nobody.
        let holds = if account.status == Status::Terminated { Vec::new() } else { account.holds };
        let notice = (!holds.is_empty()).then(|| {
            let held: Vec<String> = holds.iter().map(|hold| format!("{} ({})", hold.hold, hold.reason)).collect();
            format!("The account is suspended: {}.", held.join(", "))
        });
        Self {
            id: account.id.to_string(),
            external_ref: caller.shown_ref(account.external_ref.as_deref()),
            owner: account.owner,
            username: account.username.to_string(),
            domain: account.domain.to_string(),
            email: account.email,
            client_ref: caller.shown_ref(account.client.client_ref.as_deref()),
            next_due_on: account.client.next_due_on.map(|day| day.to_string()),
            package: PackageName_ { id: package.0, name: package.1 },
            server: ServerName {
                id: account.server.id.to_string(),
                name: account.server.name,
                hostname: account.server.hostname.unwrap_or_default(),
            },
            status: account.status.as_str(),
            holds: holds
                .into_iter()
                .map(|hold| HoldView { hold: hold.hold.as_str(), reason: hold.reason, since: hold.since.0, by: hold.by })
                .collect(),
            notice,
            ipv4,
            ipv6,
            nameservers,
            php_version,
            php_runs,
            uid: account.uid,
            created_at: account.created_at.0,
            terminated_at: account.terminated_at.map(|at| at.0),
            restorable_until: account.kept_until.map(|until| until.0),
            generation: account.generation.get(),
            limits,
            overrides: numbers(account.overrides),
            dropped_overrides: None,
            previous: None,
            enforcement,
            operation: account.operation.map(|operation| OperationName {
                id: operation.id.to_string(),
                kind: operation.kind.as_str(),
                outcome: operation.outcome.as_str(),
            }),
            drift,
        }
    }
}

fn numbers(limits: BTreeMap<String, Limit>) -> BTreeMap<String, u64> {
    limits.into_iter().map(|(name, limit)| (name, u64::from(limit))).collect()
}
