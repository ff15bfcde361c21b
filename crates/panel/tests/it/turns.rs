//! Operations are sent to a server a few at a time, and whoever orders little does not wait behind whoever orders much.

use std::time::Duration;

use futures::future::join_all;
use http::Method;
use opterius_protocol::agent::Outcome;
use serde_json::{Value, json};

use crate::support::{Behaviour, Lab, Reply, order, until};

/// How many operations of one token a server works on, of all, and how many may be open.
const SHARE: usize = 4;
const AT_ONCE: usize = 8;
const OPEN: usize = 200;

/// A Panel whose turns count until they are given back.
async fn patient() -> Lab {
    let mut lab = Lab::new().await;
    lab.crash().await;
    lab.timing.turn = Duration::from_hours(1);
    lab.start().await;
    lab
}

fn names(prefix: &str, number: usize) -> Vec<String> {
    (0..number).map(|n| format!("{prefix}{n:03}")).collect()
}

/// Orders without waiting for the outcome.
async fn order_of(lab: &Lab, token: &str, username: &str) -> Reply {
    lab.call(Method::POST, "/api/accounts").header("prefer", "respond-async").token(token).json(&order(username)).send().await
}

/// Orders all of them at once, has each held by the server, and returns the operations.
async fn order_all(lab: &Lab, token: &str, names: &[String]) -> Vec<Value> {
    for name in names {
        lab.agent.script(name, Behaviour::Hold);
    }
    join_all(names.iter().map(|name| order_of(lab, token, name))).await.into_iter().map(|reply| reply.data(202)).collect()
}

fn begun(lab: &Lab, names: &[String]) -> usize {
    names.iter().filter(|name| lab.agent.begun(name) > 0).count()
}

async fn operation(lab: &Lab, operation: &Value) -> Value {
    lab.get(&format!("/api/operations/{}", operation["id"].as_str().unwrap())).await.data(200)
}

/// Decides what the server has of these, again and again, until all are done.
async fn finish(lab: &Lab, names: &[String]) {
    until("all are done", async || {
        for name in names {
            lab.agent.decide_if_held(name, Outcome::Committed);
        }
        names.iter().all(|name| lab.agent.account(name).is_some())
    })
    .await;
}

#[tokio::test]
async fn behind_a_hundred_orders_of_one_token_an_order_of_another_begins_at_once() {
    let lab = patient().await;
    let (greedy, modest) = (lab.whmcs("greedy").await, lab.whmcs("modest").await);
    let many = names("many", 100);
    let operations = order_all(&lab, &greedy, &many).await;
    until("the server has its share", async || begun(&lab, &many) == SHARE).await;
    lab.call(Method::POST, "/api/accounts").token(&modest).json(&order("bob")).send().await.data(201);
    assert_eq!(begun(&lab, &many), SHARE, "no more were sent meanwhile");
    let mut waiting = 0;
    for one in &operations {
        let now = operation(&lab, one).await;
        assert_eq!(now["outcome"], "running");
        waiting += usize::from(now["waiting"] == true);
    }
    assert_eq!(waiting, 100 - SHARE);
    let waits = operations.iter().zip(&many).find(|(_, name)| lab.agent.begun(name) == 0).unwrap().0;
    // Each that ends lets one more begin, and what is over does not wait.
    let first = many.iter().position(|name| lab.agent.begun(name) > 0).unwrap();
    lab.agent.decide(&many[first], Outcome::Committed);
    until("the next one begins", async || begun(&lab, &many) == SHARE + 1).await;
    finish(&lab, &many).await;
    until("each has its outcome", async || lab.count("SELECT COUNT(*) FROM operation WHERE outcome = 'running'").await == 0).await;
    assert_eq!(operation(&lab, waits).await["waiting"], false);
    assert!(many.iter().all(|name| lab.agent.begun(name) == 1));
}

