//! All of the Panel's SQL, one file a table, and nothing else. SQLite in WAL mode; every commit is on the disk before it counts.

pub(crate) mod account;
pub(crate) mod account_hold;
pub(crate) mod account_list;
pub(crate) mod account_override;
pub(crate) mod account_usage;
pub(crate) mod activity;
pub(crate) mod activity_removal;
pub(crate) mod administrator;
pub(crate) mod claimed_name;
pub(crate) mod mail_server;
pub(crate) mod notice;
pub(crate) mod operation;
pub(crate) mod pace;
pub(crate) mod package;
pub(crate) mod refused_caller;
pub(crate) mod refused_request;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod setting;
pub(crate) mod shared_parent_domain;
pub(crate) mod sign_in;
pub(crate) mod sign_in_place;
pub(crate) mod token;
pub(crate) mod token_caller;

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{Connection as _, QueryBuilder, Row, Sqlite, Transaction};

/// The database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    /// One connection, so that writers queue here, where they wait as long as they must, and not at SQLite's lock.
    write: SqlitePool,
    read: SqlitePool,
}

/// How long SQLite's log beside the database stays when nobody needs it, in bytes.
const LONGEST_LOG: u64 = 16 << 20;

/// How the tables came to be, version by version.
static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// A transaction that writes. Dropped without [`commit`], it leaves nothing behind.
pub(crate) type Write = Transaction<'static, Sqlite>;

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// A statement failed.
    #[error("could not {doing}")]
    Sql {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: sqlx::Error,
    },
    /// The database could not be brought to this build's form.
    #[error("could not bring the database to this version's form")]
    Migrate(#[source] sqlx::migrate::MigrateError),
}

impl StoreError {
    /// Whether a rule of uniqueness refused the write: somebody else was first.
    pub(crate) fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Sql { source: sqlx::Error::Database(error), .. } if error.is_unique_violation())
    }

    /// Whether a row that others point to was to be deleted.
    pub(crate) fn is_in_use(&self) -> bool {
        matches!(self, Self::Sql { source: sqlx::Error::Database(error), .. } if error.is_foreign_key_violation())
    }
}

/// Names what was being done when a statement failed.
pub(crate) trait Doing<T> {
    /// `doing` completes "could not …".
    fn doing(self, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Sql { doing, source })
    }
}

impl Store {
    /// Opens the database at `path`, makes it if it is not there, and brings it to this build's form.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        // SQLite gives its side files the mode of the database, and would make it for everybody to read.
        let made = std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        made.map_err(sqlx::Error::Io).doing("open the database")?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            // What many writes at once make of the file beside the database is given back once it is copied into it.
            .pragma("journal_size_limit", LONGEST_LOG.to_string());
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_mins(1))
            .idle_timeout(None)
            .max_lifetime(None)
            // A full disk makes SQLite end the transaction by itself. sqlx then counts one that it can no longer end, and begins no other
            // on that connection ("begin_with at non-zero transaction depth"), so a new connection takes its place.
            .after_release(|connection, _| {
                Box::pin(async move {
                    // A transaction that was dropped is rolled back before the ping is answered.
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_with(options.clone())
            .await
            .doing("open the database")?;
        MIGRATIONS.run(&write).await.map_err(StoreError::Migrate)?;
        let read = SqlitePoolOptions::new()
            .min_connections(1)
            .max_connections(4)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.pragma("query_only", "1"))
            .await
            .doing("open the database")?;
        Ok(Self { write, read })
    }

    /// Begins the one transaction that may write. `BEGIN IMMEDIATE`, since a plain `BEGIN` that reads first and writes later is refused when
    /// another has written in between (268 of 320 concurrent ones, measured).
    pub(crate) async fn write(&self) -> Result<Write, StoreError> {
        self.write.begin_with("BEGIN IMMEDIATE").await.doing("begin to write")
    }

    /// Where to read: sees everything that was committed before.
    pub(crate) fn read(&self) -> &SqlitePool {
        &self.read
    }

    /// One connection to read with, for whoever asks several things.
    pub(crate) async fn connection(&self) -> Result<sqlx::pool::PoolConnection<Sqlite>, StoreError> {
        self.read.acquire().await.doing("get a connection to the database")
    }

    /// Waits until nothing uses the database, and closes it.
    pub(crate) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// Puts everything that was written in `write` on the disk.
pub(crate) async fn commit(write: Write) -> Result<(), StoreError> {
    write.commit().await.doing("commit")
}

/// A column that holds the text form of `T`.
fn parsed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(row: &SqliteRow, column: &str) -> Result<T, sqlx::Error> {
    row.try_get::<String, _>(column)?.parse().map_err(|source| undecodable(column, source))
}

/// A text column in the form of a type, or nothing.
fn parsed_if_there<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    row: &SqliteRow,
    column: &str,
) -> Result<Option<T>, sqlx::Error> {
    row.try_get::<Option<String>, _>(column)?.map(|text| text.parse().map_err(|source| undecodable(column, source))).transpose()
}

/// A column that holds JSON.
fn json<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<T, sqlx::Error> {
    serde_json::from_str(&row.try_get::<String, _>(column)?).map_err(|source| undecodable(column, source))
}

/// A column that holds JSON, or nothing.
fn json_if_there<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<Option<T>, sqlx::Error> {
    row.try_get::<Option<String>, _>(column)?
        .map(|text| serde_json::from_str(&text).map_err(|source| undecodable(column, source)))
        .transpose()
}

/// Asks that `column` holds a ref that starts with `prefix`: as a range, which an index can serve. `{` is the character behind the last that a ref may
/// hold.
fn push_below(sql: &mut QueryBuilder<Sqlite>, column: &str, prefix: &str) {
    sql.push(column).push(" >= ").push_bind(prefix.to_owned());
    sql.push(" AND ").push(column).push(" < ").push_bind(format!("{prefix}{{"));
}

fn undecodable(column: &str, source: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(source) }
}

