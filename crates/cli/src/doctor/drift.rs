//! Accounts that are not as they should be, and what is kept of those that are gone.

use opterius_protocol::agent::Drift;

use super::answers::Answers;
use super::report::Report;
use crate::api::Account;
use crate::output;
use crate::panel::{Panel, read_all};

/// So many accounts with drift are named; with more, something else is wrong.
const NAMED: usize = 20;

/// Accounts that were not as committed when the Agent last looked.
pub(super) fn drift(answers: &Answers, report: &mut Report) {
    let Ok(health) = &answers.agent else { return };
    if health.drifted == 0 {
        return report.ok("drift", "every account was as it should be when the Agent last looked");
    }
    let found: Vec<&Drift> = answers.drift.iter().flat_map(|drift| &drift.accounts).filter(|drift| !drift.mended).collect();
    if found.is_empty() {
        let number = usize::try_from(health.drifted).unwrap_or(usize::MAX);
        return report.warning(
            "drift",
            format!("not as it should be: {}", output::count(number, "account")),
            "`journalctl -u opterius-agent` names them; then see `opterius account plan` and `opterius account repair`",
        );
    }
    for drift in found.iter().take(NAMED) {
        report.warning("drift", format!("the account {} is not as it should be: {}", drift.username, what(drift)), hint(drift));
    }
    if found.len() > NAMED {
        report.warning(
            "drift",
            format!("neither are {} more", found.len() - NAMED),
            "so many differ for one reason: see what was changed on this server, and repair one to try it",
        );
    }
}

