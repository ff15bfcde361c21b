//! What is not understood, and what cannot be reached.

use serde_json::json;

use crate::fake_panel::{Answer, FakePanel, opterius};

#[tokio::test]
async fn what_is_not_understood_exits_with_2_and_asks_the_panel_nothing() {
    let panel = FakePanel::start();
    for (arguments, reason) in [
        (&["account", "create", "--username", "Alice!", "--domain", "example.com", "--package", "S"][..], "is not a username"),
        (&["account", "create", "--username", "alice", "--domain", "co.uk", "--package", "S"], "public suffix"),
        (
            &["account", "create", "--username", "alice", "--domain", "example.com", "--package", "S", "--password", "secret12"],
            "--password",
        ),
        (&["account", "list", "--status", "fine"], "needs_attention"),
        (&["account", "show", "a..b"], "is not a domain name"),
        (&["account", "suspend", "alice"], "--reason"),
        (&["account", "suspend", "alice", "--reason", "spam", "--hold", "tax"], "use `billing` or `abuse`"),
        (&["account", "password", "alice", "secret12"], "secret12"),
        (&["account", "package", "alice"], "<PACKAGE>"),
        (&["account", "package", "alice", "--limit", "disk=1"], "use disk_mib, files"),
        (&["account", "terminate", "alice", "--keep-days", "366"], "366"),
        (&["account", "repair", "ref:a/b"], "1 to 100 letters"),
        (&["account", "restore", "alice", "--username", "root"], "root"),
        (&["operation", "show", "12"], "is not an id"),
        (&["operation", "retry", "12"], "is not an id"),
        (&["operation", "abandon", "12"], "is not an id"),
        (&["settings", "set", "kept-days", "-1"], "-1"),
        (&["settings", "set", "colour", "1"], "unrecognized subcommand 'colour'"),
        (&["package", "create", "S", "--disk-mib", "many"], "whole number"),
        (&["package", "create", " S"], "package name"),
        (&["token", "create", "--for", "fun"], "whmcs"),
        (&["token", "create", "--for", "whmcs", "--address", "example.com"], "192.0.2.0/24"),
        (&["token", "create", "--for", "whmcs", "--expires", "0"], "0"),
        (&["token", "create"], "--for <PURPOSE>"),
        (&["token", "allow", "shop", "--url", "https://billing.example.com"], "--directory <DIR>"),
        (&["server", "set", "server1"], "--max-accounts <N>"),
        (&["server", "set", "server1", "--max-accounts", "many"], "many"),
        (&["setup", "--hostname", "server"], "panel.example.com"),
        (&["setup", "--ipv4", "127.0.0.1"], "192.0.2.10"),
        (&["setup", "--ipv6", "fe80::1"], "2001:db8::10"),
        (&["nonsense"], "nonsense"),
    ] {
        let ran = panel.opterius(arguments).await;
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains(reason), "{arguments:?}: {}", ran.err);
        assert!(ran.out.is_empty());
    }
    assert!(panel.asked().is_empty());
}

#[tokio::test]
async fn a_panel_that_is_not_there_says_what_to_run() {
    let nowhere = std::path::Path::new("/nonexistent/panel.sock");
    let ran = opterius(nowhere, &["package", "list"], "").await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.starts_with("error: could not connect to the Panel at /nonexistent/panel.sock"), "{}", ran.err);
    assert!(ran.err.contains("\n\nhint: on a new server run `opterius setup` first"), "{}", ran.err);
}

#[tokio::test]
async fn the_socket_option_wins_over_the_environment() {
    let panel = FakePanel::start().on("GET /api/packages", Answer::Page(json!([]), None));
    let socket = panel.socket();
    let ran = opterius(std::path::Path::new("/nonexistent"), &["package", "list", "--socket", socket.to_str().expect("UTF-8")], "").await;
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[tokio::test]
async fn a_refusal_is_shown_whole_with_its_ids() {
    let panel = FakePanel::start().on(
        "GET /api/operations/0193a5e0-7c1e-7000-8000-00000000000d",
        Answer::Problem(
            422,
            json!({"type": "about:blank", "code": "invalid_request", "title": "Unprocessable", "detail": "The order was refused.", "hint": "Mend the fields.",
                   "errors": [{"field": "domain", "code": "invalid", "detail": "is not a domain name"}], "operation_id": "op-1", "request_id": "req-1", "retryable": false}),
        ),
    );
    let ran = panel.opterius(&["operation", "show", "0193a5e0-7c1e-7000-8000-00000000000d"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert_eq!(
        ran.err,
        "error: The order was refused.\n  domain: is not a domain name\n\nhint: Mend the fields.\n(request req-1, operation op-1)\n"
    );
}

#[tokio::test]
async fn an_answer_that_is_not_the_panels_is_an_error_and_no_crash() {
    for (answer, expected) in [
        (Answer::Raw(500, "<html>oops</html>"), "error: the Panel answered 500 Internal Server Error without saying why"),
        (Answer::Raw(200, "<html>"), "error: the Panel answered /api/packages with something that is not JSON"),
        (Answer::Raw(200, "{}"), "error: the Panel answered /api/packages without data"),
        (Answer::Data(200, json!({"a": 1})), "error: the Panel answered /api/packages with something that is not a list"),
        (Answer::Data(200, json!([{"id": 1}])), "error: the Panel's answer was not understood"),
    ] {
        let panel = FakePanel::start().on("GET /api/packages", answer);
        let ran = panel.opterius(&["package", "list"]).await;
        assert_eq!(ran.code, 1);
        assert!(ran.err.starts_with(expected), "{}", ran.err);
        assert!(ran.err.contains("\n\nhint: "), "{}", ran.err);
    }
}

#[tokio::test]
async fn every_request_bears_an_id_and_a_list_is_read_to_its_end() {
    let package = |name: &str| json!({"id": "1", "name": name, "limits": {}, "accounts": 0, "created_at": 1});
    let panel = FakePanel::start()
        .on("GET /api/packages", Answer::Page(json!([package("A")]), Some("c 1")))
        .on("GET /api/packages?cursor=c+1", Answer::Page(json!([package("B")]), None))
        .on("GET /api/servers", Answer::Page(json!([]), None));
    let ran = panel.opterius(&["package", "list", "--json"]).await;
    assert_eq!(ran.json().as_array().map(Vec::len), Some(2), "{ran:?}");
    assert!(panel.asked().iter().all(|asked| asked.headers.get("x-request-id").is_some_and(|id| id.len() == 36)));
}
