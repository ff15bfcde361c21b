//! `opterius account`, after the account was created.

use serde_json::{Value, json};

use crate::fake_panel::{Answer, FakePanel, account, operation};

const ID: &str = "0193a5e0-7c1e-7000-8000-00000000000a";
const OPERATION: &str = "GET /api/operations/0193a5e0-7c1e-7000-8000-00000000000d";
const ACCOUNT: &str = "GET /api/accounts/0193a5e0-7c1e-7000-8000-00000000000a";
const BY_USERNAME: &str = "GET /api/accounts?username=alice";
const TERMINATED: &str = "GET /api/accounts?username=alice&status=terminated";
/// 2099-01-01.
const LATER: i64 = 4_070_908_800_000_000;

/// The path of a verb of the account.
fn at(method: &str, verb: &str) -> String {
    format!("{method} /api/accounts/{ID}{verb}")
}

fn of_kind(kind: &str, outcome: &str) -> Value {
    let mut operation = operation(outcome);
    operation["kind"] = json!(kind);
    operation
}

/// A Panel that knows alice, takes on `what` as an operation of this kind, and then shows the account as `after`.
fn takes_on(what: &str, kind: &str, after: &Value) -> FakePanel {
    FakePanel::start()
        .on(BY_USERNAME, Answer::Page(json!([account()]), None))
        .on(what, Answer::Data(202, of_kind(kind, "running")))
        .on(OPERATION, Answer::Data(200, of_kind(kind, "committed")))
        .on(ACCOUNT, Answer::Data(200, after.clone()))
}

fn suspended() -> Value {
    let mut account = account();
    account["status"] = json!("suspended");
    account["holds"] = json!([
        {"hold": "abuse", "reason": "spam reports", "since": 1_795_469_666_000_000_i64, "by": "administrator"},
        {"hold": "billing", "reason": "not paid", "since": 1_795_469_666_000_000_i64, "by": "token:whmcs"}
    ]);
    account
}

fn terminated(id: &str, at: i64, until: Option<i64>) -> Value {
    let mut account = account();
    account["id"] = json!(id);
    account["status"] = json!("terminated");
    account["terminated_at"] = json!(at);
    account["restorable_until"] = json!(until);
    account
}

fn plan() -> Value {
    json!({"action": "suspend", "changes": [{"resource": "account", "change": "status: active to suspended"}, {"resource": "site", "change": "show the suspension page"}],
           "conflicts": [{"step": "dns zone", "code": "domain_taken", "detail": "the zone is another's", "hint": "Remove it."}],
           "missing": [{"step": "php pool", "detail": "phpd does not answer", "hint": null}], "empty": false})
}

#[tokio::test]
async fn a_suspension_shows_its_steps_and_every_hold_with_its_reason() {
    let panel = takes_on(&at("POST", "/suspend"), "suspend", &suspended());
    let ran = panel.opterius(&["account", "suspend", "alice", "--reason", "spam reports"]).await;
    assert_eq!(
        ran.out,
        "Suspending the account alice for example.com\n  linux user      done                  62 ms\n  home            done                   3 ms\n\
         The account alice is suspended after 300 ms.\n\
         \u{20} held for abuse: spam reports (since 2026-11-23 21:34:26 UTC, by administrator)\n\
         \u{20} held for billing: not paid (since 2026-11-23 21:34:26 UTC, by token:whmcs)\n",
        "{ran:?}"
    );
    let asked = panel.asked_for(&at("POST", "/suspend"));
    assert_eq!(asked.body, json!({"reason": "spam reports"}));
    assert_eq!(asked.headers["prefer"], "respond-async");

    let panel = takes_on(&at("POST", "/suspend"), "suspend", &suspended());
    let ran = panel.opterius(&["account", "suspend", ID, "--reason", "not paid", "--hold", "billing", "--json"]).await;
    assert_eq!(ran.json(), suspended());
    assert_eq!(panel.asked_for(&at("POST", "/suspend")).body, json!({"reason": "not paid", "hold": "billing"}));
}

