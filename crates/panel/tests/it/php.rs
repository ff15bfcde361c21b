//! What the PHP of accounts does, in the API and on the pages.

use http::Method;
use opterius_protocol::Micros;
use opterius_protocol::phpd::{PoolFailure, PoolState};
use serde_json::{Value, json};

use crate::support::{Browser, Lab, order, until};
use crate::ui_accounts::hidden;

const HOSTILE: &str = "exit code 255; the last line it wrote is `<script>alert(1)</script>\"><img src=x onerror=alert(1)>\u{1b}[31m`";

async fn lab() -> (Lab, String) {
    let lab = Lab::new().await;
    let account = lab.create(&order("alice")).await.data(201);
    (lab, account["id"].as_str().unwrap().to_owned())
}

async fn php(lab: &Lab) -> Value {
    lab.get("/api/accounts/ref:ref-alice/php").await.data(200)["pools"][0].clone()
}

fn failure() -> PoolFailure {
    let now = Micros::now().0;
    PoolFailure { at: Micros(now - 90_000_000), count: 7, retry_at: Micros(now + 300_000_000), detail: HOSTILE.to_owned() }
}

#[tokio::test]
async fn every_state_is_told_and_what_a_tenant_wrote_is_one_line() {
    let (lab, id) = lab().await;
    assert_eq!(php(&lab).await, json!({ "name": "main", "php_version": "newest", "runs": "8.4", "state": "asleep", "last_failure": null }));
    for (state, word) in [(PoolState::Running, "running"), (PoolState::Stopping, "ending"), (PoolState::BackingOff, "crash_loop")] {
        lab.agent.php_is("alice", state, None);
        assert_eq!(php(&lab).await["state"], word);
    }
    lab.agent.php_is("alice", PoolState::BackingOff, Some(failure()));
    let told = php(&lab).await["last_failure"].clone();
    assert_eq!(told["count"], 7);
    assert!(told["retry_at"].as_i64() > told["at"].as_i64());
    assert_eq!(told["detail"], HOSTILE.replace('\u{1b}', "\u{fffd}"));
    lab.post(&format!("/api/accounts/{id}/suspend"), &json!({ "reason": "spam" })).await.data(200);
    assert_eq!(php(&lab).await["state"], "closed");
    lab.delete(&format!("/api/accounts/{id}")).await.data(200);
    lab.get(&format!("/api/accounts/{id}/php")).await.problem(410, "account_gone");
    lab.get("/api/accounts/ref:nobody/php").await.problem(404, "not_found");
}

#[tokio::test]
async fn a_server_that_cannot_say_is_named() {
    let (lab, id) = lab().await;
    let token = lab.token(&json!({ "name": "other", "scopes": ["accounts.read"], "ref_prefix": "x:" })).await;
    lab.call(Method::GET, &format!("/api/accounts/{id}/php")).token(&token).send().await.problem(404, "not_found");
    lab.agent.knows_no_php();
    let problem = lab.get(&format!("/api/accounts/{id}/php")).await.problem(503, "server_unreachable");
    assert!(problem["detail"].as_str().unwrap().contains("earlier version"), "{problem}");
    lab.agent.stop().await;
    lab.get(&format!("/api/accounts/{id}/php")).await.problem(503, "server_unreachable");
}

#[tokio::test]
async fn the_page_of_an_account_fetches_it_and_waits_for_no_server() {
    let (lab, id) = lab().await;
    let reader = Browser::of_person(&lab, "read_only").await;
    let path = format!("/accounts/{id}/php");
    lab.agent.php_is("alice", PoolState::BackingOff, Some(failure()));
    let page = reader.get(&lab, &path).await;
    for text in ["crash loop", "7 times in a row", "in 5 minutes", "&#60;script&#62;", "id=\"php\""] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    assert!(page.status == 200 && !page.text.contains("<script>") && !page.text.contains("<img src=x"), "{}", page.text);
    lab.agent.stop().await;
    let page = reader.get(&lab, &format!("/accounts/{id}")).await;
    assert!(page.status == 200 && page.text.contains(&format!("hx-get=\"{path}\"")) && page.text.contains(&format!("href=\"{path}\"")));
    let page = reader.get(&lab, &path).await;
    assert!(page.status == 200 && page.text.contains("It is not known now."), "{}", page.text);
    assert_eq!(reader.get(&lab, "/accounts/x/php").await.status, 404);
}

/// Has the Panel know these PHPs of the server; nothing for a server of an earlier version.
async fn has(lab: &Lab, versions: Option<&[&str]>) {
    lab.agent.has_phps(versions);
    until("the Panel has asked since", async || lab.get("/api/servers/default").await.data(200)["php_versions"] == json!(versions)).await;
}

#[tokio::test]
async fn an_order_may_name_a_php_that_its_server_has() {
    let lab = Lab::new().await;
    has(&lab, Some(&["8.4", "8.2"])).await;
    let mut wanted = order("alice");
    for bad in ["7.4", "8.3"] {
        wanted["php_version"] = json!(bad);
        let problem = lab.create(&wanted).await.problem(422, "invalid_request");
        let error = &problem["errors"][0];
        assert_eq!((&error["field"], &error["code"]), (&json!("php_version"), &json!("not_installed")));
        assert!(error["detail"].as_str().unwrap().contains("use `newest`, or one of 8.4, 8.2"), "{problem}");
    }
    assert_eq!(lab.agent.begun("alice"), 0);
    wanted["php_version"] = json!("latest");
    assert_eq!(lab.create(&wanted).await.problem(422, "invalid_request")["errors"][0]["code"], "invalid");
    wanted["php_version"] = json!("8.2");
    assert_eq!(lab.create(&wanted).await.data(201)["php_version"], "8.2");
    assert_eq!(php(&lab).await["runs"], "8.2");
    // The same order, whatever it says of PHP: that is changed by a call of its own.
    wanted["php_version"] = json!("newest");
    assert_eq!(lab.create(&wanted).await.data(200)["php_version"], "8.2");
}

