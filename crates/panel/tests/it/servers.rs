//! `/api/servers`.

use http::Method;
use opterius_model::ServerId;
use serde_json::json;

use crate::support::{Behaviour, FakeAgent, Lab, order, until};

#[tokio::test]
async fn the_default_server_is_there_from_the_start() {
    let lab = Lab::bare().await;
    let servers = lab.get("/api/servers").await.data(200);
    assert_eq!(servers.as_array().unwrap().len(), 1);
    assert_eq!((&servers[0]["name"], &servers[0]["default"]), (&json!("default"), &json!(true)));
    lab.configure().await;
    lab.post("/api/packages", &json!({ "name": "Starter" })).await.data(201);
    lab.create(&order("alice")).await.data(201);
    let server = lab.get(&format!("/api/servers/{}", servers[0]["id"].as_str().unwrap())).await.data(200);
    assert_eq!(server["accounts"], 1);
    assert_eq!(server["hostname"], "srv1.hoster.example");
    lab.get("/api/servers/other").await.problem(404, "not_found");
    until("the Agent was asked", async || lab.get("/api/servers/default").await.data(200)["reachable"] == true).await;
    let server = lab.get("/api/servers/default").await.data(200);
    assert_eq!((&server["enforcement"]["php_workers"], &server["cgroups"]), (&json!("enforced"), &json!("tree")));
    lab.agent.stop().await;
    until("the Agent is missed", async || lab.get("/api/self").await.data(200)["servers"][0]["reachable"] == false).await;
    let server = lab.get("/api/servers/default").await.data(200);
    assert_eq!((&server["enforcement"]["php_workers"], &server["cgroups"]), (&json!("unknown"), &json!(null)));
}

#[tokio::test]
async fn a_server_needs_addresses_and_two_name_servers() {
    let lab = Lab::bare().await;
    let good =
        json!({ "hostname": "srv1.hoster.example", "ipv4": ["192.0.2.10"], "nameservers": ["ns1.names.example", "ns2.names.example"] });
    for (field, bad) in [
        ("hostname", json!("localhost")),
        ("ipv4", json!([])),
        ("ipv4", json!(["2001:db8::1"])),
        ("ipv4", json!("192.0.2.10")),
        ("ipv6", json!(["192.0.2.10"])),
        ("nameservers", json!(["ns1.names.example"])),
        ("nameservers", json!(["ns1.names.example", "NS1.names.example"])),
        ("nameservers", json!(["ns1.names.example", "bad name"])),
    ] {
        let mut body = good.clone();
        body[field] = bad.clone();
        let problem = lab.call(Method::PUT, "/api/servers/default").json(&body).send().await.problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["field"], field, "{bad}");
    }
    lab.call(Method::PUT, "/api/servers/default").json(&good).send().await.data(200);
    lab.call(Method::PUT, "/api/servers/none").json(&good).send().await.problem(404, "not_found");
}

#[tokio::test]
async fn a_refusal_names_the_server_that_it_is_about() {
    let mut lab = Lab::new().await;
    lab.crash().await;
    let id = ServerId::generate();
    let pool = lab.sql().await;
    let copy = "INSERT INTO server (id, owner, name, is_default, hostname, ipv4, ipv6, nameservers, created_at) \
                SELECT $1, owner, 'oslo', 0, 'srv2.hoster.example', ipv4, ipv6, nameservers, 1 FROM server";
    sqlx::query(copy).bind(id.to_string()).execute(&pool).await.unwrap();
    sqlx::query("UPDATE server SET name = 'rome' WHERE is_default = 1").execute(&pool).await.unwrap();
    pool.close().await;
    let socket = lab.dir.path().join("oslo.sock");
    let second = FakeAgent::start(&socket);
    lab.agents.insert(id, socket);
    lab.start().await;
    let mut elsewhere = order("bob");
    elsewhere["server"] = json!("oslo");
    second.script("bob", Behaviour::Attention);
    let problem = lab.create(&elsewhere).await.problem(500, "needs_attention");
    let operation = format!("/api/operations/{}", problem["operation_id"].as_str().unwrap());
    lab.agent.stop().await;
    second.stop().await;
    let (mut first, mut other) = (order("alice"), order("carol"));
    first["server"] = json!("default");
    other["server"] = json!(id.to_string());
    for plan in ["", "?plan=true"] {
        for (wanted, name) in [(&order("alice"), "rome"), (&first, "rome"), (&other, "oslo")] {
            let reply = lab.post(&format!("/api/accounts{plan}"), wanted).await;
            assert!(reply.text.contains(&format!("The server `{name}` could not be reached")), "{}", reply.text);
        }
    }
    for action in ["retry", "abandon"] {
        let problem = lab.post(&format!("{operation}/{action}"), &json!({})).await.problem(503, "server_unreachable");
        assert!(problem["detail"].as_str().unwrap().contains("`oslo`"), "{problem}");
    }
}
