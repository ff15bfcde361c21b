//! The task in the Agent that splits the logs for as long as it lives.

use std::sync::Arc;
use std::time::Duration;

use opterius_model::DomainName;
use opterius_protocol::client::chain;

use super::follow::Limits;
use super::rotate::KEEP;
use super::split::{Owners, Places, Splitter};
use crate::engine::Engine;
use crate::host::linux::Paths;

/// nginx writes its buffer once a second. A look at two files that have not changed takes a few system calls.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// After a failure to read or write the state, which concerns all accounts.
const AFTER_A_FAILURE: Duration = Duration::from_secs(10);

/// Such a failure is told again after so many of its kind, which is about an hour.
const FAILURES_BETWEEN_WARNINGS: u64 = 360;

const LIMITS: Limits = Limits {
    // A batch, and thereby what the task holds in memory and what a crash can repeat.
    chunk: 2 * 1024 * 1024,
    // The format cuts what visitors control, so that a line has less than 16 KiB (the test below). With less than nginx writes, a visitor could
    // keep a request from being counted. Lines that were written before the format cut anything have up to 240 KiB.
    line: 256 * 1024,
    quiet: 10,
};

/// Splits nginx's logs into the accounts' own, and counts their traffic on the way.
pub async fn split_for_ever(engine: Engine, paths: Paths) {
    let owners: Owners = Arc::new(move |site| {
        // A name that is kept in another spelling was not what nginx looked up.
        let domain = DomainName::parse(site).ok().filter(|domain| domain.as_str() == site)?;
        engine.owner_of(&domain)
    });
    let anew = || {
        Splitter::new(
            owners.clone(),
            Places { logs: paths.logs.clone(), state: paths.state.clone(), nginx_pid: "/run/nginx.pid".into() },
            LIMITS,
            KEEP,
        )
    };
    let mut splitter = anew();
    let mut failures = 0;
    loop {
        // One batch, so that the end of the Agent has little to wait for.
        let round = tokio::task::spawn_blocking(move || {
            let outcome = splitter.round();
            (splitter, outcome)
        });
        let failure = match round.await {
            Ok((same, outcome)) => {
                splitter = same;
                match outcome {
                    Ok(more) => {
                        failures = 0;
                        if !more {
                            tokio::time::sleep(BETWEEN_LOOKS).await;
                        }
                        continue;
                    }
                    Err(error) => chain(&error),
                }
            }
            Err(panic) => {
                splitter = anew();
                panic.to_string()
            }
        };
        if failures % FAILURES_BETWEEN_WARNINGS == 0 {
            tracing::error!("logs are not split and traffic is not counted: {failure}");
        }
        failures += 1;
        tokio::time::sleep(AFTER_A_FAILURE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The configuration of nginx that says what a line of the access log is.
    const FORMAT: &str = include_str!("../../../../packaging/nginx/http.conf");

    /// How many characters of a variable the map lets through, and whether it lets control characters through.
    fn cut(variable: &str) -> Option<usize> {
        let map = FORMAT.lines().find(|line| line.starts_with("map ") && line.contains(&format!(" ${variable} {{")))?;
        let (before, count) = map.split_once("{0,")?;
        let count = count.split_once('}')?.0.parse().ok()?;
        // Only from the start, and only what JSON writes as one byte, or as two (`"` and `\\`).
        let pattern = before.split_once("\"~^(?<")?.1.split_once('>')?.1;
        assert!(["[!-~]", "[^\\x00-\\x1f\\x7f]"].contains(&pattern), "{variable}: {pattern}");
        Some(count)
    }

    #[test]
    fn the_longest_line_that_nginx_can_write_is_read_whole_and_counted() {
        let format = FORMAT.split_once("log_format opterius escape=json").expect("there").1.split_once(';').expect("it ends").0;
        let mut text: String = format.lines().map(|line| line.trim().trim_matches('\'')).collect();
        // What nginx itself writes, at its longest.
        let own = [
            ("site", "a".repeat(253)),
            ("remote_addr", "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".to_owned()),
            ("msec", "18446744073709.999".to_owned()),
            ("status", "200".to_owned()),
            ("bytes_sent", "9223372036854775807".to_owned()),
            ("request_length", "9223372036854775807".to_owned()),
            ("request_time", "9223372036854775.807".to_owned()),
            ("request_id", "f".repeat(32)),
        ];
        // The longest names first, as one can begin with another.
        let mut names: Vec<&str> = format
            .split('$')
            .skip(1)
            .map(|rest| rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().expect("a name"))
            .collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        assert_eq!(names.len(), 14);
        for name in names {
            let value = own.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone());
            let value =
                value.or_else(|| cut(name).map(|count| "\\\"".repeat(count))).unwrap_or_else(|| panic!("a visitor controls ${name}"));
            text = text.replace(&format!("${name}"), &value);
        }
        assert!(text.len() < 16 * 1024 && text.len() < LIMITS.line, "{}", text.len());
        const { assert!(LIMITS.line < LIMITS.chunk) };
        let request = super::super::line::access(text.replace("18446744073709", "1790856000").as_bytes()).expect("a request");
        assert_eq!((request.sent, request.site.len()), (9_223_372_036_854_775_807, 253));
    }
}
