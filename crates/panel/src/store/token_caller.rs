//! From which installations of a billing system a token is used.

use opterius_model::TokenId;
use opterius_protocol::Micros;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError};

/// One installation, as it calls itself.
#[derive(Debug, Clone)]
pub(crate) struct TokenCaller {
    pub(crate) token_id: String,
    pub(crate) url: String,
    pub(crate) directory: String,
    /// Whether it may change anything.
    pub(crate) allowed: bool,
    /// When it was first seen, or allowed.
    pub(crate) since: Micros,
}

impl FromRow<'_, SqliteRow> for TokenCaller {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            token_id: row.try_get("token_id")?,
            url: row.try_get("url")?,
            directory: row.try_get("directory")?,
            allowed: row.try_get::<i64, _>("allowed")? != 0,
            since: Micros(row.try_get("since")?),
        })
    }
}

/// Every installation that was seen with a token, in the order in which they came.
pub(crate) async fn list(db: impl SqliteExecutor<'_>, token: TokenId) -> Result<Vec<TokenCaller>, StoreError> {
    sqlx::query_as("SELECT * FROM token_caller WHERE token_id = $1 ORDER BY since, url, directory")
        .bind(token.to_string())
        .fetch_all(db)
        .await
        .doing("list the installations that use a token")
}

/// The same of every token.
pub(crate) async fn list_all(db: impl SqliteExecutor<'_>) -> Result<Vec<TokenCaller>, StoreError> {
    sqlx::query_as("SELECT * FROM token_caller ORDER BY since, url, directory")
        .fetch_all(db)
        .await
        .doing("list the installations that use tokens")
}

/// Puts an installation down, or changes whether it is allowed.
pub(crate) async fn put(db: &mut SqliteConnection, caller: &TokenCaller) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO token_caller (token_id, url, directory, allowed, since) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (token_id, url, directory) DO UPDATE SET allowed = excluded.allowed, since = excluded.since",
    )
    .bind(&caller.token_id)
    .bind(&caller.url)
    .bind(&caller.directory)
    .bind(i64::from(caller.allowed))
    .bind(caller.since.0)
    .execute(db)
    .await
    .doing("put down which installation uses a token")?;
    Ok(())
}

/// Forgets every installation of a token.
pub(crate) async fn forget(db: &mut SqliteConnection, token: TokenId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM token_caller WHERE token_id = $1")
        .bind(token.to_string())
        .execute(db)
        .await
        .doing("forget which installations use a token")?;
    Ok(())
}
