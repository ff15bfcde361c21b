//! What staff are told by mail: the queue, and what became of it.

use opterius_model::OwnerId;
use opterius_protocol::Micros;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, SqliteConnection, SqliteExecutor};
use uuid::Uuid;

use super::{Doing, StoreError, json, parsed, to_json, word_enum};

word_enum! {
    /// What happened.
    Kind {
        /// An operation began to need attention.
        Attention = "attention",
        /// A server's Agent has not answered for a while.
        Unreachable = "unreachable",
        /// It answers again.
        Answers = "answers",
        /// An account was not as it was committed.
        Drift = "drift",
    }
}

word_enum! {
    /// What became of a notice.
    State {
        /// It is still to be sent.
        Waiting = "waiting",
        /// A mail server has taken it.
        Sent = "sent",
        /// None has, and it is not tried any more.
        GivenUp = "given_up",
    }
}

/// What there is to say of it. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Facts {
    /// An operation, by its kind, began to need attention.
    Attention { operation: String, username: String, domain: String, detail: String, hint: Option<String>, left: Vec<String> },
    /// The Agent of a server of this name has not answered since.
    Unreachable { server: String, since: Micros, cause: String },
    /// It answers again; it did not since.
    Answers { server: String, since: Micros },
    /// An account is, or was until its server mended it, not as it was committed.
    Drift { username: String, domain: String, mended: bool, detail: String },
}

impl Facts {
    fn kind(&self) -> Kind {
        match self {
            Self::Attention { .. } => Kind::Attention,
            Self::Unreachable { .. } => Kind::Unreachable,
            Self::Answers { .. } => Kind::Answers,
            Self::Drift { .. } => Kind::Drift,
        }
    }
}

/// One notice.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) id: String,
    /// The id of what it is about.
    pub(crate) about: String,
    pub(crate) happened_at: Micros,
    pub(crate) facts: Facts,
    pub(crate) state: State,
    pub(crate) queued_at: Micros,
    pub(crate) tries: u32,
    pub(crate) ended_at: Option<Micros>,
    pub(crate) why: Option<String>,
}

impl FromRow<'_, SqliteRow> for Notice {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            about: row.try_get("about")?,
            happened_at: Micros(row.try_get("happened_at")?),
            facts: json(row, "facts")?,
            state: parsed(row, "state")?,
            queued_at: Micros(row.try_get("queued_at")?),
            tries: row.try_get("tries")?,
            ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(Micros),
            why: row.try_get("why")?,
        })
    }
}

/// Something to tell.
#[derive(Debug)]
pub(crate) struct News<'a> {
    /// The id of what it is about.
    pub(crate) about: &'a str,
    pub(crate) happened_at: Micros,
    pub(crate) facts: Facts,
    /// When it is sent at the latest. What is of its kind and waits already takes it along when it goes.
    pub(crate) due_at: Micros,
}

/// Queues it, unless it was queued before, or there is no mail server.
pub(crate) async fn queue(db: &mut SqliteConnection, owner: &OwnerId, news: News<'_>, now: Micros) -> Result<(), StoreError> {
    let kind = news.facts.kind().as_str();
    let first: Option<i64> =
        sqlx::query_scalar("SELECT MIN(due_at) FROM notice WHERE owner = $1 AND state = 'waiting' AND kind = $2 AND tries = 0")
            .bind(owner.as_str())
            .bind(kind)
            .fetch_one(&mut *db)
            .await
            .doing("look for what waits of a kind")?;
    sqlx::query(
        "INSERT INTO notice (id, owner, kind, about, happened_at, facts, state, queued_at, due_at, tries) \
         SELECT $1, $2, $3, $4, $5, $6, 'waiting', $7, $8, 0 \
         WHERE EXISTS (SELECT 1 FROM mail_server WHERE owner = $2) ON CONFLICT (owner, kind, about, happened_at) DO NOTHING",
    )
    .bind(Uuid::now_v7().to_string())
    .bind(owner.as_str())
    .bind(kind)
    .bind(news.about)
    .bind(news.happened_at.0)
    .bind(to_json(&news.facts))
    .bind(now.0)
    .bind(first.map_or(news.due_at.0, |first| first.min(news.due_at.0)))
    .execute(db)
    .await
    .doing("queue a notice")?;
    Ok(())
}

