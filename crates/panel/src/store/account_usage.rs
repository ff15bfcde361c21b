//! What accounts use, as their servers said last.

use opterius_model::{AccountId, DomainName, Limits, OwnerId, ServerId, Username};
use opterius_protocol::Micros;
use opterius_protocol::agent::DiskUsage;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, QueryBuilder, Row, Sqlite, SqliteConnection, SqliteExecutor};

use super::account::Status;
use super::{Doing, StoreError, json, parsed, push_below};

/// What one account uses, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AccountUsage {
    pub(crate) disk: Option<DiskUsage>,
    pub(crate) traffic: Option<Traffic>,
}

/// The traffic of a calendar month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// As `2026-10`, UTC.
    pub(crate) month: String,
    pub(crate) bytes: u64,
}

impl AccountUsage {
    /// The traffic of this month, in bytes, if it is known.
    pub(crate) fn traffic_in(&self, month: &str) -> Option<u64> {
        self.traffic.as_ref().filter(|traffic| traffic.month == month).map(|traffic| traffic.bytes)
    }
}

fn number(row: &SqliteRow, column: &str) -> Result<Option<u64>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(i64::unsigned_abs))
}

fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl FromRow<'_, SqliteRow> for AccountUsage {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let measured_at = row.try_get::<Option<i64>, _>("measured_at")?;
        let at_least = row.try_get::<Option<i64>, _>("at_least")?.is_some_and(|at_least| at_least != 0);
        let disk = match (measured_at, number(row, "disk_bytes")?, number(row, "files")?) {
            (Some(at), Some(bytes), Some(files)) => Some(DiskUsage { measured_at: Micros(at), bytes, files, at_least }),
            _ => None,
        };
        let month = row.try_get::<Option<String>, _>("traffic_month")?;
        let traffic = month.zip(number(row, "traffic_bytes")?).map(|(month, bytes)| Traffic { month, bytes });
        Ok(Self { disk, traffic })
    }
}

/// What one account uses.
pub(crate) async fn of(db: impl SqliteExecutor<'_>, account: AccountId) -> Result<AccountUsage, StoreError> {
    let found = sqlx::query_as("SELECT * FROM account_usage WHERE account_id = $1")
        .bind(account.to_string())
        .fetch_optional(db)
        .await
        .doing("read what an account uses")?;
    Ok(found.unwrap_or_default())
}

/// What is known of every account of a server that is not gone.
pub(crate) async fn on_server(db: impl SqliteExecutor<'_>, server: ServerId) -> Result<Vec<(AccountId, AccountUsage)>, StoreError> {
    sqlx::query(
        "SELECT a.id, u.* FROM account a LEFT JOIN account_usage u ON u.account_id = a.id \
         WHERE a.server_id = $1 AND a.status NOT IN ('terminated', 'failed')",
    )
    .bind(server.to_string())
    .try_map(|row| Ok((parsed(&row, "id")?, AccountUsage::from_row(&row)?)))
    .fetch_all(db)
    .await
    .doing("read what the accounts of a server use")
}

/// Writes down what an account uses.
pub(crate) async fn put(db: &mut SqliteConnection, account: AccountId, usage: &AccountUsage) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO account_usage (account_id, disk_bytes, files, measured_at, traffic_bytes, traffic_month, at_least) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (account_id) DO UPDATE SET disk_bytes = excluded.disk_bytes, files = excluded.files, \
         measured_at = excluded.measured_at, traffic_bytes = excluded.traffic_bytes, traffic_month = excluded.traffic_month, \
         at_least = excluded.at_least",
    )
    .bind(account.to_string())
    .bind(usage.disk.map(|disk| stored(disk.bytes)))
    .bind(usage.disk.map(|disk| stored(disk.files)))
    .bind(usage.disk.map(|disk| disk.measured_at.0))
    .bind(usage.traffic.as_ref().map(|traffic| stored(traffic.bytes)))
    .bind(usage.traffic.as_ref().map(|traffic| traffic.month.as_str()))
    .bind(i64::from(usage.disk.is_some_and(|disk| disk.at_least)))
    .execute(db)
    .await
    .doing("write down what an account uses")?;
    Ok(())
}

/// One line of a list.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) account_id: AccountId,
    /// The whole ref, a token's prefix included.
    pub(crate) external_ref: Option<String>,
    pub(crate) username: Username,
    pub(crate) domain: DomainName,
    pub(crate) status: Status,
    pub(crate) limits: Limits,
    pub(crate) usage: AccountUsage,
}

impl FromRow<'_, SqliteRow> for Listed {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            account_id: parsed(row, "id")?,
            external_ref: row.try_get("external_ref")?,
            username: parsed(row, "username")?,
            domain: parsed(row, "domain")?,
            status: parsed(row, "status")?,
            limits: json(row, "limits")?,
            usage: AccountUsage::from_row(row)?,
        })
    }
}

/// Which accounts a list holds: those that are active or suspended.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(crate) server: Option<ServerId>,
    /// Only refs that start so.
    pub(crate) ref_prefix: Option<String>,
    /// Only accounts made at or before this moment, so that the pages of one list fit together.
    pub(crate) snapshot: Micros,
}

impl Filter {
    fn push(&self, sql: &mut QueryBuilder<Sqlite>, owner: &OwnerId) {
        sql.push(" WHERE a.owner = ").push_bind(owner.as_str().to_owned());
        sql.push(" AND a.status IN ('active', 'suspended') AND a.created_at <= ").push_bind(self.snapshot.0);
        if let Some(server) = self.server {
            sql.push(" AND a.server_id = ").push_bind(server.to_string());
        }
        if let Some(prefix) = &self.ref_prefix {
            push_below(sql.push(" AND "), "a.external_ref", prefix);
        }
    }
}

/// At most `limit` accounts behind `after`, in the order in which they were made.
pub(crate) async fn list(
    db: impl SqliteExecutor<'_>,
    owner: &OwnerId,
    filter: &Filter,
    after: Option<AccountId>,
    limit: u32,
) -> Result<Vec<Listed>, StoreError> {
    let mut sql = QueryBuilder::new(
        "SELECT a.id, a.external_ref, a.username, a.domain, a.status, json_extract(a.spec, '$.limits') AS limits, u.* \
         FROM account a LEFT JOIN account_usage u ON u.account_id = a.id",
    );
    filter.push(&mut sql, owner);
    if let Some(after) = after {
        sql.push(" AND a.id > ").push_bind(after.to_string());
    }
    sql.push(" ORDER BY a.id LIMIT ").push_bind(limit);
    sql.build_query_as().fetch_all(db).await.doing("list what accounts use")
}

/// How many accounts a whole list holds.
pub(crate) async fn count(db: impl SqliteExecutor<'_>, owner: &OwnerId, filter: &Filter) -> Result<i64, StoreError> {
    let mut sql = QueryBuilder::new("SELECT COUNT(*) FROM account a");
    filter.push(&mut sql, owner);
    sql.build_query_scalar().fetch_one(db).await.doing("count what accounts use")
}
