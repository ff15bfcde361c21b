//! Names that only one account may have.

use opterius_model::{AccountId, DomainName, Username};
use sqlx::{FromRow, SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError};

/// Who holds a name.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Holder {
    /// The name as it is in its own language: `alice`, `example.com`.
    pub(crate) name: String,
    pub(crate) account_id: String,
    pub(crate) owner: String,
    pub(crate) external_ref: Option<String>,
}

/// The account that holds `username`.
pub(crate) async fn holder_of_username(db: impl SqliteExecutor<'_>, username: &Username) -> Result<Option<Holder>, StoreError> {
    sqlx::query_as(
        "SELECT a.username AS name, a.id AS account_id, a.owner, a.external_ref FROM claimed_name n JOIN account a ON a.id = n.account_id \
         WHERE n.name = $1",
    )
    .bind(format!("user:{username}"))
    .fetch_optional(db)
    .await
    .doing("look a username up")
}

/// Every claimed domain that is `domain`, is below it, or that it is below: whatever has the same registrable domain.
pub(crate) async fn related_domains(db: impl SqliteExecutor<'_>, domain: &DomainName) -> Result<Vec<Holder>, StoreError> {
    sqlx::query_as(
        "SELECT substr(n.name, 8) AS name, a.id AS account_id, a.owner, a.external_ref FROM claimed_name n JOIN account a ON a.id = n.account_id \
         WHERE n.registrable = $1 ORDER BY n.name",
    )
    .bind(domain.registrable())
    .fetch_all(db)
    .await
    .doing("look a domain up")
}

/// Takes both names of a new account.
pub(crate) async fn claim(
    db: &mut SqliteConnection,
    account: AccountId,
    username: &Username,
    domain: &DomainName,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO claimed_name (name, kind, account_id, registrable) VALUES ($1, 'user', $3, NULL), ($2, 'domain', $3, $4)")
        .bind(format!("user:{username}"))
        .bind(format!("domain:{domain}"))
        .bind(account.to_string())
        .bind(domain.registrable())
        .execute(db)
        .await
        .doing("take the names of an account")?;
    Ok(())
}

/// Frees every name of an account.
pub(crate) async fn free(db: &mut SqliteConnection, account: AccountId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM claimed_name WHERE account_id = $1")
        .bind(account.to_string())
        .execute(db)
        .await
        .doing("free the names of an account")?;
    Ok(())
}
