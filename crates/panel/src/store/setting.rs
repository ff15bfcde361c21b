//! What this installation knows of itself.

use sqlx::{SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError};

/// The id of this installation.
pub(crate) async fn installation(db: impl SqliteExecutor<'_>) -> Result<String, StoreError> {
    sqlx::query_scalar("SELECT value FROM setting WHERE name = 'installation'").fetch_one(db).await.doing("read the installation's id")
}

/// Gives this installation an id, unless it has one.
pub(crate) async fn ensure_installation(db: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO setting (name, value) VALUES ('installation', $1) ON CONFLICT (name) DO NOTHING")
        .bind(uuid::Uuid::now_v7().to_string())
        .execute(db)
        .await
        .doing("give the installation an id")?;
    Ok(())
}

/// For how many days a terminated account is kept, unless its terminate says otherwise.
pub(crate) async fn terminated_kept_days(db: impl SqliteExecutor<'_>) -> Result<u16, StoreError> {
    let value: Option<String> = sqlx::query_scalar("SELECT value FROM setting WHERE name = 'terminated_kept_days'")
        .fetch_optional(db)
        .await
        .doing("read for how long terminated accounts are kept")?;
    Ok(value.and_then(|value| value.parse().ok()).unwrap_or(7))
}

/// Sets for how many days terminated accounts are kept.
pub(crate) async fn set_terminated_kept_days(db: &mut SqliteConnection, days: u16) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO setting (name, value) VALUES ('terminated_kept_days', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(days.to_string())
    .execute(db)
    .await
    .doing("set for how long terminated accounts are kept")?;
    Ok(())
}

/// The name of the time zone in which people read times, if the host has chosen one.
pub(crate) async fn time_zone(db: impl SqliteExecutor<'_>) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar("SELECT value FROM setting WHERE name = 'time_zone'").fetch_optional(db).await.doing("read the time zone")
}

/// Sets the time zone in which people read times.
pub(crate) async fn set_time_zone(db: &mut SqliteConnection, name: &str) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO setting (name, value) VALUES ('time_zone', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
        .bind(name)
        .execute(db)
        .await
        .doing("set the time zone")?;
    Ok(())
}
