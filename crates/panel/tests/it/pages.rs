//! The pages for people.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use opterius_panel::Panel;
use opterius_protocol::Micros;
use serde_json::json;

use crate::support::{Browser, Lab, order, until};

const HOSTILE: &str = "\"><img src=x onerror=alert(1)>'{{7777*7777}}</script><script>";

async fn lab() -> (Lab, String) {
    let lab = Lab::new().await;
    let token = lab.whmcs("WHMCS").await;
    (lab, token)
}

/// What the host's people and a token's staff may do, by the word of the page's rule.
fn may(who: &str, rule: &str) -> bool {
    let reads = rule.split_once('.').is_some_and(|(_, verb)| verb == "read");
    match who {
        "administrator" => true,
        "support" => reads || matches!(rule, "accounts.suspend" | "operations.retry"),
        "read_only" => reads,
        // Staff of a WHMCS look at what its token sees.
        _ => matches!(rule, "self.read" | "accounts.read" | "packages.read" | "operations.read"),
    }
}

/// What a browser opens of the pages, and what it is not worth opening, stands in a list beside the tests in a browser.
#[test]
fn every_page_is_opened_in_a_browser_by_the_tests_of_the_whole_chain() {
    let list = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/browser/pages.json");
    let list: serde_json::Value = serde_json::from_str(&opterius_protocol::bounded::text(list, 1 << 20).unwrap()).unwrap();
    let pages = list["pages"].as_array().unwrap().iter().map(|page| page["route"].as_str().unwrap());
    let listed: BTreeSet<&str> = pages.chain(list["parts"].as_array().unwrap().iter().map(|part| part.as_str().unwrap())).collect();
    let there: BTreeSet<&str> = Panel::pages().into_iter().filter(|(method, ..)| *method == Method::GET).map(|(_, path, _)| path).collect();
    assert_eq!(listed, there);
}

#[tokio::test]
async fn every_page_names_who_may_open_it_and_lets_in_nobody_else() {
    let (lab, token) = lab().await;
    let account = lab.order_with(&token, "alice").await;
    let over = Browser::of_staff(&lab, &token).await;
    lab.advance(Duration::from_mins(31));
    let customer = Browser::of_customer(&lab, &token, "alice").await;
    let nobody = Browser { cookie: "a=b".to_owned(), at: String::new() };
    let staff = Browser::of_staff(&lab, &token).await;
    let mut people = vec![("staff", staff.clone())];
    for role in ["read_only", "support", "administrator"] {
        people.push((role, Browser::of_person(&lab, role).await));
    }
    let pages = Panel::pages();
    assert!(pages.len() >= 6);
    for (method, path, rule) in &pages {
        let target =
            path.replace("{id}", account["id"].as_str().unwrap()).replace("{code}", "none").replace("{version}/{name}", "x/panel.js");
        // A button that is pressed without what belongs to it does nothing, but for who may not press it at all.
        let status = async |browser: &Browser| match *method {
            Method::GET => {
                lab.call(Method::GET, &target).from("198.51.100.7:40000").header("cookie", &browser.cookie).open().await.status()
            }
            _ => lab
                .call(Method::POST, &target)
                .from("198.51.100.7:40000")
                .header("cookie", &browser.cookie)
                .header("sec-fetch-site", "same-origin")
                .raw("application/x-www-form-urlencoded", "")
                .open()
                .await
                .status(),
        };
        if *rule == "anyone" {
            let without = status(&nobody).await;
            assert!(matches!(without.as_u16(), 200 | 303 | 404 | 410 | 422), "{method} {path}: {without}");
            continue;
        }
        let seen = [status(&nobody).await, status(&over).await, status(&customer).await].map(|status| status.as_u16());
        let expected = if *rule == "customer" { [403, 403, 200] } else { [303, 303, 404] };
        assert_eq!(seen, expected, "{method} {path}");
        for (who, browser) in &people {
            let seen = status(browser).await;
            let let_in = match *rule {
                "customer" => true,
                "administrator" => *who != "staff",
                rule => may(who, rule),
            };
            if let_in {
                assert!(seen != 403 && seen != 500, "{method} {path} as {who}: {seen}");
            } else {
                assert!(seen == 403 || (*rule == "administrator" && seen == 404), "{method} {path} as {who}: {seen}");
            }
            if *method == Method::POST {
                let elsewhere = lab.call(Method::POST, &target).from("198.51.100.7:40000").header("cookie", &browser.cookie);
                let elsewhere = elsewhere.header("sec-fetch-site", "cross-site").raw("application/x-www-form-urlencoded", "").send().await;
                assert_eq!(elsewhere.status, 403, "{path} from elsewhere");
                assert!(elsewhere.text.contains("did not come from here"), "{path}");
            }
        }
        for wrong in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            if !pages.iter().any(|(method, other, _)| *method == wrong && other == path) {
                let reply = lab.call(wrong.clone(), &target).header("cookie", &staff.cookie).header("sec-fetch-site", "same-origin");
                assert_eq!(reply.send().await.status, 405, "{wrong} {path}");
            }
        }
    }
    assert_eq!(lab.get("/api/accounts").await.json()["page"]["total"], 1, "no page did anything unasked");
    assert_eq!(lab.agent.begun("alice"), 1);
}

