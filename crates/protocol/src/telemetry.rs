//! Log lines: sentences with fields, to journald where it is, else to standard error.

use tracing_subscriber::prelude::*;

/// Sends this process's log lines to journald under `identifier`, so that `journalctl -u <unit>` and `-t <identifier>` find them. Where
/// journald is not (tests, a container without it) they go to standard error. `OPTERIUS_LOG` chooses the level, `info` without it.
pub fn init(identifier: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("OPTERIUS_LOG").unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    // Under systemd, standard error is the journal too: one of the two, or every line stands there twice.
    let done = match tracing_journald::layer() {
        Ok(journald) if std::env::var_os("JOURNAL_STREAM").is_some() => {
            registry.with(journald.with_syslog_identifier(identifier.to_owned()).with_field_prefix(None)).try_init()
        }
        _ => registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false)).try_init(),
    };
    // A second call in one process (tests) keeps the first.
    drop(done);
}
