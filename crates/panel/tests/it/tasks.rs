//! What the Panel does by itself, again and again: nothing of it ends because it broke once, and no server waits for another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fail::FailScenario;
use http::Method;
use opterius_model::ServerId;
use serde_json::{Value, json};
use tokio::net::UnixListener;

use crate::support::{Behaviour, Lab, order, until};

async fn reachable(lab: &Lab) -> bool {
    lab.get("/api/servers/default").await.data(200)["reachable"] == true
}

#[tokio::test]
async fn what_breaks_once_in_every_loop_ends_none_of_them() {
    let lab = Lab::new().await;
    until("the server is seen", async || reachable(&lab).await).await;
    let broken = lab.break_clock();
    until("several loops have met it", async || broken.load(Ordering::SeqCst) >= 4).await;
    lab.mend_clock();
    lab.agent.stop().await;
    until("it is seen that the server is away", async || !reachable(&lab).await).await;
    lab.agent.listen();
    until("it is seen that it is there again", async || reachable(&lab).await).await;
    lab.create(&order("alice")).await.data(201);
    lab.agent.uses("alice", 8192, 5);
    until("what it uses is learned", async || lab.get("/api/usage").await.data(200)[0]["disk_bytes"] == 8192).await;
}

#[tokio::test]
async fn an_operation_whose_carrier_breaks_again_and_again_needs_attention_and_ends_when_it_does_not_any_more() {
    let lab = Lab::new().await;
    let scenario = FailScenario::setup();
    // What the Agent reports cannot be taken in, whatever is tried.
    fail::cfg("sent reached", "panic").unwrap();
    fail::cfg("decided reached", "panic").unwrap();
    let order = lab.call(Method::POST, "/api/accounts").header("prefer", "respond-async").json(&order("alice"));
    let id = order.send().await.data(202)["id"].as_str().unwrap().to_owned();
    let path = format!("/api/operations/{id}");
    until("a person hears of it", async || lab.get(&path).await.data(200)["outcome"] == "needs_attention").await;
    let operation = lab.get(&path).await.data(200);
    assert!(operation["error"]["detail"].as_str().unwrap().contains("the Panel"), "{operation}");
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 2, "nothing is freed before the outcome is known");
    scenario.teardown();
    until("it has its outcome", async || lab.get(&path).await.data(200)["outcome"] == "committed").await;
    assert_eq!(lab.agent.begun("alice"), 1);
    assert_eq!(lab.get("/api/accounts").await.data(200)[0]["status"], "active");
}

#[tokio::test]
async fn an_operation_whose_carrier_breaks_once_is_carried_on_as_after_a_start() {
    let lab = Lab::new().await;
    let scenario = FailScenario::setup();
    fail::cfg("sent reached", "1*panic->off").unwrap();
    lab.agent.script("alice", Behaviour::LoseReply);
    lab.create(&order("alice")).await.data(201);
    assert_eq!(lab.agent.begun("alice"), 1);
    scenario.teardown();
}

#[tokio::test]
async fn every_task_that_breaks_is_told_of_and_starts_again() {
    let lab = Lab::new().await;
    let scenario = FailScenario::setup();
    let tasks = async || lab.get("/api/tasks").await.data(200);
    let named = async |name: &str| tasks().await.as_array().unwrap().iter().find(|task| task["name"] == name).cloned().unwrap_or_default();
    until("the tasks of the server are there", async || named("usage").await["done_at"].is_i64()).await;
    // What is done once may be over.
    let repeats = [
        "acknowledging",
        "heads of the Activity",
        "health",
        "notices",
        "old Activity",
        "password hashes",
        "refused requests",
        "servers",
        "usage",
    ];
    for name in repeats {
        fail::cfg(format!("task {name}"), "panic(on purpose)").unwrap();
        lab.create(&order(&format!("user{}", name.len()))).await;
        until("it is told of", async || named(name).await["state"] == "failing").await;
        assert_eq!(lab.get("/api/health").await.data(200), json!({ "status": "degraded" }), "{name}");
        fail::remove(format!("task {name}"));
        until("it goes on", async || named(name).await["state"] == "ok").await;
        let task = named(name).await;
        assert!(task["panics"].as_u64().unwrap() > 0 && task["detail"] == "on purpose" && task["failed_at"].is_i64(), "{task}");
    }
    let there: Vec<String> = tasks().await.as_array().unwrap().iter().map(|task| task["name"].as_str().unwrap().to_owned()).collect();
    let known = |name: &String| repeats.contains(&name.as_str()) || name == "resync" || name == "operations";
    assert!(there.iter().all(known), "each task is broken by this test: {there:?}");
    assert_eq!(lab.get("/api/health").await.data(200), json!({ "status": "ok" }));
    scenario.teardown();
}

