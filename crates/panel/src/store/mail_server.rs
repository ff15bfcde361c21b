//! The server that takes the host's own mails.

use opterius_model::OwnerId;
use opterius_protocol::Micros;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, SqliteConnection, SqliteExecutor};
use zeroize::Zeroizing;

use super::{Doing, StoreError, json, parsed, to_json, word_enum};

word_enum! {
    /// How the way to the mail server is kept from others.
    Encryption {
        /// TLS from the first byte on.
        Tls = "tls",
        /// TLS before anything is said; without it nothing is sent.
        Starttls = "starttls",
        /// Not at all, for a server on this machine.
        None = "none",
    }
}

/// What the Panel proves itself to the mail server with. It prints as nothing.
#[derive(Clone)]
pub(crate) struct MailPassword(Zeroizing<String>);

impl MailPassword {
    /// Checks a text: 1 to 512 characters without control characters.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if !(1..=512).contains(&text.chars().count()) || text.chars().any(char::is_control) {
            return Err("the password must have 1 to 512 characters and no control characters".to_owned());
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for MailPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MailPassword(…)")
    }
}

/// The mail server, and who gets what is sent through it.
#[derive(Debug, Clone)]
pub(crate) struct MailServer {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) encryption: Encryption,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<MailPassword>,
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
    pub(crate) changed_at: Micros,
}

impl FromRow<'_, SqliteRow> for MailServer {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            host: row.try_get("host")?,
            port: row.try_get("port")?,
            encryption: parsed(row, "encryption")?,
            username: row.try_get("username")?,
            password: row.try_get::<Option<String>, _>("password")?.map(|text| MailPassword(Zeroizing::new(text))),
            sender: row.try_get("sender")?,
            recipients: json(row, "recipients")?,
            changed_at: Micros(row.try_get("changed_at")?),
        })
    }
}

/// The mail server, if there is one.
pub(crate) async fn get(db: impl SqliteExecutor<'_>, owner: &OwnerId) -> Result<Option<MailServer>, StoreError> {
    sqlx::query_as("SELECT * FROM mail_server WHERE owner = $1")
        .bind(owner.as_str())
        .fetch_optional(db)
        .await
        .doing("look the mail server up")
}

/// Puts the mail server down in place of the one that is there.
pub(crate) async fn put(db: &mut SqliteConnection, owner: &OwnerId, server: &MailServer) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO mail_server (owner, host, port, encryption, username, password, sender, recipients, changed_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (owner) DO UPDATE SET host = excluded.host, port = excluded.port, \
         encryption = excluded.encryption, username = excluded.username, password = excluded.password, sender = excluded.sender, \
         recipients = excluded.recipients, changed_at = excluded.changed_at",
    )
    .bind(owner.as_str())
    .bind(&server.host)
    .bind(server.port)
    .bind(server.encryption.as_str())
    .bind(&server.username)
    .bind(server.password.as_ref().map(MailPassword::expose))
    .bind(&server.sender)
    .bind(to_json(&server.recipients))
    .bind(server.changed_at.0)
    .execute(db)
    .await
    .doing("put the mail server down")?;
    Ok(())
}

/// Forgets the mail server; says whether there was one.
pub(crate) async fn delete(db: &mut SqliteConnection, owner: &OwnerId) -> Result<bool, StoreError> {
    let done =
        sqlx::query("DELETE FROM mail_server WHERE owner = $1").bind(owner.as_str()).execute(db).await.doing("forget the mail server")?;
    Ok(done.rows_affected() == 1)
}
