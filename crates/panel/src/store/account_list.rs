//! Lists of accounts for people: searched, filtered, sorted, page by page.

use opterius_model::{AccountId, OwnerId, PackageId, ServerId};
use opterius_protocol::Micros;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, QueryBuilder, Row as _, Sqlite, SqliteExecutor};

use super::account::Status;
use super::operation::Outcome;
use super::{Doing, StoreError, parsed, parsed_if_there, push_below, word_enum};

word_enum! {
    /// By what a list is sorted.
    Sort {
        /// The Linux user.
        Username = "username",
        /// The primary domain.
        Domain = "domain",
        /// When it was ordered.
        Created = "created",
    }
}

/// Which accounts a list holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Only refs that start so.
    pub(crate) ref_prefix: Option<String>,
    /// Those that are there where nothing is said.
    pub(crate) status: Option<Status>,
    pub(crate) package: Option<PackageId>,
    pub(crate) server: Option<ServerId>,
    /// Only accounts whose username, domain, e-mail address or ref holds this, in lower case.
    pub(crate) search: Option<String>,
}

/// Which page of which order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub(crate) sort: Sort,
    pub(crate) descending: bool,
    pub(crate) limit: u32,
    /// How many accounts stand before it.
    pub(crate) offset: u32,
}

/// One line.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: AccountId,
    pub(crate) username: String,
    pub(crate) domain: String,
    /// The whole ref, a token's prefix included.
    pub(crate) external_ref: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) package: Option<String>,
    pub(crate) server: String,
    pub(crate) status: Status,
    pub(crate) created_at: Micros,
    /// What has become of its last operation.
    pub(crate) outcome: Option<Outcome>,
}

impl FromRow<'_, SqliteRow> for Row {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: parsed(row, "id")?,
            username: row.try_get("username")?,
            domain: row.try_get("domain")?,
            external_ref: row.try_get("external_ref")?,
            email: row.try_get("email")?,
            package: row.try_get("package_name")?,
            server: row.try_get("server_name")?,
            status: parsed(row, "status")?,
            created_at: Micros(row.try_get("created_at")?),
            outcome: parsed_if_there(row, "outcome")?,
        })
    }
}

impl Filter {
    fn push(&self, sql: &mut QueryBuilder<Sqlite>, owner: &OwnerId) {
        sql.push(" WHERE a.owner = ").push_bind(owner.as_str().to_owned());
        match self.status {
            Some(status) => sql.push(" AND a.status = ").push_bind(status.as_str()),
            None => sql.push(" AND a.status NOT IN ('terminated', 'failed')"),
        };
        if let Some(package) = self.package {
            // Compared as a text of its own, so that the index that holds everything is taken, and not the small one of packages.
            sql.push(" AND a.package_id || '' = ").push_bind(package.to_string());
        }
        if let Some(server) = self.server {
            sql.push(" AND a.server_id || '' = ").push_bind(server.to_string());
        }
        if let Some(text) = &self.search {
            sql.push(" AND (instr(a.username, ").push_bind(text.clone());
            sql.push(") > 0 OR instr(a.domain, ").push_bind(text.clone());
            sql.push(") > 0 OR instr(lower(a.email), ").push_bind(text.clone());
            // The prefix of a token is nothing that its staff know of.
            let own = self.ref_prefix.as_ref().map_or(0, String::len) + 1;
            sql.push(") > 0 OR instr(lower(substr(a.external_ref, ").push_bind(i64::try_from(own).unwrap_or(1));
            sql.push(")), ").push_bind(text.clone()).push(") > 0)");
        }
        if let Some(prefix) = &self.ref_prefix {
            push_below(sql.push(" AND "), "a.external_ref", prefix);
        }
    }
}

/// One page.
pub(crate) async fn list(db: impl SqliteExecutor<'_>, owner: &OwnerId, filter: &Filter, page: Page) -> Result<Vec<Row>, StoreError> {
    let way = if page.descending { "DESC" } else { "ASC" };
    // With a search most accounts are looked at in vain: the covering index is read through and the few that are found are sorted, which took a
    // tenth of the time of following an index of the order to each of 10,000 rows. `|| ''` keeps SQLite from that.
    let found = if filter.search.is_some() { " || ''" } else { "" };
    let order = match page.sort {
        Sort::Username => format!(" ORDER BY a.username{found} {way}, a.id {way}"),
        Sort::Domain => format!(" ORDER BY a.domain{found} {way}, a.id {way}"),
        // Ids sort by the time at which they were made.
        Sort::Created => format!(" ORDER BY a.id{found} {way}"),
    };
    // First the ids of one page, from an index; what is shown is read for those alone. `CROSS JOIN` keeps SQLite to that order.
    let mut sql = QueryBuilder::new(
        "SELECT a.id, a.username, a.domain, a.external_ref, a.email, a.status, a.created_at, p.name AS package_name, s.name AS server_name, \
         o.outcome FROM (SELECT a.id FROM account a",
    );
    filter.push(&mut sql, owner);
    sql.push(&order).push(" LIMIT ").push_bind(page.limit).push(" OFFSET ").push_bind(page.offset);
    sql.push(
        ") f CROSS JOIN account a ON a.id = f.id JOIN server s ON s.id = a.server_id LEFT JOIN package p ON p.id = a.package_id \
         LEFT JOIN operation o ON o.id = a.last_operation_id",
    );
    sql.push(&order);
    sql.build_query_as().fetch_all(db).await.doing("find accounts")
}

/// How many accounts a whole list holds.
pub(crate) async fn count(db: impl SqliteExecutor<'_>, owner: &OwnerId, filter: &Filter) -> Result<i64, StoreError> {
    let mut sql = QueryBuilder::new("SELECT COUNT(*) FROM account a");
    filter.push(&mut sql, owner);
    sql.build_query_scalar().fetch_one(db).await.doing("count the accounts that are found")
}
