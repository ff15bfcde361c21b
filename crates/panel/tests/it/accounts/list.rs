//! `GET /api/accounts`.

use std::collections::HashSet;

use crate::support::{Lab, order};

#[tokio::test]
async fn ten_thousand_accounts_are_listed_once_each_page_by_page() {
    let lab = Lab::new().await;
    lab.create(&order("alice")).await.data(201);
    let pool = lab.sql().await;
    sqlx::raw_sql(include_str!("../../seed_accounts.sql")).execute(&pool).await.unwrap();
    pool.close().await;
    let (mut seen, mut cursor, mut snapshot) = (HashSet::new(), None::<String>, None);
    loop {
        let path = cursor
            .as_ref()
            .map_or_else(|| "/api/accounts?limit=500".to_owned(), |cursor| format!("/api/accounts?limit=500&cursor={cursor}"));
        let page = lab.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let page = page.json();
        assert_eq!(page["page"]["total"], 10_001);
        assert_eq!(*snapshot.get_or_insert(page["page"]["snapshot"].clone()), page["page"]["snapshot"]);
        for account in page["data"].as_array().unwrap() {
            assert!(seen.insert(account["id"].as_str().unwrap().to_owned()));
        }
        // What comes later belongs to the next list.
        if seen.len() == 500 {
            lab.create(&order("later")).await.data(201);
        }
        match page["page"]["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(seen.len(), 10_001);
    assert_eq!(lab.get("/api/accounts?limit=1").await.json()["page"]["total"], 10_002);
    assert_eq!(lab.get("/api/accounts?username=seed00042").await.data(200).as_array().unwrap().len(), 1);
    assert_eq!(lab.get("/api/accounts?external_ref=ref-alice").await.data(200)[0]["username"], "alice");
}

#[tokio::test]
async fn lists_are_served_by_an_index() {
    let lab = Lab::new().await;
    let pool = lab.sql().await;
    for query in [
        "EXPLAIN QUERY PLAN SELECT * FROM account a WHERE a.owner = 'host' AND a.status NOT IN ('terminated', 'failed') AND a.created_at <= 5 AND a.id > 'x' ORDER BY a.id LIMIT 100",
        "EXPLAIN QUERY PLAN SELECT * FROM account a WHERE a.owner = 'host' AND a.external_ref = 'x' AND a.status NOT IN ('terminated', 'failed')",
        "EXPLAIN QUERY PLAN SELECT * FROM operation WHERE owner = 'host' AND external_ref = 'x' AND id < 'x' ORDER BY id DESC LIMIT 100",
        "EXPLAIN QUERY PLAN SELECT * FROM operation WHERE outcome IN ('running', 'needs_attention') ORDER BY id",
        "EXPLAIN QUERY PLAN SELECT * FROM claimed_name n JOIN account a ON a.id = n.account_id WHERE n.registrable = 'x'",
    ] {
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(query).fetch_all(&pool).await.unwrap();
        assert!(plan.iter().all(|(.., step)| !step.starts_with("SCAN") || step.contains("USING INDEX")), "{query}: {plan:?}");
        assert!(plan.iter().all(|(.., step)| !step.contains("TEMP B-TREE")), "{query}: {plan:?}");
    }
    for query in [
        "EXPLAIN QUERY PLAN SELECT COUNT(*) FROM account a WHERE a.owner = 'host' AND a.status NOT IN ('terminated', 'failed') AND a.created_at <= 5",
        "EXPLAIN QUERY PLAN SELECT COUNT(*) FROM operation WHERE owner = 'host' AND external_ref = 'x'",
        "EXPLAIN QUERY PLAN SELECT COUNT(*) FROM activity WHERE owner = 'host'",
        "EXPLAIN QUERY PLAN SELECT COUNT(*) FROM activity WHERE owner = 'host' AND outcome = 'refused'",
    ] {
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(query).fetch_all(&pool).await.unwrap();
        assert!(plan.iter().all(|(.., step)| step.contains("USING COVERING INDEX")), "{query}: {plan:?}");
    }
}
