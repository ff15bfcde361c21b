//! Every page, with markup in every text that somebody outside may have given.

use http::Method;
use opterius_panel::Panel;
use opterius_protocol::Micros;
use opterius_protocol::agent::FailureKind;
use opterius_protocol::phpd::{PoolFailure, PoolState};
use serde_json::json;

use crate::support::{Behaviour, Browser, Lab, Reply, order, until};

/// Leaves attributes, opens elements, and closes a script.
const HOSTILE: &str = "\"'></script><script>alert(1)</script><img src=x>";

/// Where an address is expected.
const ADDRESS: &str = "javascript:alert(1)";

#[track_caller]
fn assert_harmless(at: &str, page: &Reply) {
    assert!(page.status < 500 || page.status == 503, "{at}: {} {}", page.status, page.text);
    if !page.header("content-type").starts_with("text/html") {
        return;
    }
    let text = page.text.to_ascii_lowercase();
    for bad in [
        "<script>",
        "<img src=x",
        "href=\"javascript:",
        "src=\"javascript:",
        "action=\"javascript:",
        " style=",
        " onclick=",
        "alert(1)</script",
    ] {
        assert!(!text.contains(bad), "{at}: {bad}: {}", page.text);
    }
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{at}: {policy}");
}

/// A Panel whose every table and whose server say nothing but [`HOSTILE`] wherever they may.
async fn lab() -> (Lab, Browser, [(&'static str, String); 6]) {
    let lab = Lab::new().await;
    let host = Browser::of_person(&lab, "administrator").await;
    Browser::of_person(&lab, "support").await;
    let token = lab.token(&json!({ "name": HOSTILE, "purpose": "whmcs" })).await;
    let package = lab.post("/api/packages", &json!({ "name": HOSTILE })).await.data(201)["id"].as_str().unwrap().to_owned();
    let mut ordered = order("alice");
    ordered["package"] = json!(HOSTILE);
    let account = lab.call(Method::POST, "/api/accounts").token(&token).json(&ordered).send().await.data(201);
    let account = account["id"].as_str().unwrap().to_owned();
    lab.post(&format!("/api/accounts/{account}/suspend"), &json!({ "reason": HOSTILE, "hold": "abuse" })).await.data(200);
    lab.post(&format!("/api/packages/{package}/retire"), &json!({})).await.data(200);
    lab.agent.script("dora", Behaviour::Fail("home", FailureKind::Failed, HOSTILE));
    let failed = lab.create(&order("dora")).await.problem(502, "provisioning_failed");
    lab.agent.damage("alice", HOSTILE);
    let failure = PoolFailure { at: Micros(1), count: 3, retry_at: Micros::now(), detail: HOSTILE.to_owned() };
    lab.agent.php_is("alice", PoolState::BackingOff, Some(failure));
    lab.agent.is_of_version(HOSTILE);
    until("the Agent was asked", async || host.get(&lab, "/servers").await.text.contains("img src")).await;
    until("drift is heard of", async || host.get(&lab, &format!("/accounts/{account}")).await.text.contains("id=\"drift\"")).await;
    let tokens = lab.get("/api/tokens").await.data(200);
    let pool = lab.sql().await;
    // What checks would refuse today, and an earlier or a later version may not have refused.
    for (sql, text) in [
        ("UPDATE activity SET actor = $1, action = $1, detail = $1", HOSTILE),
        ("UPDATE activity SET request_id = $1 WHERE id % 2 = 0", HOSTILE),
        ("UPDATE account SET email = $1, client_ref = $1", HOSTILE),
        ("UPDATE account_hold SET actor = $1", HOSTILE),
        ("UPDATE operation SET actor = $1", HOSTILE),
        ("UPDATE server SET name = $1", HOSTILE),
        ("UPDATE session SET browser = $1", HOSTILE),
        ("INSERT INTO token_caller (token_id, url, directory, since, allowed) SELECT id, $1, $1, 1, 0 FROM token", ADDRESS),
    ] {
        sqlx::query(sql).bind(text).execute(&pool).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    pool.close().await;
    let ids = [
        ("/account", account),
        ("/operations", failed["operation_id"].as_str().unwrap().to_owned()),
        ("/packages", package),
        ("/people", "thesupport".to_owned()),
        ("/servers", "default".to_owned()),
        ("/tokens", tokens[0]["id"].as_str().unwrap().to_owned()),
    ];
    (lab, host, ids)
}

fn target(path: &str, ids: &[(&str, String)]) -> String {
    let id = ids.iter().find(|(prefix, _)| path.starts_with(prefix)).map_or("2", |(_, id)| id.as_str());
    path.replace("{id}", id).replace("{code}", "%22%3E%3Cscript%3E").replace("{version}/{name}", "x/%22%3E%3Cscript%3E")
}

#[tokio::test]
async fn no_page_takes_a_text_for_markup() {
    let (lab, host, ids) = lab().await;
    let mut shown = Vec::new();
    for (method, path, _) in Panel::pages() {
        if method == Method::GET {
            let target = target(path, &ids);
            for query in [
                "",
                "?q=%22%3E%3Cscript%3Ealert(1)&action=%22%3E%3Cscript%3E&account=%22%3E%3Cscript%3E&actor=%3Cscript%3E&like=%3Cscript%3E&format=%3Cscript%3E",
            ] {
                let page = host.get(&lab, &format!("{target}{query}")).await;
                assert_harmless(&target, &page);
                if page.status == 200 && page.text.contains("&#60;script&#62;") {
                    shown.push(path);
                }
            }
        }
    }
    for path in [
        "/",
        "/accounts",
        "/accounts/{id}",
        "/accounts/{id}/php",
        "/account/{id}",
        "/activity",
        "/activity/{id}",
        "/operations",
        "/operations/{id}",
        "/packages",
        "/packages/{id}",
        "/profile",
        "/servers",
        "/tokens",
    ] {
        assert!(shown.contains(&path), "{path} shows nothing that was given: {shown:?}");
    }
}

#[tokio::test]
async fn no_form_gives_back_as_markup_what_was_typed() {
    let (lab, host, ids) = lab().await;
    let fields = [
        "name",
        "username",
        "domain",
        "email",
        "password",
        "package_id",
        "server",
        "external_ref",
        "reason",
        "hold",
        "keep_days",
        "confirm",
        "names",
        "hostname",
        "ipv4",
        "ipv6",
        "nameservers",
        "max_accounts",
        "scope",
        "purpose",
        "expires",
        "addresses",
        "url",
        "directory",
        "role",
        "code",
        "version",
        "disk_mib",
        "files",
        "php_workers",
        "terminated_kept_days",
        "language",
        "force",
        "do",
        "client_ref",
        "next_due_on",
    ];
    let form: Vec<(&str, &str)> = fields.iter().map(|field| (*field, HOSTILE)).collect();
    let mut walked = 0;
    // Signing out is the end of the walk.
    for (method, path, _) in Panel::pages().into_iter().filter(|(_, path, _)| *path != "/sign-out") {
        if method == Method::POST {
            let target = target(path, &ids);
            assert_harmless(&target, &host.send(&lab, &target, &form).await);
            walked += 1;
        }
    }
    assert!(walked >= 30, "{walked}");
    assert_eq!(host.get(&lab, "/accounts").await.status, 200, "still signed in");
}

/// What a terminal obeys, what turns the direction of a text, and what makes it long.
const CONTROL: &str = "\u{1b}]0;owned\u{7}\u{1b}[31m\u{9b}1m\u{202e}gpj\u{200b}\nline";

#[track_caller]
fn assert_clean(at: &str, value: &serde_json::Value) {
    match value {
        serde_json::Value::String(text) => {
            let bad = text.chars().find(|c| c.is_control() || matches!(c, '\u{202e}' | '\u{200b}'));
            assert!(bad.is_none() && text.len() < 20_000, "{at}: {bad:?} in {text:?}");
        }
        serde_json::Value::Array(all) => all.iter().for_each(|one| assert_clean(at, one)),
        serde_json::Value::Object(fields) => fields.iter().for_each(|(name, one)| assert_clean(&format!("{at}.{name}"), one)),
        _ => {}
    }
}

#[tokio::test]
async fn what_a_compromised_server_says_is_clean_wherever_it_is_kept_or_shown() {
    let lab = Lab::new().await;
    let host = Browser::of_person(&lab, "administrator").await;
    let account = lab.create(&order("alice")).await.data(201)["id"].as_str().unwrap().to_owned();
    let long: &'static str = Box::leak(format!("{CONTROL}{}", "x".repeat(100_000)).into_boxed_str());
    lab.agent.script("dora", Behaviour::Fail(CONTROL, FailureKind::Failed, long));
    let failed = lab.create(&order("dora")).await.problem(502, "provisioning_failed");
    assert_clean("problem", &failed);
    lab.agent.script("eve", Behaviour::Refuse(opterius_protocol::WireCode::Internal, long));
    assert_clean("refused", &lab.create(&order("eve")).await.json());
    lab.agent.script("fay", Behaviour::Attention);
    lab.create(&order("fay")).await.problem(500, "needs_attention");
    lab.agent.damage("alice", long);
    let failure = PoolFailure { at: Micros(1), count: 3, retry_at: Micros::now(), detail: long.to_owned() };
    lab.agent.php_is("alice", PoolState::BackingOff, Some(failure));
    lab.agent.is_of_version(CONTROL);
    let path = format!("/api/accounts/{account}");
    until("drift is heard of", async || !lab.get(&path).await.data(200)["drift"].is_null()).await;
    until("the drift is remembered", async || lab.get("/api/activity?action=account.drift").await.json()["page"]["total"] == 1).await;
    for at in [
        path.as_str(),
        &format!("{path}/php"),
        "/api/activity",
        "/api/operations",
        &format!("/api/operations/{}", failed["operation_id"].as_str().unwrap()),
        "/api/servers",
        "/api/accounts",
    ] {
        assert_clean(at, &lab.get(at).await.json());
    }
    let planned = lab.post(&format!("{path}/repair?plan=true"), &json!({})).await;
    assert_clean("plan", &planned.json());
    for export in ["csv", "jsonl"] {
        let text = host.get(&lab, &format!("/activity/export?format={export}")).await.text;
        let bad = text.chars().find(|c| (c.is_control() && !matches!(c, '\r' | '\n')) || *c == '\u{202e}');
        assert!(bad.is_none() && !text.contains("\nline"), "{export}: {bad:?}");
    }
    assert_eq!(lab.count("SELECT COUNT(*) FROM activity WHERE detail LIKE '%' || char(27) || '%'").await, 0);
    assert_eq!(lab.count("SELECT COUNT(*) FROM operation WHERE coalesce(steps, '') || coalesce(error, '') LIKE '%u001b%'").await, 0);
}

#[tokio::test]
async fn rows_from_before_texts_were_cleaned_are_exported_without_what_a_terminal_obeys() {
    let lab = Lab::new().await;
    let host = Browser::of_person(&lab, "administrator").await;
    let pool = lab.sql().await;
    sqlx::query("UPDATE activity SET detail = $1").bind(CONTROL).execute(&pool).await.unwrap();
    pool.close().await;
    let csv = host.get(&lab, "/activity/export?format=csv").await.text;
    assert!(csv.contains("owned"), "{csv}");
    let bad = csv.chars().find(|c| (c.is_control() && !matches!(c, '\r' | '\n')) || *c == '\u{202e}');
    assert!(bad.is_none(), "{bad:?}");
    for line in host.get(&lab, "/activity/export?format=jsonl").await.text.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(row["detail"].as_str().unwrap().contains("owned"));
        assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
    }
}

#[tokio::test]
async fn of_very_many_steps_the_last_ones_are_kept_and_what_was_left_out_is_said() {
    let lab = Lab::new().await;
    lab.agent.tells_of_steps(5000);
    lab.agent.script("dora", Behaviour::Fail("php pool", FailureKind::Failed, "no room"));
    let failed = lab.create(&order("dora")).await.problem(502, "provisioning_failed");
    let operation = lab.get(&format!("/api/operations/{}", failed["operation_id"].as_str().unwrap())).await.data(200);
    let steps = operation["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 200);
    assert!(steps[0]["detail"].as_str().unwrap().contains("earlier steps are left out"), "{}", steps[0]);
    assert_eq!(steps[199]["name"], "php pool");
}
