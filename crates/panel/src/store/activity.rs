//! The Activity: append-only, each row chained to the one before.

use std::net::IpAddr;

use opterius_model::{AccountId, OperationId, OwnerId, RequestId};
use opterius_protocol::Micros;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, QueryBuilder, Row as _, SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError, push_below, word_enum};

word_enum! {
    /// How something ended.
    Outcome {
        /// It was done, or taken on.
        Ok = "ok",
        /// It was not allowed or not possible, and nothing was done.
        Refused = "refused",
        /// It was tried, and came to nothing.
        Failed = "failed",
    }
}

/// What is to be remembered.
#[derive(Debug, Clone)]
pub(crate) struct Entry<'a> {
    pub(crate) at: Micros,
    pub(crate) actor: &'a str,
    /// The address that they were at; nothing on the Panel's own machine, and of what the Panel does by itself.
    pub(crate) from: Option<IpAddr>,
    pub(crate) action: &'a str,
    pub(crate) account_id: Option<AccountId>,
    pub(crate) operation_id: Option<OperationId>,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) outcome: Outcome,
    /// A sentence. Never a secret.
    pub(crate) detail: String,
}

/// One row. Its JSON, fields in this order (the alphabet's) and without `hash`, is what the hash covers.
#[derive(Debug, Clone, FromRow, Serialize)]
pub(crate) struct Row {
    pub(crate) account_id: Option<String>,
    pub(crate) action: String,
    pub(crate) actor: String,
    /// Not in the JSON where there is none, as in every row from before addresses were kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    pub(crate) at: i64,
    pub(crate) detail: String,
    #[serde(skip)]
    pub(crate) hash: String,
    pub(crate) id: i64,
    pub(crate) operation_id: Option<String>,
    pub(crate) outcome: String,
    pub(crate) owner: String,
    pub(crate) prev: String,
    pub(crate) request_id: Option<String>,
}

impl Row {
    /// SHA-256 of the canonical JSON, hexadecimal.
    pub(crate) fn computed_hash(&self) -> String {
        let canonical = serde_json::to_string(self).expect("a row with text keys serialises");
        hex(&Sha256::digest(canonical.as_bytes()))
    }
}

/// What stands in `prev` of the first row.
pub(crate) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Adds a row behind the last one.
pub(crate) async fn append(db: &mut SqliteConnection, owner: &OwnerId, entry: Entry<'_>) -> Result<(), StoreError> {
    let (last_id, prev) = head(&mut *db).await?.unwrap_or_else(|| (0, GENESIS.to_owned()));
    let mut row = Row {
        account_id: entry.account_id.map(|id| id.to_string()),
        action: entry.action.to_owned(),
        actor: entry.actor.to_owned(),
        address: entry.from.map(|address| address.to_canonical().to_string()),
        at: entry.at.0,
        detail: entry.detail,
        hash: String::new(),
        id: last_id + 1,
        operation_id: entry.operation_id.map(|id| id.to_string()),
        outcome: entry.outcome.as_str().to_owned(),
        owner: owner.as_str().to_owned(),
        prev,
        request_id: entry.request_id.map(str::to_owned),
    };
    row.hash = row.computed_hash();
    sqlx::query(
        "INSERT INTO activity (id, owner, at, actor, action, account_id, operation_id, request_id, outcome, detail, prev, hash, address) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(row.id)
    .bind(&row.owner)
    .bind(row.at)
    .bind(&row.actor)
    .bind(&row.action)
    .bind(&row.account_id)
    .bind(&row.operation_id)
    .bind(&row.request_id)
    .bind(&row.outcome)
    .bind(&row.detail)
    .bind(&row.prev)
    .bind(&row.hash)
    .bind(&row.address)
    .execute(db)
    .await
    .doing("write to the Activity")?;
    Ok(())
}

/// The number and the hash of the last row, whoever's it is: there is one chain.
pub(crate) async fn head(db: impl SqliteExecutor<'_>) -> Result<Option<(i64, String)>, StoreError> {
    sqlx::query_as("SELECT id, hash FROM activity ORDER BY id DESC LIMIT 1").fetch_optional(db).await.doing("read the head of the Activity")
}

/// When the newest row was written of those from before a moment.
pub(crate) async fn newest_before(db: impl SqliteExecutor<'_>, before: Micros) -> Result<Option<Micros>, StoreError> {
    let at: Option<i64> = sqlx::query_scalar("SELECT at FROM activity WHERE at < $1 ORDER BY id DESC LIMIT 1")
        .bind(before.0)
        .fetch_optional(db)
        .await
        .doing("look when the Activity was last written to")?;
    Ok(at.map(Micros))
}

/// Takes every row away up to this one.
pub(crate) async fn remove_until(db: &mut SqliteConnection, row: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM activity WHERE id <= $1").bind(row).execute(db).await.doing("remove the oldest rows of the Activity")?;
    Ok(())
}

/// How many rows there are up to this one.
pub(crate) async fn rows_until(db: impl SqliteExecutor<'_>, row: i64) -> Result<i64, StoreError> {
    sqlx::query_scalar("SELECT COUNT(*) FROM activity WHERE id <= $1").bind(row).fetch_one(db).await.doing("count the Activity")
}

/// At most `limit` rows behind the row `after` and up to `until`, of every owner, in the order in which they are chained. A row that cannot be
/// read is there without what it says.
pub(crate) async fn chained(
    db: impl SqliteExecutor<'_>,
    after: i64,
    until: i64,
    limit: u32,
) -> Result<Vec<(i64, Option<Row>)>, StoreError> {
    let rows: Vec<SqliteRow> = sqlx::query("SELECT * FROM activity WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3")
        .bind(after)
        .bind(until)
        .bind(limit)
        .fetch_all(db)
        .await
        .doing("read the chain of the Activity")?;
    rows.iter()
        .map(|row| Ok((row.try_get("id")?, Row::from_row(row).ok())))
        .collect::<Result<_, _>>()
        .doing("read the chain of the Activity")
}

/// When the last row of this action of an account was written, and what it says.
pub(crate) async fn last_of(
    db: impl SqliteExecutor<'_>,
    owner: &OwnerId,
    account: AccountId,
    action: &str,
) -> Result<Option<(Micros, String)>, StoreError> {
    let last: Option<(i64, String)> =
        sqlx::query_as("SELECT at, detail FROM activity WHERE owner = $1 AND account_id = $2 AND action = $3 ORDER BY id DESC LIMIT 1")
            .bind(owner.as_str())
            .bind(account.to_string())
            .bind(action)
            .fetch_optional(db)
            .await
            .doing("look for the last row of an account")?;
    Ok(last.map(|(at, detail)| (Micros(at), detail)))
}

/// How many rows of these actions of an account there are since a moment.
pub(crate) async fn rows_since(
    db: impl SqliteExecutor<'_>,
    owner: &OwnerId,
    account: AccountId,
    actions: &[&str; 2],
    since: Micros,
) -> Result<i64, StoreError> {
    sqlx::query_scalar("SELECT COUNT(*) FROM activity WHERE owner = $1 AND account_id = $2 AND +action IN ($3, $4) AND +at > $5")
        .bind(owner.as_str())
        .bind(account.to_string())
        .bind(actions[0])
        .bind(actions[1])
        .bind(since.0)
        .fetch_one(db)
        .await
        .doing("count the rows of an account")
}

/// Which rows a list holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) account_id: Option<AccountId>,
    pub(crate) action: Option<String>,
    pub(crate) outcome: Option<Outcome>,
    /// Only rows of accounts whose ref starts so.
    pub(crate) ref_prefix: Option<String>,
}

