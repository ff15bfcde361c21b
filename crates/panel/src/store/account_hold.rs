//! Who holds an account, and why.

use opterius_model::{AccountId, Hold};
use opterius_protocol::Micros;
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::{Doing, StoreError};

/// One hold of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountHold {
    pub(crate) hold: Hold,
    pub(crate) reason: String,
    pub(crate) since: Micros,
    /// As the Activity names who set it.
    pub(crate) by: String,
}

/// Replaces the holds of an account.
pub(crate) async fn replace(db: &mut SqliteConnection, account: AccountId, holds: &[AccountHold]) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM account_hold WHERE account_id = $1")
        .bind(account.to_string())
        .execute(&mut *db)
        .await
        .doing("replace the holds of an account")?;
    for hold in holds {
        sqlx::query("INSERT INTO account_hold (account_id, hold, reason, since, actor) VALUES ($1, $2, $3, $4, $5)")
            .bind(account.to_string())
            .bind(hold.hold.as_str())
            .bind(&hold.reason)
            .bind(hold.since.0)
            .bind(&hold.by)
            .execute(&mut *db)
            .await
            .doing("replace the holds of an account")?;
    }
    Ok(())
}
