//! `/api/administrators`, and what a name and a password open.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use opterius_panel::Peer;
use serde_json::json;

use crate::support::{Lab, Reply};

const PASSWORD: &str = "correct: horse";

async fn ask(lab: &Lab, method: Method, path: &str, name: &str, password: &str) -> Reply {
    let value = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
    lab.call(method, path).from("203.0.113.7:1").header("authorization", &value).json(&json!({ "name": "Starter" })).send().await
}

#[tokio::test]
async fn an_administrator_with_a_password_looks_and_changes_nothing() {
    let lab = Lab::bare().await;
    let made = lab.post("/api/administrators", &json!({ "username": "ada", "password": PASSWORD })).await.data(201);
    assert_eq!(made, json!({ "username": "ada" }));
    lab.post("/api/administrators", &json!({ "username": "ada", "password": PASSWORD })).await.problem(409, "name_taken");
    lab.post("/api/administrators", &json!({ "username": "Ada!", "password": "x" })).await.problem(422, "invalid_request");
    for path in ["/api/self", "/api/accounts", "/api/packages", "/api/tokens", "/api/activity", "/api/servers", "/api/operations"] {
        ask(&lab, Method::GET, path, "ada", PASSWORD).await.data(200);
    }
    let reply = ask(&lab, Method::POST, "/api/packages", "ada", PASSWORD).await;
    reply.problem(401, "unauthorized");
    assert!(!reply.headers.get_all("www-authenticate").iter().any(|offer| offer.to_str().unwrap().starts_with("Basic")));
    let put = lab.call(Method::PUT, "/api/administrators/ada/password").json(&json!({ "password": "another one" })).send().await;
    assert_eq!(put.status, 204);
    ask(&lab, Method::GET, "/api/self", "ada", PASSWORD).await.problem(401, "unauthorized");
    ask(&lab, Method::GET, "/api/self", "ada", "another one").await.data(200);
    let put = lab.call(Method::PUT, "/api/administrators/bob/password").json(&json!({ "password": "another one" })).send().await;
    put.problem(404, "not_found");
}

#[tokio::test]
async fn a_password_is_offered_only_where_it_is_taken() {
    let lab = Lab::bare().await;
    let offers = |reply: &Reply| reply.headers.get_all("www-authenticate").iter().any(|offer| offer.to_str().unwrap().starts_with("Basic"));
    assert!(offers(&lab.call(Method::GET, "/api/accounts").from("203.0.113.7:1").send().await));
    assert!(!offers(&lab.call(Method::POST, "/api/accounts").from("203.0.113.7:1").json(&json!({})).send().await));
    assert!(!offers(&lab.call(Method::GET, "/api/accounts").peer(Peer::Local { uid: 1 }).send().await));
    lab.post("/api/administrators", &json!({ "username": "ada", "password": PASSWORD })).await.data(201);
    let value = format!("Basic {}", STANDARD.encode(format!("ada:{PASSWORD}")));
    let local = lab.call(Method::GET, "/api/self").header("authorization", &value).send().await;
    local.problem(401, "unauthorized");
}

#[tokio::test]
async fn guessing_passwords_becomes_slow() {
    let lab = Lab::bare().await;
    lab.post("/api/administrators", &json!({ "username": "ada", "password": PASSWORD })).await.data(201);
    let mut last = ask(&lab, Method::GET, "/api/self", "ada", "wrong password").await;
    for _ in 0..6 {
        last = ask(&lab, Method::GET, "/api/self", "ada", "wrong password").await;
    }
    last.problem(429, "too_many_requests");
    let wait: u64 = last.header("retry-after").parse().unwrap();
    ask(&lab, Method::GET, "/api/self", "ada", PASSWORD).await.problem(429, "too_many_requests");
    lab.advance(std::time::Duration::from_secs(wait + 1));
    ask(&lab, Method::GET, "/api/self", "ada", PASSWORD).await.data(200);
    ask(&lab, Method::GET, "/api/self", "nobody", PASSWORD).await.problem(401, "unauthorized");
}
