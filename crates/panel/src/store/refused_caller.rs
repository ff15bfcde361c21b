//! How often an address was turned away, one row a minute.

use sqlx::{FromRow, SqliteConnection};

use super::{Doing, StoreError};

/// One address in one minute.
#[derive(Debug, Clone, PartialEq, Eq, Hash, FromRow)]
pub(crate) struct Bucket {
    /// Minutes since 1970.
    pub(crate) minute: i64,
    pub(crate) address: String,
    /// 401, 403 or 429.
    pub(crate) status: i64,
}

/// Adds `times` to a bucket.
pub(crate) async fn add(db: &mut SqliteConnection, bucket: &Bucket, times: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO refused_caller (minute, address, status, times, recorded) VALUES ($1, $2, $3, $4, 0) \
         ON CONFLICT (minute, address, status) DO UPDATE SET times = refused_caller.times + excluded.times, recorded = 0",
    )
    .bind(bucket.minute)
    .bind(&bucket.address)
    .bind(bucket.status)
    .bind(times)
    .execute(db)
    .await
    .doing("count a refused caller")?;
    Ok(())
}

/// Takes every bucket of a minute before `minute` that is not yet in the Activity, with its count.
pub(crate) async fn take_over(db: &mut SqliteConnection, minute: i64) -> Result<Vec<(Bucket, i64)>, StoreError> {
    let rows: Vec<(i64, String, i64, i64)> = sqlx::query_as(
        "UPDATE refused_caller SET recorded = 1 WHERE recorded = 0 AND minute < $1 RETURNING minute, address, status, times",
    )
    .bind(minute)
    .fetch_all(db)
    .await
    .doing("close the minutes of refused callers")?;
    Ok(rows.into_iter().map(|(minute, address, status, times)| (Bucket { minute, address, status }, times)).collect())
}