#[tokio::test]
async fn an_unsuspend_says_what_still_holds_the_account() {
    let mut held = suspended();
    held["holds"].as_array_mut().expect("a list").truncate(1);
    let panel = takes_on(&at("POST", "/unsuspend"), "unsuspend", &held);
    let ran = panel.opterius(&["account", "unsuspend", "alice", "--hold", "billing"]).await;
    assert!(ran.out.starts_with("Lifting a hold of the account alice for example.com\n"), "{ran:?}");
    assert!(
        ran.out.ends_with(
            "The account alice is suspended after 300 ms.\n\
             \u{20} held for abuse: spam reports (since 2026-11-23 21:34:26 UTC, by administrator)\n\
             It stays suspended by what holds it still; `--hold abuse` lifts that.\n"
        ),
        "{ran:?}"
    );
    assert_eq!(panel.asked_for(&at("POST", "/unsuspend")).body, json!({"hold": "billing"}));
}

#[tokio::test]
async fn what_is_so_already_is_said_without_an_operation() {
    let panel = FakePanel::start().on("POST /api/accounts/ref:whmcs:1:s12/unsuspend", Answer::Data(200, account()));
    let ran = panel.opterius(&["account", "unsuspend", "ref:whmcs:1:s12"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "The account alice is active.\n"), "{ran:?}");
    let asked = panel.asked();
    assert_eq!((asked.len(), &asked[0].body), (1, &json!({})));
}

#[tokio::test]
async fn a_plan_names_changes_obstacles_and_what_is_missing_and_orders_nothing() {
    let panel = FakePanel::start().on(BY_USERNAME, Answer::Page(json!([account()]), None)).on(ACCOUNT, Answer::Data(200, account())).on(
        &at("GET", "/plan"),
        Answer::Data(200, json!({"action": "repair", "changes": [], "conflicts": [], "missing": [], "empty": true})),
    );
    let mut panel = panel.on("POST /api/accounts?plan=true", Answer::Data(200, plan()));
    for what in ["POST /suspend", "POST /unsuspend", "PUT /package", "PUT /php", "PUT /password", "POST /restore", "POST /repair"] {
        let (method, verb) = what.split_once(' ').expect("two words");
        panel = panel.on(&at(method, &format!("{verb}?plan=true")), Answer::Data(200, plan()));
    }
    let panel = panel.on(TERMINATED, Answer::Page(json!([]), None)).on(&at("DELETE", "?keep_days=3&plan=true"), Answer::Data(200, plan()));
    for arguments in [
        &["suspend", "alice", "--reason", "spam"][..],
        &["unsuspend", "alice"],
        &["package", "alice", "Gold"],
        &["password", "alice"],
        &["php", "alice", "newest"],
        &["terminate", "alice", "--keep-days", "3"],
        &["restore", "alice"],
        &["repair", "alice"],
        &["create", "--username", "alice", "--domain", "example.com", "--package", "Starter"],
    ] {
        let ran = panel.opterius(&[&["account"], arguments, &["--plan"]].concat()).await;
        assert_eq!(
            ran.out,
            "It would make 2 changes; nothing was changed yet.\n\n\
             WHAT     CHANGE\n\
             account  status: active to suspended\n\
             site     show the suspension page\n\n\
             In the way:\n\
             \u{20} dns zone: the zone is another's\n\
             \u{20}   hint: Remove it.\n\n\
             Missing:\n\
             \u{20} php pool: phpd does not answer\n",
            "{arguments:?}: {ran:?}"
        );
    }
    assert!(panel.asked().iter().all(|asked| asked.what.starts_with("GET ") || asked.what.ends_with("plan=true")));
    assert_eq!(panel.opterius(&["account", "repair", "alice", "--plan", "--json"]).await.json(), plan());
    assert_eq!(panel.opterius(&["account", "plan", "alice"]).await.out, "Nothing would change: everything is as it should be.\n");
}

