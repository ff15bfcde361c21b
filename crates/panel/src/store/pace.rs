//! How many accounts there are, and how quickly they were made.

use opterius_model::OwnerId;
use opterius_protocol::Micros;
use opterius_protocol::agent::StepReport;
use sqlx::{QueryBuilder, Row, SqliteExecutor};

use super::operation::Outcome;
use super::{Doing, StoreError, json, parsed};

/// One create, as far as its pace goes.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    pub(crate) started_at: Micros,
    pub(crate) finished_at: Option<Micros>,
    pub(crate) outcome: Outcome,
}

fn push_prefix(sql: &mut QueryBuilder<sqlx::Sqlite>, prefix: Option<&str>) {
    if let Some(prefix) = prefix {
        sql.push(" AND external_ref >= ").push_bind(prefix.to_owned());
        sql.push(" AND external_ref < ").push_bind(format!("{prefix}{{"));
    }
}

/// How many accounts that are there have each status.
pub(crate) async fn states(db: impl SqliteExecutor<'_>, owner: &OwnerId, prefix: Option<&str>) -> Result<Vec<(String, i64)>, StoreError> {
    let mut sql = QueryBuilder::new("SELECT status, COUNT(*) FROM account WHERE owner = ");
    sql.push_bind(owner.as_str().to_owned()).push(" AND status NOT IN ('terminated', 'failed')");
    push_prefix(&mut sql, prefix);
    sql.push(" GROUP BY status ORDER BY status");
    sql.build_query_as().fetch_all(db).await.doing("count the accounts by status")
}

/// Every create that began at `since` or later.
pub(crate) async fn creates(
    db: impl SqliteExecutor<'_>,
    owner: &OwnerId,
    prefix: Option<&str>,
    since: Micros,
) -> Result<Vec<Pace>, StoreError> {
    let mut sql = QueryBuilder::new("SELECT started_at, finished_at, outcome FROM operation WHERE kind = 'create' AND owner = ");
    sql.push_bind(owner.as_str().to_owned()).push(" AND started_at >= ").push_bind(since.0);
    push_prefix(&mut sql, prefix);
    let query = sql.build().try_map(|row: sqlx::sqlite::SqliteRow| {
        Ok(Pace {
            started_at: Micros(row.try_get("started_at")?),
            finished_at: row.try_get::<Option<i64>, _>("finished_at")?.map(Micros),
            outcome: parsed(&row, "outcome")?,
        })
    });
    query.fetch_all(db).await.doing("read how quickly accounts were made")
}

/// The steps of the newest creates that were done at `since` or later, at most `limit` of them.
pub(crate) async fn steps(
    db: impl SqliteExecutor<'_>,
    owner: &OwnerId,
    prefix: Option<&str>,
    since: Micros,
    limit: u32,
) -> Result<Vec<(Micros, Vec<StepReport>)>, StoreError> {
    let mut sql = QueryBuilder::new("SELECT started_at, steps FROM operation WHERE kind = 'create' AND owner = ");
    sql.push_bind(owner.as_str().to_owned()).push(" AND started_at >= ").push_bind(since.0);
    push_prefix(&mut sql, prefix);
    sql.push(" AND outcome = 'committed' ORDER BY started_at DESC LIMIT ").push_bind(limit);
    let query = sql.build().try_map(|row: sqlx::sqlite::SqliteRow| Ok((Micros(row.try_get("started_at")?), json(&row, "steps")?)));
    query.fetch_all(db).await.doing("read the steps of what was made")
}
