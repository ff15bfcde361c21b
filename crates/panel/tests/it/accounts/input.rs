//! `POST /api/accounts`, with what no order may hold.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Lab, order};

/// Texts that no field takes but the password.
fn nasty() -> Vec<String> {
    [
        "",
        " ",
        "../etc/passwd",
        "a\u{0}b",
        "a\nb",
        "a\r\nb",
        "'",
        "\"",
        "a;id",
        "{a}",
        "}",
        "$HOME",
        "`id`",
        "<script>",
        "аlice",
        "a\u{202e}b",
        "%00",
    ]
    .iter()
    .map(ToString::to_string)
    .chain(["a".repeat(5000)])
    .collect()
}

#[tokio::test]
async fn whatever_is_wrong_with_a_field_is_told_and_nothing_else_happens() {
    let lab = Lab::new().await;
    let mut cases: Vec<(&str, Value, &str)> = Vec::new();
    for field in ["username", "domain", "password", "package"] {
        cases.push((field, Value::Null, "missing"));
        cases.push((field, json!(""), "empty"));
        cases.push((field, json!(7), "wrong_type"));
        cases.push((field, json!(["a"]), "wrong_type"));
        cases.push((field, json!({ "a": "b" }), "wrong_type"));
        cases.push((field, json!(true), "wrong_type"));
    }
    for text in nasty() {
        if !text.is_empty() {
            cases.push(("username", json!(text), "invalid"));
            cases.push(("external_ref", json!(text), "invalid"));
            cases.push(("email", json!(text), "invalid"));
        }
    }
    for text in nasty().into_iter().filter(|text| !text.is_empty() && text.len() < 1000 && text != "аlice") {
        cases.push(("domain", json!(text), "invalid"));
    }
    for name in ["root", "admin", "mysql", "opterius", "www"] {
        cases.push(("username", json!(name), "reserved"));
    }
    cases.push(("domain", json!("co.uk"), "public_suffix"));
    cases.push(("domain", json!("www.example.com"), "invalid"));
    cases.push(("domain", json!("localhost"), "invalid"));
    cases.push(("domain", json!("192.0.2.1"), "invalid"));
    cases.push(("domain", json!(format!("{}.example.com", "a.".repeat(60))), "invalid"));
    for own in ["panel.hoster.example", "hoster.example", "srv1.hoster.example", "ns1.names.example", "names.example"] {
        cases.push(("domain", json!(own), "reserved"));
    }
    cases.push(("password", json!("short"), "too_short"));
    cases.push(("password", json!("a".repeat(129)), "too_long"));
    cases.push(("password", json!("line\nbreak"), "invalid"));
    cases.push(("package", json!("a".repeat(65)), "invalid"));
    cases.push(("package", json!("Star\u{200b}ter"), "invalid"));
    cases.push(("package_id", json!("1"), "invalid"));
    cases.push(("shell", json!("/bin/bash"), "unknown"));

    let before = lab.count("SELECT COUNT(*) FROM activity").await;
    for (number, (field, value, code)) in (1..).zip(&cases) {
        // Of more in the same minute not each has a row.
        lab.advance(std::time::Duration::from_mins(1));
        let mut wanted = order("alice");
        wanted[*field] = value.clone();
        if *field == "package_id" {
            wanted.as_object_mut().unwrap().remove("package");
        }
        let reply = lab.create(&wanted).await;
        let problem = reply.problem(422, "invalid_request");
        let errors = problem["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{field} {value}: {problem}");
        assert_eq!(errors[0]["field"], *field, "{value}");
        if errors[0]["code"] != "too_long" {
            assert_eq!(errors[0]["code"], *code, "{field} {value}: {problem}");
        }
        assert_eq!(problem["field"], *field);
        assert_eq!(lab.count("SELECT COUNT(*) FROM activity WHERE outcome = 'refused' AND action = 'account.create'").await, number);
    }
    assert_eq!(lab.count("SELECT COUNT(*) FROM activity").await, before + i64::try_from(cases.len()).unwrap());
    assert_eq!(lab.count("SELECT COUNT(*) FROM account").await, 0);
    assert_eq!(lab.count("SELECT COUNT(*) FROM operation").await, 0);
    assert_eq!(lab.agent.arrived("alice").len(), 0);
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let lab = Lab::new().await;
    let wanted = json!({ "username": "Alice!", "domain": "com", "password": "x", "email": "nobody", "package": 7, "color": "red", "external_ref": "a b" });
    let problem = lab.create(&wanted).await.problem(422, "invalid_request");
    let mut fields: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["color", "domain", "email", "external_ref", "package", "password", "username"]);
    let problem = lab.create(&json!({})).await.problem(422, "invalid_request");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_package_is_named_in_one_way() {
    let lab = Lab::new().await;
    let mut wanted = order("alice");
    wanted["package_id"] = lab.get("/api/packages").await.data(200)[0]["id"].clone();
    let problem = lab.create(&wanted).await.problem(422, "invalid_request");
    assert_eq!(problem["field"], "package_id");
    let id = wanted["package_id"].take();
    lab.create(&wanted).await.data(201);
    let mut wanted = order("bob");
    wanted["package_id"] = id;
    wanted["package"].take();
    lab.create(&wanted).await.data(201);
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused_without_repeating_it() {
    let lab = Lab::new().await;
    let call = || lab.call(Method::POST, "/api/accounts");
    for body in ["", "{", "[]", "null", "\"secret-text\"", "{\"password\": \"secret-text\", }", "username=alice"] {
        let reply = call().raw("application/json", body).send().await;
        reply.problem(422, "invalid_request");
        assert!(!reply.text.contains("secret-text"), "{}", reply.text);
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
        call().raw(content_type, order("alice").to_string()).send().await.problem(415, "unsupported_media_type");
    }
    let large = format!("{{\"username\": \"{}\"}}", "a".repeat(64 * 1024));
    call().raw("application/json", large.clone()).send().await.problem(413, "body_too_large");
    let pieces = large.into_bytes().chunks(1000).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect::<Vec<_>>();
    let streamed = axum::body::Body::from_stream(futures::stream::iter(pieces));
    call().raw("application/json", streamed).send().await.problem(413, "body_too_large");
    call().raw("application/json; charset=utf-8", order("alice").to_string()).send().await.data(201);
}

#[tokio::test]
async fn an_unknown_query_is_refused() {
    let lab = Lab::new().await;
    for path in [
        "/api/accounts?user=alice",
        "/api/accounts?limit=0",
        "/api/accounts?limit=501",
        "/api/accounts?cursor=x",
        "/api/accounts?status=gone",
        "/api/packages?a=b",
        "/api/accounts?username=alice&username=bob",
    ] {
        lab.get(path).await.problem(422, "invalid_request");
    }
}
