//! `/api/usage`: what all accounts use, without measuring any of them.

use http::Method;
use opterius_protocol::Micros;
use serde_json::{Value, json};

use crate::support::{Browser, Lab, order, until};

/// The month that it is, as servers name it.
fn this_month() -> String {
    jiff::Timestamp::from_microsecond(Micros::now().0).unwrap().strftime("%Y-%m").to_string()
}

async fn lab() -> Lab {
    let lab = Lab::new().await;
    lab.agent.is_in(&this_month());
    lab
}

async fn line(lab: &Lab, username: &str) -> Value {
    let all = lab.get("/api/usage").await.data(200);
    all.as_array().unwrap().iter().find(|line| line["username"] == username).cloned().unwrap_or_default()
}

#[tokio::test]
async fn what_servers_measured_is_told_of_all_accounts_at_once() {
    let lab = lab().await;
    let alice = lab.create(&order("alice")).await.data(201);
    lab.create(&order("bob")).await.data(201);
    until("the traffic is known", async || line(&lab, "alice").await["traffic_bytes"] == 0).await;
    let before = line(&lab, "alice").await;
    assert_eq!((&before["disk_bytes"], &before["measured_at"]), (&Value::Null, &Value::Null), "nothing is invented");
    lab.agent.uses("alice", 5 << 20, 17);
    lab.agent.sends("alice", 1234);
    until("both are known", async || {
        let line = line(&lab, "alice").await;
        line["disk_bytes"] == 5 << 20 && line["traffic_bytes"] == 1234
    })
    .await;
    let line = line(&lab, "alice").await;
    assert_eq!((&line["account_id"], &line["external_ref"], &line["status"]), (&alice["id"], &json!("ref-alice"), &json!("active")));
    assert_eq!((&line["domain"], &line["limits"]["disk_mib"]), (&json!("alice.example"), &json!(10240)));
    assert!(line["measured_at"].as_i64().unwrap() > 0);
    let page = lab.get("/api/usage").await.json()["page"].clone();
    assert_eq!((&page["total"], &page["next"]), (&json!(2), &Value::Null));
}

#[tokio::test]
async fn what_was_measured_outlives_restarts_of_both_sides_and_traffic_does_not_outlive_its_month() {
    let mut lab = lab().await;
    lab.create(&order("alice")).await.data(201);
    lab.agent.uses("alice", 8192, 5);
    lab.agent.sends("alice", 99);
    until("it is known", async || line(&lab, "alice").await["disk_bytes"] == 8192 && line(&lab, "alice").await["traffic_bytes"] == 99)
        .await;
    lab.crash().await;
    lab.agent.stop().await;
    lab.start().await;
    assert_eq!(line(&lab, "alice").await["disk_bytes"], 8192, "the Agent need not answer");
    lab.agent.has_measured_nothing();
    lab.agent.sends("alice", 100);
    lab.agent.listen();
    until("the Agent was asked", async || line(&lab, "alice").await["traffic_bytes"] == 100).await;
    assert_eq!(line(&lab, "alice").await["disk_bytes"], 8192, "an Agent that has measured nothing yet takes nothing away");
    // The server is still, or already, in another month than the Panel.
    lab.agent.is_in("1999-12");
    until("the Agent was asked", async || line(&lab, "alice").await["traffic_bytes"].is_null()).await;
    assert_eq!(line(&lab, "alice").await["disk_bytes"], 8192);
}

#[tokio::test]
async fn an_older_server_that_measures_nothing_by_itself_is_well() {
    let lab = lab().await;
    lab.agent.knows_no_usage();
    lab.create(&order("alice")).await.data(201);
    lab.agent.uses("alice", 8192, 5);
    until("the Agent was asked", async || lab.get("/api/servers/default").await.data(200)["reachable"] == true).await;
    assert_eq!(line(&lab, "alice").await["disk_bytes"], Value::Null);
    assert_eq!(lab.get("/api/accounts/ref:ref-alice/usage").await.data(200)["disk_bytes"], 8192);
}

