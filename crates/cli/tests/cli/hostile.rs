//! A Panel whose answers hold what nobody should have let in: texts that a terminal would obey, and answers without an end.

use serde_json::{Value, json};

use crate::fake_panel::{Answer, FakePanel, Ran, account, operation, servers};

/// The title of the window, a colour, a C1 control, an override of direction, an invisible joiner, a line of its own.
const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[31mred\u{9b}1m\u{202e}gpj\u{200b}\r\nEverything is well.\u{1b}[32m";

/// Puts [`HOSTILE`] behind every text of an answer but those that are read as something.
fn poisoned(value: Value) -> Value {
    match value {
        Value::Array(all) => all.into_iter().map(poisoned).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let kept = matches!(name.as_str(), "id" | "account_id" | "outcome" | "status" | "state" | "direction" | "username");
                (name, if kept { value } else { poisoned(value) })
            })
            .collect(),
        Value::String(text) => Value::String(format!("{text}{HOSTILE}")),
        other => other,
    }
}

fn obeys_nothing(ran: &Ran, what: &[&str]) {
    for text in [&ran.out, &ran.err] {
        let bad = text.chars().find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202e}' | '\u{200b}'));
        assert!(bad.is_none(), "{what:?} prints {bad:?}: {text:?}");
    }
}

#[tokio::test]
async fn what_a_terminal_obeys_is_never_printed_whatever_the_panel_answers() {
    let id = "0193a5e0-7c1e-7000-8000-00000000000a";
    let mut failed = operation("rolled_back");
    failed["error"] = json!({"code": "provisioning_failed", "status": 502, "detail": "home", "hint": "Make room.", "errors": [{"field": "f", "detail": "d"}]});
    failed["steps"][0]["detail"] = json!("said");
    let page = |data: Value| Answer::Page(poisoned(data), None);
    let php =
        json!({"pools": [{"name": "main", "state": "starting", "last_failure": {"at": 1, "count": 2, "retry_at": 3, "detail": "said"}}]});
    let packages = json!([{"id": "0193a5e0-7c1e-7000-8000-00000000000b", "name": "Starter", "limits": {"disk_mib": 1}, "accounts": 1}]);
    let panel = FakePanel::start()
        .on("GET /api/accounts?limit=500", page(json!([account()])))
        .on(&format!("GET /api/accounts/{id}"), Answer::Data(200, poisoned(account())))
        .on(&format!("GET /api/accounts/{id}/php"), Answer::Data(200, poisoned(php)))
        .on("GET /api/operations/0193a5e0-7c1e-7000-8000-00000000000d", Answer::Data(200, poisoned(failed)))
        .on("GET /api/packages", page(packages))
        .on("GET /api/servers", page(servers()))
        .on(
            "GET /api/settings/dns",
            Answer::Problem(
                500,
                poisoned(json!({"detail": "broken", "hint": "look", "code": "x", "errors": [{"field": "a", "detail": "b"}]})),
            ),
        );
    let shown: [&[&str]; 6] = [
        &["account", "list"],
        &["account", "show", id],
        &["operation", "show", "0193a5e0-7c1e-7000-8000-00000000000d"],
        &["package", "list"],
        &["server", "list"],
        &["settings", "dns", "show"],
    ];
    for arguments in shown {
        let ran = panel.opterius(arguments).await;
        obeys_nothing(&ran, arguments);
        assert!(ran.out.contains('\u{fffd}') || ran.err.contains('\u{fffd}'), "{arguments:?} shows what was put in: {ran:?}");
        let json = [arguments, &["--json"]].concat();
        let ran = panel.opterius(&json).await;
        obeys_nothing(&ran, &json);
        if ran.code == 0 {
            assert!(ran.json().to_string().contains("owned"), "and a program gets all of it: {ran:?}");
        }
    }
    // What stands in a cell or a fact begins no line of its own.
    let ran = panel.opterius(&["account", "list"]).await;
    assert!(!ran.out.lines().any(|line| line.starts_with("Everything is well.")), "{}", ran.out);
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read_to_its_end() {
    let long: &'static str = Box::leak("x".repeat(65 << 20).into_boxed_str());
    let panel = FakePanel::start().on("GET /api/packages", Answer::Raw(200, long)).on("GET /api/servers", Answer::Raw(500, long));
    for what in ["package", "server"] {
        let ran = panel.opterius(&[what, "list"]).await;
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains("longer than") || what == "server", "{}", ran.err);
        assert!(ran.err.len() < 1000);
    }
}