#[tokio::test]
async fn every_page_loads_nothing_from_elsewhere_and_runs_nothing() {
    let (lab, token) = lab().await;
    lab.order_with(&token, "alice").await;
    let staff = Browser::of_staff(&lab, &token).await;
    let customer = Browser::of_customer(&lab, &token, "alice").await;
    let account = customer.at.split('#').next().unwrap().to_owned();
    let policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    for page in [
        customer.get(&lab, &account).await,
        staff.get(&lab, &account).await,
        staff.get(&lab, "/account/x").await,
        lab.visit("/sign-in/x").await,
        lab.visit("/signed-out").await,
    ] {
        assert_eq!(page.header("content-security-policy"), policy);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.header("referrer-policy"), "same-origin");
        assert_eq!(page.header("x-request-id").len(), 36);
        assert!(page.text.starts_with("<!doctype html>\n<html lang=\"en\">"), "{}", page.text);
        for foreign in ["<script", "<style", " style=", "onclick", "onload", "src=", "@import", "javascript:", "https://"] {
            assert!(!page.text.contains(foreign), "{foreign}: {}", page.text);
        }
        let sheet = page.text.split("href=\"").find(|rest| rest.starts_with("/style.css?")).unwrap().split('"').next().unwrap();
        let sheet = lab.visit(sheet).await;
        assert_eq!((sheet.status, sheet.header("content-type")), (200, "text/css; charset=utf-8"));
        assert!(sheet.header("cache-control").contains("immutable"));
        assert!(!sheet.text.contains("url(") && !sheet.text.contains("@import"));
    }
}

#[tokio::test]
async fn hostile_text_stays_text() {
    let lab = Lab::new().await;
    let token = lab.token(&json!({ "name": HOSTILE, "purpose": "whmcs" })).await;
    let name: String = HOSTILE.chars().take(60).collect();
    lab.post("/api/packages", &json!({ "name": name })).await.data(201);
    let mut wanted = order("alice");
    wanted["package"] = json!(name);
    lab.call(Method::POST, "/api/accounts").token(&token).json(&wanted).send().await.data(201);
    let suspend = lab.call(Method::POST, "/api/accounts/ref:ref-alice/suspend").token(&token).json(&json!({ "reason": HOSTILE }));
    suspend.send().await.data(200);
    let staff = Browser::of_staff(&lab, &token).await;
    let customer = Browser::of_customer(&lab, &token, "alice").await;
    let account = customer.at.split('#').next().unwrap().to_owned();
    let query = "%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E%27%3C/script%3E%3Cscript%3E";
    let pages = [
        staff.get(&lab, &account).await,
        customer.get(&lab, &account).await,
        staff.get(&lab, &format!("/account/{query}")).await,
        lab.visit(&format!("/sign-in/{query}")).await,
    ];
    for page in &pages {
        assert!(!page.text.contains("<img") && !page.text.contains("<script"), "{}", page.text);
        assert!(!page.text.contains("60481729"), "nothing is evaluated: {}", page.text);
    }
    let escaped = "&#34;&#62;&#60;img src=x onerror=alert(1)&#62;";
    // The reason, the package, and who did it, who held it: staff see all of them, as they were given.
    assert!(pages[0].text.matches(escaped).count() >= 4, "{}", pages[0].text);
    assert!(pages[1].text.matches(escaped).count() == 1, "the package alone: {}", pages[1].text);
}

