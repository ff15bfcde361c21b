//! `GET /api/operations`, one, and its events.

use http::Method;
use http_body_util::BodyExt as _;
use opterius_protocol::agent::{FailureKind, Outcome};
use serde_json::{Value, json};

use crate::support::{Behaviour, Lab, order, until};

/// The events of a whole stream.
fn events(text: &str) -> Vec<(String, Value)> {
    text.split("\n\n")
        .filter_map(|block| {
            let name = block.lines().find_map(|line| line.strip_prefix("event: "))?;
            let data = block.lines().find_map(|line| line.strip_prefix("data: "))?;
            Some((name.to_owned(), serde_json::from_str(data).unwrap()))
        })
        .collect()
}

#[tokio::test]
async fn an_operation_is_followed_step_by_step_to_its_end() {
    let lab = Lab::new().await;
    lab.agent.script("alice", Behaviour::Hold);
    let reply = lab.call(Method::POST, "/api/accounts").header("prefer", "respond-async").json(&order("alice")).send().await;
    let id = reply.data(202)["id"].as_str().unwrap().to_owned();
    until("the operation runs", async || lab.agent.begun("alice") == 1).await;
    let response = lab.call(Method::GET, &format!("/api/operations/{id}/events")).open().await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut text = String::new();
    let mut step = false;
    while let Some(frame) = body.frame().await {
        text.push_str(std::str::from_utf8(frame.unwrap().data_ref().unwrap()).unwrap());
        if !step && text.contains("preflight") {
            step = true;
            lab.agent.step("alice", "linux user");
        }
        if step && text.contains("linux user") && !text.contains("event: done") && lab.agent.account("alice").is_none() {
            lab.agent.decide("alice", Outcome::Committed);
        }
    }
    let events = events(&text);
    assert_eq!(events[0].1["name"], "preflight");
    assert_eq!(events[1].1["name"], "linux user");
    let (name, done) = events.last().unwrap();
    assert_eq!(name, "done");
    assert_eq!(done["outcome"], "committed");
    assert_eq!(events.iter().filter(|(name, _)| name == "done").count(), 1);
}

#[tokio::test]
async fn an_operation_that_is_over_tells_all_at_once() {
    let lab = Lab::new().await;
    lab.agent.script("alice", Behaviour::Fail("home", FailureKind::Failed, "no space left"));
    let problem = lab.create(&order("alice")).await.problem(502, "provisioning_failed");
    let path = format!("/api/operations/{}/events", problem["operation_id"].as_str().unwrap());
    let events = events(&lab.get(&path).await.text);
    assert_eq!(events.iter().filter(|(name, _)| name == "step").count(), 2);
    let (name, done) = events.last().unwrap();
    assert_eq!(name, "done");
    assert_eq!(done["error"]["code"], "provisioning_failed");
}

#[tokio::test]
async fn operations_are_listed_the_newest_first() {
    let lab = Lab::new().await;
    for _ in 0..4 {
        lab.agent.script("alice", Behaviour::Fail("home", FailureKind::Failed, "no space left"));
        lab.create(&order("alice")).await.problem(502, "provisioning_failed");
    }
    let account = lab.create(&order("alice")).await.data(201);
    let first = lab.get("/api/operations?external_ref=ref-alice&limit=3").await.json();
    assert_eq!(first["page"]["total"], 5);
    assert_eq!(first["data"][0]["outcome"], "committed");
    let second =
        lab.get(&format!("/api/operations?external_ref=ref-alice&limit=3&cursor={}", first["page"]["next"].as_str().unwrap())).await.json();
    assert_eq!(second["data"].as_array().unwrap().len(), 2);
    assert_eq!(second["page"]["next"], Value::Null);
    let of_account = lab.get(&format!("/api/operations?account={}", account["id"].as_str().unwrap())).await.data(200);
    assert_eq!(of_account.as_array().unwrap().len(), 1);
    lab.get("/api/operations/0193a5e0-7c1e-7000-8000-000000000000").await.problem(404, "not_found");
    lab.get("/api/operations/none").await.problem(404, "not_found");
}

/// A Panel with `alice`, whose suspension is stuck, and the paths of her account and of that operation.
async fn stuck() -> (Lab, String, String) {
    let lab = Lab::new().await;
    let account = lab.create(&order("alice")).await.data(201);
    let path = format!("/api/accounts/{}", account["id"].as_str().unwrap());
    lab.agent.script("alice", Behaviour::Stuck);
    let problem = lab.post(&format!("{path}/suspend"), &json!({ "reason": "spam" })).await.problem(500, "needs_attention");
    let operation = format!("/api/operations/{}", problem["operation_id"].as_str().unwrap());
    (lab, path, operation)
}

