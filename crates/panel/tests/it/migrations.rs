//! Databases of earlier versions: this Panel opens them, and everything in them goes on.

use http::Method;
use opterius_model::{Spec, State};
use serde_json::json;

use crate::support::{Lab, order, until};

const V1: &str = include_str!("fixtures/panel-v1.sql");

/// The token of the fixture's WHMCS installation.
const TOKEN: &str = "fixture-token-fixture-token-fixture-token-0";

const ALICE: &str = "/api/accounts/0193a5e0-7c1e-7000-8000-000000000001";
const FAILED: &str = "/api/accounts/0193a5e0-7c1e-7000-8000-000000000002";
const BOB: &str = "/api/accounts/0193a5e0-7c1e-7000-8000-000000000003";

/// A Panel on a database that migration 1 left, beside a server that has `alice`.
async fn version_1() -> Lab {
    let mut lab = Lab::ended();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(lab.database()).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::raw_sql(V1).execute(&pool).await.unwrap();
    let spec: String = sqlx::query_scalar("SELECT spec FROM account WHERE username = 'alice'").fetch_one(&pool).await.unwrap();
    pool.close().await;
    lab.agent.has(serde_json::from_str::<Spec>(&spec).unwrap());
    lab.start().await;
    lab
}

#[tokio::test]
async fn an_account_of_version_1_lives_on() {
    let lab = version_1().await;
    let account = lab.get(ALICE).await.data(200);
    assert_eq!((&account["status"], &account["holds"], &account["overrides"]), (&json!("active"), &json!([]), &json!({})));
    assert_eq!((&account["package"]["name"], &account["generation"]), (&json!("Starter"), &json!(1)));
    assert_eq!(lab.post(&format!("{ALICE}/suspend"), &json!({ "reason": "spam" })).await.data(200)["status"], "suspended");
    let limits = json!({ "package": "Starter", "limits": { "databases": 7 } });
    assert_eq!(lab.put(&format!("{ALICE}/package"), &limits).await.data(200)["limits"]["databases"], 7);
    lab.put(&format!("{ALICE}/password"), &json!({ "password": "battery staple" })).await.data(200);
    lab.delete(ALICE).await.data(200);
    lab.get(ALICE).await.problem(410, "account_gone");
    assert_eq!(lab.post(&format!("{ALICE}/restore"), &json!({})).await.data(200)["status"], "suspended");
    assert_eq!(lab.post(&format!("{ALICE}/unsuspend"), &json!({})).await.data(200)["status"], "active");
    assert_eq!(lab.agent.account("alice").unwrap().state, State::Active);
    assert_eq!(lab.get("/api/settings").await.data(200)["terminated_kept_days"], 7);
}

#[tokio::test]
async fn an_operation_that_version_1_left_open_is_carried_to_its_outcome() {
    let lab = version_1().await;
    until("it has an outcome", async || lab.get(BOB).await.data(200)["status"] == "active").await;
    let account = lab.get(BOB).await.data(200);
    assert_eq!((&account["package"]["name"], &account["operation"]["outcome"]), (&json!("Starter"), &json!("committed")));
    assert_eq!(lab.agent.begun("bob"), 1);
    assert!(lab.agent.memo("bob").is_none(), "version 1 had none");
    lab.post(&format!("{BOB}/repair"), &json!({})).await.data(200);
    assert_eq!(lab.agent.memo("bob").unwrap()["external_ref"], "whmcs:1:s3");
}

#[tokio::test]
async fn what_version_1_knew_of_the_rest_is_still_known() {
    let lab = version_1().await;
    lab.get(FAILED).await.problem(404, "not_found");
    let failed = lab.get("/api/operations/0193a5e0-7c1e-7000-8000-000000000102").await.data(200);
    assert_eq!((&failed["outcome"], &failed["error"]["code"]), (&json!("rolled_back"), &json!("provisioning_failed")));
    assert_eq!((&failed["abandoned"], &failed["left"]), (&json!(false), &json!([])));
    let own = lab.call(Method::GET, "/api/self").token(TOKEN).send().await.data(200);
    assert_eq!(own["installation"], "0193a5e0-7c1e-7000-8000-0000000000ff");
    let mut again = order("alice");
    again["external_ref"] = json!("s1");
    let account = lab.call(Method::POST, "/api/accounts").token(TOKEN).json(&again).send().await.data(200);
    assert_eq!(format!("/api/accounts/{}", account["id"].as_str().unwrap()), ALICE, "the same order");
    let path = format!("{ALICE}/suspend");
    lab.call(Method::POST, &path).token(TOKEN).json(&json!({ "reason": "overdue" })).send().await.problem(403, "forbidden");
    let rows = lab.get("/api/activity?limit=500").await.data(200);
    for pair in rows.as_array().unwrap().windows(2) {
        assert_eq!(pair[0]["prev"], pair[1]["hash"], "the Activity is one chain across the versions");
    }
}
