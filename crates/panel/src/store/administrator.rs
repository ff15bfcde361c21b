//! The people of the host, who have a name and a password.

use opterius_model::OwnerId;
use opterius_protocol::Micros;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError, parsed, word_enum};

word_enum! {
    /// What somebody may do in the pages.
    Role {
        /// Everything.
        Administrator = "administrator",
        /// See everything, try operations again, suspend accounts and lift suspensions.
        Support = "support",
        /// See everything.
        ReadOnly = "read_only",
    }
}

/// One of them. No `Debug`: it holds what they prove themselves with.
#[derive(Clone)]
pub(crate) struct Administrator {
    pub(crate) username: String,
    /// argon2id, PHC form.
    pub(crate) password_hash: String,
    pub(crate) role: Role,
    /// Base32; nothing if the password is enough.
    pub(crate) totp_secret: Option<String>,
    /// The language that they chose.
    pub(crate) language: Option<String>,
    pub(crate) created_at: Micros,
}

impl FromRow<'_, SqliteRow> for Administrator {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            username: row.try_get("username")?,
            password_hash: row.try_get("password_hash")?,
            role: parsed(row, "role")?,
            totp_secret: row.try_get("totp_secret")?,
            language: row.try_get("language")?,
            created_at: Micros(row.try_get("created_at")?),
        })
    }
}

/// The one of this name.
pub(crate) async fn by_name(db: impl SqliteExecutor<'_>, owner: &OwnerId, username: &str) -> Result<Option<Administrator>, StoreError> {
    sqlx::query_as("SELECT * FROM administrator WHERE owner = $1 AND username = $2")
        .bind(owner.as_str())
        .bind(username)
        .fetch_optional(db)
        .await
        .doing("look an administrator up")
}

/// All of them.
pub(crate) async fn list(db: impl SqliteExecutor<'_>, owner: &OwnerId) -> Result<Vec<Administrator>, StoreError> {
    sqlx::query_as("SELECT * FROM administrator WHERE owner = $1 ORDER BY username")
        .bind(owner.as_str())
        .fetch_all(db)
        .await
        .doing("list the administrators")
}

/// Puts a new one down.
pub(crate) async fn insert(
    db: &mut SqliteConnection,
    owner: &OwnerId,
    username: &str,
    role: Role,
    hash: &str,
    now: Micros,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO administrator (username, owner, role, password_hash, created_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(username)
        .bind(owner.as_str())
        .bind(role.as_str())
        .bind(hash)
        .bind(now.0)
        .execute(db)
        .await
        .doing("put an administrator down")?;
    Ok(())
}

/// Changes the password hash; says whether there is one of this name.
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

/// Sets, or takes away, the secret of the second factor, and with it the codes for the day on which it is lost.
pub(crate) async fn set_totp(
    db: &mut SqliteConnection,
    owner: &OwnerId,
    username: &str,
    secret: Option<&str>,
    recovery: &[String],
) -> Result<(), StoreError> {
    sqlx::query("UPDATE administrator SET totp_secret = $3, totp_used = 0 WHERE owner = $1 AND username = $2")
        .bind(owner.as_str())
        .bind(username)
        .bind(secret)
        .execute(&mut *db)
        .await
        .doing("set an administrator's second factor")?;
    sqlx::query("DELETE FROM recovery_code WHERE administrator = $1")
        .bind(username)
        .execute(&mut *db)
        .await
        .doing("forget recovery codes")?;
    for hash in recovery {
        sqlx::query("INSERT INTO recovery_code (administrator, hash) VALUES ($1, $2)")
            .bind(username)
            .bind(hash)
            .execute(&mut *db)
            .await
            .doing("put a recovery code down")?;
    }
    Ok(())
}

/// Takes the code of a period; says whether none of that period, or of a later one, was taken before.
pub(crate) async fn take_period(db: &mut SqliteConnection, owner: &OwnerId, username: &str, period: i64) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE administrator SET totp_used = $3 WHERE owner = $1 AND username = $2 AND totp_used < $3")
        .bind(owner.as_str())
        .bind(username)
        .bind(period)
        .execute(db)
        .await
        .doing("take a code")?;
    Ok(done.rows_affected() == 1)
}

/// Takes a recovery code; says whether there was one of this hash.
pub(crate) async fn take_recovery_code(db: &mut SqliteConnection, username: &str, hash: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM recovery_code WHERE administrator = $1 AND hash = $2")
        .bind(username)
        .bind(hash)
        .execute(db)
        .await
        .doing("take a recovery code")?;
    Ok(done.rows_affected() == 1)
}

/// How many recovery codes are left.
pub(crate) async fn recovery_codes(db: impl SqliteExecutor<'_>, username: &str) -> Result<i64, StoreError> {
    sqlx::query_scalar("SELECT COUNT(*) FROM recovery_code WHERE administrator = $1")
        .bind(username)
        .fetch_one(db)
        .await
        .doing("count recovery codes")
}

/// Sets the language that somebody chose.
pub(crate) async fn set_language(
    db: &mut SqliteConnection,
    owner: &OwnerId,
    username: &str,
    language: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE administrator SET language = $3 WHERE owner = $1 AND username = $2")
        .bind(owner.as_str())
        .bind(username)
        .bind(language)
        .execute(db)
        .await
        .doing("set an administrator's language")?;
    Ok(())
}

/// Sets what somebody may do; says whether there is one of this name.
pub(crate) async fn set_role(db: &mut SqliteConnection, owner: &OwnerId, username: &str, role: Role) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE administrator SET role = $3 WHERE owner = $1 AND username = $2")
        .bind(owner.as_str())
        .bind(username)
        .bind(role.as_str())
        .execute(db)
        .await
        .doing("set an administrator's role")?;
    Ok(done.rows_affected() == 1)
}

/// Forgets somebody, their sessions included; says whether there was one of this name.
pub(crate) async fn delete(db: &mut SqliteConnection, owner: &OwnerId, username: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM administrator WHERE owner = $1 AND username = $2")
        .bind(owner.as_str())
        .bind(username)
        .execute(db)
        .await
        .doing("delete an administrator")?;
    Ok(done.rows_affected() == 1)
}
