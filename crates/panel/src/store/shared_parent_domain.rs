//! Domains below which different customers may hold sites.

use opterius_model::{DomainName, OwnerId};
use sqlx::{SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError, parsed};

/// All of them.
pub(crate) async fn list(db: impl SqliteExecutor<'_>, owner: &OwnerId) -> Result<Vec<DomainName>, StoreError> {
    sqlx::query("SELECT name FROM shared_parent_domain WHERE owner = $1 ORDER BY name")
        .bind(owner.as_str())
        .try_map(|row| parsed(&row, "name"))
        .fetch_all(db)
        .await
        .doing("list the shared parent domains")
}

/// Replaces all of them by `names`.
pub(crate) async fn replace(db: &mut SqliteConnection, owner: &OwnerId, names: &[DomainName]) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM shared_parent_domain WHERE owner = $1")
        .bind(owner.as_str())
        .execute(&mut *db)
        .await
        .doing("replace the shared parent domains")?;
    for name in names {
        sqlx::query("INSERT INTO shared_parent_domain (name, owner) VALUES ($1, $2)")
            .bind(name.as_str())
            .bind(owner.as_str())
            .execute(&mut *db)
            .await
            .doing("replace the shared parent domains")?;
    }
    Ok(())
}
