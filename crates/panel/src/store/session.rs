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
        /// Of one of the host's own people.
        Administrator = "administrator",
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
    /// Of one of the host's own people: their name.
    pub(crate) administrator: Option<String>,
    /// How the list of sessions names it.
    pub(crate) id: Option<String>,
    /// Whether nothing more is to be proven.
    pub(crate) whole: bool,
    /// The address that it was begun from.
    pub(crate) address: Option<String>,
    /// What the browser called itself.
    pub(crate) browser: Option<String>,
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
            administrator: given("administrator")?,
            id: given("id")?,
            whole: row.try_get::<i64, _>("whole")? != 0,
            address: given("address")?,
            browser: given("browser")?,
            created_at: Micros(row.try_get("created_at")?),
            expires_at: Micros(row.try_get("expires_at")?),
        })
    }
}

/// Puts a session down under the hash of what its browser sends.
pub(crate) async fn insert(db: &mut SqliteConnection, owner: &OwnerId, session: &Session, hash: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO session (hash, owner, kind, account_id, token_id, created_at, expires_at, administrator, id, whole, address, browser) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(hash)
    .bind(owner.as_str())
    .bind(session.kind.as_str())
    .bind(session.account_id.map(|id| id.to_string()))
    .bind(session.token_id.map(|id| id.to_string()))
    .bind(session.created_at.0)
    .bind(session.expires_at.0)
    .bind(&session.administrator)
    .bind(&session.id)
    .bind(i64::from(session.whole))
    .bind(&session.address)
    .bind(&session.browser)
    .execute(db)
    .await
    .doing("put a session down")?;
    Ok(())
}

/// The session of this hash, if it is not over.
pub(crate) async fn by_hash(db: impl SqliteExecutor<'_>, owner: &OwnerId, hash: &str, now: Micros) -> Result<Option<Session>, StoreError> {
    sqlx::query_as("SELECT * FROM session WHERE owner = $1 AND hash = $2 AND expires_at > $3")
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

/// The sessions of an administrator that are not over, the newest first.
pub(crate) async fn of_administrator(
    db: impl SqliteExecutor<'_>,
    owner: &OwnerId,
    name: &str,
    now: Micros,
) -> Result<Vec<Session>, StoreError> {
    sqlx::query_as(
        "SELECT * FROM session WHERE owner = $1 AND administrator = $2 AND whole = 1 AND expires_at > $3 ORDER BY created_at DESC, id",
    )
    .bind(owner.as_str())
    .bind(name)
    .bind(now.0)
    .fetch_all(db)
    .await
    .doing("list the sessions of an administrator")
}

/// Ends a session of an administrator by its id; says whether there was one.
pub(crate) async fn revoke(db: &mut SqliteConnection, owner: &OwnerId, name: &str, id: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM session WHERE owner = $1 AND administrator = $2 AND id = $3")
        .bind(owner.as_str())
        .bind(name)
        .bind(id)
        .execute(db)
        .await
        .doing("end a session")?;
    Ok(done.rows_affected() > 0)
}

/// Ends every session of an administrator, but for the one with this hash.
pub(crate) async fn revoke_others(db: &mut SqliteConnection, owner: &OwnerId, name: &str, but: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM session WHERE owner = $1 AND administrator = $2 AND hash <> $3")
        .bind(owner.as_str())
        .bind(name)
        .bind(but)
        .execute(db)
        .await
        .doing("end the sessions of an administrator")?;
    Ok(())
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
