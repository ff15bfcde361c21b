//! Databases of earlier versions: this Panel opens them, and everything in them goes on.

use http::Method;
use opterius_model::{Spec, State};
use serde_json::{Value, json};

use crate::support::{Lab, order, until};

const V1: &str = include_str!("fixtures/panel-v1.sql");
const V2: &str = include_str!("fixtures/panel-v2.sql");

/// The token of the fixture's WHMCS installation.
const TOKEN: &str = "fixture-token-fixture-token-fixture-token-0";

/// The token that version 2 made for the same installation, with the scopes that WHMCS's tokens had then.
const TOKEN_2: &str = "fixture-token-fixture-token-fixture-token-2";

const ALICE: &str = "/api/accounts/0193a5e0-7c1e-7000-8000-000000000001";
const FAILED: &str = "/api/accounts/0193a5e0-7c1e-7000-8000-000000000002";
const BOB: &str = "/api/accounts/0193a5e0-7c1e-7000-8000-000000000003";
const CAROL: &str = "/api/accounts/0193a5e0-7c1e-7000-8000-000000000004";
const DAVE: &str = "/api/accounts/0193a5e0-7c1e-7000-8000-000000000005";

/// 2100-01-01, until when the fixture of version 2 keeps `carol`.
const IN_2100: i64 = 4_102_444_800_000_000;

/// A Panel on a database that an earlier one left, beside a server that has these accounts as they were last committed.
async fn opened(database: &'static str, usernames: &[&str]) -> Lab {
    let mut lab = Lab::ended();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(lab.database()).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::raw_sql(database).execute(&pool).await.unwrap();
    for username in usernames {
        let spec: String =
            sqlx::query_scalar("SELECT spec FROM account WHERE username = $1").bind(username).fetch_one(&pool).await.unwrap();
        lab.agent.has(serde_json::from_str::<Spec>(&spec).unwrap());
    }
    pool.close().await;
    lab.start().await;
    lab
}

/// What migration 1 left.
async fn version_1() -> Lab {
    opened(V1, &["alice"]).await
}

/// What migration 2 left.
async fn version_2() -> Lab {
    opened(V2, &["alice", "bob", "carol", "dave"]).await
}

/// The Activity is one chain across the versions.
async fn assert_one_chain(lab: &Lab, least: usize) {
    let rows = lab.get("/api/activity?limit=500").await.data(200);
    let rows = rows.as_array().unwrap();
    assert!(rows.len() >= least, "{}", rows.len());
    for pair in rows.windows(2) {
        assert_eq!(pair[0]["prev"], pair[1]["hash"]);
    }
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
    assert_one_chain(&lab, 3).await;
}

#[tokio::test]
async fn the_holds_of_version_2_stand_and_are_lifted_one_by_one() {
    let lab = version_2().await;
    let alice = lab.get(ALICE).await.data(200);
    let holds: Vec<(&str, &str, &str, i64)> = alice["holds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hold| {
            let text = |field: &str| hold[field].as_str().unwrap();
            (text("hold"), text("reason"), text("by"), hold["since"].as_i64().unwrap())
        })
        .collect();
    assert_eq!(alice["status"], "suspended");
    assert_eq!(
        holds,
        [
            ("billing", "overdue invoice 7", "administrator", 1_793_100_000_116_490),
            ("abuse", "sends spam", "administrator", 1_793_100_000_132_815)
        ]
    );
    let lifted = lab.post(&format!("{ALICE}/unsuspend"), &json!({ "hold": "abuse" })).await.data(200);
    assert_eq!(
        (&lifted["status"], &lifted["holds"][0]["hold"], &lifted["holds"][1]),
        (&json!("suspended"), &json!("billing"), &Value::Null)
    );
    let path = "/api/accounts/ref:s1/unsuspend";
    let lifted = lab.call(Method::POST, path).token(TOKEN_2).json(&json!({})).send().await.data(200);
    assert_eq!((&lifted["status"], &lifted["holds"]), (&json!("active"), &json!([])));
    assert_eq!(lab.agent.account("alice").unwrap().state, State::Active);
}

#[tokio::test]
async fn an_account_of_version_2_keeps_its_own_limits_and_gets_a_client() {
    let lab = version_2().await;
    let bob = lab.get(BOB).await.data(200);
    assert_eq!(bob["overrides"], json!({ "databases": 7, "mailboxes": 3 }));
    assert_eq!((&bob["limits"]["databases"], &bob["limits"]["disk_mib"]), (&json!(7), &json!(10240)));
    assert_eq!((&bob["client_ref"], &bob["next_due_on"]), (&Value::Null, &Value::Null));
    lab.post("/api/packages", &json!({ "name": "Large", "disk_mib": 20480 })).await.data(201);
    let bob = lab.put(&format!("{BOB}/package"), &json!({ "package": "Large" })).await.data(200);
    assert_eq!((&bob["limits"]["databases"], &bob["limits"]["disk_mib"]), (&json!(7), &json!(20480)), "its own stay");
    let client = json!({ "client_ref": "c7", "next_due_on": "2026-12-31" });
    let bob = lab.call(Method::PATCH, BOB).json(&client).send().await.data(200);
    assert_eq!((&bob["client_ref"], &bob["next_due_on"]), (&json!("c7"), &json!("2026-12-31")));
    let server = lab.get("/api/servers/default").await.data(200);
    assert_eq!((&server["accounts"], &server["max_accounts"]), (&json!(3), &json!(0)), "it takes any number, as it did");
}