#[tokio::test]
async fn a_server_of_an_earlier_version_is_sent_nothing_that_it_cannot_read() {
    let lab = Lab::new().await;
    has(&lab, None).await;
    until("the Panel has asked", async || lab.get("/api/servers/default").await.data(200)["reachable"] == true).await;
    let account = lab.create(&order("alice")).await.data(201);
    assert_eq!((&account["php_version"], lab.agent.account("alice").unwrap().pools[0].php_version.as_str()), (&json!("8.2"), "8.2"));
    let path = format!("/api/accounts/{}/php", account["id"].as_str().unwrap());
    let problem = lab.put(&path, &json!({ "php_version": "newest" })).await.problem(422, "invalid_request");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("earlier version"), "{problem}");
    assert_eq!(lab.agent.arrived("alice").len(), 1);
    // Once it is upgraded, nothing of the account has changed, and it may have what it likes.
    has(&lab, Some(&["8.4", "8.2"])).await;
    assert_eq!(lab.put(&path, &json!({ "php_version": "newest" })).await.data(200)["php_version"], "newest");
}

#[tokio::test]
async fn the_php_of_an_account_is_changed_by_an_operation() {
    let (lab, id) = lab().await;
    has(&lab, Some(&["8.4", "8.2"])).await;
    let path = format!("/api/accounts/{id}/php");
    let plan = lab.put(&format!("{path}?plan=true"), &json!({ "php_version": "8.2" })).await;
    assert!(plan.status == 200 && lab.agent.arrived("alice").len() == 1, "{}", plan.text);
    let account = lab.put(&path, &json!({ "php_version": "8.2" })).await.data(200);
    assert_eq!((&account["php_version"], &account["operation"]["kind"]), (&json!("8.2"), &json!("php_version")));
    assert_eq!(account["php_runs"], "8.2");
    assert_eq!(lab.agent.account("alice").unwrap().pools[0].php_version.as_str(), "8.2");
    let generation = account["generation"].clone();
    assert_eq!(lab.put(&path, &json!({ "php_version": "8.2" })).await.data(200)["generation"], generation, "it is so already");
    let problem = lab.put(&path, &json!({ "php_version": "7.4" })).await.problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["field"], "php_version");
    for bad in [json!({}), json!({ "php_version": null }), json!({ "php_version": 8.2 }), json!({ "php_version": "8.2", "x": 1 })] {
        lab.put(&path, &bad).await.problem(422, "invalid_request");
    }
    let rows = lab.get(&format!("/api/activity?account={id}")).await.data(200);
    let told: Vec<&str> = rows.as_array().unwrap().iter().filter_map(|row| row["action"].as_str()).collect();
    assert!(told.contains(&"account.php_version") && told.contains(&"account.php_version.outcome"), "{told:?}");

    // Its version goes: the account stays as it is, whatever else is done to it.
    has(&lab, Some(&["8.4"])).await;
    assert_eq!(
        lab.put(&format!("/api/accounts/{id}/password"), &json!({ "password": "battery staple" })).await.data(200)["php_version"],
        "8.2"
    );
    assert_eq!((&php(&lab).await["php_version"], &php(&lab).await["runs"]), (&json!("8.2"), &json!("8.4")));
    assert_eq!(lab.get(&format!("/api/accounts/{id}")).await.data(200)["php_runs"], "8.4");
    lab.delete(&format!("/api/accounts/{id}")).await.data(200);
    lab.put(&path, &json!({ "php_version": "newest" })).await.problem(410, "account_gone");
}

#[tokio::test]
async fn staff_see_the_php_and_change_it_on_the_page_of_the_account() {
    let (lab, id) = lab().await;
    has(&lab, Some(&["8.4", "8.2"])).await;
    let (admin, reader) = (Browser::of_person(&lab, "administrator").await, Browser::of_person(&lab, "read_only").await);
    let path = format!("/accounts/{id}");
    assert!(admin.get(&lab, "/servers").await.text.contains("8.4, 8.2"));
    let page = admin.get(&lab, &path).await;
    for text in ["<option value=\"newest\" selected>the newest</option>", "<option value=\"8.2\">8.2</option>"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    assert!(!reader.get(&lab, &path).await.text.contains("php_version"));
    let form = format!("{path}/php");
    let version = hidden(&page, "version");
    assert_eq!(reader.send(&lab, &form, &[("version", &version), ("php_version", "8.2")]).await.status, 403);
    let refused = admin.send(&lab, &form, &[("version", &version), ("php_version", "7.4")]).await;
    assert!(refused.status == 422 && refused.text.contains("PHP 7.4 is not installed"), "{}", refused.text);
    assert_eq!(admin.send(&lab, &form, &[("version", &version), ("php_version", "8.2")]).await.status, 303);
    assert_eq!(lab.agent.account("alice").unwrap().pools[0].php_version.as_str(), "8.2");
    has(&lab, Some(&["8.4"])).await;
    let page = admin.get(&lab, &path).await;
    assert!(page.text.contains("<option value=\"8.2\" selected>8.2</option>"), "what it has stays to be seen");
    let page = admin.get(&lab, &form).await;
    assert!(page.text.contains("PHP 8.4") && page.text.contains("not installed on the server"), "{}", page.text);
}
