//! What the PHP of accounts does, in the API and on the pages.

use http::Method;
use opterius_protocol::Micros;
use opterius_protocol::phpd::{PoolFailure, PoolState};
use serde_json::{Value, json};

use crate::support::{Browser, Lab, order};

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
    assert_eq!(php(&lab).await, json!({ "name": "main", "php_version": "8.2", "state": "asleep", "last_failure": null }));
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
