//! What is open, and what is promised and not kept.

use std::collections::BTreeMap;

use opterius_protocol::Micros;

use super::report::Report;
use super::run::Answers;
use crate::api::{self, Account, Operation};
use crate::limits;
use crate::output;
use crate::panel::{Panel, read, read_all};

/// An operation that is not decided after so long (in microseconds) deserves a look.
const LONG: i64 = 5 * 60 * 1_000_000;

/// Operations that wait for a person, and those that take too long.
pub(super) async fn operations(panel: &Panel, answers: &Answers, report: &mut Report) {
    if answers.panel.is_err() {
        return;
    }
    // The newest are enough: what is older and still open is in the Agent's own list.
    let newest = panel.get_page("/api/operations", &[("limit", "200")]).await.and_then(|data| read_all::<Operation>(&data));
    let mut open: BTreeMap<String, Operation> = match newest {
        Ok(newest) => newest.into_iter().filter(is_open).map(|operation| (operation.id.clone(), operation)).collect(),
        Err(failure) => return report.problem("operations", failure.detail, "see `journalctl -u opterius-panel`"),
    };
    for id in answers.agent.iter().flat_map(|health| &health.open_operations).map(ToString::to_string) {
        if open.contains_key(&id) {
            continue;
        }
        match panel.get(&format!("/api/operations/{id}")).await.and_then(|data| read::<Operation>(&data)) {
            Ok(operation) => {
                open.insert(id, operation);
            }
            Err(failure) if failure.status == 404 => {
                report.problem(
                    "operations",
                    format!("the Agent has the operation {id} open, which the Panel does not know"),
                    format!("see `journalctl -u opterius-agent OPERATION_ID={id}`"),
                );
            }
            Err(failure) => report.problem("operations", failure.detail, "see `journalctl -u opterius-panel`"),
        }
    }
    let before = report.0.len();
    for operation in open.values() {
        let what = format!("{} of {}", operation.kind, operation.username.as_deref().unwrap_or("an account"));
        let hint = format!("see `opterius operation show {}`", operation.id);
        if operation.outcome == "needs_attention" {
            report.problem("operations", format!("the operation {} ({what}) could neither be finished nor be undone", operation.id), hint);
        } else if Micros::now().0 - operation.started_at > LONG {
            report.warning(
                "operations",
                format!("the operation {} ({what}) runs since {}", operation.id, output::moment(operation.started_at)),
                hint,
            );
        }
        if operation.started_at > Micros::now().0 + 60_000_000 {
            report.problem(
                "clock",
                format!("the operation {} began in the future, at {}", operation.id, output::moment(operation.started_at)),
                "see that this server's clock is right: `timedatectl`",
            );
        }
    }
    if report.0.len() == before {
        report.ok(
            "operations",
            if open.is_empty() { "none is open".to_owned() } else { format!("{} under way", output::count(open.len(), "operation")) },
        );
    }
}

fn is_open(operation: &Operation) -> bool {
    matches!(operation.outcome.as_str(), "running" | "needs_attention")
}

/// Accounts that wait for a person.
pub(super) async fn accounts(panel: &Panel, answers: &Answers, report: &mut Report) {
    if answers.panel.is_err() {
        return;
    }
    match panel.list("/api/accounts", &[("status", "needs_attention"), ("limit", "500")]).await.and_then(|data| read_all::<Account>(&data))
    {
        Ok(accounts) => {
            for account in accounts {
                report.problem(
                    "accounts",
                    format!("the account {} ({}) needs attention", account.username, account.domain),
                    format!("see `opterius account show {}`", account.id),
                );
            }
        }
        Err(failure) => report.problem("accounts", failure.detail, "see `journalctl -u opterius-panel`"),
    }
}

/// Limits that packages can set and that this server does not make true.
pub(super) async fn limits(panel: &Panel, answers: &Answers, report: &mut Report) {
    if answers.panel.is_err() {
        return;
    }
    let servers = match panel.list("/api/servers", &[]).await.and_then(|data| read_all(&data)) {
        Ok(servers) => servers,
        Err(failure) => return report.problem("limits", failure.detail, "see `journalctl -u opterius-panel`"),
    };
    let enforcement = api::default_server(servers).map(|server| server.enforcement).unwrap_or_default();
    let why: BTreeMap<&str, &str> =
        answers.agent.iter().flat_map(|health| &health.enforcement).map(|limit| (limit.limit.as_str(), limit.detail.as_str())).collect();
    let promised = enforcement.iter().filter(|(_, verdict)| limits::is_only_promised(verdict));
    let missing = limits::by_reason(promised.map(|(limit, _)| (limit.as_str(), why.get(limit.as_str()).copied().unwrap_or_default())));
    if enforcement.is_empty() || enforcement.values().any(|verdict| verdict == "unknown") {
        report.warning(
            "limits",
            "the Panel does not know yet which limits this server enforces",
            "see that the Agent answers, above; the Panel asks it every 15 seconds",
        );
    } else if missing.is_empty() {
        report.ok("limits", "every limit is enforced");
    } else {
        report.warning(
            "limits",
            format!("not enforced on this server: {}", missing.join("; ")),
            "do not sell what these limits promise, or mend what is named",
        );
    }
}
