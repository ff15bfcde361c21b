//! What this installation knows of itself.

use opterius_model::{Pages, ZoneRecords};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError, json, to_json};

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
    Ok(value(db, "terminated_kept_days").await?.unwrap_or(7))
}

/// Sets for how many days terminated accounts are kept.
pub(crate) async fn set_terminated_kept_days(db: &mut SqliteConnection, days: u16) -> Result<(), StoreError> {
    set(db, "terminated_kept_days", Some(&days)).await
}

/// For how many days the Activity is kept.
pub(crate) async fn activity_days(db: impl SqliteExecutor<'_>) -> Result<u16, StoreError> {
    Ok(value(db, "activity_days").await?.unwrap_or(730))
}

/// Sets for how many days the Activity is kept.
pub(crate) async fn set_activity_days(db: &mut SqliteConnection, days: u16) -> Result<(), StoreError> {
    set(db, "activity_days", Some(&days)).await
}

/// How many rows of the Activity are kept.
pub(crate) async fn activity_rows(db: impl SqliteExecutor<'_>) -> Result<u32, StoreError> {
    Ok(value(db, "activity_rows").await?.unwrap_or(10_000_000))
}

/// Sets how many rows of the Activity are kept.
pub(crate) async fn set_activity_rows(db: &mut SqliteConnection, rows: u32) -> Result<(), StoreError> {
    set(db, "activity_rows", Some(&rows)).await
}

/// The name of the time zone in which people read times, if the host has chosen one.
pub(crate) async fn time_zone(db: impl SqliteExecutor<'_>) -> Result<Option<String>, StoreError> {
    value(db, "time_zone").await
}

/// Sets the time zone in which people read times.
pub(crate) async fn set_time_zone(db: &mut SqliteConnection, name: &str) -> Result<(), StoreError> {
    set(db, "time_zone", Some(&name)).await
}

/// What the zones of new accounts have beside what every zone has; nothing for the built-in records.
pub(crate) async fn default_records(db: impl SqliteExecutor<'_>) -> Result<Option<ZoneRecords>, StoreError> {
    value(db, "default_records").await
}

/// Sets what the zones of new accounts have, or goes back to the built-in records.
pub(crate) async fn set_default_records(db: &mut SqliteConnection, records: Option<&ZoneRecords>) -> Result<(), StoreError> {
    set(db, "default_records", records).await
}

/// The host's own pages.
pub(crate) async fn pages(db: impl SqliteExecutor<'_>) -> Result<Pages, StoreError> {
    Ok(value(db, "pages").await?.unwrap_or_default())
}

/// Sets the host's own pages.
pub(crate) async fn set_pages(db: &mut SqliteConnection, pages: &Pages) -> Result<(), StoreError> {
    set(db, "pages", Some(pages)).await
}

/// A setting in the form of a type.
async fn value<T: DeserializeOwned>(db: impl SqliteExecutor<'_>, name: &'static str) -> Result<Option<T>, StoreError> {
    let row = sqlx::query("SELECT value FROM setting WHERE name = $1").bind(name).fetch_optional(db).await;
    row.and_then(|row| row.map(|row| json(&row, "value")).transpose()).doing("read a setting")
}

/// Puts a setting down, or takes it away.
async fn set(db: &mut SqliteConnection, name: &'static str, value: Option<&impl Serialize>) -> Result<(), StoreError> {
    let query = match value {
        Some(value) => {
            sqlx::query("INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
                .bind(name)
                .bind(to_json(value))
        }
        None => sqlx::query("DELETE FROM setting WHERE name = $1").bind(name),
    };
    query.execute(db).await.doing("change a setting")?;
    Ok(())
}
