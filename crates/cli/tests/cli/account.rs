//! `opterius account`.

use serde_json::{Value, json};

use crate::fake_panel::{Answer, FakePanel, account, operation};

const CREATE: [&str; 8] = ["account", "create", "--username", "alice", "--domain", "Example.com", "--package", "Starter"];
const OPERATION: &str = "GET /api/operations/0193a5e0-7c1e-7000-8000-00000000000d";
const EVENTS: &str = "GET /api/operations/0193a5e0-7c1e-7000-8000-00000000000d/events";
const ACCOUNT: &str = "GET /api/accounts/0193a5e0-7c1e-7000-8000-00000000000a";

/// A Panel whose order takes a moment: it answers with the operation, then with its events, then with the account.
fn busy(outcome: &str) -> FakePanel {
    let step = operation("committed")["steps"][0].clone();
    let events = format!("event: step\ndata: {step}\n\nevent: done\ndata: {}\n\n", operation(outcome));
    FakePanel::start()
        .on("POST /api/accounts", Answer::Data(202, operation("running")))
        .on(EVENTS, Answer::Events(events))
        .on(OPERATION, Answer::Data(200, operation(outcome)))
        .on(ACCOUNT, Answer::Data(200, account()))
}

#[tokio::test]
async fn each_step_is_shown_once_and_a_made_password_once() {
    let panel = busy("committed");
    let ran = panel.opterius(&[&CREATE[..], &["--email", "alice@example.net", "--ref", "s12"]].concat()).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let asked = panel.asked_for("POST /api/accounts");
    assert_eq!(asked.headers["prefer"], "respond-async");
    let password = asked.body["password"].as_str().expect("a password").to_owned();
    assert_eq!(
        asked.body,
        json!({"username": "alice", "domain": "example.com", "package": "Starter", "password": password, "email": "alice@example.net", "external_ref": "s12"})
    );
    let begin = "Creating the account alice for example.com\n  linux user      done                  62 ms\n  home            done                   3 ms\n\
                 The account alice is active after 300 ms.\n\n  Account      0193a5e0-7c1e-7000-8000-00000000000a\n";
    assert!(ran.out.starts_with(begin), "{}", ran.out);
    assert!(ran.out.ends_with(&format!("\n\nPassword: {password}   (shown only now)\n")), "{}", ran.out);
}

#[tokio::test]
async fn json_is_the_account_with_the_made_password() {
    let panel = busy("committed");
    let ran = panel.opterius(&[&CREATE[..], &["--json"]].concat()).await;
    let mut expected = account();
    expected["password"] = panel.asked_for("POST /api/accounts").body["password"].clone();
    assert_eq!(ran.json(), expected);
}

#[tokio::test]
async fn a_password_comes_from_standard_input_and_is_not_shown() {
    let panel = busy("committed");
    let ran = panel.opterius_reading(&[&CREATE[..], &["--password-stdin"]].concat(), " sécret #12 \nnot this\n").await;
    assert_eq!(panel.asked_for("POST /api/accounts").body["password"], " sécret #12 ");
    assert!(!ran.out.contains("assword"), "{}", ran.out);
    let json = busy("committed").opterius_reading(&[&CREATE[..], &["--password-stdin", "--json"]].concat(), "secret-12").await.json();
    assert_eq!(json["password"], Value::Null);

    let panel = FakePanel::start();
    let ran = panel.opterius_reading(&[&CREATE[..], &["--password-stdin"]].concat(), "short\n").await;
    assert_eq!((ran.code, ran.err.as_str()), (1, "error: the password is too short: use at least 8 characters\n"));
    assert!(panel.asked().is_empty());
}