impl Filter {
    fn push(&self, sql: &mut QueryBuilder<sqlx::Sqlite>, owner: &OwnerId) {
        sql.push(" WHERE owner = ").push_bind(owner.as_str().to_owned());
        if let Some(account) = self.account_id {
            sql.push(" AND account_id = ").push_bind(account.to_string());
        }
        // An account has few rows, and a kind of thing may have a million: its index is not to be chosen before the account's.
        let rather_not = if self.account_id.is_some() { "+" } else { "" };
        if let Some(action) = &self.action {
            sql.push(" AND ").push(rather_not).push("action = ").push_bind(action.clone());
        }
        if let Some(outcome) = self.outcome {
            sql.push(" AND ").push(rather_not).push("outcome = ").push_bind(outcome.as_str());
        }
        if let Some(prefix) = &self.ref_prefix {
            push_below(sql.push(" AND account_id IN (SELECT id FROM account WHERE "), "external_ref", prefix);
            sql.push(")");
        }
    }
}

/// At most `limit` rows before the row `before`, the newest first.
pub(crate) async fn list(
    db: impl SqliteExecutor<'_>,
    owner: &OwnerId,
    filter: &Filter,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Row>, StoreError> {
    let mut sql = QueryBuilder::new("SELECT * FROM activity");
    filter.push(&mut sql, owner);
    if let Some(before) = before {
        sql.push(" AND id < ").push_bind(before);
    }
    sql.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    sql.build_query_as().fetch_all(db).await.doing("list the Activity")
}

/// Everything of one operation, and of the request that asked for it, in the order in which it happened.
pub(crate) async fn of_operation(
    db: impl SqliteExecutor<'_>,
    owner: &OwnerId,
    account: AccountId,
    operation: OperationId,
    request: &RequestId,
) -> Result<Vec<Row>, StoreError> {
    sqlx::query_as(
        "SELECT * FROM activity WHERE owner = $1 AND account_id = $2 AND (operation_id = $3 OR request_id = $4) ORDER BY id LIMIT 200",
    )
    .bind(owner.as_str())
    .bind(account.to_string())
    .bind(operation.to_string())
    .bind(request.as_str())
    .fetch_all(db)
    .await
    .doing("read the story of an operation")
}

/// How many rows a whole list holds.
pub(crate) async fn count(db: impl SqliteExecutor<'_>, owner: &OwnerId, filter: &Filter) -> Result<i64, StoreError> {
    let mut sql = QueryBuilder::new("SELECT COUNT(*) FROM activity");
    filter.push(&mut sql, owner);
    sql.build_query_scalar().fetch_one(db).await.doing("count the Activity")
}

/// What a person looks for in the Activity.
#[derive(Debug, Clone, Default)]
pub(crate) struct Look {
    pub(crate) filter: Filter,
    /// Only rows of these actors, each by its whole name.
    pub(crate) actors: Option<Vec<String>>,
}

/// At most `limit` rows of a [`Look`] before the row `before`, the newest first. Each actor is looked for by itself, from the newest on, and what is found is
/// put together: asked for all at once, SQLite would sort everything that any of them ever did.
pub(crate) async fn look(
    db: &sqlx::SqlitePool,
    owner: &OwnerId,
    look: &Look,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Row>, StoreError> {
    let Some(actors) = &look.actors else { return list(db, owner, &look.filter, before, limit).await };
    let outcomes = look.filter.outcome.map_or_else(|| Outcome::ALL.to_vec(), |outcome| vec![outcome]);
    let mut rows: Vec<Row> = Vec::new();
    for actor in actors {
        for outcome in &outcomes {
            let mut sql = QueryBuilder::new("SELECT * FROM activity");
            Filter { outcome: Some(*outcome), ..look.filter.clone() }.push(&mut sql, owner);
            sql.push(if look.filter.account_id.is_some() { " AND +actor = " } else { " AND actor = " }).push_bind(actor.clone());
            if let Some(before) = before {
                sql.push(" AND id < ").push_bind(before);
            }
            sql.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
            rows.extend(sql.build_query_as::<Row>().fetch_all(db).await.doing("look through the Activity")?);
        }
    }
    rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
    rows.truncate(limit as usize);
    Ok(rows)
}

/// Names of actors that hold `text`, at most `limit`. The index is jumped through from name to name, so that nobody's rows are counted.
pub(crate) async fn actors(db: impl SqliteExecutor<'_>, owner: &OwnerId, text: &str, limit: u32) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar(
        "WITH RECURSIVE one (actor) AS ( \
           SELECT MIN(actor) FROM activity WHERE owner = $1 \
           UNION ALL \
           SELECT (SELECT MIN(actor) FROM activity WHERE owner = $1 AND actor > one.actor) FROM one WHERE one.actor IS NOT NULL \
         ) SELECT actor FROM one WHERE actor IS NOT NULL AND instr(lower(actor), lower($2)) > 0 LIMIT $3",
    )
    .bind(owner.as_str())
    .bind(text)
    .bind(limit)
    .fetch_all(db)
    .await
    .doing("look for who did something")
}

/// Every kind of thing that was ever done.
pub(crate) async fn actions(db: impl SqliteExecutor<'_>, owner: &OwnerId) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar(
        "WITH RECURSIVE one (action) AS ( \
           SELECT MIN(action) FROM activity WHERE owner = $1 \
           UNION ALL \
           SELECT (SELECT MIN(action) FROM activity WHERE owner = $1 AND action > one.action) FROM one WHERE one.action IS NOT NULL \
         ) SELECT action FROM one WHERE action IS NOT NULL LIMIT 200",
    )
    .bind(owner.as_str())
    .fetch_all(db)
    .await
    .doing("list what was ever done")
}

