//! Operations.

use opterius_model::{AccountId, OperationId, OwnerId, RequestId, ServerId, Spec};
use opterius_protocol::Micros;
use opterius_protocol::agent::StepReport;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, QueryBuilder, Row, SqliteConnection, SqliteExecutor};

use super::{Doing, StoreError, json, json_if_there, parsed, push_below, to_json, word_enum};
use crate::app::{Memo, Refusal};

word_enum! {
    /// What an operation does to its account.
    Kind {
        /// Makes it.
        Create = "create",
        /// Gives it another password.
        Password = "password",
        /// Adds a hold, so that its site says that it is suspended.
        Suspend = "suspend",
        /// Lifts a hold.
        Unsuspend = "unsuspend",
        /// Gives it another package, or other limits.
        Package = "package",
        /// Gives it another PHP.
        PhpVersion = "php_version",
        /// Takes it off its server.
        Terminate = "terminate",
        /// Brings a terminated one back.
        Restore = "restore",
        /// Makes its server as its Spec says.
        Repair = "repair",
    }
}

impl Kind {
    /// Whether it suspends or ends its account: that waits for no turn, and is never too much.
    pub(crate) fn closes(self) -> bool {
        match self {
            Self::Suspend | Self::Terminate => true,
            Self::Create | Self::Password | Self::Unsuspend | Self::Package | Self::PhpVersion | Self::Restore | Self::Repair => false,
        }
    }

    /// How the Activity names that it was taken on.
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::Create => "account.create",
            Self::Password => "account.password",
            Self::Suspend => "account.suspend",
            Self::Unsuspend => "account.unsuspend",
            Self::Package => "account.package",
            Self::PhpVersion => "account.php_version",
            Self::Terminate => "account.terminate",
            Self::Restore => "account.restore",
            Self::Repair => "account.repair",
        }
    }
}

word_enum! {
    /// What has become of an operation.
    Outcome {
        /// Not decided.
        Running = "running",
        /// Done.
        Committed = "committed",
        /// Undone, or never begun.
        RolledBack = "rolled_back",
        /// Neither yet; the Agent goes on trying.
        NeedsAttention = "needs_attention",
        /// The Agent could not be reached, and nothing was sent.
        NotSent = "not_sent",
    }
}

impl Outcome {
    /// Whether the operation is over for good.
    pub(crate) fn is_final(self) -> bool {
        !matches!(self, Self::Running | Self::NeedsAttention)
    }
}

/// One operation.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) id: OperationId,
    pub(crate) owner: String,
    pub(crate) account_id: AccountId,
    pub(crate) server_id: ServerId,
    pub(crate) kind: Kind,
    pub(crate) username: String,
    pub(crate) domain: String,
    pub(crate) external_ref: Option<String>,
    pub(crate) actor: String,
    pub(crate) request_id: RequestId,
    pub(crate) outcome: Outcome,
    pub(crate) started_at: Micros,
    pub(crate) finished_at: Option<Micros>,
    /// What it makes true; nothing once it is over.
    pub(crate) spec: Option<Spec>,
    /// What the Panel's rows of the account say once it is committed. Nothing once it is over, but for a create that did not succeed: what
    /// was ordered can be ordered again.
    pub(crate) memo: Option<Memo>,
    pub(crate) steps: Vec<StepReport>,
    /// Why it did not succeed.
    pub(crate) error: Option<Refusal>,
    /// Whether a person ended it where it stood.
    pub(crate) abandoned: bool,
    /// What is not as it should be: while it needs attention, and when it was abandoned.
    pub(crate) remains: Vec<String>,
}

impl FromRow<'_, SqliteRow> for Operation {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: parsed(row, "id")?,
            owner: row.try_get("owner")?,
            account_id: parsed(row, "account_id")?,
            server_id: parsed(row, "server_id")?,
            kind: parsed(row, "kind")?,
            username: row.try_get("username")?,
            domain: row.try_get("domain")?,
            external_ref: row.try_get("external_ref")?,
            actor: row.try_get("actor")?,
            request_id: parsed(row, "request_id")?,
            outcome: parsed(row, "outcome")?,
            started_at: Micros(row.try_get("started_at")?),
            finished_at: row.try_get::<Option<i64>, _>("finished_at")?.map(Micros),
            spec: json_if_there(row, "spec")?,
            memo: json_if_there(row, "memo")?,
            steps: json(row, "steps")?,
            error: json_if_there(row, "error")?,
            abandoned: row.try_get::<i64, _>("abandoned")? != 0,
            remains: json(row, "remains")?,
        })
    }
}

/// Puts an operation down as running. Fails on the rule that an account has one open operation at most.
pub(crate) async fn insert(db: &mut SqliteConnection, operation: &Operation) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO operation (id, owner, account_id, server_id, kind, username, domain, external_ref, actor, request_id, outcome, \
         started_at, spec, memo, steps, acknowledged) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'running', $11, $12, $13, '[]', 0)",
    )
    .bind(operation.id.to_string())
    .bind(&operation.owner)
    .bind(operation.account_id.to_string())
    .bind(operation.server_id.to_string())
    .bind(operation.kind.as_str())
    .bind(&operation.username)
    .bind(&operation.domain)
    .bind(&operation.external_ref)
    .bind(&operation.actor)
    .bind(operation.request_id.as_str())
    .bind(operation.started_at.0)
    .bind(operation.spec.as_ref().map(to_json))
    .bind(operation.memo.as_ref().map(to_json))
    .execute(db)
    .await
    .doing("put an operation down")?;
    Ok(())
}

