//! No password and no token is ever written down or sent back.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use opterius_protocol::agent::FailureKind;
use serde_json::json;
use sqlx::Row as _;

use crate::support::{Behaviour, Browser, Lab, order};

const NASTY: [&str; 6] = [
    "S3cret & < > \" ' # % : \\ $ end",
    "  leading and trailing  ",
    "pässwörd-geheim-☃",
    "{\"a\":\"b\"}; DROP TABLE",
    "%53%65cret-%00-plain",
    "$6$not$a-hash-at-all",
];

/// `secret` as it might turn up: as it is, and in the encodings that text goes through.
fn forms(secret: &str) -> Vec<String> {
    let json = serde_json::to_string(secret).unwrap();
    let percent = secret.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "%{byte:02X}");
        text
    });
    let hex = secret.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    vec![
        secret.to_owned(),
        json.trim_matches('"').to_owned(),
        format!("{secret:?}").trim_matches('"').to_owned(),
        percent,
        hex,
        html,
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ]
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Every text of every table but the password hashes.
async fn database(lab: &Lab) -> String {
    let pool = lab.sql().await;
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table'").fetch_all(&pool).await.unwrap();
    let mut all = String::new();
    for table in tables {
        for row in sqlx::query(sqlx::AssertSqlSafe(format!("SELECT * FROM {table}"))).fetch_all(&pool).await.unwrap() {
            for column in 0..row.len() {
                if let Ok(text) = row.try_get_unchecked::<String, _>(column) {
                    all.push_str(&text);
                    all.push('\n');
                }
            }
        }
    }
    pool.close().await;
    all
}

#[tokio::test]
async fn no_secret_is_in_the_database_the_log_or_a_reply() {
    let log = Captured::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let lab = Lab::new().await;
    let token = lab.whmcs("WHMCS").await;
    let mut replies = String::new();
    for (n, password) in NASTY.iter().enumerate() {
        let username = format!("user{n}");
        if n == 1 {
            lab.agent.script(&username, Behaviour::Fail("linux user", FailureKind::Failed, "chpasswd failed"));
        }
        if n == 2 {
            lab.agent.script(&username, Behaviour::LoseReply);
        }
        let mut wanted = order(&username);
        wanted["password"] = json!(password);
        for _ in 0..2 {
            replies.push_str(&lab.call(Method::POST, "/api/accounts").token(&token).json(&wanted).send().await.text);
        }
        let change = |plan: &str, password: &str| {
            let path = format!("/api/accounts/ref:ref-{username}/password{plan}");
            lab.call(Method::PUT, &path).token(&token).json(&json!({ "password": password })).send()
        };
        replies.push_str(&change("?plan=true", "another one").await.text);
        replies.push_str(&change("", "another one").await.text);
        replies.push_str(&change("", password).await.text);
        // Wrong in every other field, and where a password is not expected.
        let wrong = json!({ "username": 5, "password": password, "domain": "" });
        replies.push_str(&lab.create(&wrong).await.text);
        let body = wrong.to_string().replace(",\"username\"", ",,\"username\"");
        replies.push_str(&lab.call(Method::POST, "/api/accounts").raw("application/json", body).send().await.text);
        replies.push_str(&lab.create(&json!({ "password": [password] })).await.text);
        replies.push_str(&lab.create(&json!({ "password": { "text": password } })).await.text);
        let administrator = json!({ "username": format!("admin{n}"), "password": password });
        replies.push_str(&lab.post("/api/administrators", &administrator).await.text);
        let basic = format!("Basic {}", STANDARD.encode(format!("admin{n}:{password}")));
        replies.push_str(&lab.call(Method::GET, "/api/self").from("203.0.113.7:1").header("authorization", &basic).send().await.text);
    }
    // What opens pages is told once, in the answer that makes it.
    let link = lab.customer_link(&token, "user0").await;
    lab.call(Method::HEAD, &link).from("203.0.113.7:1").send().await;
    let browser = Browser::of(&lab.visit(&link).await);
    lab.visit(&link).await;
    replies.push_str(&browser.get(&lab, browser.at.split('#').next().unwrap()).await.text);
    let opens = [link["/sign-in/".len()..].to_owned(), browser.cookie.split_once('=').unwrap().1.to_owned()];
    replies.push_str(&lab.delete("/api/accounts/ref:ref-user0").await.text);
    replies.push_str(&lab.get("/api/resync").await.text);
    for path in [
        "/api/accounts",
        "/api/accounts?status=terminated",
        "/api/operations",
        "/api/activity?limit=500",
        "/api/tokens",
        "/api/self",
        "/api/packages",
        "/api/servers",
    ] {
        replies.push_str(&lab.get(path).await.text);
    }
    let database = database(&lab).await;
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("the operation is done") && database.contains("user0"));
    for secret in NASTY.iter().copied().chain([token.as_str()]).chain(opens.iter().map(String::as_str)) {
        for form in forms(secret) {
            for (place, text) in [("the database", &database), ("the log", &log), ("a reply", &replies)] {
                assert!(!text.contains(&form), "{secret:?} is in {place} as {form:?}");
            }
        }
    }
    assert!(!log.contains("$6$") && !replies.contains("$6$"), "a password hash is shown");
}

#[tokio::test]
async fn no_password_hash_of_an_operation_outlives_it() {
    let lab = Lab::new().await;
    lab.create(&order("alice")).await.data(201);
    lab.agent.script("bob", Behaviour::Fail("home", FailureKind::Failed, "no space left"));
    lab.create(&order("bob")).await.problem(502, "provisioning_failed");
    assert_eq!(lab.count("SELECT COUNT(*) FROM operation WHERE spec IS NOT NULL").await, 0);
    assert_eq!(lab.count("SELECT COUNT(*) FROM account WHERE spec IS NOT NULL").await, 1);
}