#[tokio::test]
async fn an_account_that_version_2_terminated_can_be_restored() {
    let lab = version_2().await;
    let gone = lab.get(CAROL).await.problem(410, "account_gone");
    assert_eq!(gone["restorable_until"], IN_2100);
    let carol = lab.post(&format!("{CAROL}/restore"), &json!({})).await.data(200);
    assert_eq!((&carol["status"], &carol["domain"]), (&json!("suspended"), &json!("carol.example")));
    assert_eq!((&carol["holds"][0]["hold"], &carol["holds"][0]["reason"]), (&json!("billing"), &json!("overdue invoice 9")), "as it was");
    let spec = lab.agent.account("carol").unwrap();
    assert_eq!((spec.state, u32::from(spec.uid.unwrap())), (State::Suspended, 20_005));
    let password_hash = serde_json::to_value(&spec).unwrap()["password_hash"].clone();
    assert!(password_hash.as_str().unwrap().starts_with("$6$rounds=5000$MpVCAxJVy2nhKv7D$"), "its password was kept: {password_hash}");
    assert_eq!(lab.post(&format!("{CAROL}/unsuspend"), &json!({ "hold": "billing" })).await.data(200)["status"], "active");
}

#[tokio::test]
async fn a_change_that_version_2_left_open_is_carried_to_its_outcome() {
    let lab = version_2().await;
    until("it has an outcome", async || lab.get(DAVE).await.data(200)["operation"]["outcome"] == "committed").await;
    let dave = lab.get(DAVE).await.data(200);
    assert_eq!((&dave["operation"]["id"], &dave["status"]), (&json!("0193a5e0-7c1e-7000-8000-000000000208"), &json!("active")));
    assert_eq!((&dave["overrides"], &dave["limits"]["mailboxes"]), (&json!({ "mailboxes": 5 }), &json!(5)), "as the memo says");
    assert_eq!((&dave["email"], &dave["external_ref"]), (&json!("dave@example.com"), &json!("whmcs:1:s5")));
    assert_eq!((&dave["package"]["name"], &dave["client_ref"]), (&json!("Starter"), &Value::Null));
    assert_eq!(lab.agent.begun("dave"), 1);
    assert_eq!(u64::from(lab.agent.account("dave").unwrap().limits.mailboxes), 5);
    assert_eq!(lab.agent.memo("dave").unwrap()["overrides"], json!({ "mailboxes": 5 }));
}

#[tokio::test]
async fn a_token_of_version_2_may_what_it_could_and_nothing_new() {
    let lab = version_2().await;
    let own = lab.call(Method::GET, "/api/self").token(TOKEN_2).send().await.data(200);
    assert_eq!((&own["installation"], &own["caller"]["ref_prefix"]), (&json!("0193a5e0-7c1e-7000-8000-0000000000ff"), &json!("whmcs:1:")));
    let with = |method: Method, path: &str| lab.call(method, path).token(TOKEN_2);
    let reason = json!({ "reason": "overdue" });
    assert_eq!(with(Method::POST, "/api/accounts/ref:s3/suspend").json(&reason).send().await.data(200)["status"], "suspended");
    with(Method::PATCH, "/api/accounts/ref:s3").json(&json!({ "client_ref": "c7" })).send().await.problem(403, "forbidden");
    with(Method::POST, "/api/self/token").send().await.problem(403, "forbidden");
    let tokens = lab.get("/api/tokens").await.data(200);
    assert!(tokens.as_array().unwrap().iter().all(|token| token["callers"] == json!([])), "{tokens}");
    let rotated = lab.post("/api/tokens/0193a5e0-7c1e-7000-8000-0000000000cd/rotate", &json!({})).await.data(201);
    lab.call(Method::GET, "/api/self").token(rotated["token"].as_str().unwrap()).send().await.data(200);
    with(Method::GET, "/api/self").send().await.problem(401, "unauthorized");
    assert_one_chain(&lab, 20).await;
}

#[tokio::test]
async fn an_account_of_version_2_is_measured_and_its_customer_signed_in() {
    let lab = version_2().await;
    lab.agent.uses("alice", 4096, 2);
    until("it is measured", async || lab.get("/api/usage").await.data(200).as_array().unwrap().iter().any(|row| row["disk_bytes"] == 4096))
        .await;
    // Tokens keep the scopes that they were made with.
    let path = format!("{ALICE}/sign-in");
    lab.call(Method::POST, &path).token(TOKEN).json(&json!({})).send().await.problem(403, "forbidden");
    lab.post(&path, &json!({})).await.data(201);
    assert_eq!(lab.count("SELECT COUNT(*) FROM sign_in").await, 1);
}