#[tokio::test]
async fn what_suspends_or_ends_an_account_waits_for_no_turn_and_staff_goes_before_tokens() {
    let lab = patient().await;
    let (greedy, other) = (lab.whmcs("greedy").await, lab.whmcs("other").await);
    let mut ids = Vec::new();
    for name in ["alice", "bob", "carol"] {
        ids.push(lab.create(&order(name)).await.data(201)["id"].as_str().unwrap().to_owned());
    }
    let (many, more) = (names("many", 30), names("more", 30));
    order_all(&lab, &greedy, &many).await;
    until("the server has one's share", async || begun(&lab, &many) == SHARE).await;
    order_all(&lab, &other, &more).await;
    until("the server has all that it works on", async || begun(&lab, &many) + begun(&lab, &more) == AT_ONCE).await;
    // Staff's own, behind all of those.
    lab.agent.script("carol", Behaviour::Hold);
    let password = lab.call(Method::PUT, &format!("/api/accounts/{}/password", ids[2])).header("prefer", "respond-async");
    let staff = password.json(&json!({ "password": "another good horse" })).send().await.data(202);
    until("it waits", async || operation(&lab, &staff).await["waiting"] == true).await;
    lab.post(&format!("/api/accounts/{}/suspend", ids[0]), &json!({ "reason": "spam" })).await.data(200);
    lab.delete(&format!("/api/accounts/{}", ids[1])).await.data(200);
    assert_eq!(begun(&lab, &many) + begun(&lab, &more), AT_ONCE);
    let held = more.iter().find(|name| lab.agent.begun(name) > 0).unwrap();
    lab.agent.decide(held, Outcome::Committed);
    until("staff's is the next", async || lab.agent.begun("carol") == 2).await;
    assert_eq!(begun(&lab, &many) + begun(&lab, &more), AT_ONCE);
    // Whoever is to be closed and whose own change waits is the next of its token.
    let last = many.iter().rev().find(|name| lab.agent.begun(name) == 0).unwrap();
    let before = begun(&lab, &many);
    let suspend =
        || lab.call(Method::POST, &format!("/api/accounts/ref:ref-{last}/suspend")).token(&greedy).json(&json!({ "reason": "unpaid" }));
    suspend().header("prefer", "respond-async").send().await.problem(409, "operation_running");
    let all = || begun(&lab, &many) + begun(&lab, &more);
    let mut held = many.iter().filter(|name| lab.agent.begun(name) > 0);
    while begun(&lab, &many) == before {
        let sent = all();
        lab.agent.decide(held.next().unwrap(), Outcome::Committed);
        // The other token has fewer turns at first.
        until("one more is sent", async || all() == sent + 1).await;
    }
    assert_eq!(lab.agent.begun(last), 1, "it is the next one of its token");
    lab.agent.decide(last, Outcome::Committed);
    suspend().send().await.data(200);
}

#[tokio::test]
async fn a_token_has_so_many_operations_open_and_the_next_is_refused_with_nothing_put_down() {
    let mut lab = patient().await;
    let (greedy, modest) = (lab.whmcs("greedy").await, lab.whmcs("modest").await);
    let account = lab.call(Method::POST, "/api/accounts").token(&greedy).json(&order("alice")).send().await.data(201);
    let many = names("many", OPEN);
    order_all(&lab, &greedy, &many).await;
    let rows = "SELECT (SELECT COUNT(*) FROM operation) + (SELECT COUNT(*) FROM account) + (SELECT COUNT(*) FROM claimed_name)";
    for round in 0..2 {
        let before = lab.count(rows).await;
        let refused = order_of(&lab, &greedy, "onemore").await;
        let problem = refused.problem(429, "too_many_requests");
        assert_eq!((&problem["retryable"], refused.header("retry-after")), (&json!(true), "5"));
        assert!(problem["detail"].as_str().unwrap().contains("200"), "{problem}");
        let path = format!("/api/accounts/{}", account["id"].as_str().unwrap());
        let password = lab.call(Method::PUT, &format!("{path}/password")).token(&greedy).json(&json!({ "password": "another good horse" }));
        password.send().await.problem(429, "too_many_requests");
        assert_eq!(lab.count(rows).await, before);
        // The same order again is the same order.
        assert_eq!(order_of(&lab, &greedy, &many[OPEN - 1]).await.status, 202);
        // Others, and what suspends, are not concerned.
        order_of(&lab, &modest, &format!("bob{round}")).await.data(202);
        let suspend =
            lab.call(Method::POST, &format!("{path}/suspend")).token(&greedy).json(&json!({ "reason": format!("unpaid {round}") }));
        suspend.send().await.data(200);
        if round == 0 {
            // What is open stays open, and counts.
            lab.crash().await;
            lab.start().await;
        }
    }
    finish(&lab, &many).await;
    until("there is room again", async || order_of(&lab, &greedy, "onemore").await.status < 300).await;
}

