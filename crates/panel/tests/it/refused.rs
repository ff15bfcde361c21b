//! Who is refused decides how often, and must not decide how much is written down.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Browser, Lab, Reply, order, until};

const MINUTE: Duration = Duration::from_secs(61);

/// Who was refused how often, as the rows of whole minutes say.
async fn told(lab: &Lab) -> BTreeMap<String, i64> {
    let rows = lab.get("/api/activity?action=caller.refused&limit=500").await.data(200);
    let times = |row: &Value| row["detail"].as_str().unwrap().split(' ').next().unwrap().parse::<i64>().unwrap();
    rows.as_array().unwrap().iter().fold(BTreeMap::new(), |mut all, row| {
        *all.entry(row["actor"].as_str().unwrap().to_owned()).or_default() += times(row);
        all
    })
}

async fn activity(lab: &Lab) -> i64 {
    lab.count("SELECT COUNT(*) FROM activity").await
}

/// Sends an order that is not valid.
async fn wrong(lab: &Lab, token: &str) -> Reply {
    lab.call(Method::POST, "/api/accounts").token(token).json(&json!({ "username": "ü" })).send().await
}

#[tokio::test]
async fn thousands_of_bad_tokens_from_one_network_are_few_rows_that_say_where_from_and_how_often() {
    let lab = Lab::bare().await;
    let before = activity(&lab).await;
    for n in 0..3000 {
        let from = format!("[2001:db8:7:{n:x}::1]:9");
        lab.call(Method::GET, "/api/self").from(&from).header("authorization", "Bearer wrong").send().await.problem(401, "unauthorized");
    }
    lab.advance(MINUTE);
    until("all are told", async || told(&lab).await.values().sum::<i64>() == 3000).await;
    // The real minute may have changed on the way.
    assert!(activity(&lab).await - before <= 2 * 11, "{:?}", told(&lab).await);
    assert!(told(&lab).await["address:2001:db8:7::/48"] >= 2980, "{:?}", told(&lab).await);
    assert_eq!(lab.count("SELECT (SELECT COUNT(*) FROM refused_request) + (SELECT COUNT(*) FROM refused_caller)").await, 0);
}

#[tokio::test]
async fn a_token_s_refused_orders_are_few_rows_and_none_is_lost() {
    let lab = Lab::new().await;
    let token = lab.whmcs("flood").await;
    let before = activity(&lab).await;
    for _ in 0..100 {
        wrong(&lab, &token).await.problem(422, "invalid_request");
    }
    lab.call(Method::POST, "/api/accounts/ref:s1/suspend")
        .token(&token)
        .json(&json!({ "reason": "x" }))
        .send()
        .await
        .problem(404, "not_found");
    let rows = activity(&lab).await - before;
    assert!((30..=60).contains(&rows), "{rows} rows at once");
    let alone = lab.count("SELECT COUNT(*) FROM activity WHERE outcome = 'refused' AND action LIKE 'account.%'").await;
    assert_eq!(alone, rows);
    lab.advance(MINUTE);
    until("all are told", async || told(&lab).await.get("token:flood") == Some(&(101 - alone))).await;
    assert!(activity(&lab).await - before <= rows + 2);
    let told = lab.get("/api/activity?action=caller.refused").await.data(200);
    let detail = told[0]["detail"].as_str().unwrap();
    assert!(detail.contains("further requests were refused in this minute") && detail.contains("1 not_found"), "{detail}");
    wrong(&lab, &token).await.problem(422, "invalid_request");
    assert_eq!(lab.count("SELECT COUNT(*) FROM activity WHERE outcome = 'refused' AND action LIKE 'account.%'").await, alone + 1);
}

#[tokio::test]
async fn what_was_only_counted_is_told_though_the_panel_ends_in_the_same_minute() {
    let mut lab = Lab::ended();
    lab.timing.count_refused_every = Duration::from_hours(1);
    lab.start().await;
    lab.configure().await;
    let token = lab.whmcs("flood").await;
    for _ in 0..40 {
        wrong(&lab, &token).await.problem(422, "invalid_request");
        lab.call(Method::GET, "/api/self").token("bad").send().await.problem(401, "unauthorized");
    }
    assert!(told(&lab).await.is_empty(), "nobody has written it down yet");
    lab.crash().await;
    lab.start().await;
    assert_eq!(told(&lab).await, BTreeMap::from([("address:203.0.113.7".to_owned(), 40), ("token:flood".to_owned(), 10)]));
}

#[tokio::test]
async fn the_table_of_an_earlier_version_is_emptied_and_what_it_had_not_told_yet_is() {
    let mut lab = Lab::bare().await;
    lab.crash().await;
    let pool = lab.sql().await;
    let seed = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3500) \
                INSERT INTO refused_caller (minute, address, status, times, recorded) \
                SELECT strftime('%s', 'now') / 60 - 10, '2001:db8:9:' || printf('%x', i) || '::/64', 401, 2, i <= 2500 FROM n";
    sqlx::query(seed).execute(&pool).await.unwrap();
    pool.close().await;
    lab.start().await;
    until("it is empty", async || lab.count("SELECT COUNT(*) FROM refused_caller").await == 0).await;
    until("all are told", async || told(&lab).await.values().sum::<i64>() == 2000).await;
    assert!(activity(&lab).await <= 50, "{}", activity(&lab).await);
}