#[tokio::test]
async fn another_package_shows_the_limits_and_the_overrides_that_were_dropped() {
    let mut before = account();
    before["overrides"] = json!({"disk_mib": 20480, "files": 0});
    before["limits"]["disk_mib"] = json!(20480);
    let mut after = account();
    after["package"]["name"] = json!("Gold");
    after["overrides"] = json!({"php_workers": 5});
    let panel = FakePanel::start()
        .on(BY_USERNAME, Answer::Page(json!([account()]), None))
        .on(ACCOUNT, Answer::Data(200, before))
        .on(ACCOUNT, Answer::Data(200, after.clone()))
        .on(&at("PUT", "/package"), Answer::Data(202, of_kind("package", "running")))
        .on(OPERATION, Answer::Data(200, of_kind("package", "committed")));
    let order =
        ["account", "package", "alice", "Gold", "--limit", "php-workers=5", "--limit", "files=package", "--drop-overrides", "--force"];
    let ran = panel.opterius(&order).await;
    assert_eq!(
        panel.asked_for(&at("PUT", "/package")).body,
        json!({"package": "Gold", "limits": {"php_workers": 5, "files": null}, "keep_overrides": false, "force": true})
    );
    assert!(ran.out.starts_with("Changing the package of the account alice for example.com\n"), "{ran:?}");
    assert!(
        ran.out.ends_with(
            "The account alice is active after 300 ms.\n\
             Its package is Gold.\n\
             Limits of its own that it had and has no more: disk 20480 MiB, files unlimited.\n\n\
             LIMIT        VALUE\n\
             disk         1024 MiB   not enforced on this server\n\
             files        unlimited\n\
             PHP workers  5          its own\n"
        ),
        "{ran:?}"
    );
}

#[tokio::test]
async fn limits_of_its_own_leave_the_account_its_package() {
    let panel = takes_on(&at("PUT", "/package"), "package", &account());
    let ran = panel.opterius(&["account", "package", "alice", "--limit", "disk_mib=20480", "--json"]).await;
    assert_eq!(
        panel.asked_for(&at("PUT", "/package")).body,
        json!({"package_id": "0193a5e0-7c1e-7000-8000-00000000000b", "limits": {"disk_mib": 20480}})
    );
    assert_eq!(ran.json()["dropped_overrides"], json!({}));

    let mut adopted = account();
    adopted["package"] = Value::Null;
    let panel = FakePanel::start().on(ACCOUNT, Answer::Data(200, adopted));
    let ran = panel.opterius(&["account", "package", ID, "--drop-overrides"]).await;
    assert!(ran.err.starts_with("error: the package of the account alice is not known any more\n\nhint: name a package"), "{ran:?}");
}

#[tokio::test]
async fn a_limit_below_use_is_refused_with_its_numbers() {
    let problem = json!({"code": "limits_below_use", "detail": "The account uses more than Small allows.", "hint": "Free space, or force it.",
        "errors": [{"field": "disk_mib", "code": "below_use", "detail": "5120 MiB are used, and Small allows 1024."}], "request_id": "req-1"});
    let panel = FakePanel::start().on(ACCOUNT, Answer::Data(200, account())).on(&at("PUT", "/package"), Answer::Problem(409, problem));
    let ran = panel.opterius(&["account", "package", ID, "Small"]).await;
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (
            1,
            "error: The account uses more than Small allows.\n  disk_mib: 5120 MiB are used, and Small allows 1024.\n\n\
             hint: Free space, or force it.\n(request req-1)\n"
        )
    );
}

#[tokio::test]
async fn a_new_password_is_made_and_shown_once_or_read_and_not_shown() {
    let panel = takes_on(&at("PUT", "/password"), "password", &account());
    let ran = panel.opterius(&["account", "password", "alice"]).await;
    let password = panel.asked_for(&at("PUT", "/password")).body["password"].as_str().expect("a password").to_owned();
    assert_eq!(password.len(), 20);
    assert!(ran.out.starts_with("Setting the password of the account alice for example.com\n"), "{ran:?}");
    assert!(ran.out.ends_with(&format!("\n\nPassword: {password}   (shown only now)\n")), "{}", ran.out);
    assert_eq!(ran.out.matches(&password).count(), 1);

    let panel = takes_on(&at("PUT", "/password"), "password", &account());
    let ran = panel.opterius_reading(&["account", "password", "alice", "--password-stdin"], "sécret #12\nnot this\n").await;
    assert_eq!(panel.asked_for(&at("PUT", "/password")).body, json!({"password": "sécret #12"}));
    assert!(!ran.out.contains("sécret") && !ran.out.contains("shown only now"), "{}", ran.out);

    let panel = takes_on(&at("PUT", "/password"), "password", &account());
    let shown = panel.opterius(&["account", "password", "alice", "--json"]).await.json();
    assert_eq!(shown["password"], panel.asked_for(&at("PUT", "/password")).body["password"]);
}

