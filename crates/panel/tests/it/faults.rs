//! A Panel that ends at the worst moment, and the next one on the same database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fail::FailScenario;
use http::Method;
use opterius_protocol::agent::Outcome;
use serde_json::Value;

use crate::support::{Behaviour, Lab, order, until};

/// Orders `alice`, ends the Panel when it has come to `point`, checks with `between`, and starts another. Returns the operation's path.
async fn stopped_at(lab: &mut Lab, point: &str, between: impl AsyncFnOnce(&Lab)) -> String {
    let scenario = FailScenario::setup();
    let reached = Arc::new(AtomicBool::new(false));
    let seen = reached.clone();
    fail::cfg_callback(format!("{point} reached"), move || seen.store(true, Ordering::SeqCst)).unwrap();
    fail::cfg(point, "return").unwrap();
    let reply = lab.call(Method::POST, "/api/accounts").header("prefer", "respond-async").json(&order("alice")).send().await;
    // A Panel that stops behind the record has its outcome already.
    assert!(matches!(reply.status, 202 | 201), "{}", reply.text);
    until("the Panel is there", async || reached.load(Ordering::SeqCst)).await;
    let operation = lab.get("/api/operations?external_ref=ref-alice").await.data(200);
    assert_eq!(operation.as_array().unwrap().len(), 1);
    let path = format!("/api/operations/{}", operation[0]["id"].as_str().unwrap());
    between(lab).await;
    lab.crash().await;
    scenario.teardown();
    lab.start().await;
    path
}

async fn outcome(lab: &Lab, path: &str) -> Value {
    until("it has an outcome", async || lab.get(path).await.data(200)["outcome"] != "running").await;
    lab.get(path).await.data(200)["outcome"].clone()
}

async fn one_account(lab: &Lab, path: &str) {
    assert_eq!(outcome(lab, path).await, "committed");
    assert_eq!(lab.agent.begun("alice"), 1);
    let account = lab.create(&order("alice")).await.data(200);
    assert_eq!(account["status"], "active");
    assert_eq!(account["id"], lab.agent.account("alice").unwrap().account_id.to_string());
    let id = account["operation"]["id"].as_str().unwrap().to_owned();
    until("it is acknowledged", async || lab.agent.acknowledged(&id)).await;
    until("it is put down", async || lab.count("SELECT COUNT(*) FROM operation WHERE acknowledged = 0").await == 0).await;
}

#[tokio::test]
async fn names_reserved_and_nothing_sent() {
    let mut lab = Lab::new().await;
    let path = stopped_at(&mut lab, "reserved", async |lab| {
        assert_eq!(lab.agent.arrived("alice").len(), 0);
        assert_eq!(lab.get("/api/accounts").await.data(200)[0]["status"], "provisioning");
    })
    .await;
    one_account(&lab, &path).await;
}

#[tokio::test]
async fn sent_and_the_reply_not_looked_at() {
    let mut lab = Lab::new().await;
    let path = stopped_at(&mut lab, "sent", async |lab| {
        assert_eq!(lab.agent.begun("alice"), 1);
        assert_eq!(lab.get("/api/accounts").await.data(200)[0]["status"], "provisioning");
    })
    .await;
    one_account(&lab, &path).await;
}

#[tokio::test]
async fn sent_and_the_request_lost() {
    let mut lab = Lab::new().await;
    lab.agent.script("alice", Behaviour::LoseRequest);
    let path = stopped_at(&mut lab, "sent", async |lab| assert_eq!(lab.agent.begun("alice"), 0)).await;
    one_account(&lab, &path).await;
}

#[tokio::test]
async fn the_outcome_known_and_not_recorded() {
    let mut lab = Lab::new().await;
    let path = stopped_at(&mut lab, "decided", async |lab| {
        assert!(lab.agent.account("alice").is_some());
        assert_eq!(lab.count("SELECT COUNT(*) FROM operation WHERE outcome = 'running'").await, 1);
    })
    .await;
    one_account(&lab, &path).await;
}

#[tokio::test]
async fn an_undone_create_known_and_not_recorded() {
    let mut lab = Lab::new().await;
    lab.agent.script("alice", Behaviour::Fail("site", opterius_protocol::agent::FailureKind::Failed, "no space left"));
    let path = stopped_at(&mut lab, "decided", async |lab| {
        assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 2, "nothing is freed before the outcome is recorded");
    })
    .await;
    assert_eq!(outcome(&lab, &path).await, "rolled_back");
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 0);
    lab.create(&order("alice")).await.data(201);
}

#[tokio::test]
async fn recorded_and_not_acknowledged() {
    let mut lab = Lab::new().await;
    let path = stopped_at(&mut lab, "recorded", async |lab| {
        assert_eq!(lab.count("SELECT COUNT(*) FROM operation WHERE outcome = 'committed' AND acknowledged = 0").await, 1);
    })
    .await;
    one_account(&lab, &path).await;
}

#[tokio::test]
async fn a_panel_that_starts_before_its_server_waits_for_it() {
    let mut lab = Lab::new().await;
    let path = stopped_at(&mut lab, "reserved", async |lab| lab.agent.stop().await).await;
    until("the Panel has asked", async || lab.get("/api/self").await.data(200)["servers"][0]["reachable"] == false).await;
    assert_eq!(lab.get(&path).await.data(200)["outcome"], "running", "a request may have reached the server before the crash");
    lab.agent.script("alice", Behaviour::Refuse(opterius_protocol::WireCode::Unavailable, "recovery is not over"));
    lab.agent.listen();
    one_account(&lab, &path).await;
}

#[tokio::test]
async fn an_account_that_needs_attention_is_followed_by_the_next_panel() {
    let mut lab = Lab::new().await;
    lab.agent.script("alice", Behaviour::Attention);
    let problem = lab.create(&order("alice")).await.problem(500, "needs_attention");
    lab.crash().await;
    lab.start().await;
    lab.agent.decide("alice", Outcome::RolledBack);
    let path = format!("/api/operations/{}", problem["operation_id"].as_str().unwrap());
    until("it has an outcome", async || lab.get(&path).await.data(200)["outcome"] == "rolled_back").await;
    lab.create(&order("alice")).await.data(201);
}

#[tokio::test]
async fn a_password_is_changed_by_the_next_panel() {
    let mut lab = Lab::new().await;
    lab.create(&order("alice")).await.data(201);
    lab.agent.script("alice", Behaviour::Hold);
    let mut other = order("alice");
    other["password"] = "battery staple".into();
    let reply = lab.call(Method::POST, "/api/accounts").header("prefer", "respond-async").json(&other).send().await;
    let id = reply.data(202)["id"].as_str().unwrap().to_owned();
    until("the operation runs", async || lab.agent.begun("alice") == 2).await;
    lab.crash().await;
    lab.start().await;
    lab.agent.decide("alice", Outcome::Committed);
    assert_eq!(outcome(&lab, &format!("/api/operations/{id}")).await, "committed");
    let again = lab.create(&other).await.data(200);
    assert_eq!(again["operation"]["id"].as_str(), Some(id.as_str()));
}

#[tokio::test]
async fn a_panel_that_breaks_while_it_carries_an_operation_goes_on_with_it() {
    let lab = Lab::new().await;
    let scenario = FailScenario::setup();
    fail::cfg("decided", "1*panic->off").unwrap();
    lab.create(&order("alice")).await.data(201);
    scenario.teardown();
    assert_eq!(lab.agent.begun("alice"), 1);
}
