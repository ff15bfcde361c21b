//! What the Panel says when it does not do what it was asked: a stable code for programs, a sentence for staff, and what to do next.

use std::time::Duration;

use opterius_model::{AccountId, DomainName, OperationId, PackageName, Username};
use opterius_protocol::agent::{FailureKind, OperationReport};
use opterius_protocol::{Micros, WireError};
use serde::{Deserialize, Serialize};

use super::{Caller, PackageChoice};
use crate::fleet::Full;
use crate::store::StoreError;
use crate::store::account::Account;
use crate::store::claimed_name::Holder;
use crate::store::operation::Kind;

/// When a server that had too much to do has done some of it.
const WHEN_FULL: Duration = Duration::from_secs(5);

/// The refusals that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    InvalidRequest,
    PackageNotFound,
    PackageRetired,
    UsernameTaken,
    DomainTaken,
    ExternalRefMismatch,
    PackageInUse,
    NameTaken,
    ChangedMeanwhile,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    AccountGone,
    LimitsBelowUse,
    ExternalRefTaken,
    OperationRunning,
    BodyTooLarge,
    BodyTooSlow,
    UnsupportedMediaType,
    TooManyRequests,
    OtherCaller,
    ServerFull,
    ServerUnreachable,
    ServerNotConfigured,
    ProvisioningFailed,
    NeedsAttention,
    MailNotTaken,
    Internal,
}

impl Code {
    /// As programs know it.
    pub(crate) fn word(self) -> String {
        serde_json::to_value(self).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// One refusal. It holds no secret, so that it can be stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<FieldProblem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) operation_id: Option<OperationId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) conflict: Option<Conflict>,
    /// The account that is gone, if that is why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gone: Option<Gone>,
    /// Seconds after which another try makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<u64>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct FieldProblem {
    /// The field's name; empty if the whole body is meant.
    pub(crate) field: String,
    /// `missing`, `empty`, `too_long`, `wrong_type`, `invalid`, `reserved`, `not_installed`, `unknown`.
    pub(crate) code: String,
    /// What is wrong, in a sentence.
    pub(crate) detail: String,
}

/// Who holds a name that was ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Conflict {
    /// `username` or `domain`.
    pub(crate) field: String,
    /// The account that holds it, if the caller may see that account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account_id: Option<String>,
    /// Its external_ref, as the caller knows it, if the caller may see that account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) external_ref: Option<String>,
}

/// What is still known of an account that was terminated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gone {
    pub(crate) account_id: AccountId,
    pub(crate) terminated_at: Option<Micros>,
    pub(crate) restorable_until: Option<Micros>,
}

/// Why a verb has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppError {
    /// The caller is told why.
    #[error("{}", .0.detail)]
    Refused(Box<Refusal>),
    /// The database failed; the caller is told only that.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The Panel is stopping; the work goes on in the next one.
    #[error("the Panel is stopping")]
    Stopping,
    /// A part of the Panel broke.
    #[error("could not {0}")]
    Broken(&'static str),
}