/// The operation with this id.
pub(crate) async fn by_id(db: impl SqliteExecutor<'_>, owner: &OwnerId, id: OperationId) -> Result<Option<Operation>, StoreError> {
    sqlx::query_as("SELECT * FROM operation WHERE owner = $1 AND id = $2")
        .bind(owner.as_str())
        .bind(id.to_string())
        .fetch_optional(db)
        .await
        .doing("read an operation")
}

/// Every operation without a final outcome, of every owner: what a Panel picks up when it starts.
pub(crate) async fn open(db: impl SqliteExecutor<'_>) -> Result<Vec<Operation>, StoreError> {
    sqlx::query_as("SELECT * FROM operation WHERE outcome IN ('running', 'needs_attention') ORDER BY id")
        .fetch_all(db)
        .await
        .doing("read the operations without an outcome")
}

/// Every operation whose final outcome the Agent has not been told to be known here.
pub(crate) async fn unacknowledged(db: impl SqliteExecutor<'_>) -> Result<Vec<(OperationId, ServerId)>, StoreError> {
    sqlx::query("SELECT id, server_id FROM operation WHERE acknowledged = 0 AND outcome IN ('committed', 'rolled_back') ORDER BY id")
        .try_map(|row| Ok((parsed(&row, "id")?, parsed(&row, "server_id")?)))
        .fetch_all(db)
        .await
        .doing("read the operations to acknowledge")
}

/// What is recorded of an operation's end.
#[derive(Debug)]
pub(crate) struct Ending<'a> {
    pub(crate) outcome: Outcome,
    pub(crate) finished_at: Option<Micros>,
    pub(crate) steps: &'a [StepReport],
    pub(crate) error: Option<&'a Refusal>,
    /// Whether a person ended it where it stood.
    pub(crate) abandoned: bool,
    /// What is not as it should be.
    pub(crate) remains: &'a [String],
    /// Whether an Agent keeps the outcome until it is acknowledged.
    pub(crate) to_acknowledge: bool,
}

/// Records an outcome; says whether this was news. A final outcome is never changed.
pub(crate) async fn set_outcome(db: &mut SqliteConnection, id: OperationId, ending: &Ending<'_>) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE operation SET outcome = $2, finished_at = $3, steps = $4, error = $5, acknowledged = $6, abandoned = $7, \
         remains = $8, spec = CASE WHEN $2 = 'needs_attention' THEN spec END, memo = CASE WHEN $2 = 'needs_attention' OR (kind = 'create' AND $2 <> 'committed') THEN memo END \
         WHERE id = $1 AND outcome IN ('running', 'needs_attention')",
    )
    .bind(id.to_string())
    .bind(ending.outcome.as_str())
    .bind(ending.finished_at.map(|at| at.0))
    .bind(to_json(&ending.steps))
    .bind(ending.error.map(to_json))
    .bind(i64::from(!ending.to_acknowledge))
    .bind(i64::from(ending.abandoned))
    .bind(to_json(&ending.remains))
    .execute(db)
    .await
    .doing("record the outcome of an operation")?;
    Ok(done.rows_affected() == 1)
}

/// Puts down that the Agent knows that these outcomes are known here.
pub(crate) async fn set_acknowledged(db: &mut SqliteConnection, ids: &[OperationId]) -> Result<(), StoreError> {
    for id in ids {
        sqlx::query("UPDATE operation SET acknowledged = 1 WHERE id = $1")
            .bind(id.to_string())
            .execute(&mut *db)
            .await
            .doing("record an acknowledgement")?;
    }
    Ok(())
}

/// Which operations a list holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) account_id: Option<AccountId>,
    pub(crate) external_ref: Option<String>,
    pub(crate) ref_prefix: Option<String>,
    /// Only those with this outcome.
    pub(crate) outcome: Option<Outcome>,
}

impl Filter {
    fn push(&self, sql: &mut QueryBuilder<sqlx::Sqlite>, owner: &OwnerId) {
        // Of one account by its own index, and not through everything that the owner ever had done (seen).
        sql.push(if self.account_id.is_some() { " WHERE +owner = " } else { " WHERE owner = " }).push_bind(owner.as_str().to_owned());
        if let Some(account) = self.account_id {
            sql.push(" AND account_id = ").push_bind(account.to_string());
        }
        if let Some(external_ref) = &self.external_ref {
            sql.push(" AND external_ref = ").push_bind(external_ref.clone());
        }
        if let Some(outcome) = self.outcome {
            if !outcome.is_final() {
                // As the index of what is open has it.
                sql.push(" AND outcome IN ('running', 'needs_attention')");
            }
            sql.push(" AND outcome = ").push_bind(outcome.as_str());
        }
        if let Some(prefix) = &self.ref_prefix {
            push_below(sql.push(" AND "), "external_ref", prefix);
        }
    }
}

/// At most `limit` operations before `before`, the newest first.
pub(crate) async fn list(
    db: impl SqliteExecutor<'_>,
    owner: &OwnerId,
    filter: &Filter,
    before: Option<OperationId>,
    limit: u32,
) -> Result<Vec<Operation>, StoreError> {
    let mut sql = QueryBuilder::new("SELECT * FROM operation");
    filter.push(&mut sql, owner);
    if let Some(before) = before {
        sql.push(" AND id < ").push_bind(before.to_string());
    }
    sql.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    sql.build_query_as().fetch_all(db).await.doing("list operations")
}

/// How many operations a whole list holds.
pub(crate) async fn count(db: impl SqliteExecutor<'_>, owner: &OwnerId, filter: &Filter) -> Result<i64, StoreError> {
    let mut sql = QueryBuilder::new("SELECT COUNT(*) FROM operation");
    filter.push(&mut sql, owner);
    sql.build_query_scalar().fetch_one(db).await.doing("count operations")
}
