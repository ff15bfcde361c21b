//! API tokens. The token itself is nowhere, only its hash.

use opterius_model::{OwnerId, TokenId};
use opterius_protocol::Micros;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError, json, json_if_there, parsed, to_json};

/// One token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) id: TokenId,
    pub(crate) name: String,
    /// Words; one that this build does not know grants nothing.
    pub(crate) scopes: Vec<String>,
    pub(crate) ref_prefix: Option<String>,
    pub(crate) expires_at: Option<Micros>,
    /// Networks (CIDR) that it may come from; any, if nothing is said.
    pub(crate) addresses: Option<Vec<String>>,
    pub(crate) created_at: Micros,
    /// Whether it was found by the text that it had before it was rotated.
    pub(crate) by_former: bool,
    /// When it was last used, to the hour; nothing if it never was.
    pub(crate) last_used_at: Option<Micros>,
    /// Whether there is such a text, so that the new one was not used yet.
    pub(crate) has_former: bool,
}

impl FromRow<'_, SqliteRow> for Token {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: parsed(row, "id")?,
            name: row.try_get("name")?,
            scopes: json(row, "scopes")?,
            ref_prefix: row.try_get("ref_prefix")?,
            expires_at: row.try_get::<Option<i64>, _>("expires_at")?.map(Micros),
            addresses: json_if_there(row, "addresses")?,
            created_at: Micros(row.try_get("created_at")?),
            by_former: row.try_get::<i64, _>("by_former")? != 0,
            last_used_at: row.try_get::<Option<i64>, _>("last_used_at")?.map(Micros),
            has_former: row.try_get::<Option<String>, _>("former_hash")?.is_some(),
        })
    }
}

/// The token with this hash, or that had it and whose new one was not used yet. There is one owner for now, so a token's owner is `host`; the column is there for the others.
pub(crate) async fn by_hash(db: impl SqliteExecutor<'_>, owner: &OwnerId, hash: &str) -> Result<Option<Token>, StoreError> {
    sqlx::query_as("SELECT *, hash <> $2 AS by_former FROM token WHERE owner = $1 AND (hash = $2 OR former_hash = $2)")
        .bind(owner.as_str())
        .bind(hash)
        .fetch_optional(db)
        .await
        .doing("look a token up")
}

/// Every token.
pub(crate) async fn list(db: impl SqliteExecutor<'_>, owner: &OwnerId) -> Result<Vec<Token>, StoreError> {
    sqlx::query_as("SELECT *, 0 AS by_former FROM token WHERE owner = $1 ORDER BY id")
        .bind(owner.as_str())
        .fetch_all(db)
        .await
        .doing("list tokens")
}

/// Puts a token down under its hash.
pub(crate) async fn insert(db: &mut SqliteConnection, owner: &OwnerId, token: &Token, hash: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO token (id, owner, name, hash, scopes, ref_prefix, expires_at, addresses, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(token.id.to_string())
    .bind(owner.as_str())
    .bind(&token.name)
    .bind(hash)
    .bind(to_json(&token.scopes))
    .bind(&token.ref_prefix)
    .bind(token.expires_at.map(|at| at.0))
    .bind(token.addresses.as_ref().map(to_json))
    .bind(token.created_at.0)
    .execute(db)
    .await
    .doing("put a token down")?;
    Ok(())
}

/// The token with this id.
pub(crate) async fn by_id(db: impl SqliteExecutor<'_>, owner: &OwnerId, id: TokenId) -> Result<Option<Token>, StoreError> {
    sqlx::query_as("SELECT *, 0 AS by_former FROM token WHERE owner = $1 AND id = $2")
        .bind(owner.as_str())
        .bind(id.to_string())
        .fetch_optional(db)
        .await
        .doing("read a token")
}

/// Gives a token another hash. The one that is in use opens, too, until the new one was used: the one before, unless that was never used itself.
pub(crate) async fn rotate(db: &mut SqliteConnection, id: TokenId, hash: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE token SET former_hash = COALESCE(former_hash, hash), hash = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(hash)
        .execute(db)
        .await
        .doing("rotate a token")?;
    Ok(())
}

/// Forgets the hash that a token had before it was rotated.
pub(crate) async fn forget_former(db: &mut SqliteConnection, id: TokenId) -> Result<(), StoreError> {
    sqlx::query("UPDATE token SET former_hash = NULL WHERE id = $1")
        .bind(id.to_string())
        .execute(db)
        .await
        .doing("forget the text that a token had before")?;
    Ok(())
}

/// Puts down when a token was used.
pub(crate) async fn set_last_used(db: &mut SqliteConnection, id: TokenId, at: Micros) -> Result<(), StoreError> {
    sqlx::query("UPDATE token SET last_used_at = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(at.0)
        .execute(db)
        .await
        .doing("put down when a token was used")?;
    Ok(())
}

/// Forgets a token; returns its name if there was one.
pub(crate) async fn delete(db: &mut SqliteConnection, owner: &OwnerId, id: TokenId) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar("DELETE FROM token WHERE owner = $1 AND id = $2 RETURNING name")
        .bind(owner.as_str())
        .bind(id.to_string())
        .fetch_optional(db)
        .await
        .doing("delete a token")
}
