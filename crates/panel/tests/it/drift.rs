//! Accounts that are not as they were committed, as their server finds by itself.

use serde_json::{Value, json};

use crate::support::{Lab, order, until};

async fn rows(lab: &Lab, action: &str) -> i64 {
    lab.get(&format!("/api/activity?action={action}")).await.json()["page"]["total"].as_i64().unwrap()
}

#[tokio::test]
async fn drift_is_shown_with_the_account_and_remembered_once() {
    let mut lab = Lab::new().await;
    let account = lab.create(&order("alice")).await.data(201);
    let path = format!("/api/accounts/{}", account["id"].as_str().unwrap());
    assert_eq!(account["drift"], Value::Null);
    lab.agent.damage("alice", "public_html would get mode 2750");
    until("the drift is seen", async || !lab.get(&path).await.data(200)["drift"].is_null()).await;
    let drift = lab.get(&path).await.data(200)["drift"].clone();
    assert_eq!(drift["changes"], json!([{ "resource": "home", "change": "public_html would get mode 2750" }]));
    assert_eq!((&drift["mended"], &drift["conflicts"], &drift["missing"]), (&json!(false), &json!([]), &json!([])));
    assert!(drift["found_at"].as_i64().unwrap() > 0);
    until("it is remembered", async || rows(&lab, "account.drift").await == 1).await;

    lab.crash().await;
    lab.start().await;
    until("the drift is seen again", async || !lab.get(&path).await.data(200)["drift"].is_null()).await;
    lab.agent.damage("alice", "tmp would be made");
    until("the rest is remembered", async || rows(&lab, "account.drift").await == 2).await;
    let row = lab.get("/api/activity?action=account.drift&outcome=failed").await.data(200)[0].clone();
    let detail = row["detail"].as_str().unwrap();
    assert!(detail.contains("public_html would get mode 2750; home: tmp would be made"), "{detail}");

    lab.post(&format!("{path}/repair"), &json!({})).await.data(200);
    until("it is mended", async || lab.get(&path).await.data(200)["drift"].is_null()).await;
    assert_eq!(rows(&lab, "account.drift").await, 2);
}

#[tokio::test]
async fn what_the_server_mended_by_itself_is_remembered_as_mended() {
    let lab = Lab::new().await;
    let account = lab.create(&order("alice")).await.data(201);
    lab.agent.mends(true);
    lab.agent.damage("alice", "public_html would get mode 2750");
    until("it is remembered", async || rows(&lab, "account.drift.mended").await == 1).await;
    assert_eq!(rows(&lab, "account.drift").await, 0);
    let listed = lab.get("/api/accounts").await.data(200)[0].clone();
    assert_eq!((&listed["id"], &listed["drift"]["mended"]), (&account["id"], &json!(true)));
}

#[tokio::test]
async fn an_older_server_that_looks_for_no_drift_is_well() {
    let lab = Lab::new().await;
    lab.agent.knows_no_drift();
    let account = lab.create(&order("alice")).await.data(201);
    until("the Agent was asked", async || lab.get("/api/servers/default").await.data(200)["reachable"] == true).await;
    assert_eq!(account["drift"], Value::Null);
}
