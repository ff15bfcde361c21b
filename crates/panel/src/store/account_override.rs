//! Limits of one account that its package does not decide.

use std::collections::BTreeMap;

use opterius_model::{AccountId, Limit};
use sqlx::SqliteConnection;

use super::{Doing, StoreError};

/// Replaces the overrides of an account.
pub(crate) async fn replace(db: &mut SqliteConnection, account: AccountId, overrides: &BTreeMap<String, Limit>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM account_override WHERE account_id = $1")
        .bind(account.to_string())
        .execute(&mut *db)
        .await
        .doing("replace the overrides of an account")?;
    for (name, limit) in overrides {
        sqlx::query("INSERT INTO account_override (account_id, name, value) VALUES ($1, $2, $3)")
            .bind(account.to_string())
            .bind(name)
            .bind(i64::from(limit.stored()))
            .execute(&mut *db)
            .await
            .doing("replace the overrides of an account")?;
    }
    Ok(())
}
