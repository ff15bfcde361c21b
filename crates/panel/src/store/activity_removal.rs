//! What was removed last from the beginning of the Activity, signed: what the rows that are left continue.

use opterius_protocol::Micros;
use sqlx::{FromRow, SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError};

/// How the Activity names it.
pub(crate) const ACTION: &str = "activity.shorten";

/// One removal. All before it was removed by earlier ones, since rows are numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Removal {
    pub(crate) first_row: i64,
    pub(crate) last_row: i64,
    /// Of the last row that was removed.
    pub(crate) hash: String,
    pub(crate) at: i64,
    /// The public key that it is signed with.
    pub(crate) key: String,
    /// Of [`Self::sentence`].
    pub(crate) signature: String,
    /// The row of the Activity that says it.
    pub(crate) activity_row: i64,
}

impl Removal {
    /// What is signed.
    pub(crate) fn sentence(&self) -> String {
        let Self { first_row, last_row, hash, at, key, .. } = self;
        let count = last_row - first_row + 1;
        let when = jiff::Timestamp::from_microsecond(*at).unwrap_or_default();
        format!(
            "The rows {first_row} to {last_row} ({count}) were removed at {when}; the last one had the hash {hash}. Signed with the key {key}"
        )
    }

    /// What the row of the Activity says.
    pub(crate) fn detail(&self) -> String {
        format!("{}: {}", self.sentence(), self.signature)
    }

    /// When it was.
    pub(crate) fn at(&self) -> Micros {
        Micros(self.at)
    }
}

/// The last removal, if there was any.
pub(crate) async fn last(db: impl SqliteExecutor<'_>) -> Result<Option<Removal>, StoreError> {
    sqlx::query_as("SELECT * FROM activity_removal ORDER BY last_row DESC LIMIT 1")
        .fetch_optional(db)
        .await
        .doing("read what was removed from the Activity")
}

/// Puts a removal in the place of the one before.
pub(crate) async fn replace(db: &mut SqliteConnection, removal: &Removal) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM activity_removal").execute(&mut *db).await.doing("forget the removal before")?;
    sqlx::query(
        "INSERT INTO activity_removal (first_row, last_row, hash, at, key, signature, activity_row) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(removal.first_row)
    .bind(removal.last_row)
    .bind(&removal.hash)
    .bind(removal.at)
    .bind(&removal.key)
    .bind(&removal.signature)
    .bind(removal.activity_row)
    .execute(db)
    .await
    .doing("put down what was removed from the Activity")?;
    Ok(())
}
