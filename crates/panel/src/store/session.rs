//! Browsers that are signed in. What a browser sends is nowhere, only its hash.

use opterius_model::{AccountId, OwnerId, TokenId};
use opterius_protocol::Micros;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError, parsed, word_enum};

word_enum! {
    /// Whose browser it is.
    Kind {
        /// The customer's of one account.
        Customer = "customer",
        /// Of the staff of a token.
        Staff = "staff",
    }
}

/// One session.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) kind: Kind,
    /// Of a customer: the one account that they see.
    pub(crate) account_id: Option<AccountId>,
    /// The token that let them in; nothing if the administrator did.
    pub(crate) token_id: Option<TokenId>,
    pub(crate) created_at: Micros,
    pub(crate) expires_at: Micros,
}

impl FromRow<'_, SqliteRow> for Session {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let given = |column| row.try_get::<Option<String>, _>(column);
        Ok(Self {
            kind: parsed(row, "kind")?,
            account_id: given("account_id")?.map(|_| parsed(row, "account_id")).transpose()?,
            token_id: given("token_id")?.map(|_| parsed(row, "token_id")).transpose()?,
            created_at: Micros(row.try_get("created_at")?),
            expires_at: Micros(row.try_get("expires_at")?),
        })
    }
}

/// Puts a session down under the hash of what its browser sends.
pub(crate) async fn insert(db: &mut SqliteConnection, owner: &OwnerId, session: &Session, hash: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO session (hash, owner, kind, account_id, token_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(hash)
    .bind(owner.as_str())
    .bind(session.kind.as_str())
    .bind(session.account_id.map(|id| id.to_string()))
    .bind(session.token_id.map(|id| id.to_string()))
    .bind(session.created_at.0)
    .bind(session.expires_at.0)
    .execute(db)
    .await
    .doing("put a session down")?;
    Ok(())
}

/// The session of this hash, if it is not over. One of a kind that this build does not know is none.
pub(crate) async fn by_hash(db: impl SqliteExecutor<'_>, owner: &OwnerId, hash: &str, now: Micros) -> Result<Option<Session>, StoreError> {
    sqlx::query_as("SELECT * FROM session WHERE owner = $1 AND hash = $2 AND expires_at > $3 AND kind IN ('customer', 'staff')")
        .bind(owner.as_str())
        .bind(hash)
        .bind(now.0)
        .fetch_optional(db)
        .await
        .doing("look a session up")
}

/// Ends one session; says whether there was one.
pub(crate) async fn delete(db: &mut SqliteConnection, owner: &OwnerId, hash: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM session WHERE owner = $1 AND hash = $2")
        .bind(owner.as_str())
        .bind(hash)
        .execute(db)
        .await
        .doing("end a session")?;
    Ok(done.rows_affected() > 0)
}

/// Ends every session of the customer of an account.
pub(crate) async fn delete_of(db: &mut SqliteConnection, account: AccountId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM session WHERE account_id = $1")
        .bind(account.to_string())
        .execute(db)
        .await
        .doing("end the sessions of an account")?;
    Ok(())
}

/// Forgets sessions that are over.
pub(crate) async fn forget_old(db: &mut SqliteConnection, now: Micros) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM session WHERE expires_at <= $1").bind(now.0).execute(db).await.doing("forget old sessions")?;
    Ok(())
}
