//! What the API's answers hold, as far as a command shows it to a person. Programs get the answer itself, so a field that is missing
//! here is missing nowhere else; unknown fields are left alone, so that a newer Panel can be asked.

use std::collections::BTreeMap;

use serde::Deserialize;

/// An account.
#[derive(Debug, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) external_ref: Option<String>,
    pub(crate) username: String,
    pub(crate) domain: String,
    pub(crate) email: Option<String>,
    pub(crate) package: Named,
    pub(crate) server: Server,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) ipv4: Vec<String>,
    #[serde(default)]
    pub(crate) ipv6: Vec<String>,
    #[serde(default)]
    pub(crate) nameservers: Vec<String>,
    pub(crate) uid: Option<u32>,
    pub(crate) created_at: i64,
    #[serde(default)]
    pub(crate) limits: BTreeMap<String, u64>,
    #[serde(default)]
    pub(crate) enforcement: BTreeMap<String, String>,
    pub(crate) operation: Option<OperationRef>,
}

/// Something with a name.
#[derive(Debug, Deserialize)]
pub(crate) struct Named {
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
    #[serde(default)]
    pub(crate) enforcement: BTreeMap<String, String>,
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
}

/// The server that the Panel itself runs on, or the only one there is.
pub(crate) fn default_server(servers: Vec<Server>) -> Option<Server> {
    let at = servers.iter().position(|server| server.default).unwrap_or(0);
    servers.into_iter().nth(at)
}