#[tokio::test]
async fn without_a_stream_of_events_the_operation_is_asked_for() {
    let panel = FakePanel::start()
        .on("POST /api/accounts", Answer::Data(202, operation("running")))
        .on(EVENTS, Answer::Problem(503, json!({"code": "server_unreachable", "detail": "no events"})))
        .on(OPERATION, Answer::Data(200, operation("running")))
        .on(OPERATION, Answer::Data(200, operation("committed")))
        .on(ACCOUNT, Answer::Data(200, account()));
    let ran = panel.opterius(&CREATE).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("  home            done                   3 ms\n"), "{}", ran.out);
}

#[tokio::test]
async fn an_order_that_was_undone_fails_with_what_happened() {
    let mut undone = operation("rolled_back");
    undone["error"] = json!({"code": "provisioning_failed", "detail": "home: the disk is full; everything was undone", "hint": "Make room.", "retryable": true});
    let panel =
        FakePanel::start().on("POST /api/accounts", Answer::Data(202, operation("running"))).on(OPERATION, Answer::Data(200, undone));
    let ran = panel.opterius(&CREATE).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(
        ran.err,
        "error: home: the disk is full; everything was undone\n\nhint: Make room.\n(request req-12345678, operation 0193a5e0-7c1e-7000-8000-00000000000d)\n"
    );
}

#[tokio::test]
async fn without_a_reason_the_log_is_named() {
    let ran = busy("needs_attention").opterius(&CREATE).await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.starts_with("error: the account was not created: its operation is needs attention"), "{}", ran.err);
    assert!(ran.err.contains("journalctl -u opterius-agent REQUEST_ID=req-12345678"), "{}", ran.err);
}

#[tokio::test]
async fn a_refused_order_is_the_panels_word() {
    let problem = json!({"code": "username_taken", "title": "Taken", "detail": "The username alice is taken.", "hint": "Choose another.", "request_id": "req-9", "retryable": false,
                         "conflict": {"field": "username"}});
    let panel = FakePanel::start().on("POST /api/accounts", Answer::Problem(409, problem));
    let ran = panel.opterius(&[&CREATE[..], &["--json"]].concat()).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert_eq!(ran.err, "error: The username alice is taken.\n\nhint: Choose another.\n(request req-9)\n");
}

#[tokio::test]
async fn a_repeated_order_says_so() {
    let panel = FakePanel::start().on("POST /api/accounts", Answer::Data(200, account())).on(ACCOUNT, Answer::Data(200, account()));
    let ran = panel.opterius(&CREATE).await;
    assert!(ran.out.starts_with("The account alice is active.\nIt was there from an earlier order"), "{ran:?}");

    let mut password = operation("committed");
    password["kind"] = json!("password");
    let panel = FakePanel::start()
        .on("POST /api/accounts", Answer::Data(202, password.clone()))
        .on(OPERATION, Answer::Data(200, password))
        .on(ACCOUNT, Answer::Data(200, account()));
    let ran = panel.opterius(&CREATE).await;
    assert!(ran.out.starts_with("Setting the password of the account alice for example.com\n"), "{ran:?}");
    assert!(ran.out.contains("It was there from an earlier order"), "{ran:?}");
}

#[tokio::test]
async fn an_order_that_is_done_at_once_shows_its_steps_too() {
    let panel = FakePanel::start()
        .on("POST /api/accounts", Answer::Data(201, account()))
        .on(OPERATION, Answer::Data(200, operation("committed")))
        .on(ACCOUNT, Answer::Data(200, account()));
    let ran = panel.opterius(&CREATE).await;
    assert!(ran.out.contains("linux user      done") && ran.out.contains("is active after 300 ms"), "{ran:?}");
}

