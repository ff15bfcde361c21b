//! `GET /api/operations`, one, and its events.

use http::Method;
use http_body_util::BodyExt as _;
use opterius_protocol::agent::{FailureKind, Outcome};
use serde_json::Value;

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
