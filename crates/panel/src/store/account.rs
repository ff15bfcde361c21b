//! Accounts.

use std::collections::BTreeMap;

use jiff::civil::Date;
use opterius_model::{
    AccountId, DomainName, Generation, Limit, OperationId, OwnerId, PackageId, PasswordHash, ServerId, Spec, State, Uid, Username,
};
use opterius_protocol::Micros;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, QueryBuilder, Row, Sqlite, SqliteConnection, SqliteExecutor};

use super::account_hold::AccountHold;
use super::operation::{Kind, Outcome};
use super::{Doing, StoreError, json, json_if_there, parsed, parsed_if_there, push_below, to_json, word_enum};

word_enum! {
    /// What has become of an account.
    Status {
        /// Its create or its restore is running.
        Provisioning = "provisioning",
        /// It is there.
        Active = "active",
        /// It is there, and its site says that it is suspended.
        Suspended = "suspended",
        /// It was there.
        Terminated = "terminated",
        /// It never was there.
        Failed = "failed",
        /// Its last operation could be neither finished nor undone yet.
        NeedsAttention = "needs_attention",
    }
}

impl Status {
    /// The status of an account whose server is as its Spec says.
    pub(crate) fn of(state: State) -> Self {
        match state {
            State::Active => Self::Active,
            State::Suspended => Self::Suspended,
            State::Absent => Self::Terminated,
        }
    }
}

/// One account, with the names of what it points to.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: AccountId,
    pub(crate) owner: String,
    /// The whole ref, a token's prefix included.
    pub(crate) external_ref: Option<String>,
    pub(crate) username: Username,
    pub(crate) domain: DomainName,
    pub(crate) email: Option<String>,
    pub(crate) client: Client,
    pub(crate) package: Option<PackageRef>,
    pub(crate) server: ServerRef,
    pub(crate) status: Status,
    pub(crate) uid: Option<u32>,
    /// The last generation that was taken for it.
    pub(crate) generation: Generation,
    /// What it was last committed to be; nothing when it failed.
    pub(crate) spec: Option<Spec>,
    /// Who holds it, or held it when it was terminated.
    pub(crate) holds: Vec<AccountHold>,
    /// Limits that its package does not decide.
    pub(crate) overrides: BTreeMap<String, Limit>,
    pub(crate) operation: Option<OperationRef>,
    pub(crate) created_at: Micros,
    pub(crate) terminated_at: Option<Micros>,
    /// Until when it can be restored, if it is terminated.
    pub(crate) kept_until: Option<Micros>,
}

/// What a billing system keeps with an account of the client that it is for. It changes nothing on the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Client {
    /// The caller's own name for the client, as it is stored, the caller's prefix in front.
    pub(crate) client_ref: Option<String>,
    /// When the client pays next.
    pub(crate) next_due_on: Option<Date>,
}

#[derive(Debug, Clone)]
pub(crate) struct PackageRef {
    pub(crate) id: PackageId,
    pub(crate) name: String,
}

