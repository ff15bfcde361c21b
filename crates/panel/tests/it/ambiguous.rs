//! What can be understood in two ways, or can never work, is refused.

use http::Method;
use serde_json::json;

use crate::support::{Browser, Lab, order};

#[tokio::test]
async fn a_key_that_is_given_twice_is_named_and_nothing_happens() {
    let lab = Lab::new().await;
    let body = order("alice").to_string().replace('{', "{\"username\":\"mallory\",");
    let refused = lab.call(Method::POST, "/api/accounts").raw("application/json", body).send().await.problem(422, "invalid_request");
    assert_eq!(refused["field"], "username");
    assert!(refused["detail"].as_str().unwrap().to_lowercase().contains("`username` is given twice"), "{refused}");
    assert_eq!(lab.count("SELECT COUNT(*) FROM account").await, 0);
    // Also where nothing else looks, and deep down; no value is told.
    let body = r#"{"name":"x","scopes":["self.read"],"na\u006de":"secret-1","addresses":null,"x":{"y":[{"z":1,"z":"secret-2"}]}}"#;
    let refused = lab.call(Method::POST, "/api/tokens").raw("application/json", body).send().await;
    let problem = refused.problem(422, "invalid_request");
    let fields: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|one| one["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["name", "x.y[0].z", "x"]);
    assert!(!refused.text.contains("secret-"), "{}", refused.text);
    assert_eq!(lab.count("SELECT COUNT(*) FROM token").await, 0);
}

#[tokio::test]
async fn every_route_that_takes_a_body_refuses_a_key_that_is_given_twice() {
    let lab = Lab::bare().await;
    let document = lab.get("/api/openapi.json").await.json();
    let mut walked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["requestBody"].is_null() {
                continue;
            }
            walked += 1;
            let target = path.replace("{id}", "0193a5e0-7c1e-7000-8000-000000000000").replace("{username}", "nobody");
            let method: Method = method.to_uppercase().parse().unwrap();
            let call = lab.call(method.clone(), &target).raw("application/json", r#"{"twice":1,"twice":2}"#);
            let reply = call.send().await;
            assert!(reply.status == 422 && reply.text.contains("`twice` is given twice"), "{method} {path}: {}", reply.text);
        }
    }
    assert!(walked >= 20, "{walked}");
}

#[tokio::test]
async fn a_query_a_form_or_a_header_that_says_something_twice_is_refused() {
    let lab = Lab::new().await;
    let refused = lab.get("/api/accounts?limit=1&limit=2").await.problem(422, "invalid_request");
    assert_eq!(refused["field"], "limit");

    let token = lab.token(&json!({ "name": "reader", "scopes": ["self.read"] })).await;
    for (name, value) in [
        ("opterius-caller", "url=https%3A%2F%2Fa.example&directory=%2Fx".to_owned()),
        ("x-request-id", "one-of-two".to_owned()),
        ("content-type", "application/json".to_owned()),
        ("host", "panel.hoster.example".to_owned()),
    ] {
        let once = || lab.call(Method::GET, "/api/self").token(&token).header(name, &value);
        assert_eq!(once().send().await.status, 200, "{name}");
        let refused = once().header(name, &value).send().await.problem(422, "invalid_request");
        assert_eq!(refused["field"], name);
    }

    let host = Browser::of_person(&lab, "administrator").await;
    for fields in
        [[("terminated_kept_days", "1"), ("terminated_kept_days", "2")], [("terminated_kept_days", ""), ("terminated_kept_days", "2")]]
    {
        let page = host.send(&lab, "/settings", &fields).await;
        assert_eq!(page.status, 422, "{}", page.text);
        assert!(page.text.contains("must be a text, and is a list"), "{}", page.text);
    }
}

#[tokio::test]
async fn what_can_never_work_is_not_made() {
    let lab = Lab::new().await;
    let token = |part: serde_json::Value| {
        let mut body = json!({ "name": "x", "scopes": ["self.read"] });
        body.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        body
    };
    for (field, part) in [
        ("addresses", json!({ "addresses": [] })),
        ("addresses", json!({ "addresses": ["::ffff:0:0/90"] })),
        ("addresses", json!({ "addresses": ["203.0.113.7/24"] })),
        ("addresses", json!({ "addresses": ["fe80::1%eth0"] })),
        ("addresses", json!({ "addresses": ["0.0.0.0"] })),
        ("expires_at", json!({ "expires_at": 1 })),
        ("expires_at", json!({ "expires_at": i64::MAX })),
        ("ref_prefix", json!({ "ref_prefix": ":" })),
    ] {
        let refused = lab.post("/api/tokens", &token(part.clone())).await.problem(422, "invalid_request");
        assert_eq!(refused["field"], field, "{part}");
    }
    let repeated = json!({ "addresses": ["::ffff:203.0.113.0/120", "203.0.113.0/24"], "scopes": ["self.read", "self.read"] });
    let made = lab.post("/api/tokens", &token(repeated)).await.data(201);
    assert_eq!((&made["addresses"], &made["scopes"]), (&json!(["203.0.113.0/24"]), &json!(["self.read"])));
    let text = made["token"].as_str().unwrap();
    lab.call(Method::GET, "/api/self").token(text).from("203.0.113.9:1").send().await.data(200);

    let server =
        json!({ "hostname": "srv1.hoster.example", "ipv4": ["192.0.2.10"], "nameservers": ["ns1.names.example", "ns2.names.example"] });
    for (field, part) in [
        ("ipv4", json!({ "ipv4": ["0.0.0.0"] })),
        ("ipv4", json!({ "ipv4": ["224.0.0.1"] })),
        ("ipv4", json!({ "ipv4": ["255.255.255.255"] })),
        ("ipv6", json!({ "ipv6": ["::"] })),
        ("ipv6", json!({ "ipv6": ["ff02::1"] })),
        ("ipv6", json!({ "ipv6": ["::ffff:192.0.2.10"] })),
        ("ipv6", json!({ "ipv6": ["fe80::1"] })),
    ] {
        let mut body = server.clone();
        body.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        let refused = lab.put("/api/servers/default", &body).await.problem(422, "invalid_request");
        assert_eq!(refused["field"], field, "{part}");
    }
    let mail = json!({ "host": "mail.example.com", "port": 465, "encryption": "tls", "sender": "panel@example.com", "recipients": ["staff@example.com"] });
    for (field, part) in [
        ("port", json!({ "port": 0 })),
        ("port", json!({ "port": 65536 })),
        ("host", json!({ "host": "0.0.0.0" })),
        ("host", json!({ "host": "::" })),
        ("host", json!({ "host": "ff02::1" })),
        ("host", json!({ "host": "fe80::1" })),
        ("sender", json!({ "sender": "panel@example..com" })),
        ("recipients", json!({ "recipients": [".staff@example.com"] })),
        ("recipients", json!({ "recipients": [] })),
    ] {
        let mut body = mail.clone();
        body.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        let refused = lab.put("/api/settings/mail", &body).await.problem(422, "invalid_request");
        assert!(
            refused["errors"].as_array().unwrap().iter().any(|error| error["field"].as_str().unwrap().starts_with(field)),
            "{part}: {refused}"
        );
    }
}
