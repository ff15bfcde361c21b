//! Where earlier versions counted addresses that were turned away, a row a minute and address, and kept them for ever. Nothing is added any more.

use sqlx::{SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError};

/// One address in one minute.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Bucket {
    /// Minutes since 1970.
    pub(crate) minute: i64,
    pub(crate) address: String,
    /// 401, 403 or 429.
    pub(crate) status: i64,
    pub(crate) times: i64,
    /// Whether it is in the Activity.
    pub(crate) recorded: i64,
}

/// Whether there is any row left.
pub(crate) async fn is_any(db: impl SqliteExecutor<'_>) -> Result<bool, StoreError> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM refused_caller)").fetch_one(db).await.doing("look for refused callers")
}

/// Takes the oldest rows away, at most `limit` of them.
pub(crate) async fn take(db: &mut SqliteConnection, limit: u32) -> Result<Vec<Bucket>, StoreError> {
    sqlx::query_as(
        "DELETE FROM refused_caller WHERE (minute, address, status) IN \
         (SELECT minute, address, status FROM refused_caller ORDER BY minute, address, status LIMIT $1) \
         RETURNING minute, address, status, times, recorded",
    )
    .bind(limit)
    .fetch_all(db)
    .await
    .doing("empty the table of refused callers")
}
