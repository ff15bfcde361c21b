//! What the API's answers hold, as far as a command shows it to a person. Programs get the answer itself, so a field that is missing
//! here is missing nowhere else; unknown fields are left alone, so that a newer Panel can be asked.

use std::collections::BTreeMap;

use opterius_protocol::Micros;
use serde::Deserialize;

/// An account.
#[derive(Debug, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) external_ref: Option<String>,
    pub(crate) username: String,
    pub(crate) domain: String,
    pub(crate) email: Option<String>,
    /// The billing system's own name for the client.
    #[serde(default)]
    pub(crate) client_ref: Option<String>,
    /// When the client pays next: a date.
    #[serde(default)]
    pub(crate) next_due_on: Option<String>,
    /// None, or one without a name, if the package is not known here.
    #[serde(default)]
    pub(crate) package: Option<Named>,
    pub(crate) server: Server,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) holds: Vec<Hold>,
    /// What a person should know beside the status.
    #[serde(default)]
    pub(crate) notice: Option<String>,
    #[serde(default)]
    pub(crate) ipv4: Vec<String>,
    #[serde(default)]
    pub(crate) ipv6: Vec<String>,
    #[serde(default)]
    pub(crate) nameservers: Vec<String>,
    /// The PHP that its site is to run: `newest`, or a version.
    #[serde(default)]
    pub(crate) php_version: Option<String>,
    pub(crate) uid: Option<u32>,
    pub(crate) created_at: i64,
    #[serde(default)]
    pub(crate) terminated_at: Option<i64>,
    /// Until when a terminated account can be restored.
    #[serde(default)]
    pub(crate) restorable_until: Option<i64>,
    #[serde(default)]
    pub(crate) limits: BTreeMap<String, u64>,
    /// The limits that are the account's own, and not its package's.
    #[serde(default)]
    pub(crate) overrides: BTreeMap<String, u64>,
    #[serde(default)]
    pub(crate) enforcement: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) drift: Option<Drift>,
    pub(crate) operation: Option<OperationRef>,
}

impl Account {
    /// The package's name, or that there is none: it was deleted since, or was never known to this Panel.
    pub(crate) fn package_name(&self) -> &str {
        self.package.as_ref().map(|package| package.name.as_str()).filter(|name| !name.is_empty()).unwrap_or("none")
    }

    /// Until when the account can be restored, if it can be still.
    pub(crate) fn restorable(&self) -> Option<i64> {
        self.restorable_until.filter(|until| *until > Micros::now().0)
    }

    /// The status as a person reads it.
    pub(crate) fn status_words(&self) -> String {
        self.status.replace('_', " ")
    }
}

/// Who holds a suspended account, and why.
#[derive(Debug, Deserialize)]
pub(crate) struct Hold {
    #[serde(rename = "hold")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) since: Option<i64>,
    #[serde(default)]
    pub(crate) by: Option<String>,
}

/// How an account differs from what it was committed to be.
#[derive(Debug, Deserialize)]
pub(crate) struct Drift {
    pub(crate) found_at: i64,
    #[serde(flatten)]
    pub(crate) plan: Plan,
    /// Whether the Agent has mended it by itself since.
    #[serde(default)]
    pub(crate) mended: bool,
}

/// What would change, and what keeps it from being done.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Plan {
    #[serde(default)]
    pub(crate) changes: Vec<PlannedChange>,
    /// What is in the way.
    #[serde(default)]
    pub(crate) conflicts: Vec<Obstacle>,
    /// What is needed and is not there.
    #[serde(default)]
    pub(crate) missing: Vec<Obstacle>,
}

/// One thing that would change.
#[derive(Debug, Deserialize)]
pub(crate) struct PlannedChange {
    pub(crate) resource: String,
    pub(crate) change: String,
}

/// Something that is in the way, or is not there.
#[derive(Debug, Deserialize)]
pub(crate) struct Obstacle {
    #[serde(default)]
    pub(crate) step: Option<String>,
    pub(crate) detail: String,
    #[serde(default)]
    pub(crate) hint: Option<String>,
}

/// What is left of an account that was terminated.
#[derive(Debug, Deserialize)]
pub(crate) struct Gone {
    pub(crate) id: String,
    pub(crate) username: String,
    pub(crate) terminated_at: Option<i64>,
    /// Nothing: none of it is kept.
    pub(crate) restorable_until: Option<i64>,
}

/// What an account uses, and its limits.
#[derive(Debug, Deserialize)]
pub(crate) struct Usage {
    pub(crate) measured_at: i64,
    pub(crate) disk_bytes: u64,
    pub(crate) files: u64,
    /// Whether disk and files may be more than that. A Panel of an earlier version does not say.
    #[serde(default)]
    pub(crate) disk_at_least: bool,
    /// Of this calendar month.
    pub(crate) traffic_bytes: u64,
    pub(crate) processes: u64,
    #[serde(default)]
    pub(crate) limits: BTreeMap<String, u64>,
}

/// What an account used when it was last measured.
#[derive(Debug, Deserialize)]
pub(crate) struct LastUsage {
    pub(crate) username: String,
    pub(crate) domain: String,
    pub(crate) disk_bytes: Option<u64>,
    /// Whether it may be more than that. A Panel of an earlier version does not say.
    #[serde(default)]
    pub(crate) disk_at_least: bool,
    /// Of this calendar month.
    pub(crate) traffic_bytes: Option<u64>,
    pub(crate) measured_at: Option<i64>,
    #[serde(default)]
    pub(crate) limits: BTreeMap<String, u64>,
}

/// What the PHP of an account does.
#[derive(Debug, Deserialize)]
pub(crate) struct Php {
    pub(crate) pools: Vec<PhpPool>,
}

