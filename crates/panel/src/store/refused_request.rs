//! How often somebody was refused in a minute, and why: what has no row of its own in the Activity.

use sqlx::{SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError};

/// Adds `times` refusals to a minute.
pub(crate) async fn add(db: &mut SqliteConnection, minute: i64, actor: &str, code: &str, times: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO refused_request (minute, actor, code, times) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (minute, actor, code) DO UPDATE SET times = refused_request.times + excluded.times",
    )
    .bind(minute)
    .bind(actor)
    .bind(code)
    .bind(times)
    .execute(db)
    .await
    .doing("count a refused request")?;
    Ok(())
}

/// Whether something was counted in a minute before this one.
pub(crate) async fn is_before(db: impl SqliteExecutor<'_>, minute: i64) -> Result<bool, StoreError> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM refused_request WHERE minute < $1)")
        .bind(minute)
        .fetch_one(db)
        .await
        .doing("look for refused requests")
}

/// Takes away what was counted in minutes before this one: minute, actor, code, and how often.
pub(crate) async fn take_before(db: &mut SqliteConnection, minute: i64) -> Result<Vec<(i64, String, String, i64)>, StoreError> {
    sqlx::query_as("DELETE FROM refused_request WHERE minute < $1 RETURNING minute, actor, code, times")
        .bind(minute)
        .fetch_all(db)
        .await
        .doing("close the minutes of refused requests")
}