#[derive(Debug, Clone)]
pub(crate) struct ServerRef {
    pub(crate) id: ServerId,
    pub(crate) name: String,
    pub(crate) hostname: Option<String>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct OperationRef {
    pub(crate) id: OperationId,
    pub(crate) kind: Kind,
    pub(crate) outcome: Outcome,
}

impl FromRow<'_, SqliteRow> for Account {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let package = match row.try_get::<Option<String>, _>("package_id")? {
            Some(_) => Some(PackageRef { id: parsed(row, "package_id")?, name: row.try_get("package_name")? }),
            None => None,
        };
        let operation = match row.try_get::<Option<String>, _>("operation_kind")? {
            Some(_) => Some(OperationRef {
                id: parsed(row, "last_operation_id")?,
                kind: parsed(row, "operation_kind")?,
                outcome: parsed(row, "operation_outcome")?,
            }),
            None => None,
        };
        Ok(Self {
            id: parsed(row, "id")?,
            owner: row.try_get("owner")?,
            external_ref: row.try_get("external_ref")?,
            username: parsed(row, "username")?,
            domain: parsed(row, "domain")?,
            email: row.try_get("email")?,
            client: Client { client_ref: row.try_get("client_ref")?, next_due_on: parsed_if_there(row, "next_due_on")? },
            package,
            server: ServerRef {
                id: parsed(row, "server_id")?,
                name: row.try_get("server_name")?,
                hostname: row.try_get("server_hostname")?,
            },
            status: parsed(row, "status")?,
            uid: row.try_get("uid")?,
            generation: Generation::from_stored(row.try_get::<i64, _>("generation")?.unsigned_abs()),
            spec: json_if_there(row, "spec")?,
            holds: json(row, "holds")?,
            overrides: json(row, "overrides")?,
            operation,
            created_at: Micros(row.try_get("created_at")?),
            terminated_at: row.try_get::<Option<i64>, _>("terminated_at")?.map(Micros),
            kept_until: row.try_get::<Option<i64>, _>("kept_until")?.map(Micros),
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT a.*, p.name AS package_name, s.name AS server_name, s.hostname AS server_hostname, o.kind AS operation_kind, ",
            "o.outcome AS operation_outcome, ",
            "(SELECT json_group_array(json_object('hold', h.hold, 'reason', h.reason, 'since', h.since, 'by', h.actor) ORDER BY h.since) ",
            "FROM account_hold h WHERE h.account_id = a.id) AS holds, ",
            "(SELECT json_group_object(v.name, v.value) FROM account_override v WHERE v.account_id = a.id) AS overrides FROM account a JOIN server s ON s.id = a.server_id LEFT JOIN package p ON p.id = a.package_id ",
            "LEFT JOIN operation o ON o.id = a.last_operation_id ",
            $rest
        )
    };
}

/// The account with this id, whatever has become of it.
pub(crate) async fn by_id(db: impl SqliteExecutor<'_>, owner: &OwnerId, id: AccountId) -> Result<Option<Account>, StoreError> {
    sqlx::query_as(select!("WHERE a.owner = $1 AND a.id = $2"))
        .bind(owner.as_str())
        .bind(id.to_string())
        .fetch_optional(db)
        .await
        .doing("read an account")
}

/// The one account with this ref that is neither terminated nor failed.
pub(crate) async fn by_external_ref(
    db: impl SqliteExecutor<'_>,
    owner: &OwnerId,
    external_ref: &str,
) -> Result<Option<Account>, StoreError> {
    sqlx::query_as(select!("WHERE a.owner = $1 AND a.external_ref = $2 AND a.status NOT IN ('terminated', 'failed')"))
        .bind(owner.as_str())
        .bind(external_ref)
        .fetch_optional(db)
        .await
        .doing("look an account up by its external_ref")
}

/// The newest terminated account with this ref.
pub(crate) async fn terminated_by_external_ref(
    db: impl SqliteExecutor<'_>,
    owner: &OwnerId,
    external_ref: &str,
) -> Result<Option<Account>, StoreError> {
    sqlx::query_as(select!(
        "WHERE a.owner = $1 AND a.external_ref = $2 AND a.status = 'terminated' ORDER BY a.terminated_at DESC, a.id DESC LIMIT 1"
    ))
    .bind(owner.as_str())
    .bind(external_ref)
    .fetch_optional(db)
    .await
    .doing("look a terminated account up by its external_ref")
}

/// What a new account consists of.
#[derive(Debug)]
pub(crate) struct New<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) external_ref: Option<&'a str>,
    pub(crate) email: Option<&'a str>,
    pub(crate) client: &'a Client,
    pub(crate) package_id: Option<PackageId>,
    pub(crate) server_id: ServerId,
    /// Nothing if the account was found on its server.
    pub(crate) operation_id: Option<OperationId>,
    pub(crate) now: Micros,
}