/// One pool of an account.
#[derive(Debug, Deserialize)]
pub(crate) struct PhpPool {
    pub(crate) name: String,
    pub(crate) php_version: String,
    /// The version that answers. A Panel of an earlier version does not say.
    #[serde(default)]
    pub(crate) runs: Option<String>,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) last_failure: Option<PhpFailure>,
}

/// The last start that failed.
#[derive(Debug, Deserialize)]
pub(crate) struct PhpFailure {
    pub(crate) at: i64,
    pub(crate) count: usize,
    pub(crate) retry_at: i64,
    pub(crate) detail: String,
}

/// What holds for every account.
#[derive(Debug, Deserialize)]
pub(crate) struct Settings {
    /// 0: nothing is kept.
    pub(crate) terminated_kept_days: u16,
    /// A Panel of an earlier version does not say.
    pub(crate) time_zone: Option<String>,
    /// The same.
    pub(crate) activity_days: Option<u16>,
    /// The same.
    pub(crate) activity_rows: Option<u32>,
}

/// The DNS records that new accounts begin with.
#[derive(Debug, Deserialize)]
pub(crate) struct DefaultRecords {
    pub(crate) ttl: u32,
    pub(crate) records: Vec<DefaultRecord>,
    #[serde(default)]
    pub(crate) built_in: bool,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub(crate) struct DefaultRecord {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) content: String,
}

/// Something with a name.
#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    #[serde(default)]
    pub(crate) id: String,
    pub(crate) name: String,
}

/// A server; in an account only its id, name and host name are there.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Server {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
    /// Nothing until setup has told the Panel.
    #[serde(default)]
    pub(crate) hostname: Option<String>,
    #[serde(default)]
    pub(crate) ipv4: Vec<String>,
    #[serde(default)]
    pub(crate) ipv6: Vec<String>,
    #[serde(default)]
    pub(crate) nameservers: Vec<String>,
    #[serde(default)]
    pub(crate) default: bool,
    #[serde(default)]
    pub(crate) reachable: bool,
    /// How many accounts are on it.
    #[serde(default)]
    pub(crate) accounts: u64,
    /// How many it takes; 0 for any number.
    #[serde(default)]
    pub(crate) max_accounts: u32,
    #[serde(default)]
    pub(crate) enforcement: BTreeMap<String, String>,
    /// The versions of PHP that it has, the newest first, if that is known.
    #[serde(default)]
    pub(crate) php_versions: Option<Vec<String>>,
}

/// The operation that an account is, or was last, subject to.
#[derive(Debug, Deserialize)]
pub(crate) struct OperationRef {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) outcome: String,
}

/// An operation with its steps.
#[derive(Debug, Deserialize)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) account_id: Option<String>,
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) username: Option<String>,
    #[serde(default)]
    pub(crate) domain: Option<String>,
    #[serde(default)]
    pub(crate) external_ref: Option<String>,
    pub(crate) outcome: String,
    pub(crate) started_at: i64,
    pub(crate) finished_at: Option<i64>,
    #[serde(default)]
    pub(crate) request_id: Option<String>,
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    #[serde(default)]
    pub(crate) error: Option<crate::failure::Failure>,
    /// What is not as it should be.
    #[serde(default)]
    pub(crate) left: Vec<String>,
    /// Whether a person ended it where it stood.
    #[serde(default)]
    pub(crate) abandoned: bool,
}

impl Operation {
    /// The outcome as a person reads it.
    pub(crate) fn outcome_words(&self) -> String {
        self.outcome.replace('_', " ")
    }

    /// How long it took, in microseconds, once it is over.
    pub(crate) fn took(&self) -> Option<u64> {
        self.finished_at.and_then(|at| u64::try_from(at - self.started_at).ok())
    }
}

/// One step of an operation.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) direction: String,
    pub(crate) state: String,
    pub(crate) started_at: i64,
    pub(crate) duration_us: Option<u64>,
    pub(crate) detail: Option<String>,
}

/// A package.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) limits: BTreeMap<String, u64>,
    #[serde(default)]
    pub(crate) accounts: u64,
    /// Whether accounts keep it and no other gets it.
    #[serde(default)]
    pub(crate) retired: bool,
}

/// A token, without its secret.
#[derive(Debug, Deserialize)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    #[serde(default)]
    pub(crate) expires_at: Option<i64>,
    #[serde(default)]
    pub(crate) addresses: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) ref_prefix: Option<String>,
    #[serde(default)]
    pub(crate) access_hash: Option<String>,
    #[serde(default, rename = "token")]
    pub(crate) secret: Option<String>,
    /// The installations that use it, or wanted to.
    #[serde(default)]
    pub(crate) callers: Vec<TokenCaller>,
}

/// An installation of a billing system, as it calls itself.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenCaller {
    /// Its address on the web.
    pub(crate) url: String,
    pub(crate) directory: String,
    /// Whether it may change anything.
    pub(crate) allowed: bool,
    /// When it was first seen, or allowed.
    pub(crate) since: i64,
}

/// The server that the Panel itself runs on, or the only one there is.
pub(crate) fn default_server(servers: Vec<Server>) -> Option<Server> {
    let at = servers.iter().position(|server| server.default).unwrap_or(0);
    servers.into_iter().nth(at)
}

/// Something that the Panel does by itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Task {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) server: Option<String>,
    /// `ok` or `failing`.
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) failures: u64,
    #[serde(default)]
    pub(crate) panics: u64,
    #[serde(default)]
    pub(crate) failed_at: Option<i64>,
    #[serde(default)]
    pub(crate) detail: Option<String>,
    /// Why it does nothing at present though nothing failed.
    #[serde(default)]
    pub(crate) held: Option<String>,
    /// Connections that were refused within the last hour.
    #[serde(default)]
    pub(crate) refused: Option<u64>,
}