#[tokio::test]
async fn accounts_are_listed_with_filters() {
    let query = "GET /api/accounts?username=alice&domain=example.com&status=active&limit=500";
    let panel = FakePanel::start()
        .on(query, Answer::Page(json!([account()]), None))
        .on("GET /api/accounts?limit=500", Answer::Page(json!([]), None));
    let filters = ["account", "list", "--username", "alice", "--domain", "example.com", "--status", "active"];
    let ran = panel.opterius(&filters).await;
    assert_eq!(
        ran.out,
        "USERNAME  DOMAIN       STATUS  PACKAGE  SERVER   CREATED                  ID\n\
         alice     example.com  active  Starter  server1  2026-11-23 21:34:26 UTC  0193a5e0-7c1e-7000-8000-00000000000a\n\n1 account\n",
        "{ran:?}"
    );
    assert_eq!(panel.opterius(&[&filters[..], &["--json"]].concat()).await.json(), json!([account()]));
    assert!(panel.opterius(&["account", "list"]).await.out.starts_with("There are no accounts."));
}

#[tokio::test]
async fn an_account_is_shown_by_id_username_or_domain() {
    let panel = FakePanel::start()
        .on(ACCOUNT, Answer::Data(200, account()))
        .on("GET /api/accounts?username=alice", Answer::Page(json!([account()]), None))
        .on("GET /api/accounts?domain=example.com", Answer::Page(json!([account()]), None))
        .on("GET /api/accounts?username=nobodyhere", Answer::Page(json!([]), None));
    let by_id = panel.opterius(&["account", "show", "0193a5e0-7c1e-7000-8000-00000000000a"]).await;
    assert_eq!(
        by_id.out,
        "  Account      0193a5e0-7c1e-7000-8000-00000000000a\n\
         \u{20} Username     alice\n\
         \u{20} Domain       example.com\n\
         \u{20} Status       active\n\
         \u{20} Package      Starter\n\
         \u{20} Server       server1 (server1.opterius.test)\n\
         \u{20} Addresses    192.0.2.10, 2001:db8::10\n\
         \u{20} Nameservers  ns1.opterius.test, ns2.opterius.test\n\
         \u{20} E-mail       alice@example.net\n\
         \u{20} Reference    s12\n\
         \u{20} Client       c7\n\
         \u{20} Next due     2026-12-31\n\
         \u{20} PHP          8.2\n\
         \u{20} Uid          20001\n\
         \u{20} Created      2026-11-23 21:34:26 UTC\n\
         \u{20} Operation    0193a5e0-7c1e-7000-8000-00000000000d (create, committed)\n\n\
         LIMIT        VALUE\n\
         disk         1024 MiB   not enforced on this server\n\
         files        unlimited\n\
         PHP workers  5\n",
        "{by_id:?}"
    );
    assert_eq!(panel.opterius(&["account", "show", "alice"]).await.out, by_id.out);
    assert_eq!(panel.opterius(&["account", "show", "EXAMPLE.com"]).await.out, by_id.out);
    assert_eq!(panel.opterius(&["account", "show", "alice", "--json"]).await.json(), account());
    let ran = panel.opterius(&["account", "show", "nobodyhere"]).await;
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (1, "error: there is no account with the username nobodyhere\n\nhint: `opterius account list` shows all of them\n")
    );
}

#[tokio::test]
async fn what_php_does_stands_beside_the_account() {
    let pool = json!({"name": "main", "php_version": "8.2", "runs": "8.4", "state": "crash_loop",
                      "last_failure": {"at": 1_795_469_666_000_000_i64, "count": 3, "retry_at": 1_795_469_696_000_000_i64, "detail": "exit code 255"}});
    let panel = FakePanel::start()
        .on(ACCOUNT, Answer::Data(200, account()))
        .on(&format!("{ACCOUNT}/php"), Answer::Data(200, json!({"account_id": "x", "pools": [pool]})));
    let ran = panel.opterius(&["account", "show", "0193a5e0-7c1e-7000-8000-00000000000a"]).await;
    assert!(
        ran.out.contains(
            "  PHP main     crash loop, PHP 8.4 in place of 8.2, which is not installed\n               failed 3 times in a row, last at 2026-11-23 21:34:26 UTC, tried again at \
             2026-11-23 21:34:56 UTC: exit code 255\n"
        ),
        "{ran:?}"
    );
}
