//! What the Panel does by itself.

use super::answers::Answers;
use super::report::Report;
use crate::api::Task;
use crate::output;
use crate::panel::{Panel, read_all};

/// Whether all of it is done.
pub(super) async fn tasks(panel: &Panel, answers: &Answers, report: &mut Report) {
    if answers.panel.is_err() {
        return;
    }
    let tasks: Vec<Task> = match panel.list("/api/tasks", &[]).await.and_then(|data| read_all(&data)) {
        Ok(tasks) => tasks,
        // A Panel of an earlier version does not tell.
        Err(failure) if failure.status == 404 => return,
        Err(failure) => return report.problem("tasks", failure.detail, "see `journalctl -u opterius-panel`"),
    };
    let before = report.0.len();
    for task in tasks.iter().filter(|task| task.failures > 0) {
        let what = match &task.server {
            Some(server) => format!("{} of {server}", task.name),
            None => task.name.clone(),
        };
        let when = task.failed_at.map_or_else(String::new, |at| format!(", last at {}", output::moment(at)));
        let why = task.detail.as_deref().map_or_else(String::new, |why| format!(": {why}"));
        let times = output::count(usize::try_from(task.failures).unwrap_or(usize::MAX), "time");
        let hint = "see `journalctl -u opterius-panel`; where it says that a task broke, report it: that is a fault of the Panel";
        if task.state == "failing" {
            report.problem("tasks", format!("the Panel's task \u{201c}{what}\u{201d} fails ({times}{when}){why}"), hint);
        } else if task.panics > 0 {
            let times = output::count(usize::try_from(task.panics).unwrap_or(usize::MAX), "time");
            report.warning("tasks", format!("the Panel's task \u{201c}{what}\u{201d} broke {times} and went on{when}{why}"), hint);
        }
    }
    for (task, why) in tasks.iter().filter_map(|task| Some((task, task.held.as_deref()?))) {
        let detail = format!("the Panel's task \u{201c}{}\u{201d} does nothing at present: {why}", task.name);
        report.warning("tasks", detail, "it goes on by itself when that is no longer so");
    }
    let refused: u64 = tasks.iter().filter_map(|task| task.refused).sum();
    if refused > 0 {
        let connections = output::count(usize::try_from(refused).unwrap_or(usize::MAX), "connection");
        report.warning(
            "tasks",
            format!("the Panel refused or closed {connections} within the last hour because a limit on connections was reached"),
            "`ss -tn state established 'sport = :8443'` shows which addresses hold the connections; block in the firewall those that are not yours",
        );
    }
    if report.0.len() == before {
        report.ok("tasks", "what the Panel does by itself is done");
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::Json;
    use axum::routing::get;
    use serde_json::{Value, json};

    use super::super::answers::Myself;
    use super::super::report::Level;
    use super::*;

    async fn found(tasks: Value) -> Report {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("panel.sock");
        let listener = tokio::net::UnixListener::bind(&socket).expect("a socket");
        let router = axum::Router::new().route("/api/tasks", get(async move || Json(json!({"data": tasks, "page": {"next": null}}))));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let answers =
            Answers { agent: Err(String::new()), drift: None, phpd: Err(String::new()), panel: Ok(Myself { version: "1".to_owned() }) };
        let mut report = Report::default();
        super::tasks(&Panel::new(socket), &answers, &mut report).await;
        report
    }

    #[tokio::test]
    async fn connections_that_were_refused_are_a_warning() {
        let listening = |refused: u64| json!({"name": "listening over TLS", "server": null, "state": "ok", "refused": refused});
        assert_eq!(found(json!([listening(0)])).await.0[0].level, Level::Ok);
        let report = found(json!([listening(7)])).await;
        assert_eq!((report.0.len(), report.0[0].level), (1, Level::Warning));
        assert!(report.0[0].detail.contains("7 connections"), "{}", report.0[0].detail);
    }

    #[tokio::test]
    async fn what_does_nothing_for_a_reason_is_a_warning() {
        let held = |why: Value| json!({"name": "old Activity", "server": null, "state": "ok", "failures": 0, "held": why});
        assert_eq!(found(json!([held(Value::Null)])).await.0[0].level, Level::Ok);
        let report = found(json!([held(json!("all rows are young"))])).await;
        assert_eq!((report.0.len(), report.0[0].level), (1, Level::Warning));
        assert_eq!(report.0[0].detail, "the Panel's task \u{201c}old Activity\u{201d} does nothing at present: all rows are young");
    }

    #[tokio::test]
    async fn what_fails_is_a_problem_and_what_broke_and_went_on_a_warning() {
        let task = |name: &str, state: &str, failures: u64, panics: u64| json!({"name": name, "server": "default", "state": state, "failures": failures, "panics": panics, "failed_at": 1, "detail": "a fault"});
        let report = found(json!([
            task("usage", "ok", 0, 0),
            task("health", "failing", 3, 3),
            task("notices", "ok", 2, 1),
            task("password hashes", "ok", 4, 0)
        ]))
        .await;
        let all: Vec<(Level, &str)> = report.0.iter().map(|finding| (finding.level, finding.detail.as_str())).collect();
        assert_eq!(
            all,
            [
                (
                    Level::Problem,
                    "the Panel's task \u{201c}health of default\u{201d} fails (3 times, last at 1970-01-01 00:00:00 UTC): a fault"
                ),
                (
                    Level::Warning,
                    "the Panel's task \u{201c}notices of default\u{201d} broke 1 time and went on, last at 1970-01-01 00:00:00 UTC: a fault"
                ),
            ]
        );
        assert_eq!(found(json!([task("usage", "ok", 0, 0)])).await.0[0].level, Level::Ok);
    }
}