#[tokio::test]
async fn without_a_yes_nothing_is_terminated() {
    let panel = FakePanel::start();
    let ran = panel.opterius_reading(&["account", "terminate", "alice"], "alice\n").await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("`--yes`") && ran.err.contains("`--plan`"), "{ran:?}");
    assert!(panel.asked().is_empty());
}

#[tokio::test]
async fn a_termination_says_what_is_kept_and_until_when() {
    let gone = |until: Option<i64>| {
        json!({"id": ID, "username": "alice", "domain": "example.com", "external_ref": "s12", "terminated_at": 1_795_469_666_000_000_i64,
               "restorable_until": until, "status": "terminated"})
    };
    let panel = |until: Option<i64>, what: &str| {
        FakePanel::start()
            .on(BY_USERNAME, Answer::Page(json!([account()]), None))
            .on(what, Answer::Data(202, of_kind("terminate", "running")))
            .on(what, Answer::Data(200, gone(until)))
            .on(OPERATION, Answer::Data(200, of_kind("terminate", "committed")))
    };
    let ran = panel(Some(LATER), &at("DELETE", "")).opterius(&["account", "terminate", "alice", "--yes"]).await;
    assert!(ran.out.starts_with("Terminating the account alice for example.com\n  linux user      done "), "{ran:?}");
    assert!(
        ran.out.ends_with(&format!(
            "The account alice is terminated after 300 ms: its site, PHP, Linux user and zone are gone, and its names are free.\n\
             Its home, logs, password and zone are kept until 2099-01-01 00:00:00 UTC; until then `opterius account restore {ID}` brings it back.\n"
        )),
        "{ran:?}"
    );
    let none = panel(None, &at("DELETE", "?keep_days=0"));
    let ran = none.opterius(&["account", "terminate", "alice", "--yes", "--keep-days", "0"]).await;
    assert!(ran.out.ends_with("\nNothing of it is kept: it cannot be restored.\n"), "{ran:?}");
    assert_eq!(none.asked().iter().find(|asked| asked.what.starts_with("DELETE")).expect("asked").headers["prefer"], "respond-async");
    let ran = panel(None, &at("DELETE", "")).opterius(&["account", "terminate", "alice", "--yes", "--json"]).await;
    assert_eq!(ran.json(), gone(None));
}

#[tokio::test]
async fn to_terminate_what_is_terminated_is_answered_the_same() {
    let gone = json!({"id": ID, "username": "alice", "domain": "example.com", "external_ref": null, "terminated_at": 1_795_469_666_000_000_i64,
                      "restorable_until": null, "status": "terminated"});
    let panel = FakePanel::start()
        .on(BY_USERNAME, Answer::Page(json!([]), None))
        .on(TERMINATED, Answer::Page(json!([terminated(ID, 2, None)]), None))
        .on(&at("DELETE", ""), Answer::Data(200, gone));
    let ran = panel.opterius(&["account", "terminate", "alice", "--yes"]).await;
    assert_eq!(
        ran.out, "The account alice was terminated at 2026-11-23 21:34:26 UTC.\nNothing of it is kept: it cannot be restored.\n",
        "{ran:?}"
    );
}

#[tokio::test]
async fn of_several_terminated_accounts_the_last_one_is_restored() {
    let old = terminated("0193a5e0-7c1e-7000-8000-0000000000ff", 1, Some(LATER));
    let panel = takes_on(&at("POST", "/restore"), "restore", &account())
        .on(TERMINATED, Answer::Page(json!([terminated(ID, 2, Some(LATER)), old]), None));
    let ran = panel.opterius(&["account", "restore", "alice", "--username", "alice2", "--domain", "Example.net"]).await;
    assert_eq!(panel.asked_for(&at("POST", "/restore")).body, json!({"username": "alice2", "domain": "example.net"}));
    assert!(ran.out.starts_with("Restoring the account alice for example.com\n"), "{ran:?}");
    assert!(ran.out.contains("The account alice is active after 300 ms.\n\n  Account      0193a5e0-"), "{ran:?}");

    let panel = FakePanel::start().on(
        &format!("POST /api/accounts/{ID}/restore"),
        Answer::Problem(
            410,
            json!({"code": "account_gone", "detail": "The account was kept until 2026.", "hint": "Order it again.", "request_id": "r"}),
        ),
    );
    let ran = panel.opterius(&["account", "restore", ID]).await;
    assert_eq!((ran.code, ran.err.as_str()), (1, "error: The account was kept until 2026.\n\nhint: Order it again.\n(request r)\n"));
}