/// A socket that takes connections and says nothing, and how many it took.
fn silent(path: &std::path::Path) -> Arc<AtomicUsize> {
    let listener = UnixListener::bind(path).unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            held.push(stream);
        }
    });
    taken
}

async fn with_a_silent_server(lab: &mut Lab) -> Arc<AtomicUsize> {
    lab.crash().await;
    let id = ServerId::generate();
    let pool = lab.sql().await;
    sqlx::query("INSERT INTO server (id, owner, name, is_default, ipv4, ipv6, nameservers, created_at) SELECT $1, owner, 'silent', 0, '[]', '[]', '[]', 1 FROM server")
        .bind(id.to_string())
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let socket = lab.dir.path().join("silent.sock");
    let taken = silent(&socket);
    lab.agents.insert(id, socket);
    lab.start().await;
    taken
}

#[tokio::test]
async fn a_silent_server_delays_no_other() {
    let mut lab = Lab::new().await;
    let taken = with_a_silent_server(&mut lab).await;
    until("the silent one was asked", async || taken.load(Ordering::SeqCst) > 0).await;
    let before = lab.agent.asked_for_health();
    until("the other one is asked again and again", async || lab.agent.asked_for_health() > before + 30).await;
    lab.create(&order("alice")).await.data(201);
    lab.agent.uses("alice", 4096, 1);
    until("what it uses is learned", async || lab.get("/api/usage").await.data(200)[0]["disk_bytes"] == 4096).await;
    until("it is told of the Activity", async || !lab.agent.heads().is_empty()).await;
    until("its outcomes are acknowledged", async || lab.count("SELECT COUNT(*) FROM operation WHERE acknowledged = 0").await == 0).await;
    let page = json!({ "suspension": { "title": "Closed", "message": "Come back later." }, "welcome": null });
    lab.put("/api/settings/pages", &page).await.data(200);
    until("it has the pages", async || lab.agent.pages().1 > 0).await;
    let servers = lab.get("/api/servers").await.data(200);
    let silent = servers.as_array().unwrap().iter().find(|server| server["name"] == "silent").cloned().unwrap_or_default();
    assert_eq!(silent["reachable"], Value::Bool(false), "{servers}");
}

#[tokio::test]
async fn a_server_that_was_away_at_the_start_is_compared_when_it_is_back_whatever_another_does() {
    let mut lab = Lab::new().await;
    lab.back_up().await;
    lab.create(&order("alice")).await.data(201);
    lab.agent.stop().await;
    lab.restore_backup().await;
    let taken = with_a_silent_server(&mut lab).await;
    until("the silent one was asked", async || taken.load(Ordering::SeqCst) > 0).await;
    until("the other one is missed", async || !reachable(&lab).await).await;
    assert_eq!(lab.count("SELECT COUNT(*) FROM account").await, 0);
    lab.agent.listen();
    until("what it has is taken over", async || lab.count("SELECT COUNT(*) FROM account WHERE status = 'active'").await == 1).await;
}
