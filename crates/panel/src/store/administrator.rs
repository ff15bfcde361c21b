//! People who may look at the API with a name and a password.

use opterius_model::OwnerId;
use opterius_protocol::Micros;
use sqlx::{SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError};

/// The password hash (argon2id, PHC form) of an administrator.
pub(crate) async fn password_hash(db: impl SqliteExecutor<'_>, owner: &OwnerId, username: &str) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar("SELECT password_hash FROM administrator WHERE owner = $1 AND username = $2")
        .bind(owner.as_str())
        .bind(username)
        .fetch_optional(db)
        .await
        .doing("look an administrator up")
}

/// Puts a new administrator down.
pub(crate) async fn insert(db: &mut SqliteConnection, owner: &OwnerId, username: &str, hash: &str, now: Micros) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO administrator (username, owner, password_hash, created_at) VALUES ($1, $2, $3, $4)")
        .bind(username)
        .bind(owner.as_str())
        .bind(hash)
        .bind(now.0)
        .execute(db)
        .await
        .doing("put an administrator down")?;
    Ok(())
}

/// Changes an administrator's password hash; says whether there is one of this name.
pub(crate) async fn set_password_hash(db: &mut SqliteConnection, owner: &OwnerId, username: &str, hash: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE administrator SET password_hash = $3 WHERE owner = $1 AND username = $2")
        .bind(owner.as_str())
        .bind(username)
        .bind(hash)
        .execute(db)
        .await
        .doing("change an administrator's password")?;
    Ok(done.rows_affected() == 1)
}
