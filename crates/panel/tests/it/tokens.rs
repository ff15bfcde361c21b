//! `/api/tokens`, and who gets in with one.

use std::time::Duration;

use http::Method;
use opterius_panel::Peer;
use opterius_protocol::Micros;
use serde_json::json;

use crate::support::{Lab, until};

#[tokio::test]
async fn a_token_is_shown_once_and_stored_as_a_hash() {
    let lab = Lab::bare().await;
    let made = lab.post("/api/tokens", &json!({ "name": "WHMCS", "purpose": "whmcs" })).await.data(201);
    let token = made["token"].as_str().unwrap();
    assert_eq!(token.len(), 43);
    assert_eq!(made["access_hash"], format!("o1.{token}"), "without keys there are no pins");
    let scopes = [
        "self.read",
        "self.rotate",
        "self.sign_in",
        "accounts.read",
        "accounts.create",
        "accounts.suspend",
        "accounts.package",
        "accounts.password",
        "accounts.terminate",
        "accounts.restore",
        "accounts.repair",
        "accounts.record",
        "accounts.sign_in",
        "packages.read",
        "operations.read",
        "operations.retry",
    ];
    assert_eq!(made["scopes"], json!(scopes));
    let prefix = made["ref_prefix"].as_str().unwrap();
    assert!(prefix.starts_with("whmcs:") && prefix.ends_with(':'));
    let listed = lab.get("/api/tokens").await;
    assert!(!listed.text.contains(token));
    assert_eq!(listed.data(200)[0]["ref_prefix"], prefix);
    let caller = lab.call(Method::GET, "/api/self").token(token).send().await.data(200);
    assert_eq!(caller["caller"]["kind"], "token");
    assert_eq!(caller["caller"]["ref_prefix"], prefix);
    lab.post("/api/tokens", &json!({ "name": "WHMCS", "purpose": "whmcs" })).await.problem(409, "name_taken");

    let path = format!("/api/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(lab.call(Method::DELETE, &path).send().await.status, 204);
    lab.call(Method::GET, "/api/self").token(token).send().await.problem(401, "unauthorized");
    lab.call(Method::DELETE, &path).send().await.problem(404, "not_found");
}

#[tokio::test]
async fn a_token_ends_when_it_expires() {
    let lab = Lab::bare().await;
    let soon = Micros::now().plus(Duration::from_hours(1)).0;
    let token = lab.token(&json!({ "name": "short", "scopes": ["self.read"], "expires_at": soon })).await;
    lab.call(Method::GET, "/api/self").token(&token).send().await.data(200);
    lab.advance(Duration::from_secs(3601));
    let problem = lab.call(Method::GET, "/api/self").token(&token).send().await.problem(401, "unauthorized");
    assert!(problem["detail"].as_str().unwrap().contains("expired"), "{problem}");
    let past = json!({ "name": "past", "scopes": ["self.read"], "expires_at": 1 });
    lab.post("/api/tokens", &past).await.problem(422, "invalid_request");
}

#[tokio::test]
async fn a_token_comes_only_from_its_addresses() {
    let lab = Lab::bare().await;
    let body = json!({ "name": "fixed", "scopes": ["self.read"], "addresses": ["203.0.113.0/24", "2001:db8::/48"] });
    let token = lab.token(&body).await;
    let ask = |address: &str| lab.call(Method::GET, "/api/self").token(&token).from(address).send();
    for inside in ["203.0.113.9:1", "[::ffff:203.0.113.9]:1", "[2001:db8:0:7::1]:1"] {
        ask(inside).await.data(200);
    }
    for outside in ["203.0.114.9:1", "[2001:db9::1]:1"] {
        ask(outside).await.problem(403, "forbidden");
    }
    let local = lab.call(Method::GET, "/api/self").header("authorization", &format!("Bearer {token}")).peer(Peer::Local { uid: 4242 });
    local.send().await.problem(403, "forbidden");
    // What the caller writes into a header is no address.
    let forged = lab.call(Method::GET, "/api/self").token(&token).from("203.0.114.9:1").header("x-forwarded-for", "203.0.113.9");
    forged.send().await.problem(403, "forbidden");
}

#[tokio::test]
async fn no_token_may_make_tokens() {
    let lab = Lab::bare().await;
    for scope in [
        "tokens.write",
        "tokens.read",
        "servers.write",
        "servers.resync",
        "operations.abandon",
        "settings.read",
        "settings.write",
        "administrators.write",
        "everything",
    ] {
        let problem = lab.post("/api/tokens", &json!({ "name": "x", "scopes": [scope] })).await.problem(422, "invalid_request");
        assert_eq!(problem["field"], "scopes");
    }
    for body in [
        json!({ "name": "x" }),
        json!({ "name": "x", "scopes": [] }),
        json!({ "name": "x", "purpose": "other" }),
        json!({ "name": "x", "scopes": ["self.read"], "ref_prefix": "no-colon" }),
        json!({ "name": "x", "scopes": ["self.read"], "addresses": ["nowhere"] }),
        json!({ "name": "", "scopes": ["self.read"] }),
    ] {
        lab.post("/api/tokens", &body).await.problem(422, "invalid_request");
    }
}

#[tokio::test]
async fn who_was_turned_away_is_counted_by_address_and_minute() {
    let lab = Lab::bare().await;
    for _ in 0..5 {
        lab.call(Method::GET, "/api/self").token("wrong").send().await.problem(401, "unauthorized");
    }
    lab.call(Method::GET, "/api/self").from("[2001:db8::1]:1").send().await.problem(401, "unauthorized");
    lab.call(Method::GET, "/api/self").from("[2001:db8::2]:1").send().await.problem(401, "unauthorized");
    lab.call(Method::GET, "/api/self").peer(Peer::Local { uid: 1 }).send().await.problem(401, "unauthorized");
    until("they are counted", async || lab.count("SELECT COALESCE(SUM(times), 0) FROM refused_request").await == 8).await;
    lab.advance(Duration::from_secs(61));
    until("the minute is in the Activity", async || {
        let rows = lab.get("/api/activity?action=caller.refused").await.data(200);
        let rows = rows.as_array().unwrap();
        rows.iter().any(|row| row["actor"] == "address:203.0.113.7")
            && rows.iter().any(|row| row["actor"] == "address:2001:db8::/64")
            && rows.iter().any(|row| row["actor"] == "address:local")
    })
    .await;
}