/// Types that become a JSON column. None of ours can fail to serialise: their keys are texts.
fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("a value with text keys serialises")
}

/// An enum that is stored and shown as one word a variant.
macro_rules! word_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// Every one there is.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word.
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::store::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or_else(|| {
                    $crate::store::UnknownWord { given: text.chars().take(40).flat_map(char::escape_debug).collect(), known: [$($word),+].join(", ") }
                })
            }
        }
    };
}
pub(crate) use word_enum;

/// Why a text is none of the words of an enum.
#[derive(Debug, thiserror::Error)]
#[error("`{given}` is not known here: use one of {known}")]
pub(crate) struct UnknownWord {
    pub(crate) given: String,
    pub(crate) known: String,
}

#[cfg(test)]
mod tests {
    use super::Store;

    #[tokio::test]
    async fn a_disk_that_was_full_for_a_while_keeps_nobody_from_writing_later() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&dir.path().join("panel.db")).await.expect("a database");
        let mut write = store.write().await.expect("a transaction");
        // As full as a disk: SQLite takes no page more than there are.
        sqlx::query("PRAGMA max_page_count = 1").execute(&mut *write).await.expect("a limit");
        let full = sqlx::query("INSERT INTO setting (name, value) VALUES ('x', zeroblob(1000000))").execute(&mut *write).await;
        assert!(full.expect_err("it is full").to_string().contains("full"));
        drop(write);
        let write = store.write().await.expect("a transaction after the one that SQLite ended");
        super::commit(write).await.expect("it commits");
    }

    #[tokio::test]
    async fn what_was_removed_leaves_room_that_is_used_again_and_the_log_is_bounded() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("panel.db");
        let store = Store::open(&path).await.expect("a database");
        let mut sizes = Vec::new();
        for _ in 0..4 {
            // More in one transaction than SQLite's log may keep.
            let mut write = store.write().await.expect("a transaction");
            let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) \
                        INSERT INTO setting (name, value) SELECT 'x' || i, hex(zeroblob(50000)) FROM n";
            sqlx::query(fill).execute(&mut *write).await.expect("rows");
            super::commit(write).await.expect("it commits");
            let mut write = store.write().await.expect("a transaction");
            sqlx::query("DELETE FROM setting WHERE name LIKE 'x%'").execute(&mut *write).await.expect("no rows");
            super::commit(write).await.expect("it commits");
            sizes.push(std::fs::metadata(&path).expect("the database").len());
        }
        assert!(sizes[3] <= sizes[1] + sizes[1] / 10, "{sizes:?}");
        let log = std::fs::metadata(dir.path().join("panel.db-wal")).expect("the log").len();
        assert!(log <= super::LONGEST_LOG + (4 << 20), "{log} bytes");
    }

    #[test]
    fn the_tables_hold_nothing_but_text_and_bigint() {
        let schema: Vec<_> = super::MIGRATIONS.iter().map(|migration| migration.sql.as_str()).collect();
        let schema = schema.join("\n");
        let added = schema.lines().filter_map(|line| line.strip_prefix("ALTER TABLE")?.split_once(" ADD COLUMN").map(|(_, column)| column));
        let made = schema.lines().filter(|line| line.starts_with("    ") && !line.trim_start().starts_with("--"));
        for line in made.chain(added) {
            let mut words = line.split_whitespace();
            let first = words.next().unwrap_or_default();
            if first.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                let kind = words.next().unwrap_or_default().trim_end_matches([',', ';']);
                assert!(matches!(kind, "TEXT" | "BIGINT"), "{line}");
            }
        }
    }
}