#[tokio::test]
async fn a_caller_sees_its_own_accounts_only_and_those_that_are_there() {
    let lab = lab().await;
    let (one, other) = (lab.whmcs("one").await, lab.whmcs("other").await);
    for (token, username) in [(&one, "alice"), (&one, "bob"), (&one, "carol"), (&other, "dave")] {
        lab.call(Method::POST, "/api/accounts").token(token).json(&order(username)).send().await.data(201);
    }
    let suspend = lab.call(Method::POST, "/api/accounts/ref:ref-bob/suspend").token(&one).json(&json!({ "reason": "overdue" }));
    suspend.send().await.data(200);
    lab.call(Method::DELETE, "/api/accounts/ref:ref-carol").token(&one).send().await.data(200);
    let seen = async |token: &str| {
        let reply = lab.call(Method::GET, "/api/usage").token(token).send().await;
        let lines: Vec<(String, String, String)> = reply
            .data(200)
            .as_array()
            .unwrap()
            .iter()
            .map(|line| ["username", "external_ref", "status"].map(|name| line[name].as_str().unwrap().to_owned()).into())
            .collect();
        (lines, reply.json()["page"]["total"].as_i64().unwrap())
    };
    let line = |username: &str, status: &str| (username.to_owned(), format!("ref-{username}"), status.to_owned());
    assert_eq!(seen(&one).await, (vec![line("alice", "active"), line("bob", "suspended")], 2));
    assert_eq!(seen(&other).await, (vec![line("dave", "active")], 1));
    let no_scope = lab.token(&json!({ "name": "blind", "scopes": ["self.read"] })).await;
    lab.call(Method::GET, "/api/usage").token(&no_scope).send().await.problem(403, "forbidden");
}

#[tokio::test]
async fn the_list_has_pages_that_fit_together_and_refuses_what_it_cannot_read() {
    let lab = lab().await;
    for username in ["alice", "bob", "carol"] {
        lab.create(&order(username)).await.data(201);
    }
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    loop {
        let reply = lab.get(&format!("/api/usage?limit=2&server=default{cursor}")).await;
        seen.extend(reply.data(200).as_array().unwrap().iter().map(|line| line["username"].as_str().unwrap().to_owned()));
        let page = reply.json()["page"].clone();
        assert_eq!(page["total"], 3);
        // Whoever comes in between is not on these pages.
        lab.create(&order(&format!("late{}", seen.len()))).await.data(201);
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["alice", "bob", "carol"]);
    assert_eq!(lab.get("/api/usage?limit=10000").await.status, 200);
    for query in ["limit=10001", "limit=0", "limit=x", "cursor=x", "server=", "more=1", "limit=1&limit=2"] {
        lab.get(&format!("/api/usage?{query}")).await.problem(422, "invalid_request");
    }
    lab.get("/api/usage?server=nowhere").await.problem(404, "not_found");
}

#[tokio::test]
async fn what_is_only_a_part_says_at_least_wherever_it_is_shown() {
    let mut lab = lab().await;
    let token = lab.whmcs("shop").await;
    let account = lab.order_with(&token, "alice").await["id"].as_str().unwrap().to_owned();
    let host = Browser::of_person(&lab, "administrator").await;
    lab.agent.uses("alice", 5 << 20, 17);
    until("it is known", async || line(&lab, "alice").await["disk_bytes"] == 5 << 20).await;
    assert_eq!(line(&lab, "alice").await["disk_at_least"], false);
    let page = host.get(&lab, &format!("/accounts/{account}")).await.text;
    assert!(page.contains("5 MiB") && !page.contains("at least"), "{page}");

    lab.agent.uses_at_least("alice", 6 << 20, 18);
    until("it is known", async || line(&lab, "alice").await["disk_bytes"] == 6 << 20).await;
    lab.crash().await;
    lab.agent.has_measured_nothing();
    lab.start().await;
    assert_eq!(line(&lab, "alice").await["disk_at_least"], true, "it is kept");
    assert_eq!(lab.get(&format!("/api/accounts/{account}/usage")).await.data(200)["disk_at_least"], true);
    for (who, path) in [("staff of the host", format!("/accounts/{account}")), ("a token's staff", format!("/account/{account}"))] {
        let browser = if who == "staff of the host" { host.clone() } else { Browser::of_staff(&lab, &token).await };
        let page = browser.get(&lab, &path).await.text;
        assert!(page.contains("at least 6 MiB"), "{who}: {page}");
    }
    let page = host.get(&lab, &format!("/accounts/{account}")).await.text;
    assert!(page.contains("at least 18"), "files, too: {page}");
    let customer = Browser::of_customer(&lab, &token, "alice").await;
    let page = customer.get(&lab, &format!("/account/{account}")).await.text;
    assert!(page.contains("at least 6 MiB"), "{page}");
    lab.post("/api/packages", &json!({ "name": "Tiny", "disk_mib": 1 })).await.data(201);
    let lower = json!({ "package": "Tiny" });
    let refused = lab.put(&format!("/api/accounts/{account}/package"), &lower).await.problem(409, "limits_below_use");
    assert!(refused["detail"].as_str().unwrap().contains("at least 6 MiB are used"), "{refused}");
}
