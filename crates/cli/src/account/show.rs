//! `opterius account show`.

use clap::Args;

use super::name::{self, Name};
use super::plan;
use crate::api::{Account, Drift, Hold, Php, PhpFailure, PhpPool};
use crate::failure::Failure;
use crate::limits;
use crate::output::{self, Facts, Format};
use crate::panel::{Panel, read};

#[derive(Args)]
pub(crate) struct Options {
    /// The account
    #[arg(value_name = name::FORMS, value_parser = Name::parse)]
    account: Name,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let data = options.account.data(panel).await?;
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let account: Account = read(&data)?;
    let mut known = facts(&account);
    // The account is known without it; a server that does not answer is for `opterius doctor`.
    if let Ok(php) = panel.get(&format!("/api/accounts/{}/php", account.id)).await.and_then(|data| read::<Php>(&data)) {
        php.pools.iter().for_each(|pool| tell_php(pool, &mut known));
    }
    output::line(known);
    if !account.limits.is_empty() {
        output::blank();
        output::line(limits::table(&account.limits, &account.overrides, &account.enforcement));
    }
    if let Some(drift) = &account.drift {
        output::blank();
        tell_drift(drift, &account);
    }
    if let Some(notice) = &account.notice {
        output::blank();
        output::line(notice);
    }
    Ok(())
}

/// What a pool does, and why it did not stay up.
fn tell_php(pool: &PhpPool, facts: &mut Facts) {
    let state = pool.state.replace('_', " ");
    let state = match &pool.runs {
        Some(runs) if pool.php_version != "newest" && pool.php_version != *runs => {
            format!("{state}, PHP {runs} in place of {}, which is not installed", pool.php_version)
        }
        Some(runs) => format!("{state}, PHP {runs}"),
        None => state,
    };
    facts.add(format!("PHP {}", pool.name), state);
    if let Some(PhpFailure { at, count, retry_at, detail }) = &pool.last_failure {
        let (times, at, retry) = (output::count(*count, "time"), output::moment(*at), output::moment(*retry_at));
        facts.add("", format!("failed {times} in a row, last at {at}, tried again at {retry}: {detail}"));
    }
}

/// How the account differs from what it should be, and what to do about it.
fn tell_drift(drift: &Drift, account: &Account) {
    let found = output::moment(drift.found_at);
    if drift.mended {
        output::line(format!("It was not as it should be, found at {found}; the Agent has mended it:"));
    } else {
        output::line(format!("It is not as it should be, found at {found}; `opterius account repair {}` would mend it:", account.id));
    }
    output::blank();
    output::line(plan::changes(&drift.plan));
    for obstacle in drift.plan.conflicts.iter().chain(&drift.plan.missing) {
        output::line(plan::line(obstacle));
    }
}

/// A hold with its reason: `abuse: sends spam (since …, by administrator)`.
pub(super) fn hold(hold: &Hold) -> String {
    let reason = hold.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    let when: Vec<String> = [hold.since.map(|at| format!("since {}", output::moment(at))), hold.by.as_ref().map(|who| format!("by {who}"))]
        .into_iter()
        .flatten()
        .collect();
    let when = if when.is_empty() { String::new() } else { format!(" ({})", when.join(", ")) };
    format!("{}{reason}{when}", hold.kind)
}

/// What a person wants to know of an account at a glance.
pub(super) fn facts(account: &Account) -> Facts {
    let mut facts = Facts::new();
    facts
        .add("Account", &account.id)
        .add("Username", &account.username)
        .add("Domain", &account.domain)
        .add("Status", account.status_words());
    for held in &account.holds {
        facts.add("Held", hold(held));
    }
    facts
        .add_some("Terminated", account.terminated_at.map(output::moment))
        .add_some("Kept until", account.restorable_until.map(output::moment))
        .add("Package", account.package_name())
        .add(
            "Server",
            account
                .server
                .hostname
                .as_ref()
                .map_or_else(|| account.server.name.clone(), |hostname| format!("{} ({hostname})", account.server.name)),
        )
        .add("Addresses", [account.ipv4.as_slice(), account.ipv6.as_slice()].concat().join(", "))
        .add("Nameservers", account.nameservers.join(", "))
        .add_some("E-mail", account.email.as_ref())
        .add_some("Reference", account.external_ref.as_ref())
        .add_some("Client", account.client_ref.as_ref())
        .add_some("Next due", account.next_due_on.as_ref())
        .add_some("PHP", account.php_version.as_ref())
        .add_some("Uid", account.uid)
        .add("Created", output::moment(account.created_at));
    if let Some(operation) = &account.operation {
        facts.add("Operation", format!("{} ({}, {})", operation.id, operation.kind, operation.outcome.replace('_', " ")));
    }
    facts
}