#[tokio::test]
async fn what_waits_survives_the_panel_and_is_sent_in_turn_once() {
    let mut lab = patient().await;
    let (greedy, modest) = (lab.whmcs("greedy").await, lab.whmcs("modest").await);
    let many = names("many", 60);
    order_all(&lab, &greedy, &many).await;
    until("the server has its share", async || begun(&lab, &many) == SHARE).await;
    lab.crash().await;
    lab.start().await;
    // Those that the server has hold no turn: they are only asked for.
    until("the server has another share", async || begun(&lab, &many) == 2 * SHARE).await;
    lab.call(Method::POST, "/api/accounts").token(&modest).json(&order("bob")).send().await.data(201);
    assert_eq!(begun(&lab, &many), 2 * SHARE);
    finish(&lab, &many).await;
    until("each has its outcome", async || lab.count("SELECT COUNT(*) FROM operation WHERE outcome = 'running'").await == 0).await;
    assert!(many.iter().all(|name| lab.agent.begun(name) == 1));
    assert_eq!(lab.count("SELECT COUNT(*) FROM account WHERE status = 'active'").await, 61);
}

#[tokio::test]
async fn a_server_that_says_nothing_keeps_nobody_waiting_for_ever() {
    let mut lab = Lab::new().await;
    lab.crash().await;
    lab.timing.turn = Duration::from_millis(20);
    lab.start().await;
    let token = lab.whmcs("one").await;
    lab.create(&order("alice")).await.data(201);
    let many = names("many", 40);
    for name in &many {
        lab.agent.script(name, Behaviour::Silence);
    }
    join_all(many.iter().map(|name| order_of(&lab, &token, name))).await.into_iter().for_each(|reply| drop(reply.data(202)));
    until("all were sent", async || many.iter().all(|name| !lab.agent.arrived(name).is_empty())).await;
    lab.post("/api/accounts/ref:ref-alice/suspend", &json!({ "reason": "spam" })).await.data(200);
}

#[tokio::test]
async fn what_needs_attention_or_is_only_asked_for_holds_no_turn() {
    let lab = patient().await;
    let token = lab.whmcs("one").await;
    let stuck = names("stuck", SHARE);
    for name in &stuck {
        lab.agent.script(name, Behaviour::Attention);
    }
    join_all(stuck.iter().map(|name| order_of(&lab, &token, name))).await;
    let lost = names("lost", SHARE);
    for name in &lost {
        lab.agent.script(name, Behaviour::LoseReply);
    }
    join_all(lost.iter().map(|name| order_of(&lab, &token, name))).await;
    let many = names("many", SHARE + 1);
    order_all(&lab, &token, &many).await;
    until("as many as ever are sent", async || begun(&lab, &many) == SHARE).await;
    lab.agent.decide(many.iter().find(|name| lab.agent.begun(name) > 0).unwrap(), Outcome::RolledBack);
    until("one more is sent", async || begun(&lab, &many) == SHARE + 1).await;
}