#[tokio::test]
async fn a_token_that_asks_too_much_is_told_when_to_come_again_and_costs_no_row() {
    let lab = Lab::new().await;
    let (greedy, modest) = (lab.whmcs("greedy").await, lab.whmcs("modest").await);
    lab.stop_clock();
    for _ in 0..500 {
        wrong(&lab, &greedy).await.problem(422, "invalid_request");
    }
    let last = wrong(&lab, &greedy).await;
    let problem = last.problem(429, "too_many_requests");
    assert_eq!(last.header("retry-after"), "1");
    assert_eq!(problem["retryable"], true);
    assert!(problem["detail"].as_str().unwrap().contains("greedy"), "{problem}");
    let before = activity(&lab).await;
    for _ in 0..200 {
        wrong(&lab, &greedy).await.problem(429, "too_many_requests");
        lab.call(Method::GET, "/api/self").token(&greedy).send().await.problem(429, "too_many_requests");
    }
    assert_eq!(activity(&lab).await, before, "none of them is a row");
    lab.advance(Duration::from_millis(10_020));
    lab.call(Method::GET, "/api/self").token(&greedy).send().await.data(200);
    lab.call(Method::GET, "/api/self").token(&greedy).send().await.data(200);
    lab.call(Method::GET, "/api/self").token(&greedy).send().await.problem(429, "too_many_requests");
    // Nobody else waits for it.
    lab.call(Method::POST, "/api/accounts").token(&modest).json(&order("alice")).send().await.data(201);
    lab.create(&order("bob")).await.data(201);
    lab.advance(Duration::from_mins(1));
    wrong(&lab, &greedy).await.problem(422, "invalid_request");
    until("it is told", async || {
        let rows = lab.get("/api/activity?action=caller.refused").await.data(200);
        rows.as_array()
            .unwrap()
            .iter()
            .any(|row| row["actor"] == "token:greedy" && row["detail"].as_str().unwrap().contains(" too_many_requests"))
    })
    .await;
}

#[tokio::test]
async fn sign_in_links_cost_more_than_a_look() {
    let lab = Lab::new().await;
    let token = lab.whmcs("greedy").await;
    lab.call(Method::POST, "/api/accounts").token(&token).json(&order("alice")).send().await.data(201);
    lab.stop_clock();
    let mut made = 0;
    while lab.call(Method::POST, "/api/accounts/ref:ref-alice/sign-in").token(&token).json(&json!({})).send().await.status < 300 {
        made += 1;
        assert!(made < 1000, "there is no end to them");
    }
    assert!((195..=200).contains(&made), "{made} links");
}

#[tokio::test]
async fn whoever_is_signed_in_has_a_budget_too() {
    let lab = Lab::new().await;
    let host = Browser::of_person(&lab, "administrator").await;
    let other = Browser::of_person(&lab, "support").await;
    lab.stop_clock();
    let mut sent = 0;
    let last = loop {
        let page = host.send(&lab, "/packages", &[("name", "")]).await;
        if page.status == 429 {
            break page;
        }
        sent += 1;
        assert!(sent < 2000, "there is no end to it");
    };
    assert!((990..=1000).contains(&sent), "{sent}");
    assert!(last.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert!(last.text.contains("Try again in"), "{}", last.text);
    assert_eq!(other.get(&lab, "/accounts").await.status, 200);
    for closes in ["suspend", "terminate"] {
        let nobody = "0193a5e0-7c1e-7000-8000-000000000002";
        let page = host.send(&lab, &format!("/accounts/{nobody}/{closes}"), &[("reason", "x")]).await;
        assert!(page.status != 429, "{closes}: {}", page.text);
    }
}

#[tokio::test]
async fn a_token_without_a_budget_can_still_suspend_and_terminate() {
    let lab = Lab::new().await;
    let token = lab.whmcs("greedy").await;
    for name in ["alice", "bob"] {
        lab.call(Method::POST, "/api/accounts").token(&token).json(&order(name)).send().await.data(201);
    }
    lab.stop_clock();
    while wrong(&lab, &token).await.status != 429 {}
    let look = async || lab.call(Method::GET, "/api/self").token(&token).send().await;
    look().await.problem(429, "too_many_requests");
    let suspend = async |whom: &str| {
        let path = format!("/api/accounts/ref:ref-{whom}/suspend");
        lab.call(Method::POST, &path).token(&token).json(&json!({ "reason": "x" })).send().await
    };
    assert_eq!(suspend("alice").await.data(200)["status"], "suspended");
    lab.call(Method::DELETE, "/api/accounts/ref:ref-bob").token(&token).send().await.data(200);
    for _ in 0..50 {
        suspend("nobody").await.problem(404, "not_found");
    }
    look().await.problem(429, "too_many_requests");
    lab.advance(Duration::from_secs(11));
    look().await.data(200);
}

#[tokio::test]
async fn looks_leave_something_for_changes() {
    let lab = Lab::new().await;
    let token = lab.whmcs("curious").await;
    lab.stop_clock();
    while lab.call(Method::GET, "/api/accounts/ref:nobody").token(&token).send().await.status != 429 {}
    lab.call(Method::POST, "/api/accounts").token(&token).json(&order("alice")).send().await.data(201);
}