/// At most `limit` notices that are to be sent by now, the oldest first.
pub(crate) async fn due(db: impl SqliteExecutor<'_>, owner: &OwnerId, now: Micros, limit: u32) -> Result<Vec<Notice>, StoreError> {
    sqlx::query_as("SELECT * FROM notice WHERE owner = $1 AND state = 'waiting' AND due_at <= $2 ORDER BY due_at, id LIMIT $3")
        .bind(owner.as_str())
        .bind(now.0)
        .bind(limit)
        .fetch_all(db)
        .await
        .doing("look for notices to send")
}

/// The latest notices, the newest first.
pub(crate) async fn latest(db: impl SqliteExecutor<'_>, owner: &OwnerId, limit: u32) -> Result<Vec<Notice>, StoreError> {
    sqlx::query_as("SELECT * FROM notice WHERE owner = $1 ORDER BY id DESC LIMIT $2")
        .bind(owner.as_str())
        .bind(limit)
        .fetch_all(db)
        .await
        .doing("list the notices")
}

/// What was told last of something.
pub(crate) async fn last_about(db: impl SqliteExecutor<'_>, owner: &OwnerId, about: &str) -> Result<Option<Notice>, StoreError> {
    sqlx::query_as("SELECT * FROM notice WHERE owner = $1 AND about = $2 ORDER BY id DESC LIMIT 1")
        .bind(owner.as_str())
        .bind(about)
        .fetch_optional(db)
        .await
        .doing("look for the last notice about something")
}

/// Puts down that a mail server has taken a notice; `why` says who did not get it.
pub(crate) async fn set_sent(db: &mut SqliteConnection, id: &str, why: Option<&str>, now: Micros) -> Result<(), StoreError> {
    sqlx::query("UPDATE notice SET state = 'sent', ended_at = $2, why = $3, tries = tries + 1 WHERE id = $1 AND state = 'waiting'")
        .bind(id)
        .bind(now.0)
        .bind(why)
        .execute(db)
        .await
        .doing("put down that a notice was sent")?;
    Ok(())
}

/// Puts down that a notice was not taken, and when it is tried again: never, if nothing is said.
pub(crate) async fn set_refused(
    db: &mut SqliteConnection,
    id: &str,
    why: &str,
    again_at: Option<Micros>,
    now: Micros,
) -> Result<(), StoreError> {
    let sql = match again_at {
        Some(_) => "UPDATE notice SET due_at = $2, why = $3, tries = tries + 1 WHERE id = $1 AND state = 'waiting'",
        None => "UPDATE notice SET state = 'given_up', ended_at = $2, why = $3, tries = tries + 1 WHERE id = $1 AND state = 'waiting'",
    };
    sqlx::query(sql).bind(id).bind(again_at.unwrap_or(now).0).bind(why).execute(db).await.doing("put down that a notice was not taken")?;
    Ok(())
}

/// Makes due what was refused before, since there is reason to believe that it will be taken now.
pub(crate) async fn try_again(db: &mut SqliteConnection, owner: &OwnerId, now: Micros) -> Result<(), StoreError> {
    sqlx::query("UPDATE notice SET due_at = $2 WHERE owner = $1 AND state = 'waiting' AND tries > 0 AND due_at > $2")
        .bind(owner.as_str())
        .bind(now.0)
        .execute(db)
        .await
        .doing("try notices again")?;
    Ok(())
}

/// Gives everything up that waits.
pub(crate) async fn give_all_up(db: &mut SqliteConnection, owner: &OwnerId, why: &str, now: Micros) -> Result<(), StoreError> {
    sqlx::query("UPDATE notice SET state = 'given_up', ended_at = $2, why = $3 WHERE owner = $1 AND state = 'waiting'")
        .bind(owner.as_str())
        .bind(now.0)
        .bind(why)
        .execute(db)
        .await
        .doing("give the notices up that wait")?;
    Ok(())
}

/// Forgets what ended before `before`.
pub(crate) async fn forget_old(db: &mut SqliteConnection, owner: &OwnerId, before: Micros) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM notice WHERE owner = $1 AND ended_at < $2")
        .bind(owner.as_str())
        .bind(before.0)
        .execute(db)
        .await
        .doing("forget old notices")?;
    Ok(())
}
