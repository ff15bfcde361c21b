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
