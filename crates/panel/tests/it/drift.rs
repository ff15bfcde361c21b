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
async fn drift_is_remembered_once_and_never_passed_over_whatever_the_clock_of_its_server_says() {
    for seconds in [-3600, 21, 3600] {
        let mut lab = Lab::new().await;
        lab.agent.clock_is_ahead_by(seconds);
        let account = lab.create(&order("alice")).await.data(201);
        let path = format!("/api/accounts/{}", account["id"].as_str().unwrap());
        lab.agent.damage("alice", "tmp would be made");
        until("it is remembered", async || rows(&lab, "account.drift").await == 1).await;
        lab.crash().await;
        lab.start().await;
        until("it is seen again", async || !lab.get(&path).await.data(200)["drift"].is_null()).await;
        assert_eq!(rows(&lab, "account.drift").await, 1, "{seconds} s");

        // The same once more, after it was mended, and before anybody looked.
        lab.post(&format!("{path}/repair"), &json!({})).await.data(200);
        until("it is mended", async || lab.get(&path).await.data(200)["drift"].is_null()).await;
        lab.crash().await;
        lab.agent.damage("alice", "tmp would be made");
        lab.start().await;
        until("it is remembered again", async || rows(&lab, "account.drift").await == 2).await;
    }
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

#[tokio::test]
async fn drift_that_changes_all_the_time_makes_few_rows_and_the_next_one_says_how_many_were_left_out() {
    let lab = Lab::new().await;
    let account = lab.create(&order("alice")).await.data(201);
    let path = format!("/api/accounts/{}", account["id"].as_str().unwrap());
    let seen = async |text: &str| {
        lab.agent.damage_instead("alice", text);
        until("the Panel hears of it", async || lab.get(&path).await.data(200)["drift"]["changes"][0]["change"] == text).await;
    };
    for number in 1..=8 {
        seen(&format!("mode {number}")).await;
        if number <= 4 {
            until("it is remembered", async || rows(&lab, "account.drift").await == number).await;
        }
    }
    let asked = lab.agent.asked_for_health();
    until("it was asked again", async || lab.agent.asked_for_health() > asked + 3).await;
    assert_eq!(rows(&lab, "account.drift").await, 4);
    let pool = lab.sql().await;
    // As if an hour had passed.
    sqlx::query("UPDATE activity SET at = at - 3600000000 WHERE action = 'account.drift'").execute(&pool).await.unwrap();
    pool.close().await;
    until("the last one is remembered", async || rows(&lab, "account.drift").await == 5).await;
    let row = lab.get("/api/activity?action=account.drift").await.data(200)[0].clone();
    let detail = row["detail"].as_str().unwrap();
    assert!(detail.contains("home: mode 8") && detail.contains("3 findings before this one were left out"), "{detail}");
}

#[tokio::test]
async fn drift_of_very_many_parts_is_a_row_of_bounded_length() {
    let lab = Lab::new().await;
    lab.create(&order("alice")).await.data(201);
    for _ in 0..300 {
        lab.agent.damage("alice", &"x".repeat(3000));
    }
    until("it is remembered", async || rows(&lab, "account.drift").await >= 1).await;
    until("all is heard of", async || {
        let pool = lab.sql().await;
        let longest: i64 = sqlx::query_scalar("SELECT max(length(detail)) FROM activity").fetch_one(&pool).await.unwrap();
        pool.close().await;
        longest > 1000
    })
    .await;
    for row in lab.get("/api/activity?action=account.drift").await.data(200).as_array().unwrap() {
        let detail = row["detail"].as_str().unwrap();
        assert!(detail.len() < 5000, "{}", detail.len());
    }
}
