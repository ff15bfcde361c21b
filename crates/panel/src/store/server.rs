//! Servers.

use std::net::{Ipv4Addr, Ipv6Addr};

use opterius_model::{DomainName, OwnerId, ServerId};
use opterius_protocol::Micros;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError, json, parsed, to_json};

/// One server.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) id: ServerId,
    pub(crate) name: String,
    pub(crate) is_default: bool,
    pub(crate) hostname: Option<DomainName>,
    pub(crate) ipv4: Vec<Ipv4Addr>,
    pub(crate) ipv6: Vec<Ipv6Addr>,
    pub(crate) nameservers: Vec<DomainName>,
    /// How many accounts it takes; 0 for any number.
    pub(crate) max_accounts: u32,
    /// How many live accounts are on it.
    pub(crate) accounts: i64,
}

impl FromRow<'_, SqliteRow> for Server {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let hostname = match row.try_get::<Option<String>, _>("hostname")? {
            Some(_) => Some(parsed(row, "hostname")?),
            None => None,
        };
        Ok(Self {
            id: parsed(row, "id")?,
            name: row.try_get("name")?,
            is_default: row.try_get::<i64, _>("is_default")? != 0,
            hostname,
            ipv4: json(row, "ipv4")?,
            ipv6: json(row, "ipv6")?,
            nameservers: json(row, "nameservers")?,
            max_accounts: row.try_get("max_accounts")?,
            accounts: row.try_get("accounts")?,
        })
    }
}

/// Every server with the number of its live accounts, the default one first.
pub(crate) async fn list_counted(db: impl SqliteExecutor<'_>, owner: &OwnerId) -> Result<Vec<Server>, StoreError> {
    sqlx::query_as(
        "SELECT s.*, (SELECT COUNT(*) FROM account a WHERE a.server_id = s.id AND a.status NOT IN ('terminated', 'failed')) AS accounts \
         FROM server s WHERE s.owner = $1 ORDER BY s.is_default DESC, s.name",
    )
    .bind(owner.as_str())
    .fetch_all(db)
    .await
    .doing("list the servers")
}

/// Every server, without counting, for the path that orders take.
pub(crate) async fn list(db: impl SqliteExecutor<'_>, owner: &OwnerId) -> Result<Vec<Server>, StoreError> {
    sqlx::query_as("SELECT s.*, 0 AS accounts FROM server s WHERE s.owner = $1 ORDER BY s.is_default DESC, s.name")
        .bind(owner.as_str())
        .fetch_all(db)
        .await
        .doing("list the servers")
}

/// How many live accounts are on a server, those that are being made included.
pub(crate) async fn count_accounts(db: impl SqliteExecutor<'_>, server: ServerId) -> Result<i64, StoreError> {
    sqlx::query_scalar("SELECT COUNT(*) FROM account WHERE server_id = $1 AND status NOT IN ('terminated', 'failed')")
        .bind(server.to_string())
        .fetch_one(db)
        .await
        .doing("count the accounts of a server")
}

/// Makes the row of the server that the Panel's own machine is, unless there is one.
pub(crate) async fn ensure_default(db: &mut SqliteConnection, owner: &OwnerId, now: Micros) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO server (id, owner, name, is_default, ipv4, ipv6, nameservers, created_at) \
         SELECT $1, $2, 'default', 1, '[]', '[]', '[]', $3 WHERE NOT EXISTS (SELECT 1 FROM server WHERE owner = $2)",
    )
    .bind(ServerId::generate().to_string())
    .bind(owner.as_str())
    .bind(now.0)
    .execute(db)
    .await
    .doing("put the default server down")?;
    Ok(())
}

/// Changes what names of accounts on this server point to.
pub(crate) async fn update(db: &mut SqliteConnection, owner: &OwnerId, server: &Server) -> Result<(), StoreError> {
    sqlx::query("UPDATE server SET hostname = $3, ipv4 = $4, ipv6 = $5, nameservers = $6, max_accounts = $7 WHERE owner = $1 AND id = $2")
        .bind(owner.as_str())
        .bind(server.id.to_string())
        .bind(server.hostname.as_ref().map(DomainName::as_str))
        .bind(to_json(&server.ipv4))
        .bind(to_json(&server.ipv6))
        .bind(to_json(&server.nameservers))
        .bind(server.max_accounts)
        .execute(db)
        .await
        .doing("change a server")?;
    Ok(())
}