impl From<Refusal> for AppError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            hint: None,
            errors: Vec::new(),
            operation_id: None,
            conflict: None,
            gone: None,
            retry_after: None,
        }
    }

    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    #[must_use]
    pub(crate) fn of_operation(self, id: OperationId) -> Self {
        Self { operation_id: Some(id), ..self }
    }

    /// Too much was asked for; another try makes sense after `wait`, which is said in whole seconds, at least one.
    pub(crate) fn too_many_requests(detail: impl Into<String>, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let seconds = seconds.max(1);
        let hint = format!("Nothing was done. Try again in {seconds} s.");
        Self { retry_after: Some(seconds), ..Self::new(Code::TooManyRequests, detail).hint(hint) }
    }

    /// Every field that is wrong.
    pub(crate) fn invalid(errors: Vec<FieldProblem>) -> Self {
        let detail = match errors.as_slice() {
            [] => "The request is not valid.".to_owned(),
            [one] => sentence(&one.detail),
            more => {
                format!("{} fields are not valid: {}.", more.len(), more.iter().map(|e| e.field.as_str()).collect::<Vec<_>>().join(", "))
            }
        };
        Self { errors, ..Self::new(Code::InvalidRequest, detail) }
    }

    /// One field that is wrong.
    pub(crate) fn invalid_field(field: &str, code: &str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldProblem { field: field.to_owned(), code: code.to_owned(), detail: detail.into() }])
    }

    pub(crate) fn not_found(what: &str, id: &str) -> Self {
        Self::new(Code::NotFound, format!("There is no {what} `{}`.", super::order::shown(id)))
    }

    pub(crate) fn package_not_found(package: &str) -> Self {
        Self::new(
            Code::PackageNotFound,
            format!("Package not found: there is no package `{}`; upper and lower case count.", super::order::shown(package)),
        )
        .hint("Create the package on the server, or choose one that is there in the product's module settings.")
    }

    /// Accounts keep it, and no other gets it.
    pub(crate) fn package_retired(package: &PackageName, choice: &PackageChoice) -> Self {
        let detail = format!("The package `{package}` is retired: accounts that have it keep it, and no other gets it.");
        let field = if matches!(choice, PackageChoice::Id(_)) { "package_id" } else { "package" };
        let errors = vec![FieldProblem { field: field.to_owned(), code: "retired".to_owned(), detail: detail.clone() }];
        let refusal = Self::new(Code::PackageRetired, detail);
        let hint =
            format!("Choose another package, or have it back on its page in the Panel or with `opterius package unretire \"{package}\"`.");
        Self { errors, ..refusal.hint(hint) }
    }

    /// Somebody else was faster.
    pub(crate) fn changed_meanwhile(account: &Account) -> Self {
        let detail = format!("The account `{}` was changed since it was shown to you. Nothing was done.", account.username);
        Self::new(Code::ChangedMeanwhile, detail).hint("Look at what it is now, and send the form again if it is still meant so.")
    }

    /// Others changed it each time that it was tried.
    pub(crate) fn contended(username: &Username) -> Self {
        let detail = format!(
            "The account `{username}` could not be changed, because other requests changed it, or what it needs, at the same time. Nothing was done."
        );
        let refusal =
            Self::new(Code::ChangedMeanwhile, detail).hint("Try again. If it goes on like this, look at `journalctl -u opterius-panel`.");
        Self { retry_after: Some(5), ..refusal }
    }

    pub(crate) fn username_taken(caller: &Caller, username: &Username, holder: Option<&Holder>) -> Self {
        let conflict = Conflict::with(caller, "username", holder);
        let detail = match &conflict {
            Conflict { account_id: Some(id), external_ref, .. } => {
                format!("The username `{username}` is already used by the account {id}{}.", of_ref(external_ref.as_deref()))
            }
            _ => format!("The username `{username}` is already used by another account on this server."),
        };
        let refusal = Self::new(Code::UsernameTaken, detail).hint("Give this service another username and order it again.");
        Self { conflict: Some(conflict), ..refusal }
    }

    pub(crate) fn domain_taken(caller: &Caller, domain: &DomainName, holder: &Holder) -> Self {
        let conflict = Conflict::with(caller, "domain", Some(holder));
        let whose = match &conflict {
            Conflict { account_id: Some(id), external_ref, .. } => format!("the account {id}{}", of_ref(external_ref.as_deref())),
            _ => "another account on this server".to_owned(),
        };
        let (detail, hint) = if holder.name == domain.as_str() {
            (
                format!("The domain `{domain}` already belongs to {whose}."),
                "Order another domain, or remove the account that has this one if nobody uses it.",
            )
        } else {
            // A caller that may not see the other account is not told its name either.
            let other = if conflict.account_id.is_some() {
                format!("`{}`, which belongs to {whose}", holder.name)
            } else {
                format!("a site of {whose}")
            };
            let relation = if domain.as_str().ends_with(&format!(".{}", holder.name)) { "is below" } else { "is the parent of" };
            (
                format!("The domain `{domain}` {relation} {other}, and names of different customers must not contain each other."),
                "Order another domain. If customers are meant to get names below one of your own domains, add that domain to the shared parent domains.",
            )
        };
        Self { conflict: Some(conflict), ..Self::new(Code::DomainTaken, detail).hint(hint) }
    }

    pub(crate) fn external_ref_mismatch(shown_ref: &str, differences: &[(&str, String, String)]) -> Self {
        let list: Vec<String> =
            differences.iter().map(|(what, there, here)| format!("its {what} is `{there}`, and this order says `{here}`")).collect();
        Self::new(Code::ExternalRefMismatch, format!("An account for `{shown_ref}` exists already, with other data: {}.", list.join("; ")))
            .hint("Make the service say what the account has, or order under another external_ref.")
    }

    /// The account was terminated; says whether it could be brought back at `now`.
    pub(crate) fn account_gone(account: &Account, now: Micros) -> Self {
        let gone = Gone { account_id: account.id, terminated_at: account.terminated_at, restorable_until: account.kept_until };
        let when = account.terminated_at.map(|at| format!(" at {}", rfc_3339(at))).unwrap_or_default();
        let (rest, hint) = match account.kept_until {
            Some(until) if until > now => (
                String::new(),
                format!(
                    "It can be restored until {} with POST /api/accounts/{}/restore or `opterius account restore`.",
                    rfc_3339(until),
                    account.id
                ),
            ),
            Some(until) => {
                (format!(" It could be restored until {}.", rfc_3339(until)), "Its files are deleted: order a new account.".to_owned())
            }
            None => (" Nothing of it was kept.".to_owned(), "It cannot be restored: order a new account.".to_owned()),
        };
        let detail = format!("The account `{}` ({}) was terminated{when}.{rest}", account.username, account.domain);
        Self { gone: Some(gone), ..Self::new(Code::AccountGone, detail).hint(hint) }
    }

    /// A restore would give its ref to a second live account.
    pub(crate) fn external_ref_taken(caller: &Caller, holder: &Account) -> Self {
        let shown = caller.shown_ref(holder.external_ref.as_deref()).unwrap_or_default();
        let detail = format!("The external_ref `{shown}` belongs to the account {} (`{}`) by now.", holder.id, holder.username);
        let conflict = Conflict { field: "external_ref".to_owned(), account_id: Some(holder.id.to_string()), external_ref: Some(shown) };
        let refusal = Self::new(Code::ExternalRefTaken, detail).hint("Terminate that account first, if this one is to take its place.");
        Self { conflict: Some(conflict), ..refusal }
    }

    /// Another operation of the account has been going on for longer than the caller waits.
    pub(crate) fn operation_running(account: &Account, id: OperationId, kind: Kind) -> Self {
        let detail =
            format!("Another operation of the account `{}` ({}) is still going on; nothing was begun.", account.username, kind.as_str());
        let refusal = Self::new(Code::OperationRunning, detail).hint("Ask again when it is done.").of_operation(id);
        Self { retry_after: Some(5), ..refusal }
    }

    /// The account's last operation waits for a person.
    pub(crate) fn still_needs_attention(account: &Account, id: OperationId) -> Self {
        Self::new(
            Code::NeedsAttention,
            format!("The last operation of the account `{}` could be neither finished nor undone.", account.username),
        )
        .hint(format!("`opterius operation retry {id}` tries at once, and `opterius operation abandon {id}` leaves it as it stands."))
        .of_operation(id)
    }

    /// Whoever ordered it has so many operations open that no more are taken.
    pub(crate) fn too_many_operations(full: Full) -> Self {
        let detail = match full {
            Full::OfOne(most) => {
                format!("You have {most} operations running or waiting on this server, which is the limit. Nothing was done.")
            }
            Full::OfAll => "Too many operations are running or waiting on this server. Nothing was done.".to_owned(),
        };
        Self::too_many_requests(detail, WHEN_FULL)
            .hint("Wait until some are done, then try again. Suspending and terminating are always accepted.")
    }

    pub(crate) fn server_not_configured(server: &str) -> Self {
        Self::new(
            Code::ServerNotConfigured,
            format!("The server `{server}` has no addresses or fewer than two name servers, so no site on it could be found."),
        )
        .hint("Run `opterius setup` on the server, or set its addresses and name servers with PUT /api/servers/{id}.")
    }

    /// A server told of an account that is on another.
    pub(crate) fn not_its_account(username: &Username) -> Self {
        Self::new(
            Code::UsernameTaken,
            format!("The server has an account `{username}` that is not its own here, so nothing of it was taken over."),
        )
        .hint("Is it a copy of another server, or is it not yours any more? Look who reaches its Agent.")
    }

    pub(crate) fn server_unreachable(server: &str, cause: &str) -> Self {
        Self::new(Code::ServerUnreachable, format!("The server `{server}` could not be reached, so nothing was begun: {}", sentence(cause)))
            .hint("Look at `systemctl status opterius-agent` on the server, then try again.")
    }

    /// The server has as many accounts as it takes.
    pub(crate) fn server_full(server: &str, max_accounts: u32) -> Self {
        Self::new(Code::ServerFull, format!("The server `{server}` takes {max_accounts} accounts and has as many, so nothing was begun."))
            .hint(format!("Order on another server, or let it take more with `opterius server set {server} --max-accounts`."))
    }

    /// The Agent refused to begin.
    pub(crate) fn refused_by_agent(kind: Kind, error: &WireError) -> Self {
        Self::undone(kind, "agent", &error.detail).hint("Look at `journalctl -u opterius-agent -n 100` on the server, then try again.")
    }

    /// The server has a newer state than the operation would have made.
    pub(crate) fn superseded(kind: Kind, username: &str, generation: u64) -> Self {
        let detail = format!(
            "The server has a newer state of the account `{username}` than this Panel had (generation {generation}); it was taken over. {}",
            kind_undone(kind)
        );
        Self::new(Code::ProvisioningFailed, detail).hint("Look at the account as it is now, and try again.")
    }

    /// The Agent undid everything.
    pub(crate) fn rolled_back(kind: Kind, username: &str, domain: &str, report: &OperationReport) -> Self {
        if report.abandoned {
            let left = if report.left.is_empty() { String::new() } else { format!(" Left on the server: {}.", report.left.join(", ")) };
            let not_done = if kind == Kind::Create { "The account was not made." } else { kind_undone(kind) };
            let detail = format!("The operation was ended where it stood, by a person's decision. {not_done}{left}");
            return Self::new(Code::ProvisioningFailed, detail).hint("`opterius account plan` shows what is not as it should be.");
        }
        let Some(failure) = &report.failure else {
            return Self::undone(kind, "agent", "the server gave no reason");
        };
        let refusal = match failure.kind {
            FailureKind::UsernameTaken => {
                let detail = format!(
                    "The username `{username}` is on the server already, made by another hand: {} {}",
                    sentence(&failure.detail),
                    kind_undone(kind)
                );
                let hint = "Give this service another username, or remove what is on the server if nobody uses it, and order again.";
                Self { conflict: Some(Conflict::unknown("username")), ..Self::new(Code::UsernameTaken, detail).hint(hint) }
            }
            FailureKind::DomainTaken => {
                let detail = format!(
                    "The domain `{domain}` is on the server already, made by another hand: {} {}",
                    sentence(&failure.detail),
                    kind_undone(kind)
                );
                let hint = "Order another domain, or remove the site or DNS zone that is on the server if nobody uses it, and order again.";
                Self { conflict: Some(Conflict::unknown("domain")), ..Self::new(Code::DomainTaken, detail).hint(hint) }
            }
            FailureKind::NotKept => {
                Self::new(Code::AccountGone, format!("The account `{username}` cannot be restored: {}", sentence(&failure.detail)))
                    .hint("Its files are deleted: order a new account.")
            }
            FailureKind::Unavailable | FailureKind::Failed => Self::undone(kind, &failure.step, &failure.detail)
                .hint("Look at `journalctl -u opterius-agent -n 100` on the server, then try again."),
        };
        match &failure.hint {
            Some(hint) => refusal.hint(hint.clone()),
            None => refusal,
        }
    }

    fn undone(kind: Kind, step: &str, detail: &str) -> Self {
        Self::new(Code::ProvisioningFailed, format!("The {step} step failed: {} {}", sentence(detail), kind_undone(kind)))
    }

    /// The Panel broke at the operation again and again.
    pub(crate) fn not_carried(id: OperationId, username: &str) -> Self {
        Self::new(
            Code::NeedsAttention,
            format!(
                "What became of the account `{username}` is not known: the Panel broke again and again while it took in what the server reports. \
                 Its names stay reserved while the Panel goes on trying."
            ),
        )
        .hint(format!(
            "This is a fault of the Panel: look at `journalctl -u opterius-panel OPERATION_ID={id}`, and report it. \
             An update of the Panel, or another start of it, goes on with the operation."
        ))
    }

    /// The Agent could neither finish nor undo.
    pub(crate) fn needs_attention(username: &str, report: &OperationReport) -> Self {
        let why = report
            .failure
            .as_ref()
            .map(|failure| format!(" The {} step failed: {}", failure.step, sentence(&failure.detail)))
            .unwrap_or_default();
        let left = if report.left.is_empty() { String::new() } else { format!(" Still there: {}.", report.left.join(", ")) };
        Self::new(
            Code::NeedsAttention,
            format!("The account `{username}` could be neither finished nor undone.{why}{left} Its names stay reserved while the server goes on trying."),
        )
        .hint(format!(
            "Look at `journalctl -u opterius-agent -n 100` on the server; when what is in the way is gone, the server finishes by itself. \
             `opterius operation retry {id}` tries at once, and `opterius operation abandon {id}` leaves it as it stands.",
            id = report.operation_id
        ))
    }
}