/// Puts a new account down as `provisioning`.
pub(crate) async fn insert(db: &mut SqliteConnection, new: &New<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO account (id, owner, external_ref, username, domain, email, package_id, server_id, status, generation, spec, \
         last_operation_id, created_at, client_ref, next_due_on) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'provisioning', $9, $10, $11, $12, $13, $14)",
    )
    .bind(new.spec.account_id.to_string())
    .bind(new.spec.owner_id.as_str())
    .bind(new.external_ref)
    .bind(new.spec.username.as_str())
    .bind(new.spec.sites[0].primary().as_str())
    .bind(new.email)
    .bind(new.package_id.map(|package| package.to_string()))
    .bind(new.server_id.to_string())
    .bind(number(new.spec.generation))
    .bind(to_json(new.spec))
    .bind(new.operation_id.map(|operation| operation.to_string()))
    .bind(new.now.0)
    .bind(&new.client.client_ref)
    .bind(new.client.next_due_on.map(|day| day.to_string()))
    .execute(db)
    .await
    .doing("put a new account down")?;
    Ok(())
}

/// Records the e-mail address and what else is kept of the client.
pub(crate) async fn set_client(db: &mut SqliteConnection, id: AccountId, email: Option<&str>, client: &Client) -> Result<(), StoreError> {
    sqlx::query("UPDATE account SET email = $2, client_ref = $3, next_due_on = $4 WHERE id = $1")
        .bind(id.to_string())
        .bind(email)
        .bind(&client.client_ref)
        .bind(client.next_due_on.map(|day| day.to_string()))
        .execute(db)
        .await
        .doing("record whose an account is")?;
    Ok(())
}

/// Takes the next generation of an account for `operation_id`; nothing if its last one is not `after` any more, so that what was read of it may
/// be old. A number is never used twice, even if its operation comes to nothing.
pub(crate) async fn next_generation(
    db: &mut SqliteConnection,
    id: AccountId,
    operation_id: OperationId,
    after: Generation,
) -> Result<Option<Generation>, StoreError> {
    let generation: Option<i64> = sqlx::query_scalar(
        "UPDATE account SET generation = generation + 1, last_operation_id = $2 WHERE id = $1 AND generation = $3 RETURNING generation",
    )
    .bind(id.to_string())
    .bind(operation_id.to_string())
    .bind(number(after))
    .fetch_optional(db)
    .await
    .doing("take the next generation of an account")?;
    Ok(generation.map(|generation| Generation::from_stored(generation.unsigned_abs())))
}

fn number(generation: Generation) -> i64 {
    i64::try_from(generation.get()).unwrap_or(i64::MAX)
}

/// Makes `spec` the account's: its server is as it says since `now`. The password hash of what cannot be restored is not kept.
pub(crate) async fn set_spec(db: &mut SqliteConnection, spec: &Spec, now: Micros) -> Result<(), StoreError> {
    let absent = spec.state == State::Absent;
    let kept_until = spec.kept_until.filter(|until| *until > now);
    let forgotten;
    let stored = if absent && kept_until.is_none() {
        forgotten = without_hash(spec);
        &forgotten
    } else {
        spec
    };
    sqlx::query(
        "UPDATE account SET status = $2, spec = $3, uid = $4, username = $5, domain = $6, kept_until = $7, forget_at = $7, terminated_at = $8, \
         generation = MAX(generation, $9) WHERE id = $1",
    )
    .bind(spec.account_id.to_string())
    .bind(Status::of(spec.state).as_str())
    .bind(to_json(stored))
    .bind(spec.uid.map(Uid::get))
    .bind(spec.username.as_str())
    .bind(spec.sites[0].primary().as_str())
    .bind(kept_until.map(|until| until.0))
    .bind(absent.then_some(now.0))
    .bind(number(spec.generation))
    .execute(db)
    .await
    .doing("record what an account is")?;
    Ok(())
}

/// Puts down that an account was last changed by something that is no operation of this Panel.
pub(crate) async fn forget_operation(db: &mut SqliteConnection, id: AccountId) -> Result<(), StoreError> {
    sqlx::query("UPDATE account SET last_operation_id = NULL WHERE id = $1")
        .bind(id.to_string())
        .execute(db)
        .await
        .doing("record that an account was taken over")?;
    Ok(())
}

/// Every account of a server, whatever has become of it.
pub(crate) async fn all_on_server(db: impl SqliteExecutor<'_>, server: ServerId) -> Result<Vec<Account>, StoreError> {
    sqlx::query_as(select!("WHERE a.server_id = $1")).bind(server.to_string()).fetch_all(db).await.doing("read the accounts of a server")
}