#[tokio::test]
async fn an_operation_that_needs_attention_is_tried_again_when_it_is_asked_for() {
    let (lab, path, operation) = stuck().await;
    assert_eq!(lab.get(&operation).await.data(200)["left"], json!(["the home of the account"]));
    lab.agent.stays_stuck(true);
    let reply = lab.call(Method::POST, &format!("{operation}/retry")).send().await;
    assert_eq!(reply.header("location"), operation);
    assert_eq!(reply.data(202)["outcome"], "needs_attention");
    lab.agent.stays_stuck(false);
    let done = lab.post(&format!("{operation}/retry"), &json!({})).await.data(200);
    assert_eq!((&done["outcome"], &done["error"]), (&json!("committed"), &Value::Null));
    assert_eq!(lab.post(&format!("{operation}/retry"), &json!({})).await.data(200), done, "again");
    assert_eq!(lab.post(&format!("{operation}/abandon"), &json!({})).await.data(200), done, "too late");
    assert_eq!(lab.get(&path).await.data(200)["status"], "suspended");
    assert_eq!(lab.get("/api/activity?action=operation.retry&outcome=ok").await.json()["page"]["total"], 2);
    assert_eq!(lab.get("/api/activity?action=account.suspend.outcome").await.json()["page"]["total"], 2);
}

#[tokio::test]
async fn an_abandoned_operation_is_decided_as_it_stands_and_says_what_is_left() {
    let (lab, path, operation) = stuck().await;
    let done = lab.post(&format!("{operation}/abandon"), &json!({})).await.data(200);
    assert_eq!((&done["outcome"], &done["abandoned"]), (&json!("committed"), &json!(true)));
    assert_eq!(done["left"], json!(["the home of the account"]));
    assert_eq!(lab.get(&path).await.data(200)["status"], "suspended");
    let rows = lab.get("/api/activity?action=account.suspend.outcome&outcome=ok").await.data(200);
    assert!(rows[0]["detail"].as_str().unwrap().contains("left: the home of the account"), "{rows}");
    lab.post(&format!("{path}/repair"), &json!({})).await.data(200);
}

#[tokio::test]
async fn a_change_that_cannot_end_keeps_nobody_from_suspending_or_ending_the_account() {
    for (verb, method, body, status) in
        [("suspend", Method::POST, json!({ "reason": "spam" }), "suspended"), ("?keep_days=7", Method::DELETE, json!({}), "terminated")]
    {
        let lab = Lab::new().await;
        let account = lab.create(&order("alice")).await.data(201);
        let path = format!("/api/accounts/{}", account["id"].as_str().unwrap());
        lab.agent.script("alice", Behaviour::Stuck);
        let problem = lab.post(&format!("{path}/repair"), &json!({})).await.problem(500, "needs_attention");
        let target = if verb.starts_with('?') { format!("{path}{verb}") } else { format!("{path}/{verb}") };
        lab.post(&format!("{path}/unsuspend"), &json!({})).await.problem(500, "needs_attention");
        let closed = lab.call(method, &target).json(&body).send().await.data(200);
        assert_eq!(closed["status"], status, "{closed}");
        let stuck = lab.get(&format!("/api/operations/{}", problem["operation_id"].as_str().unwrap())).await.data(200);
        assert_eq!(stuck["abandoned"], true, "{stuck}");
        assert_eq!(lab.get("/api/activity?action=operation.abandon&outcome=ok").await.json()["page"]["total"], 1);
    }
}

#[tokio::test]
async fn an_abandoned_create_frees_its_names_and_does_not_say_that_all_was_undone() {
    let lab = Lab::new().await;
    lab.agent.script("alice", Behaviour::Attention);
    let problem = lab.create(&order("alice")).await.problem(500, "needs_attention");
    let operation = format!("/api/operations/{}", problem["operation_id"].as_str().unwrap());
    let done = lab.post(&format!("{operation}/abandon"), &json!({})).await.data(200);
    assert_eq!(done["outcome"], "rolled_back");
    let detail = done["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("Left on the server: the home of the account.") && !detail.contains("undone"), "{detail}");
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 0);
    lab.create(&order("alice")).await.data(201);
}

#[tokio::test]
async fn only_what_needs_attention_is_abandoned_and_only_by_the_administrator() {
    let lab = Lab::new().await;
    let token = lab.whmcs("WHMCS").await;
    lab.agent.script("alice", Behaviour::Hold);
    let order = lab.call(Method::POST, "/api/accounts").token(&token).header("prefer", "respond-async").json(&order("alice"));
    let id = order.send().await.data(202)["id"].as_str().unwrap().to_owned();
    until("the operation runs", async || lab.agent.begun("alice") == 1).await;
    let path = format!("/api/operations/{id}");
    lab.post(&format!("{path}/abandon"), &json!({})).await.problem(409, "operation_running");
    lab.call(Method::POST, &format!("{path}/abandon")).token(&token).send().await.problem(403, "forbidden");
    let reply = lab.call(Method::POST, &format!("{path}/retry")).token(&token).send().await;
    assert_eq!(reply.data(202)["outcome"], "running", "as it stands");
    let other = lab.whmcs("other").await;
    lab.call(Method::POST, &format!("{path}/retry")).token(&other).send().await.problem(404, "not_found");
    lab.agent.decide("alice", Outcome::Committed);
}

#[tokio::test]
async fn a_server_that_does_not_answer_decides_nothing_of_a_retry() {
    let (lab, _, operation) = stuck().await;
    lab.agent.stop().await;
    lab.post(&format!("{operation}/retry"), &json!({})).await.problem(503, "server_unreachable");
    lab.post(&format!("{operation}/abandon"), &json!({})).await.problem(503, "server_unreachable");
    assert_eq!(lab.get(&operation).await.data(200)["outcome"], "needs_attention");
    lab.agent.listen();
    lab.post(&format!("{operation}/retry"), &json!({})).await.data(200);
}