impl Conflict {
    fn unknown(field: &str) -> Self {
        Self { field: field.to_owned(), account_id: None, external_ref: None }
    }

    fn with(caller: &Caller, field: &str, holder: Option<&Holder>) -> Self {
        match holder.filter(|holder| caller.sees(&holder.owner, holder.external_ref.as_deref())) {
            Some(holder) => Self {
                field: field.to_owned(),
                account_id: Some(holder.account_id.clone()),
                external_ref: caller.shown_ref(holder.external_ref.as_deref()),
            },
            None => Self::unknown(field),
        }
    }
}

/// What is so when an operation has come to nothing.
fn kind_undone(kind: Kind) -> &'static str {
    match kind {
        Kind::Create => "Everything was undone.",
        Kind::Password => "The password was not changed.",
        Kind::Suspend => "The account was not suspended.",
        Kind::Unsuspend => "The hold was not lifted.",
        Kind::Package => "The package was not changed.",
        Kind::PhpVersion => "The PHP was not changed.",
        Kind::Terminate => "The account was not terminated.",
        Kind::Restore => "The account was not restored.",
        Kind::Repair => "The account was left as it was.",
    }
}

/// A moment as people read it, to the second: `2026-11-25T15:51:49Z`.
pub(super) fn rfc_3339(at: Micros) -> String {
    let seconds = at.0.div_euclid(1_000_000);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| format!("{seconds} s since 1970"), |at| at.to_string())
}

fn of_ref(external_ref: Option<&str>) -> String {
    external_ref.map(|text| format!(" (`{text}`)")).unwrap_or_default()
}

/// `text` with a full stop, whatever it ends in.
pub(crate) fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '!', '?', '…']) { text.to_owned() } else { format!("{text}.") }
}
