//! What the Panel's own rows say of an account, as they are once an operation is committed.

use std::collections::BTreeMap;

use opterius_model::{Limit, PackageId};
use opterius_protocol::Micros;
use serde::{Deserialize, Serialize};

use crate::store::account::{self, Account, Client};
use crate::store::account_hold::{self, AccountHold};
use crate::store::{StoreError, Write, account_override};

/// The version of the memo's form that this build writes.
const VERSION: u32 = 1;

/// Stored with an operation, so that whichever Panel hears the outcome can write it down; and kept by the Agent with the account, so that a
/// Panel that was restored from a backup finds again what it forgot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memo {
    pub(crate) version: u32,
    pub(crate) external_ref: Option<String>,
    pub(crate) email: Option<String>,
    /// Nothing in what an older Panel wrote.
    #[serde(default)]
    pub(crate) client: Client,
    pub(crate) package_id: Option<PackageId>,
    pub(crate) package_name: Option<String>,
    pub(crate) overrides: BTreeMap<String, Limit>,
    pub(crate) holds: Vec<AccountHold>,
    pub(crate) created_at: Micros,
}

impl Memo {
    /// Of an account as it stands.
    pub(crate) fn of(account: &Account) -> Self {
        Self {
            version: VERSION,
            external_ref: account.external_ref.clone(),
            email: account.email.clone(),
            client: account.client.clone(),
            package_id: account.package.as_ref().map(|package| package.id),
            package_name: account.package.as_ref().map(|package| package.name.clone()),
            overrides: account.overrides.clone(),
            holds: account.holds.clone(),
            created_at: account.created_at,
        }
    }

    /// Of an account that is being made.
    pub(crate) fn of_new(
        external_ref: Option<&str>,
        email: Option<&str>,
        client: &Client,
        package: &crate::store::package::Resolved,
        created_at: Micros,
    ) -> Self {
        Self {
            version: VERSION,
            external_ref: external_ref.map(str::to_owned),
            email: email.map(str::to_owned),
            client: client.clone(),
            package_id: Some(package.id),
            package_name: Some(package.name.to_string()),
            overrides: BTreeMap::new(),
            holds: Vec::new(),
            created_at,
        }
    }

    /// Reads what an Agent kept; nothing if an older or a newer Panel wrote something else.
    pub(crate) fn read(value: &serde_json::Value) -> Option<Self> {
        serde_json::from_value(value.clone()).ok().filter(|memo: &Self| memo.version == VERSION)
    }

    /// As an Agent keeps it.
    pub(crate) fn to_value(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("a memo with text keys serialises")
    }

    /// Makes the account's rows say so.
    pub(crate) async fn put_down(&self, write: &mut Write, account: opterius_model::AccountId) -> Result<(), StoreError> {
        account::set_package(write, account, self.package_id).await?;
        account_hold::replace(write, account, &self.holds).await?;
        account_override::replace(write, account, &self.overrides).await
    }
}