/// The row with this number.
pub(crate) async fn by_id(
    db: impl SqliteExecutor<'_>,
    owner: &OwnerId,
    id: i64,
    ref_prefix: Option<&str>,
) -> Result<Option<Row>, StoreError> {
    let mut sql = QueryBuilder::new("SELECT * FROM activity");
    Filter { ref_prefix: ref_prefix.map(str::to_owned), ..Filter::default() }.push(&mut sql, owner);
    sql.push(" AND id = ").push_bind(id);
    sql.build_query_as().fetch_optional(db).await.doing("read a row of the Activity")
}

/// Every row of one request, and of one operation, in the order in which they came; at most 200.
pub(crate) async fn story(
    db: impl SqliteExecutor<'_>,
    owner: &OwnerId,
    request: Option<&str>,
    id: i64,
    ref_prefix: Option<&str>,
) -> Result<Vec<Row>, StoreError> {
    let mut sql = QueryBuilder::new("SELECT * FROM activity");
    Filter { ref_prefix: ref_prefix.map(str::to_owned), ..Filter::default() }.push(&mut sql, owner);
    match request {
        Some(request) => sql.push(" AND request_id = ").push_bind(request.to_owned()),
        None => sql.push(" AND id = ").push_bind(id),
    };
    sql.push(" ORDER BY id LIMIT 200");
    sql.build_query_as().fetch_all(db).await.doing("read the story of a request")
}