#[tokio::test]
async fn a_name_that_only_a_terminated_account_had_says_so_and_how_it_comes_back() {
    for (until, hint) in [
        (Some(LATER), format!("until 2099-01-01 00:00:00 UTC `opterius account restore {ID}` brings it back")),
        (Some(3), "nothing of it is kept; `opterius account list` shows the accounts that are there".to_owned()),
    ] {
        let panel = FakePanel::start()
            .on(BY_USERNAME, Answer::Page(json!([]), None))
            .on(TERMINATED, Answer::Page(json!([terminated(ID, 1_795_469_666_000_000, until)]), None));
        let ran = panel.opterius(&["account", "suspend", "alice", "--reason", "spam"]).await;
        assert_eq!(
            (ran.code, ran.err),
            (1, format!("error: the account with the username alice was terminated at 2026-11-23 21:34:26 UTC\n\nhint: {hint}\n"))
        );
    }
}

#[tokio::test]
async fn an_order_waits_for_the_operation_before_it_and_is_sent_again() {
    let busy = json!({"code": "operation_running", "detail": "Another operation of the account is running.", "retryable": true,
                      "operation_id": "0193a5e0-7c1e-7000-8000-0000000000ee", "request_id": "req-1"});
    let mut earlier = operation("committed");
    earlier["id"] = json!("0193a5e0-7c1e-7000-8000-0000000000ee");
    let panel = FakePanel::start()
        .on(&at("POST", "/repair"), Answer::Problem(409, busy.clone()))
        .on(&at("POST", "/repair"), Answer::Data(200, account()))
        .on("GET /api/operations/0193a5e0-7c1e-7000-8000-0000000000ee", Answer::Data(200, earlier.clone()));
    let ran = panel.opterius(&["account", "repair", ID]).await;
    assert_eq!(
        ran.out,
        "The account is busy with the operation 0193a5e0-7c1e-7000-8000-0000000000ee; waiting for its end.\nThe account alice is active.\n",
        "{ran:?}"
    );

    // A Panel that names an operation as running that is over would keep us for ever.
    let panel = FakePanel::start()
        .on(&at("POST", "/repair"), Answer::Problem(409, busy))
        .on("GET /api/operations/0193a5e0-7c1e-7000-8000-0000000000ee", Answer::Data(200, earlier));
    let ran = panel.opterius(&["account", "repair", ID]).await;
    assert!(ran.code == 1 && ran.err.starts_with("error: Another operation of the account is running."), "{ran:?}");
}

#[tokio::test]
async fn a_change_that_was_undone_or_needs_a_person_fails_with_what_happened_and_what_to_do() {
    for (outcome, expected) in [
        (
            "rolled_back",
            "error: the account was not suspended: its operation is rolled back\n\nhint: see `opterius operation show 0193a5e0-7c1e-7000-8000-00000000000d`, or `journalctl -u opterius-agent REQUEST_ID=req-12345678`\n",
        ),
        (
            "needs_attention",
            "; `opterius operation retry 0193a5e0-7c1e-7000-8000-00000000000d` tries it again at once, and `opterius operation abandon 0193a5e0-7c1e-7000-8000-00000000000d` ends it as it stands\n",
        ),
    ] {
        let panel = FakePanel::start()
            .on(&at("POST", "/suspend"), Answer::Data(202, of_kind("suspend", "running")))
            .on(OPERATION, Answer::Data(200, of_kind("suspend", outcome)));
        let ran = panel.opterius(&["account", "suspend", ID, "--reason", "spam"]).await;
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains(expected), "{}", ran.err);
    }
}

