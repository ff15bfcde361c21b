//! PowerDNS: its database, its configuration, its key.

use std::path::Path;
use std::time::Duration;

use opterius_model::DomainName;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::progress::Progress;
use super::services::{self, News};
use crate::failure::Failure;
use crate::system::{Owner, System, Written};

const DATABASE: &str = "/var/lib/powerdns/opterius.sqlite3";
const CONFIGURATION: &str = "/etc/powerdns/pdns.d/opterius.conf";
const TEMPLATE: &str = "/usr/share/opterius-agent/powerdns/opterius.conf.in";
/// Where pdns-backend-sqlite3 ships its schema.
const SCHEMA: &str = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql";
const INSTALL: &str = "install the packages: `apt install opterius-agent pdns-server pdns-backend-sqlite3`";

/// Has PowerDNS serve the accounts' zones, and waits until its API takes our key.
pub(super) async fn set_up(system: &System, key: &str, nameserver: &DomainName, progress: &mut Progress) -> Result<(), Failure> {
    let made = database(system, progress).await?;
    let configuration = configuration(system, key, nameserver, progress)?;
    services::start(system, "pdns.service", News::restart_if(made || configuration != Written::Kept), progress).await?;
    let hint =
        "see `journalctl -u pdns`; another DNS server on port 53, or another `launch=` line in /etc/powerdns, is in the way most often";
    services::until(system, "PowerDNS's API", hint, async || answers(system, key).await).await?;
    progress.done("PowerDNS answers");
    Ok(())
}

/// Makes the zones' database unless it is there. Returns whether it was made.
async fn database(system: &System, progress: &mut Progress) -> Result<bool, Failure> {
    if system.has(DATABASE) {
        progress.kept(DATABASE);
        return Ok(false);
    }
    let schema = system.read(SCHEMA)?.ok_or_else(|| Failure::new(format!("PowerDNS's schema {SCHEMA} is not there")).hint(INSTALL))?;
    let failed = |error: std::io::Error| Failure::because(format!("could not make {DATABASE}"), &error);
    let target = system.path(DATABASE);
    let directory = target.parent().expect("a file is in a directory");
    // In a directory of its own, since SQLite puts files beside it, and under its name only when it is whole.
    let staging = tempfile::Builder::new().prefix(".opterius-").tempdir_in(directory).map_err(failed)?;
    let new = staging.path().join("zones");
    fill(&new, schema).await.map_err(|error| Failure::because(format!("could not make {DATABASE}"), &error))?;
    let file = tempfile::NamedTempFile::from_parts(
        std::fs::OpenOptions::new().read(true).write(true).open(&new).map_err(failed)?,
        tempfile::TempPath::try_from_path(&new).map_err(failed)?,
    );
    system.own(file.as_file(), DATABASE, Owner { user: "pdns", group: "pdns" })?;
    file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o640)).map_err(failed)?;
    system.publish(file, DATABASE)?;
    progress.done(format!("made {DATABASE}"));
    Ok(true)
}

/// PowerDNS's own schema, in WAL mode, so that a query never waits for a zone being written.
async fn fill(path: &Path, schema: String) -> Result<(), sqlx::Error> {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
        .synchronous(sqlx::sqlite::SqliteSynchronous::Full);
    let mut connection = options.connect().await?;
    sqlx::raw_sql(AssertSqlSafe(schema)).execute(&mut connection).await?;
    connection.close().await
}

fn configuration(system: &System, key: &str, nameserver: &DomainName, progress: &mut Progress) -> Result<Written, Failure> {
    let template = system.read(TEMPLATE)?.ok_or_else(|| Failure::new(format!("{TEMPLATE} is not there")).hint(INSTALL))?;
    let content = template.replace("@API_KEY@", key).replace("@NAMESERVER@", nameserver.as_str());
    let written = system.write(CONFIGURATION, &content, Owner { user: "root", group: "pdns" }, 0o640)?;
    progress.file(CONFIGURATION, written);
    Ok(written)
}

/// Whether the API takes our key.
async fn answers(system: &System, key: &str) -> Result<(), Failure> {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().expect("a client without TLS");
    let url = format!("http://{}/api/v1/servers/localhost", system.dns_api);
    let answer = http.get(url).header("x-api-key", key).send().await.map_err(|error| Failure::network("it could not be asked", &error))?;
    match answer.status().as_u16() {
        200 => Ok(()),
        401 => Err(Failure::new(format!("it refused the key in {CONFIGURATION}"))
            .hint("restart it with `systemctl restart pdns`, and see that no other file in /etc/powerdns sets `api-key`")),
        other => Err(Failure::new(format!("it answered {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use opterius_protocol::bounded::{self, MIB};

    use super::*;

    #[tokio::test]
    async fn the_database_is_made_once_whole_and_in_wal_mode() {
        let (_root, system) = System::for_a_test();
        let missing = database(&system, &mut Progress::default()).await.expect_err("no schema");
        assert!(missing.hint.expect("a hint").contains("pdns-backend-sqlite3"));

        system.directory("/var/lib/powerdns").expect("a directory");
        system.directory("/usr/share/pdns-backend-sqlite3/schema").expect("a directory");
        std::fs::write(system.path(SCHEMA), "CREATE TABLE domains (id INTEGER PRIMARY KEY);\nCREATE BROKEN;").expect("written");
        assert!(database(&system, &mut Progress::default()).await.is_err());
        assert!(!system.has(DATABASE), "half a database is never there");

        std::fs::write(system.path(SCHEMA), "PRAGMA foreign_keys = 1;\nCREATE TABLE domains (id INTEGER PRIMARY KEY);").expect("written");
        assert!(database(&system, &mut Progress::default()).await.expect("made"));
        assert!(!database(&system, &mut Progress::default()).await.expect("kept"));
        let left = bounded::names(system.path("/var/lib/powerdns"), 10).expect("a directory");
        assert_eq!(left, ["opterius.sqlite3"]);
        assert_eq!(system.path(DATABASE).metadata().expect("there").mode() & 0o777, 0o640);
        // Bytes 18 and 19 of the header are 2 in WAL mode (sqlite.org/fileformat2.html, section 1.3.3).
        assert_eq!(bounded::file(system.path(DATABASE), MIB).expect("read")[18..20], [2, 2]);
    }
}
