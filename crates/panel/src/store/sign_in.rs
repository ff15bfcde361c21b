//! Links that sign somebody in, once. The code of a link is nowhere, only its hash.

use opterius_model::{AccountId, OwnerId, TokenId};
use opterius_protocol::Micros;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError, parsed};

/// One link that nobody has used.
#[derive(Debug)]
pub(crate) struct SignIn {
    /// The account whose customer it signs in; nothing for the staff of a token.
    pub(crate) account_id: Option<AccountId>,
    /// Who made it; nothing for the administrator.
    pub(crate) token_id: Option<TokenId>,
    /// As the Activity names who made it.
    pub(crate) actor: String,
    /// The part of the page that it leads to.
    pub(crate) target: String,
    pub(crate) expires_at: Micros,
}

impl FromRow<'_, SqliteRow> for SignIn {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let given = |column| row.try_get::<Option<String>, _>(column);
        Ok(Self {
            account_id: given("account_id")?.map(|_| parsed(row, "account_id")).transpose()?,
            token_id: given("token_id")?.map(|_| parsed(row, "token_id")).transpose()?,
            actor: row.try_get("actor")?,
            target: row.try_get("target")?,
            expires_at: Micros(row.try_get("expires_at")?),
        })
    }
}

/// Puts a link down under the hash of its code.
pub(crate) async fn insert(db: &mut SqliteConnection, owner: &OwnerId, sign_in: &SignIn, hash: &str) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO sign_in (hash, owner, account_id, token_id, actor, target, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(hash)
        .bind(owner.as_str())
        .bind(sign_in.account_id.map(|id| id.to_string()))
        .bind(sign_in.token_id.map(|id| id.to_string()))
        .bind(&sign_in.actor)
        .bind(&sign_in.target)
        .bind(sign_in.expires_at.0)
        .execute(db)
        .await
        .doing("put a sign-in link down")?;
    Ok(())
}

/// Whether there is a link of this hash.
pub(crate) async fn is_there(db: impl SqliteExecutor<'_>, owner: &OwnerId, hash: &str) -> Result<bool, StoreError> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sign_in WHERE owner = $1 AND hash = $2)")
        .bind(owner.as_str())
        .bind(hash)
        .fetch_one(db)
        .await
        .doing("look for a sign-in link")
}

/// Takes a link away and answers it: only one of all who ask for the same gets it.
pub(crate) async fn take(db: &mut SqliteConnection, owner: &OwnerId, hash: &str) -> Result<Option<SignIn>, StoreError> {
    sqlx::query_as("DELETE FROM sign_in WHERE owner = $1 AND hash = $2 RETURNING *")
        .bind(owner.as_str())
        .bind(hash)
        .fetch_optional(db)
        .await
        .doing("use a sign-in link")
}

/// Takes the links to an account away.
pub(crate) async fn delete_of(db: &mut SqliteConnection, account: AccountId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sign_in WHERE account_id = $1")
        .bind(account.to_string())
        .execute(db)
        .await
        .doing("take the sign-in links to an account away")?;
    Ok(())
}

/// Forgets links that are too old to be used.
pub(crate) async fn forget_old(db: &mut SqliteConnection, now: Micros) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sign_in WHERE expires_at <= $1").bind(now.0).execute(db).await.doing("forget old sign-in links")?;
    Ok(())
}