#[tokio::test]
async fn an_account_shows_its_holds_overrides_drift_and_notice() {
    let mut shown = suspended();
    shown["overrides"] = json!({"disk_mib": 1024});
    shown["notice"] = json!("The account stays suspended: abuse (spam reports).");
    shown["drift"] = json!({"found_at": 1_795_469_666_000_000_i64, "mended": false, "changes": [{"resource": "home", "change": "set the mode to 0711"}],
                            "conflicts": [], "missing": [{"step": "dns zone", "detail": "PowerDNS does not answer", "hint": "Start it."}]});
    let ran = FakePanel::start().on(ACCOUNT, Answer::Data(200, shown.clone())).opterius(&["account", "show", ID]).await;
    for part in [
        "  Status       suspended\n  Held         abuse: spam reports (since 2026-11-23 21:34:26 UTC, by administrator)\n  Held         billing: not paid (",
        "disk         1024 MiB   its own, not enforced on this server\n",
        &format!(
            "\n\nIt is not as it should be, found at 2026-11-23 21:34:26 UTC; `opterius account repair {ID}` would mend it:\n\n\
             WHAT  CHANGE\nhome  set the mode to 0711\n  dns zone: PowerDNS does not answer\n    hint: Start it.\n\n\
             The account stays suspended: abuse (spam reports).\n"
        ),
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    shown["drift"]["mended"] = json!(true);
    let ran = FakePanel::start().on(ACCOUNT, Answer::Data(200, shown)).opterius(&["account", "show", ID]).await;
    assert!(ran.out.contains("the Agent has mended it:\n"), "{}", ran.out);
}

#[tokio::test]
async fn terminated_accounts_are_listed_with_their_dates() {
    let list = json!([
        terminated("a1", 1_795_469_666_000_000, Some(LATER)),
        terminated("a2", 1_795_469_666_000_000, Some(3)),
        terminated("a3", 1_795_469_666_000_000, None)
    ]);
    let panel = FakePanel::start().on("GET /api/accounts?status=terminated&limit=500", Answer::Page(list, None));
    assert_eq!(
        panel.opterius(&["account", "list", "--status", "terminated"]).await.out,
        "USERNAME  DOMAIN       PACKAGE  SERVER   TERMINATED               RESTORABLE UNTIL         ID\n\
         alice     example.com  Starter  server1  2026-11-23 21:34:26 UTC  2099-01-01 00:00:00 UTC  a1\n\
         alice     example.com  Starter  server1  2026-11-23 21:34:26 UTC  not any more             a2\n\
         alice     example.com  Starter  server1  2026-11-23 21:34:26 UTC  not any more             a3\n\n3 accounts\n"
    );
}

#[tokio::test]
async fn a_reference_that_is_ordered_again_tells_of_the_account_that_is_kept() {
    let panel = FakePanel::start()
        .on("POST /api/accounts", Answer::Data(202, operation("running")))
        .on(OPERATION, Answer::Data(200, operation("committed")))
        .on(ACCOUNT, Answer::Data(200, account()))
        .on("GET /api/accounts?external_ref=s12&status=terminated", Answer::Page(json!([terminated("a0", 1, Some(LATER))]), None));
    let create = ["account", "create", "--username", "alice", "--domain", "example.com", "--package", "Starter", "--ref", "s12"];
    let ran = panel.opterius(&create).await;
    assert!(
        ran.out.contains("The account that had its reference before is kept until 2099-01-01 00:00:00 UTC: its id is a0.\n"),
        "{}",
        ran.out
    );
}

#[tokio::test]
async fn what_an_account_uses_stands_beside_what_it_may() {
    let usage = json!({"measured_at": 1_795_469_666_000_000_i64, "disk_bytes": 536_870_912, "files": 1200, "traffic_bytes": 1_288_490_189, "processes": 3,
                       "limits": {"disk_mib": 1024, "files": 0, "bandwidth_gib": 10}});
    let panel = FakePanel::start()
        .on(BY_USERNAME, Answer::Page(json!([account()]), None))
        .on(&at("GET", "/usage"), Answer::Data(200, usage.clone()));
    assert_eq!(
        panel.opterius(&["account", "usage", "alice"]).await.out,
        "WHAT                        USED         OF\n\
         disk                   512.0 MiB   1024 MiB\n\
         files                       1200  unlimited\n\
         traffic of this month    1.2 GiB     10 GiB\n\
         processes                      3\n\n\
         Measured at 2026-11-23 21:34:26 UTC.\n"
    );
    assert_eq!(panel.opterius(&["account", "usage", "alice", "--json"]).await.json(), usage);
}

#[tokio::test]
async fn what_all_accounts_use_is_one_list_as_they_were_last_measured() {
    let line = |username: &str, disk: Value, traffic: Value, measured: Value| {
        json!({"account_id": "a", "username": username, "domain": format!("{username}.example"), "status": "active", "disk_bytes": disk,
               "traffic_bytes": traffic, "measured_at": measured, "limits": {"disk_mib": 1024, "bandwidth_gib": 0}})
    };
    let (alice, bob) = (
        line("alice", json!(536_870_912), json!(1_288_490_189), json!(1_795_469_666_000_000_i64)),
        line("bob", Value::Null, json!(0), Value::Null),
    );
    let panel = FakePanel::start()
        .on("GET /api/usage", Answer::Page(json!([alice]), Some("c1")))
        .on("GET /api/usage?cursor=c1", Answer::Page(json!([bob]), None));
    assert_eq!(
        panel.opterius(&["account", "usage"]).await.out,
        "USERNAME  DOMAIN                  DISK        OF  TRAFFIC OF THIS MONTH         OF  MEASURED\n\
         alice     alice.example      512.0 MiB  1024 MiB                1.2 GiB  unlimited  2026-11-23 21:34:26 UTC\n\
         bob       bob.example    not known yet  1024 MiB                0 bytes  unlimited  not known yet\n\n\
         2 accounts\n"
    );
}

#[tokio::test]
async fn a_part_of_what_an_account_uses_is_called_at_least() {
    let usage = json!({"measured_at": 1, "disk_bytes": 536_870_912, "files": 1200, "disk_at_least": true, "traffic_bytes": 0, "processes": 3,
                       "limits": {"disk_mib": 1024, "files": 0}});
    let one = json!({"account_id": "a", "username": "alice", "domain": "alice.example", "status": "active", "disk_bytes": 536_870_912, "disk_at_least": true,
               "traffic_bytes": 0, "measured_at": 1, "limits": {"disk_mib": 1024}});
    let panel = FakePanel::start()
        .on(BY_USERNAME, Answer::Page(json!([account()]), None))
        .on(&at("GET", "/usage"), Answer::Data(200, usage))
        .on("GET /api/usage", Answer::Page(json!([one]), None));
    let out = panel.opterius(&["account", "usage", "alice"]).await.out;
    assert!(out.contains("at least 512.0 MiB") && out.contains("at least 1200"), "{out}");
    assert!(out.contains("not all of its home could be counted"), "{out}");
    let out = panel.opterius(&["account", "usage"]).await.out;
    assert!(out.contains("at least 512.0 MiB"), "{out}");
}

#[tokio::test]
async fn the_php_of_an_account_is_chosen_and_what_is_no_choice_is_not_sent() {
    let mut newest = account();
    newest["php_version"] = json!("newest");
    for (choice, after, said) in
        [("newest", newest, "It runs the newest PHP that its server has.\n"), ("8.2", account(), "It runs PHP 8.2.\n")]
    {
        let panel = takes_on(&at("PUT", "/php"), "php_version", &after);
        let ran = panel.opterius(&["account", "php", "alice", choice]).await;
        assert_eq!(panel.asked_for(&at("PUT", "/php")).body, json!({"php_version": choice}));
        assert!(ran.out.starts_with("Changing the PHP of the account alice for example.com\n") && ran.out.ends_with(said), "{ran:?}");
    }
    let panel = FakePanel::start();
    let ran = panel.opterius(&["account", "php", "alice", "latest"]).await;
    assert!(ran.code != 0 && ran.err.contains("`latest` is not a choice of PHP") && panel.asked().is_empty(), "{ran:?}");

    let problem = json!({"code": "invalid_request", "detail": "PHP 7.4 is not installed on the server `server1`: use `newest`, or one of 8.4.",
        "errors": [{"field": "php_version", "code": "not_installed", "detail": "PHP 7.4 is not installed on the server `server1`: use `newest`, or one of 8.4"}]});
    let panel = FakePanel::start().on(ACCOUNT, Answer::Data(200, account())).on(&at("PUT", "/php"), Answer::Problem(422, problem));
    let ran = panel.opterius(&["account", "php", ID, "7.4"]).await;
    assert!(ran.code == 1 && ran.err.contains("php_version") && ran.err.contains("one of 8.4"), "{ran:?}");
}
