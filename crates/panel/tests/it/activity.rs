//! `GET /api/activity`.

use std::fmt::Write as _;

use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Lab, order};

/// Every row, the oldest first.
async fn rows(lab: &Lab) -> Vec<Value> {
    let (mut all, mut path) = (Vec::new(), "/api/activity?limit=3".to_owned());
    loop {
        let page = lab.get(&path).await.json();
        all.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["page"]["next"].as_str() {
            Some(next) => path = format!("/api/activity?limit=3&cursor={next}"),
            None => break,
        }
    }
    all.reverse();
    all
}

#[tokio::test]
async fn the_activity_is_one_chain_from_its_first_row() {
    let lab = Lab::new().await;
    lab.create(&order("alice")).await.data(201);
    lab.create(&json!({ "username": "ü" })).await.problem(422, "invalid_request");
    lab.post("/api/tokens", &json!({ "name": "Zoë \"the\" <1>", "scopes": ["self.read"] })).await.data(201);
    let rows = rows(&lab).await;
    assert!(rows.len() >= 6);
    let mut prev = "0".repeat(64);
    for (number, row) in (1..).zip(&rows) {
        assert_eq!(row["id"], number);
        assert_eq!(row["prev"], prev);
        let fields = ["account_id", "action", "actor", "at", "detail", "id", "operation_id", "outcome", "owner", "prev", "request_id"];
        let canonical = format!("{{{}}}", fields.map(|field| format!("\"{field}\":{}", row[field])).join(","));
        let hash = Sha256::digest(canonical.as_bytes()).iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        assert_eq!(row["hash"], hash, "{canonical}");
        prev = hash;
    }
    let refused: Vec<_> = rows.iter().filter(|row| row["outcome"] == "refused").collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0]["action"], "account.create");
}

#[tokio::test]
async fn whatever_is_changed_or_refused_stands_in_it() {
    let lab = Lab::new().await;
    lab.post("/api/packages", &json!({ "name": "Starter" })).await.problem(409, "name_taken");
    lab.call(Method::DELETE, "/api/packages/0193a5e0-7c1e-7000-8000-000000000000").send().await.problem(404, "package_not_found");
    lab.call(Method::POST, "/api/packages").raw("text/plain", "x").send().await.problem(415, "unsupported_media_type");
    let of = |action: &'static str, outcome: &'static str| {
        let path = format!("/api/activity?action={action}&outcome={outcome}");
        let lab = &lab;
        async move { lab.get(&path).await.json()["page"]["total"].as_i64().unwrap() }
    };
    assert_eq!(of("server.change", "ok").await, 1);
    assert_eq!(of("package.create", "ok").await, 1);
    assert_eq!(of("package.create", "refused").await, 2);
    assert_eq!(of("package.delete", "refused").await, 1);
    lab.get("/api/activity?outcome=maybe").await.problem(422, "invalid_request");
}