#[tokio::test]
async fn an_account_page_says_what_there_is_to_say() {
    let (lab, token) = lab().await;
    let month = jiff::Timestamp::from_microsecond(Micros::now().0).unwrap().strftime("%Y-%m").to_string();
    lab.agent.is_in(&month);
    lab.order_with(&token, "alice").await;
    let customer = Browser::of_customer(&lab, &token, "alice").await;
    let account = customer.at.split('#').next().unwrap().to_owned();
    let shows = async |text: &str| customer.get(&lab, &account).await.text.contains(text);
    let page = customer.get(&lab, &account).await.text;
    for text in [
        "<title>alice.example</title>",
        "href=\"http://alice.example/\"",
        ">active<",
        "<dd>alice</dd>",
        "<dd>Starter</dd>",
        "<dd>8.4</dd>",
        "192.0.2.10",
        "2001:db8::10",
        "ns1.names.example",
        "ns2.names.example",
        "not measured yet",
        "<th scope=\"row\">Set up</th>",
        "just now</time>",
        "id=\"usage\"",
        "id=\"addresses\"",
        "id=\"operations\"",
        "id=\"overview\"",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("suspended") && !page.contains("token:") && !page.contains("/accounts"), "{page}");
    lab.agent.uses("alice", 5 << 30, 17);
    lab.agent.sends("alice", 3 << 20);
    until("what it uses is shown", async || shows("<strong>5 GiB</strong>").await && shows("<strong>3 MiB</strong>").await).await;
    assert!(shows("of 10 GiB").await && shows("(50 %)").await && shows("width=\"50\"").await && shows("(unlimited)").await);

    let suspend = lab.call(Method::POST, "/api/accounts/ref:ref-alice/suspend").token(&token).json(&json!({ "reason": "sends spam" }));
    suspend.send().await.data(200);
    assert!(shows("This account is suspended").await && shows("nothing was deleted").await && !shows("spam").await);
    let staff = Browser::of_staff(&lab, &token).await.get(&lab, &account).await.text;
    assert!(
        staff.contains("<strong>billing</strong>: sends spam") && staff.contains("token:WHMCS") && staff.contains("href=\"/accounts\""),
        "{staff}"
    );
}

#[tokio::test]
async fn a_page_that_the_panel_fails_at_says_so_with_what_finds_the_cause() {
    let (lab, token) = lab().await;
    lab.order_with(&token, "alice").await;
    let customer = Browser::of_customer(&lab, &token, "alice").await;
    let pool = lab.sql().await;
    sqlx::query("UPDATE operation SET steps = 'broken'").execute(&pool).await.unwrap();
    pool.close().await;
    let page = customer.get(&lab, customer.at.split('#').next().unwrap()).await;
    assert_eq!(page.status, 500);
    assert!(page.text.contains(page.header("x-request-id")) && page.text.contains("Try again in a moment"), "{}", page.text);
    assert!(!page.text.contains("decod") && !page.text.contains("steps"), "{}", page.text);
}
