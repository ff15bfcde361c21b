//! Packages.

use opterius_model::{Limits, OwnerId, PackageId, PackageName};
use opterius_protocol::Micros;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError, json, parsed, to_json};

/// One package.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) id: PackageId,
    pub(crate) name: PackageName,
    pub(crate) limits: Limits,
    /// How many accounts that are there have it.
    pub(crate) accounts: i64,
    pub(crate) created_at: Micros,
    /// Since when no account gets it any more; those that have it keep it.
    pub(crate) retired_at: Option<Micros>,
}

impl FromRow<'_, SqliteRow> for Package {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: parsed(row, "id")?,
            name: parsed(row, "name")?,
            limits: json(row, "limits")?,
            accounts: row.try_get("accounts")?,
            created_at: Micros(row.try_get("created_at")?),
            retired_at: row.try_get::<Option<i64>, _>("retired_at")?.map(Micros),
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT p.*, (SELECT COUNT(*) FROM account a WHERE a.package_id = p.id AND a.status <> 'terminated') AS accounts FROM package p WHERE p.owner = $1 ",
            $rest
        )
    };
}

/// The package with this id.
pub(crate) async fn by_id(db: impl SqliteExecutor<'_>, owner: &OwnerId, id: PackageId) -> Result<Option<Package>, StoreError> {
    sqlx::query_as(select!("AND p.id = $2")).bind(owner.as_str()).bind(id.to_string()).fetch_optional(db).await.doing("read a package")
}

/// What an order needs of a package.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub(crate) id: PackageId,
    pub(crate) name: PackageName,
    pub(crate) limits: Limits,
    /// Whether no account gets it any more.
    pub(crate) retired: bool,
}

impl FromRow<'_, SqliteRow> for Resolved {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let retired = row.try_get::<Option<i64>, _>("retired_at")?.is_some();
        Ok(Self { id: parsed(row, "id")?, name: parsed(row, "name")?, limits: json(row, "limits")?, retired })
    }
}

/// The package with this id, without counting its accounts.
pub(crate) async fn resolve_id(db: impl SqliteExecutor<'_>, owner: &OwnerId, id: PackageId) -> Result<Option<Resolved>, StoreError> {
    sqlx::query_as("SELECT id, name, limits, retired_at FROM package WHERE owner = $1 AND id = $2")
        .bind(owner.as_str())
        .bind(id.to_string())
        .fetch_optional(db)
        .await
        .doing("look a package up")
}

/// The package with exactly this name, case included, without counting its accounts.
pub(crate) async fn resolve_name(db: impl SqliteExecutor<'_>, owner: &OwnerId, name: &str) -> Result<Option<Resolved>, StoreError> {
    sqlx::query_as("SELECT id, name, limits, retired_at FROM package WHERE owner = $1 AND name = $2")
        .bind(owner.as_str())
        .bind(name)
        .fetch_optional(db)
        .await
        .doing("look a package up")
}

/// Every package, by name, the retired ones last.
pub(crate) async fn list(db: impl SqliteExecutor<'_>, owner: &OwnerId) -> Result<Vec<Package>, StoreError> {
    sqlx::query_as(select!("ORDER BY p.retired_at IS NOT NULL, p.name")).bind(owner.as_str()).fetch_all(db).await.doing("list packages")
}

/// Every package's name, by name, the retired ones last, without counting its accounts.
pub(crate) async fn names(db: impl SqliteExecutor<'_>, owner: &OwnerId) -> Result<Vec<Resolved>, StoreError> {
    sqlx::query_as("SELECT id, name, limits, retired_at FROM package WHERE owner = $1 ORDER BY retired_at IS NOT NULL, name")
        .bind(owner.as_str())
        .fetch_all(db)
        .await
        .doing("list the names of packages")
}

/// How many packages there are.
pub(crate) async fn count(db: impl SqliteExecutor<'_>, owner: &OwnerId) -> Result<i64, StoreError> {
    sqlx::query_scalar("SELECT COUNT(*) FROM package WHERE owner = $1").bind(owner.as_str()).fetch_one(db).await.doing("count packages")
}

/// Puts a new package down. Its name must be free.
pub(crate) async fn insert(db: &mut SqliteConnection, owner: &OwnerId, package: &Package) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO package (id, owner, name, limits, created_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(package.id.to_string())
        .bind(owner.as_str())
        .bind(package.name.as_str())
        .bind(to_json(&package.limits))
        .bind(package.created_at.0)
        .execute(db)
        .await
        .doing("put a package down")?;
    Ok(())
}

/// Has accounts keep a package from now on and no other get it, or has them get it again.
pub(crate) async fn retire(db: &mut SqliteConnection, owner: &OwnerId, id: PackageId, at: Option<Micros>) -> Result<(), StoreError> {
    sqlx::query("UPDATE package SET retired_at = $3 WHERE owner = $1 AND id = $2")
        .bind(owner.as_str())
        .bind(id.to_string())
        .bind(at.map(|at| at.0))
        .execute(db)
        .await
        .doing("retire a package")?;
    Ok(())
}

/// Changes a package's name and limits.
pub(crate) async fn update(db: &mut SqliteConnection, owner: &OwnerId, package: &Package) -> Result<(), StoreError> {
    sqlx::query("UPDATE package SET name = $3, limits = $4 WHERE owner = $1 AND id = $2")
        .bind(owner.as_str())
        .bind(package.id.to_string())
        .bind(package.name.as_str())
        .bind(to_json(&package.limits))
        .execute(db)
        .await
        .doing("change a package")?;
    Ok(())
}

/// Deletes a package that no account has. A terminated one that had it is restored with the limits it had.
pub(crate) async fn delete(db: &mut SqliteConnection, owner: &OwnerId, id: PackageId) -> Result<(), StoreError> {
    sqlx::query("UPDATE account SET package_id = NULL WHERE owner = $1 AND package_id = $2 AND status = 'terminated'")
        .bind(owner.as_str())
        .bind(id.to_string())
        .execute(&mut *db)
        .await
        .doing("take a package from terminated accounts")?;
    sqlx::query("DELETE FROM package WHERE owner = $1 AND id = $2")
        .bind(owner.as_str())
        .bind(id.to_string())
        .execute(db)
        .await
        .doing("delete a package")?;
    Ok(())
}