/// Which resources differ, each once.
fn what(drift: &Drift) -> String {
    let mut names: Vec<&str> = Vec::new();
    let changes = drift.plan.changes.iter().map(|change| change.resource.as_str());
    for name in changes.chain(drift.plan.conflicts.iter().chain(&drift.plan.missing).map(|obstacle| obstacle.step.as_str())) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

fn hint(drift: &Drift) -> String {
    format!("`opterius account plan {0}` shows what a repair would change, and `opterius account repair {0}` does it", drift.account_id)
}

/// What is kept of terminated accounts and when the next of it goes, and what is being deleted.
pub(super) async fn trash(panel: &Panel, answers: &Answers, report: &mut Report) {
    let Ok(health) = &answers.agent else { return };
    let accounts = |count: u64, noun| output::count(usize::try_from(count).unwrap_or(usize::MAX), noun);
    if health.deleting > 0 {
        let what = accounts(health.deleting, "account");
        report.ok("trash", format!("being deleted, and not to be restored any more: what /home/.opterius-trash has of {what}"));
    } else if health.kept == 0 {
        return report.ok("trash", "nothing is kept of terminated accounts");
    }
    if health.kept == 0 {
        return;
    }
    let kept = format!("kept to be restored, in /home/.opterius-trash: {}", accounts(health.kept, "terminated account"));
    // When it goes is only more to say.
    let terminated: Vec<Account> = match panel.list("/api/accounts", &[("status", "terminated"), ("limit", "500")]).await {
        Ok(data) => read_all(&data).unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let next = terminated.iter().filter_map(Account::restorable).min();
    report.ok("trash", next.map_or(kept.clone(), |until| format!("{kept}; the next goes at {}", output::moment(until))));
}

#[cfg(test)]
mod tests {
    use axum::extract::Json;
    use axum::routing::get;
    use serde_json::{Value, json};

    use super::super::answers::Myself;
    use super::super::report::Level;
    use super::*;

    fn answers(drifted: usize, kept: u64, drift: &Value) -> Answers {
        let health = json!({"version": "1", "protocol": 1, "ready": true, "parts": [], "accounts": 30, "open_operations": [], "enforcement": [],
                            "kept": kept, "drifted": drifted});
        Answers {
            agent: serde_json::from_value(health).map_err(|error| error.to_string()),
            drift: serde_json::from_value(drift.clone()).expect("a report of drift"),
            phpd: Err(String::new()),
            panel: Ok(Myself { version: "1".to_owned() }),
        }
    }

    fn drifted(number: usize) -> Value {
        json!({"account_id": format!("0193a5e0-7c1e-7000-8000-{number:012}"), "username": format!("alice{number}"), "found_at": 1, "mended": false,
               "plan": {"changes": [{"resource": "home", "change": "make it again"}, {"resource": "home", "change": "set its mode"}],
                        "conflicts": [{"step": "site", "kind": "domain_taken", "detail": "is another's", "hint": null}], "missing": []}})
    }

    #[test]
    fn an_account_that_drifted_is_named_with_what_differs_and_how_to_mend_it() {
        let mut mended = drifted(2);
        mended["mended"] = json!(true);
        let mut report = Report::default();
        drift(&answers(1, 0, &json!({"looked_at": 1, "mends": false, "accounts": [drifted(1), mended]})), &mut report);
        assert_eq!(report.0.len(), 1, "{report:?}");
        assert_eq!(
            (report.0[0].level, report.0[0].detail.as_str()),
            (Level::Warning, "the account alice1 is not as it should be: home, site")
        );
        assert!(
            report.0[0].hint.as_ref().is_some_and(|hint| hint.contains("`opterius account repair 0193a5e0-7c1e-7000-8000-000000000001`"))
        );
    }

    #[test]
    fn more_than_a_page_of_drift_and_drift_without_names_are_said_too() {
        let many: Vec<Value> = (0..25).map(drifted).collect();
        let mut report = Report::default();
        drift(&answers(25, 0, &json!({"looked_at": 1, "mends": false, "accounts": many})), &mut report);
        assert_eq!((report.0.len(), report.0[20].detail.as_str()), (21, "neither are 5 more"));

        let mut report = Report::default();
        drift(&answers(3, 0, &Value::Null), &mut report);
        assert_eq!((report.0[0].level, report.0[0].detail.as_str()), (Level::Warning, "not as it should be: 3 accounts"));

        let mut report = Report::default();
        drift(&answers(0, 0, &Value::Null), &mut report);
        assert_eq!(report.0[0].level, Level::Ok);
    }

    #[tokio::test]
    async fn what_is_kept_is_counted_and_the_next_to_go_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("panel.sock");
        let listener = tokio::net::UnixListener::bind(&socket).expect("a socket");
        let account = |until: Option<i64>| {
            json!({"id": "1", "username": "alice", "domain": "example.com", "server": {"id": "1"}, "status": "terminated", "created_at": 1,
                   "terminated_at": 2, "restorable_until": until})
        };
        // 2100-01-01, 2099-01-01, long ago, and not at all.
        let list = json!([account(Some(4_102_444_800_000_000)), account(Some(4_070_908_800_000_000)), account(Some(3)), account(None)]);
        let router = axum::Router::new().route("/api/accounts", get(async move || Json(json!({"data": list, "page": {"next": null}}))));
        tokio::spawn(async move { axum::serve(listener, router).await });
        for (panel, detail) in [
            (
                Panel::new(socket),
                "kept to be restored, in /home/.opterius-trash: 2 terminated accounts; the next goes at 2099-01-01 00:00:00 UTC",
            ),
            (Panel::new(directory.path().join("nobody")), "kept to be restored, in /home/.opterius-trash: 2 terminated accounts"),
        ] {
            let mut report = Report::default();
            trash(&panel, &answers(0, 2, &Value::Null), &mut report).await;
            assert_eq!((report.0[0].level, report.0[0].detail.as_str()), (Level::Ok, detail));
        }
        let mut report = Report::default();
        trash(&Panel::new("/nonexistent".into()), &answers(0, 0, &Value::Null), &mut report).await;
        assert_eq!(report.0[0].detail, "nothing is kept of terminated accounts");

        let mut going = answers(0, 0, &Value::Null);
        going.agent.as_mut().expect("an answer").deleting = 1;
        let mut report = Report::default();
        trash(&Panel::new("/nonexistent".into()), &going, &mut report).await;
        let said: Vec<&str> = report.0.iter().map(|finding| finding.detail.as_str()).collect();
        assert_eq!(said, ["being deleted, and not to be restored any more: what /home/.opterius-trash has of 1 account"]);
    }
}