/// Puts an account back to what its stored Spec says, after an operation that came to nothing; says what that is.
pub(crate) async fn put_back(db: &mut SqliteConnection, id: AccountId) -> Result<Option<State>, StoreError> {
    let spec: Option<Spec> = sqlx::query("SELECT spec FROM account WHERE id = $1")
        .bind(id.to_string())
        .try_map(|row| json_if_there(&row, "spec"))
        .fetch_optional(&mut *db)
        .await
        .doing("read what an account was")?
        .flatten();
    let Some(spec) = spec else { return Ok(None) };
    sqlx::query("UPDATE account SET status = $2, username = $3, domain = $4 WHERE id = $1")
        .bind(id.to_string())
        .bind(Status::of(spec.state).as_str())
        .bind(spec.username.as_str())
        .bind(spec.sites[0].primary().as_str())
        .execute(db)
        .await
        .doing("put an account back to what it was")?;
    Ok(Some(spec.state))
}

/// Puts a terminated account down as being restored, under the names that it is to have.
pub(crate) async fn set_restoring(db: &mut SqliteConnection, spec: &Spec) -> Result<(), StoreError> {
    sqlx::query("UPDATE account SET status = 'provisioning', username = $2, domain = $3 WHERE id = $1")
        .bind(spec.account_id.to_string())
        .bind(spec.username.as_str())
        .bind(spec.sites[0].primary().as_str())
        .execute(db)
        .await
        .doing("put an account down as being restored")?;
    Ok(())
}

/// Sets the package, unless it is gone: then the account has none.
pub(crate) async fn set_package(db: &mut SqliteConnection, id: AccountId, package: Option<PackageId>) -> Result<(), StoreError> {
    sqlx::query("UPDATE account SET package_id = (SELECT p.id FROM package p WHERE p.id = $2 AND p.owner = account.owner) WHERE id = $1")
        .bind(id.to_string())
        .bind(package.map(|package| package.to_string()))
        .execute(db)
        .await
        .doing("record an account's package")?;
    Ok(())
}

/// The Spec with a hash in place of its own that no password has: crypt(3) writes 86 characters behind the salt.
fn without_hash(spec: &Spec) -> Spec {
    let hash = PasswordHash::parse("$6$forgotten$forgotten".to_owned()).expect("it has the form of a hash");
    Spec { password_hash: hash, ..spec.clone() }
}

/// Whether there is a terminated account that cannot be restored any more and whose password hash is still there.
pub(crate) async fn any_hash_to_forget(db: impl SqliteExecutor<'_>, now: Micros) -> Result<bool, StoreError> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM account WHERE forget_at <= $1 AND status = 'terminated')")
        .bind(now.0)
        .fetch_one(db)
        .await
        .doing("look for password hashes to forget")
}

/// Forgets the password hashes of accounts that cannot be restored any more; returns how many.
pub(crate) async fn forget_hashes(db: &mut SqliteConnection, now: Micros) -> Result<usize, StoreError> {
    let due: Vec<Spec> = sqlx::query("SELECT spec FROM account WHERE forget_at <= $1 AND status = 'terminated' LIMIT 500")
        .bind(now.0)
        .try_map(|row| json(&row, "spec"))
        .fetch_all(&mut *db)
        .await
        .doing("read whose password hash is to be forgotten")?;
    for spec in &due {
        sqlx::query("UPDATE account SET spec = $2, forget_at = NULL WHERE id = $1")
            .bind(spec.account_id.to_string())
            .bind(to_json(&without_hash(spec)))
            .execute(&mut *db)
            .await
            .doing("forget a password hash")?;
    }
    Ok(due.len())
}

