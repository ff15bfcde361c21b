//! Where the host's people lately signed in well.

use opterius_model::OwnerId;
use opterius_protocol::Micros;
use sqlx::{Row, SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError};

/// Places that are remembered of one person.
const REMEMBERED: i64 = 20;

/// The last thousand places that somebody signed in from, with the name and the time.
pub(crate) async fn list(db: impl SqliteExecutor<'_>, owner: &OwnerId) -> Result<Vec<(String, String, Micros)>, StoreError> {
    let rows = sqlx::query("SELECT administrator, place, at FROM sign_in_place WHERE owner = $1 ORDER BY at DESC LIMIT 1000")
        .bind(owner.as_str())
        .fetch_all(db)
        .await
        .doing("list where people signed in")?;
    let read = |row: &sqlx::sqlite::SqliteRow| Ok((row.try_get("administrator")?, row.try_get("place")?, Micros(row.try_get("at")?)));
    rows.iter().map(read).collect::<Result<_, sqlx::Error>>().doing("list where people signed in")
}

/// Puts a place down, and forgets all but the last twenty of that person.
pub(crate) async fn put(db: &mut SqliteConnection, owner: &OwnerId, name: &str, place: &str, at: Micros) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sign_in_place (owner, administrator, place, at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (administrator, place) DO UPDATE SET at = $4",
    )
    .bind(owner.as_str())
    .bind(name)
    .bind(place)
    .bind(at.0)
    .execute(&mut *db)
    .await
    .doing("put down where somebody signed in")?;
    sqlx::query(
        "DELETE FROM sign_in_place WHERE administrator = $1 AND place NOT IN \
         (SELECT place FROM sign_in_place WHERE administrator = $1 ORDER BY at DESC, place LIMIT $2)",
    )
    .bind(name)
    .bind(REMEMBERED)
    .execute(db)
    .await
    .doing("forget where somebody signed in")?;
    Ok(())
}
