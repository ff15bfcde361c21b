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

/// What an earlier Panel sent may still be on its way, whatever this one is told.
#[tokio::test]
async fn sent_and_lost_and_refused_to_the_next_panel() {
    let mut lab = Lab::new().await;
    lab.agent.script("alice", Behaviour::LoseRequest);
    lab.agent.script("alice", Behaviour::Refuse(opterius_protocol::WireCode::Conflict, "the server would not"));
    let path = stopped_at(&mut lab, "sent", async |_| ()).await;
    assert_eq!(outcome(&lab, &path).await, "rolled_back");
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 0);
    assert_eq!(lab.agent.lost_requests_arrive().await, [410]);
    assert_eq!((lab.agent.begun("alice"), lab.agent.accounts()), (0, 0));
}

#[tokio::test]
async fn promised_that_it_never_begins_and_not_recorded() {
    let mut lab = Lab::new().await;
    lab.agent.script("alice", Behaviour::LoseRequest);
    lab.agent.script("alice", Behaviour::Refuse(opterius_protocol::WireCode::Invalid, "the server would not"));
    let path = stopped_at(&mut lab, "decided", async |lab| {
        assert_eq!(lab.agent.asked_for_promises(), 1);
        assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 2, "nothing is freed before the outcome is recorded");
    })
    .await;
    assert_eq!(outcome(&lab, &path).await, "rolled_back");
    let id = path.rsplit('/').next().unwrap().to_owned();
    until("the server may forget the promise", async || lab.agent.acknowledged(&id)).await;
    assert_eq!(lab.agent.lost_requests_arrive().await, [410]);
    lab.create(&order("alice")).await.data(201);
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

/// One change of `alice`, and what is so once it is made.
struct Change {
    method: Method,
    verb: &'static str,
    body: Value,
    kind: &'static str,
    status: &'static str,
    holds: i64,
    overrides: i64,
    names: i64,
}

/// The whole life of an account, one change after the other.
fn life() -> Vec<Change> {
    let change =
        |method, verb, body, kind, status, holds, overrides, names| Change { method, verb, body, kind, status, holds, overrides, names };
    let none = || serde_json::json!({});
    let limits = serde_json::json!({ "package": "Starter", "limits": { "databases": 7 } });
    vec![
        change(Method::PUT, "/password", serde_json::json!({ "password": "battery staple" }), "password", "active", 0, 0, 2),
        change(Method::POST, "/suspend", serde_json::json!({ "reason": "spam" }), "suspend", "suspended", 1, 0, 2),
        change(Method::PUT, "/package", limits, "package", "suspended", 1, 1, 2),
        change(Method::DELETE, "", none(), "terminate", "terminated", 1, 1, 0),
        change(Method::POST, "/restore", none(), "restore", "suspended", 1, 1, 2),
        change(Method::POST, "/unsuspend", none(), "unsuspend", "active", 0, 1, 2),
        change(Method::POST, "/repair", none(), "repair", "active", 0, 1, 2),
    ]
}

/// Lives the whole life of an account, and ends the Panel at `point` in each of its changes.
async fn every_kind_stopped_at(point: &'static str) {
    let mut lab = Lab::new().await;
    let account = lab.create(&order("alice")).await.data(201);
    let path = format!("/api/accounts/{}", account["id"].as_str().unwrap());
    for (begun, change) in (2..).zip(life()) {
        let scenario = FailScenario::setup();
        let reached = Arc::new(AtomicBool::new(false));
        let seen = reached.clone();
        fail::cfg_callback(format!("{point} reached"), move || seen.store(true, Ordering::SeqCst)).unwrap();
        fail::cfg(point, "return").unwrap();
        let target = format!("{path}{}", change.verb);
        let call = || lab.call(change.method.clone(), &target).header("prefer", "respond-async").json(&change.body).send();
        let reply = call().await;
        assert!(matches!(reply.status, 200 | 202), "{} {}", change.kind, reply.text);
        until("the Panel is there", async || reached.load(Ordering::SeqCst)).await;
        lab.crash().await;
        scenario.teardown();
        lab.start().await;
        let operation = lab.get("/api/operations?limit=1").await.data(200)[0].clone();
        assert_eq!(operation["kind"], change.kind);
        assert_eq!(outcome(&lab, &format!("/api/operations/{}", operation["id"].as_str().unwrap())).await, "committed");
        assert_eq!(lab.agent.begun("alice"), begun, "{}", change.kind);
        let pool = lab.sql().await;
        let status: String = sqlx::query_scalar("SELECT status FROM account").fetch_one(&pool).await.unwrap();
        pool.close().await;
        assert_eq!(status, change.status, "{}", change.kind);
        assert_eq!(lab.count("SELECT COUNT(*) FROM account_hold").await, change.holds, "{}", change.kind);
        assert_eq!(lab.count("SELECT COUNT(*) FROM account_override").await, change.overrides, "{}", change.kind);
        assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, change.names, "{}", change.kind);
        until("it is put down", async || lab.count("SELECT COUNT(*) FROM operation WHERE acknowledged = 0").await == 0).await;
        assert_eq!(lab.count("SELECT COUNT(*) FROM operation WHERE spec IS NOT NULL OR memo IS NOT NULL").await, 0);
    }
}

#[tokio::test]
async fn every_kind_reserved_and_not_sent() {
    every_kind_stopped_at("reserved").await;
}

#[tokio::test]
async fn every_kind_sent_and_the_reply_not_looked_at() {
    every_kind_stopped_at("sent").await;
}

#[tokio::test]
async fn every_kind_decided_and_not_recorded() {
    every_kind_stopped_at("decided").await;
}

#[tokio::test]
async fn every_kind_recorded_and_not_acknowledged() {
    every_kind_stopped_at("recorded").await;
}