/// Sets only the status.
pub(crate) async fn set_status(db: &mut SqliteConnection, id: AccountId, status: Status) -> Result<(), StoreError> {
    sqlx::query("UPDATE account SET status = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(status.as_str())
        .execute(db)
        .await
        .doing("record an account's status")?;
    Ok(())
}

/// Puts down that the account never came to be. Its package may go, and its password hash is forgotten.
pub(crate) async fn set_failed(db: &mut SqliteConnection, id: AccountId) -> Result<(), StoreError> {
    sqlx::query("UPDATE account SET status = 'failed', spec = NULL, package_id = NULL WHERE id = $1")
        .bind(id.to_string())
        .execute(db)
        .await
        .doing("record that an account failed")?;
    Ok(())
}

/// Which accounts a list holds.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(crate) username: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) external_ref: Option<String>,
    pub(crate) client_ref: Option<String>,
    /// Only refs that start so.
    pub(crate) ref_prefix: Option<String>,
    /// Live accounts where nothing is said.
    pub(crate) status: Option<Status>,
    /// Only accounts made at or before this moment, so that the pages of one list fit together.
    pub(crate) snapshot: Micros,
}

impl Filter {
    fn push(&self, sql: &mut QueryBuilder<Sqlite>, owner: &OwnerId) {
        sql.push(" WHERE a.owner = ").push_bind(owner.as_str().to_owned());
        match self.status {
            Some(status) => sql.push(" AND a.status = ").push_bind(status.as_str()),
            None => sql.push(" AND a.status NOT IN ('terminated', 'failed')"),
        };
        sql.push(" AND a.created_at <= ").push_bind(self.snapshot.0);
        let columns = [
            ("username", &self.username),
            ("domain", &self.domain),
            ("external_ref", &self.external_ref),
            ("client_ref", &self.client_ref),
        ];
        for (column, value) in columns {
            if let Some(value) = value {
                sql.push(" AND a.").push(column).push(" = ").push_bind(value.clone());
            }
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
) -> Result<Vec<Account>, StoreError> {
    let mut sql = QueryBuilder::new(select!(""));
    filter.push(&mut sql, owner);
    if let Some(after) = after {
        sql.push(" AND a.id > ").push_bind(after.to_string());
    }
    sql.push(" ORDER BY a.id LIMIT ").push_bind(limit);
    sql.build_query_as().fetch_all(db).await.doing("list accounts")
}

/// How many accounts a whole list holds.
pub(crate) async fn count(db: impl SqliteExecutor<'_>, owner: &OwnerId, filter: &Filter) -> Result<i64, StoreError> {
    let mut sql = QueryBuilder::new("SELECT COUNT(*) FROM account a");
    filter.push(&mut sql, owner);
    sql.build_query_scalar().fetch_one(db).await.doing("count accounts")
}

/// At most `limit` accounts that are there and have a package, with whether their limits are the package's own, by username.
pub(crate) async fn of_package(
    db: impl SqliteExecutor<'_>,
    package: PackageId,
    limits: &opterius_model::Limits,
    limit: u32,
) -> Result<Vec<(String, String, bool)>, StoreError> {
    let rows: Vec<(String, String, Option<String>)> = sqlx::query_as(
        "SELECT id, username, spec FROM account WHERE package_id = $1 AND status NOT IN ('terminated', 'failed') ORDER BY username LIMIT $2",
    )
    .bind(package.to_string())
    .bind(limit)
    .fetch_all(db)
    .await
    .doing("list the accounts of a package")?;
    let same =
        |spec: Option<String>| spec.and_then(|spec| serde_json::from_str::<Spec>(&spec).ok()).is_some_and(|spec| spec.limits == *limits);
    Ok(rows.into_iter().map(|(id, username, spec)| (id, username, same(spec))).collect())
}

/// Of these accounts the username of each, and whether it has a page: one that never came to be has none.
pub(crate) async fn names(
    db: impl SqliteExecutor<'_>,
    owner: &OwnerId,
    ids: impl Iterator<Item = &str>,
) -> Result<BTreeMap<String, (String, bool)>, StoreError> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT id, username, status <> 'failed' FROM account WHERE owner = ");
    sql.push_bind(owner.as_str()).push(" AND id IN (");
    let mut list = sql.separated(", ");
    for id in ids {
        list.push_bind(id.to_owned());
    }
    sql.push(")");
    let rows: Vec<(String, String, bool)> = sql.build_query_as().fetch_all(db).await.doing("read the names of accounts")?;
    Ok(rows.into_iter().map(|(id, username, page)| (id, (username, page))).collect())
}
