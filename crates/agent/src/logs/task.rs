//! The task in the Agent that splits the logs for as long as it lives.

use std::sync::Arc;
use std::time::Duration;

use opterius_model::DomainName;
use opterius_protocol::client::chain;

use super::follow::Limits;
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
    // The longest that nginx can write: a target, Referer and User-Agent of 16 KiB each (`large_client_header_buffers`), of which escaping
    // makes up to 32, 96 and 96 KiB. With less than that a visitor could keep a request from being counted.
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
    let anew = || Splitter::new(owners.clone(), Places { logs: paths.logs.clone(), state: paths.state.clone() }, LIMITS);
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
