//! What is open, and what is promised and not kept.

use std::collections::BTreeMap;

use opterius_protocol::Micros;

use super::answers::Answers;
use super::report::Report;
use crate::api::{self, Account, Operation};
use crate::limits;
use crate::operation;
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
            report.problem(
                "operations",
                format!("the operation {} ({what}) could neither be finished nor be undone", operation.id),
                format!("{hint} for what is left, and mend it; then {}", operation::ways_out(&operation.id)),
            );
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

#[cfg(test)]
mod tests {
    use axum::extract::Json;
    use axum::http::StatusCode;
    use axum::routing::get;
    use serde_json::{Value, json};

    use super::super::answers::Myself;
    use super::super::report::Level;
    use super::*;

    const OLD: i64 = 1_700_000_000_000_000;

    fn operation(id: &str, outcome: &str, started_at: i64) -> Value {
        json!({"id": id, "account_id": id, "kind": "create", "username": "alice", "domain": "example.com", "external_ref": null, "outcome": outcome,
               "started_at": started_at, "finished_at": null, "request_id": "req-12345678", "steps": [], "error": null})
    }

    /// A Panel that knows some operations, and an Agent that has `open` ones.
    fn server(newest: Value, enforcement: &Value, open: &[&str]) -> (tempfile::TempDir, Panel, Answers) {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("panel.sock");
        let listener = tokio::net::UnixListener::bind(&socket).expect("a socket");
        let list = |data: Value| get(async move || Json(json!({"data": data, "page": {"next": null}})));
        let router = axum::Router::new()
            .route("/api/operations", list(newest))
            .route(
                "/api/operations/{id}",
                get(async || (StatusCode::NOT_FOUND, Json(json!({"code": "not_found", "detail": "no such operation"})))),
            )
            .route("/api/accounts", list(json!([])))
            .route("/api/servers", list(json!([{"id": "1", "default": true, "enforcement": enforcement}])));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let health = json!({"version": "1", "protocol": 1, "ready": true, "parts": [], "accounts": 0, "open_operations": open,
            "enforcement": [{"limit": "disk_mib", "enforced": false, "detail": "/home has no quotas."}]});
        let answers = Answers {
            agent: serde_json::from_value(health).map_err(|error| error.to_string()),
            drift: None,
            phpd: Err(String::new()),
            panel: Ok(Myself { version: "1".to_owned() }),
        };
        (directory, Panel::new(socket), answers)
    }

    #[tokio::test]
    async fn an_operation_that_waits_for_a_person_is_a_problem_and_a_slow_one_a_warning() {
        let newest = json!([
            operation("a", "needs_attention", OLD),
            operation("b", "running", OLD),
            operation("c", "running", Micros::now().0),
            operation("d", "committed", OLD)
        ]);
        let (_directory, panel, answers) = server(newest, &json!({}), &["0193a5e0-7c1e-7000-8000-000000000001"]);
        let mut report = Report::default();
        operations(&panel, &answers, &mut report).await;
        accounts(&panel, &answers, &mut report).await;
        let found: Vec<(Level, &str)> = report.0.iter().map(|finding| (finding.level, finding.detail.as_str())).collect();
        assert_eq!(
            found,
            [
                (Level::Problem, "the Agent has the operation 0193a5e0-7c1e-7000-8000-000000000001 open, which the Panel does not know"),
                (Level::Problem, "the operation a (create of alice) could neither be finished nor be undone"),
                (Level::Warning, "the operation b (create of alice) runs since 2023-11-14 22:13:20 UTC"),
            ]
        );
        assert_eq!(
            report.0[1].hint.as_deref(),
            Some(
                "see `opterius operation show a` for what is left, and mend it; then `opterius operation retry a` tries it again at once, and \
                 `opterius operation abandon a` ends it as it stands"
            )
        );
        assert_eq!(report.0[2].hint.as_deref(), Some("see `opterius operation show b`"));
    }

    #[tokio::test]
    async fn a_clock_that_went_back_shows_in_an_operation_of_the_future() {
        let (_directory, panel, answers) = server(json!([operation("a", "running", Micros::now().0 + 3_600_000_000)]), &json!({}), &[]);
        let mut report = Report::default();
        operations(&panel, &answers, &mut report).await;
        assert_eq!((report.0[0].check, report.0[0].level), ("clock", Level::Problem));
    }

    #[tokio::test]
    async fn limits_that_are_only_promised_are_named_with_the_reason() {
        for (enforcement, level, detail) in [
            (
                json!({"disk_mib": "not enforced on this server", "files": "enforced"}),
                Level::Warning,
                "not enforced on this server: disk (/home has no quotas)",
            ),
            (json!({"disk_mib": "enforced"}), Level::Ok, "every limit is enforced"),
            (json!({"disk_mib": "unknown"}), Level::Warning, "the Panel does not know yet which limits this server enforces"),
        ] {
            let (_directory, panel, answers) = server(json!([]), &enforcement, &[]);
            let mut report = Report::default();
            limits(&panel, &answers, &mut report).await;
            assert_eq!((report.0[0].level, report.0[0].detail.as_str()), (level, detail));
        }
    }
}
