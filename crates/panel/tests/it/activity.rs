//! `GET /api/activity`.

use std::fmt::Write as _;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Browser, Lab, order, until};

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

/// The hash that the document promises.
fn hash_of(row: &Value) -> String {
    let fields =
        ["account_id", "action", "actor", "address", "at", "detail", "id", "operation_id", "outcome", "owner", "prev", "request_id"];
    let there = fields.into_iter().filter(|field| *field != "address" || !row[field].is_null());
    let canonical = format!("{{{}}}", there.map(|field| format!("\"{field}\":{}", row[field])).collect::<Vec<_>>().join(","));
    Sha256::digest(canonical.as_bytes()).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[tokio::test]
async fn the_activity_is_one_chain_from_its_first_row() {
    let lab = Lab::new().await;
    lab.create(&order("alice")).await.data(201);
    lab.create(&json!({ "username": "ü" })).await.problem(422, "invalid_request");
    lab.post("/api/tokens", &json!({ "name": "Zoë \"the\" <1>", "scopes": ["self.read"] })).await.data(201);
    let host = Browser::of_person(&lab, "administrator").await;
    assert_eq!(host.sure(&lab, "/people", &[("name", "ada"), ("role", "support")]).await.status, 200);
    let rows = rows(&lab).await;
    assert!(rows.len() >= 6);
    for (action, from) in
        [("administrator.create", json!("198.51.100.7")), ("token.create", Value::Null), ("account.create.outcome", Value::Null)]
    {
        let row = rows.iter().rfind(|row| row["action"] == action).unwrap();
        assert_eq!(row["address"], from, "{row}");
    }
    let mut prev = "0".repeat(64);
    for (number, row) in (1..).zip(&rows) {
        assert_eq!(row["id"], number);
        assert_eq!(row["prev"], prev);
        prev = hash_of(row);
        assert_eq!(row["hash"], prev);
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

/// A Panel that tells its server of every row at once, with some rows.
async fn told() -> Lab {
    let mut lab = Lab::ended();
    lab.timing.heads_every = Duration::ZERO;
    lab.start().await;
    lab.configure().await;
    for name in ["Starter", "a", "b", "c", "d", "e"] {
        lab.post("/api/packages", &json!({ "name": name })).await.data(201);
        is_told(&lab).await;
    }
    lab
}

async fn is_told(lab: &Lab) {
    let last = lab.count("SELECT MAX(id) FROM activity").await;
    until("the server was told", async || lab.agent.heads().last() == Some(&last)).await;
}

async fn tamper(lab: &Lab, sql: &'static str) {
    let pool = lab.sql().await;
    assert!(sqlx::query(sql).execute(&pool).await.unwrap().rows_affected() > 0);
    pool.close().await;
}

/// Changes a row, and makes the rows from there to `to` a chain again, as somebody would who knows how.
async fn rewrite(lab: &Lab, from: i64, to: i64) {
    let rows = rows(lab).await;
    let pool = lab.sql().await;
    let mut prev = None;
    for mut row in rows.into_iter().filter(|row| (from..=to).contains(&row["id"].as_i64().unwrap())) {
        match prev {
            None => row["detail"] = json!("Nothing happened."),
            Some(prev) => row["prev"] = prev,
        }
        let hash = hash_of(&row);
        sqlx::query("UPDATE activity SET detail = $2, prev = $3, hash = $4 WHERE id = $1")
            .bind(row["id"].as_i64())
            .bind(row["detail"].as_str())
            .bind(row["prev"].as_str())
            .bind(&hash)
            .execute(&pool)
            .await
            .unwrap();
        prev = Some(json!(hash));
    }
    pool.close().await;
}

async fn verdict(lab: &Lab) -> Value {
    lab.post("/api/activity/verify", &json!({})).await.data(200)
}

#[tokio::test]
async fn an_activity_that_nobody_touched_is_whole() {
    let lab = told().await;
    let (rows, heads) = (lab.count("SELECT COUNT(*) FROM activity").await, lab.agent.heads().len());
    assert!(heads > 3, "more than one page of them");
    let found = verdict(&lab).await;
    let key = found["key"].as_str().unwrap();
    assert_eq!(
        found,
        json!({ "whole": true, "rows_checked": rows, "heads_checked": heads, "not_asked": [], "removed": null, "key": key, "wrong": null })
    );
    assert_eq!(lab.agent.key().as_deref(), Some(key), "the servers are told of the key before it signs anything");
    assert_eq!(lab.count("SELECT COUNT(*) FROM activity").await, rows, "a look changes nothing");
    lab.call(Method::POST, "/api/activity/verify").json(&json!({ "x": 1 })).send().await.problem(422, "invalid_request");
}

#[tokio::test]
async fn whatever_is_done_to_the_rows_is_found_in_the_chain() {
    for (sql, kind, row) in [
        ("UPDATE activity SET detail = detail || '!' WHERE id = 3", "row_changed", 3),
        ("UPDATE activity SET account_id = NULL, at = at + 1 WHERE id = 5", "row_changed", 5),
        ("UPDATE activity SET hash = prev WHERE id = 4", "row_changed", 4),
        ("UPDATE activity SET detail = x'ff' WHERE id = 2", "row_changed", 2),
        ("DELETE FROM activity WHERE id = 4", "rows_missing", 4),
        ("DELETE FROM activity WHERE id < 3", "rows_missing", 1),
        ("DELETE FROM activity", "head_unknown", 0),
    ] {
        let lab = told().await;
        let row = if row == 0 { lab.agent.heads()[0] } else { row };
        assert_eq!(verdict(&lab).await["whole"], true);
        tamper(&lab, sql).await;
        let found = verdict(&lab).await;
        assert_eq!((&found["whole"], &found["wrong"]["kind"], &found["wrong"]["row"]), (&json!(false), &json!(kind), &json!(row)), "{sql}");
        assert!(found["wrong"]["hint"].as_str().unwrap().contains("panel.db"), "{found}");
    }
    let lab = told().await;
    rewrite(&lab, 4, 4).await;
    let mut lab_without = told().await;
    assert_eq!(verdict(&lab).await["wrong"]["kind"], "head_unknown", "the server was told of that very row");
    // Without a head of it, the row behind it shows it.
    lab_without.crash().await;
    lab_without.agent.knows_no_heads();
    lab_without.start().await;
    rewrite(&lab_without, 4, 4).await;
    let found = verdict(&lab_without).await;
    assert_eq!((&found["wrong"]["kind"], &found["wrong"]["row"], &found["rows_checked"]), (&json!("chain_broken"), &json!(5), &json!(5)));
}

#[tokio::test]
async fn history_that_was_rewritten_as_a_whole_chain_is_found_by_what_the_servers_were_told() {
    let lab = told().await;
    let last = lab.count("SELECT MAX(id) FROM activity").await;
    rewrite(&lab, 5, last).await;
    let found = verdict(&lab).await;
    let wrong = &found["wrong"];
    assert_eq!((&wrong["kind"], &wrong["row"], &wrong["server"]), (&json!("head_unknown"), &json!(5), &json!("default")));
    for text in ["rewritten", "restored from an older backup", "Up to the row 4"] {
        assert!(wrong["detail"].as_str().unwrap().contains(text), "{wrong}");
    }
    assert!(wrong["hint"].as_str().unwrap().contains("ACTIVITY_ROW=5"), "{wrong}");

    let cut_off = told().await;
    tamper(&cut_off, "DELETE FROM activity WHERE id > 5").await;
    let found = verdict(&cut_off).await;
    assert_eq!((&found["wrong"]["kind"], &found["wrong"]["row"], &found["rows_checked"]), (&json!("head_unknown"), &json!(6), &json!(5)));
}

#[tokio::test]
async fn a_panel_that_was_restored_from_an_older_backup_is_found_out() {
    let mut lab = told().await;
    lab.back_up().await;
    let kept = lab.count("SELECT MAX(id) FROM activity").await;
    lab.post("/api/packages", &json!({ "name": "lost" })).await.data(201);
    is_told(&lab).await;
    lab.restore_backup().await;
    let found = verdict(&lab).await;
    assert_eq!((&found["wrong"]["kind"], &found["wrong"]["row"]), (&json!("head_unknown"), &json!(kept + 1)));
    lab.post("/api/packages", &json!({ "name": "other" })).await.data(201);
    let found = verdict(&lab).await;
    assert_eq!((&found["wrong"]["kind"], &found["wrong"]["row"]), (&json!("head_unknown"), &json!(kept + 1)));
    assert!(found["wrong"]["hint"].as_str().unwrap().contains("activity-heads.jsonl"), "{found}");
}

#[tokio::test]
async fn a_server_that_cannot_say_what_it_was_told_is_named() {
    let lab = Lab::ended();
    lab.agent.knows_no_heads();
    let mut lab = lab;
    lab.start().await;
    lab.configure().await;
    let found = verdict(&lab).await;
    assert_eq!((&found["whole"], &found["heads_checked"], &found["not_asked"][0]["server"]), (&json!(true), &json!(0), &json!("default")));
    assert!(found["not_asked"][0]["detail"].as_str().unwrap().contains("earlier version"), "{found}");
    lab.agent.stop().await;
    let found = verdict(&lab).await;
    assert!(found["not_asked"][0]["detail"].as_str().unwrap().contains("could not be asked"), "{found}");
}

#[tokio::test]
async fn a_thousand_rows_are_told_without_waiting_for_the_hour() {
    let lab = Lab::new().await;
    until("the server was told after the start", async || lab.agent.heads().len() == 1).await;
    lab.post("/api/packages", &json!({ "name": "one more" })).await.data(201);
    tamper(
        &lab,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO activity \
         (id, owner, at, actor, action, outcome, detail, prev, hash) SELECT i + 1000, 'host', i, 'x', 'seed', 'ok', 'x', i, i FROM n",
    )
    .await;
    until("the server was told again", async || lab.agent.heads().last() == Some(&2000)).await;
    assert_eq!(lab.agent.heads().len(), 2, "not for the one row before");
}

const DAY: Duration = Duration::from_hours(24);

/// An Activity whose rows up to the one that is returned were removed because of their age.
async fn shortened() -> (Lab, i64) {
    let lab = told().await;
    lab.put("/api/settings", &json!({ "activity_days": 30 })).await.data(200);
    is_told(&lab).await;
    let last = lab.count("SELECT MAX(id) FROM activity").await;
    lab.agent.advance(40 * DAY);
    lab.advance(40 * DAY);
    until("the old rows are gone", async || lab.count("SELECT MIN(id) FROM activity").await > last).await;
    lab.post("/api/packages", &json!({ "name": "later" })).await.data(201);
    is_told(&lab).await;
    (lab, last)
}

#[tokio::test]
async fn rows_that_are_too_old_are_removed_behind_a_signed_row_and_the_rest_stays_provable() {
    let (mut lab, last) = shortened().await;
    let rows = rows(&lab).await;
    let signed = rows.iter().find(|row| row["action"] == "activity.shorten").unwrap();
    assert_eq!((&rows[0]["id"], &signed["actor"]), (&json!(last + 1), &json!("panel")));
    assert!(signed["detail"].as_str().unwrap().starts_with(&format!("The rows 1 to {last} ({last}) were removed at ")), "{signed}");
    for _ in 0..2 {
        let found = verdict(&lab).await;
        assert_eq!((&found["whole"], &found["removed"]["last_row"]), (&json!(true), &json!(last)), "{found}");
        assert_eq!(found["removed"]["activity_row"], signed["id"]);
        assert!(found["removed"]["heads_not_compared"].as_u64().unwrap() > 3, "{found}");
        assert!(found["heads_checked"].as_u64().unwrap() >= 2, "{found}");
        lab.crash().await;
        lab.start().await;
    }
    assert_eq!(lab.count("SELECT COUNT(*) FROM activity_removal").await, 1);
    let reader = Browser::of_person(&lab, "read_only").await;
    is_told(&lab).await;
    let page = reader.post(&lab, "/activity/verify").await;
    assert!(page.text.contains(&format!("Rows up to {last};")), "{}", page.text);
    // The next removal continues the first.
    lab.agent.advance(40 * DAY);
    lab.advance(40 * DAY);
    until("those rows are gone, too", async || {
        lab.count("SELECT last_row FROM activity_removal").await > last && lab.count("SELECT COUNT(*) FROM activity").await < 5
    })
    .await;
    is_told(&lab).await;
    assert_eq!(verdict(&lab).await["whole"], true);
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_removes_nothing_for_a_day_and_that_is_told_and_no_failure() {
    let mut lab = told().await;
    lab.crash().await;
    lab.timing.clock_believed_after = DAY;
    lab.start().await;
    let count = lab.count("SELECT COUNT(*) FROM activity").await;
    lab.advance(10 * 365 * DAY);
    for name in ["later", "later still"] {
        let held = async || {
            let tasks = lab.get("/api/tasks").await.data(200);
            tasks.as_array().unwrap().iter().find(|task| task["name"] == "old Activity").cloned().unwrap_or_default()
        };
        until("it is told", async || held().await["held"].is_string()).await;
        let task = held().await;
        assert!(task["held"].as_str().unwrap().contains("in case that the clock is ahead"), "{task}");
        assert_eq!((&task["state"], &task["failures"]), (&json!("ok"), &json!(0)));
        assert_eq!(lab.get("/api/health").await.data(200), json!({ "status": "ok" }));
        // Neither what is written since then nor another start makes the clock right.
        lab.post("/api/tokens", &json!({ "name": name, "scopes": ["self.read"] })).await.data(201);
        lab.crash().await;
        lab.start().await;
    }
    assert_eq!(lab.count("SELECT MIN(id) FROM activity").await, 1);
    assert!(lab.count("SELECT COUNT(*) FROM activity").await > count);
    lab.crash().await;
    lab.timing.clock_believed_after = Duration::ZERO;
    lab.start().await;
    until("the old rows are gone", async || lab.count("SELECT MIN(id) FROM activity").await > count).await;
}

#[tokio::test]
async fn rows_stay_as_long_as_the_host_keeps_them_and_a_limit_has_bounds() {
    let lab = told().await;
    for (field, bad) in [("activity_days", [0, 29, 3651]), ("activity_rows", [0, 99_999, 100_000_001])] {
        for number in bad {
            let problem = lab.put("/api/settings", &json!({ field: number })).await.problem(422, "invalid_request");
            assert_eq!(problem["field"], field);
        }
    }
    let kept = lab.get("/api/settings").await.data(200);
    assert_eq!((&kept["activity_days"], &kept["activity_rows"]), (&json!(730), &json!(10_000_000)));
    let host = Browser::of_person(&lab, "administrator").await;
    assert!(host.get(&lab, "/settings").await.text.contains("name=\"activity_days\""));
    lab.agent.advance(700 * DAY);
    lab.advance(700 * DAY);
    lab.post("/api/packages", &json!({ "name": "later" })).await.data(201);
    is_told(&lab).await;
    assert_eq!(lab.count("SELECT MIN(id) FROM activity").await, 1);
    assert_eq!(verdict(&lab).await["whole"], true);
}

#[tokio::test]
async fn a_removal_that_was_forged_changed_or_taken_away_is_found() {
    for (sql, kind) in [
        ("DELETE FROM activity_removal", "rows_missing"),
        ("UPDATE activity_removal SET last_row = last_row + 1", "removal_forged"),
        ("UPDATE activity_removal SET first_row = 2", "removal_forged"),
        ("UPDATE activity_removal SET hash = key", "removal_forged"),
        ("UPDATE activity_removal SET key = hash", "removal_forged"),
        ("UPDATE activity_removal SET signature = ''", "removal_forged"),
        ("UPDATE activity_removal SET activity_row = activity_row + 1", "removal_forged"),
        ("UPDATE activity_removal SET activity_row = 9999", "removal_forged"),
        ("DELETE FROM activity WHERE id = (SELECT MIN(id) FROM activity)", "rows_missing"),
    ] {
        let (lab, _) = shortened().await;
        assert_eq!(verdict(&lab).await["whole"], true);
        tamper(&lab, sql).await;
        let found = verdict(&lab).await;
        assert_eq!((&found["whole"], &found["wrong"]["kind"]), (&json!(false), &json!(kind)), "{sql}: {found}");
    }
    let (mut lab, _) = shortened().await;
    lab.crash().await;
    std::fs::remove_file(lab.dir.path().join("activity-key.der")).unwrap();
    lab.start().await;
    let found = verdict(&lab).await;
    assert_eq!((&found["whole"], &found["wrong"]["kind"]), (&json!(false), &json!("key_replaced")), "{found}");
}

#[tokio::test]
async fn whoever_has_the_key_and_takes_out_young_rows_is_found_by_what_the_servers_were_told() {
    let lab = told().await;
    let all = rows(&lab).await;
    let (third, head) = (&all[2], all.last().unwrap());
    let der = opterius_protocol::bounded::file(lab.dir.path().join("activity-key.der"), 1024).unwrap();
    let key = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(&der).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let public = hex(aws_lc_rs::signature::KeyPair::public_key(&key).as_ref());
    let hash = third["hash"].as_str().unwrap();
    let sentence = format!(
        "The rows 1 to 3 (3) were removed at 1970-01-01T00:00:00.000001Z; the last one had the hash {hash}. Signed with the key {public}"
    );
    let signature = hex(key.sign(sentence.as_bytes()).as_ref());
    let id = head["id"].as_i64().unwrap() + 1;
    let mut row = head.clone();
    row["id"] = json!(id);
    row["action"] = json!("activity.shorten");
    row["detail"] = json!(format!("{sentence}: {signature}"));
    row["prev"] = head["hash"].clone();
    let pool = lab.sql().await;
    let text = |field: &str| row[field].as_str().map(str::to_owned);
    sqlx::query(
        "INSERT INTO activity (id, owner, at, actor, action, account_id, operation_id, request_id, outcome, detail, prev, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(id)
    .bind(text("owner"))
    .bind(row["at"].as_i64())
    .bind(text("actor"))
    .bind(text("action"))
    .bind(text("account_id"))
    .bind(text("operation_id"))
    .bind(text("request_id"))
    .bind(text("outcome"))
    .bind(text("detail"))
    .bind(text("prev"))
    .bind(hash_of(&row))
    .execute(&pool)
    .await
    .unwrap();
    sqlx::query("INSERT INTO activity_removal VALUES (1, 3, $1, 1, $2, $3, $4)")
        .bind(hash)
        .bind(&public)
        .bind(&signature)
        .bind(id)
        .execute(&pool)
        .await
        .unwrap();
    sqlx::query("DELETE FROM activity WHERE id <= 3").execute(&pool).await.unwrap();
    pool.close().await;
    is_told(&lab).await;
    let found = verdict(&lab).await;
    assert_eq!((&found["whole"], &found["wrong"]["kind"]), (&json!(false), &json!("removal_forged")), "{found}");
    assert!(found["wrong"]["detail"].as_str().unwrap().contains("less than 30 days ago"), "{found}");
}

#[tokio::test]
async fn the_page_says_what_the_check_found() {
    let lab = told().await;
    let reader = Browser::of_person(&lab, "read_only").await;
    assert!(reader.get(&lab, "/activity").await.text.contains("action=\"/activity/verify\""));
    is_told(&lab).await;
    let page = reader.post(&lab, "/activity/verify").await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("Nothing was changed, taken out or put in"), "{}", page.text);
    tamper(&lab, "UPDATE activity SET detail = '<img src=x>' WHERE id = 3").await;
    let page = reader.post(&lab, "/activity/verify").await;
    assert!(page.text.contains("The row 3 was changed") && page.text.contains("href=\"/activity/3\""), "{}", page.text);
    lab.agent.stop().await;
    assert!(reader.post(&lab, "/activity/verify").await.text.contains("could not be asked"));
}
