//! What holds for every route: the document, who gets in, the headers.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use opterius_panel::Peer;
use opterius_protocol::Micros;
use serde_json::{Value, json};

use crate::support::{Lab, order};

struct Route {
    method: Method,
    path: String,
    /// The scope it asks for; nothing if it is open.
    scope: Option<String>,
}

impl Route {
    /// The path with an id that nothing has.
    fn target(&self) -> String {
        self.path.replace("{id}", "0193a5e0-7c1e-7000-8000-000000000000").replace("{username}", "nobody")
    }
}

async fn routes(lab: &Lab) -> Vec<Route> {
    let document = lab.get("/api/openapi.json").await.json();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let scope = operation["security"][0]["token"][0].as_str().map(str::to_owned);
            assert!(scope.is_some() || operation["security"] == json!([{}]), "{method} {path} says not who may use it");
            routes.push(Route { method: method.to_uppercase().parse().unwrap(), path: path.clone(), scope });
        }
    }
    routes
}

#[tokio::test]
async fn the_document_and_the_routes_are_the_same() {
    let lab = Lab::bare().await;
    let routes = routes(&lab).await;
    assert!(routes.len() >= 24);
    let mut methods: BTreeMap<&str, Vec<&Method>> = BTreeMap::new();
    for route in &routes {
        methods.entry(&route.path).or_default().push(&route.method);
        let reply = lab.call(route.method.clone(), &route.target()).send().await;
        assert_ne!(reply.status, 405, "{} {} is in the document and not in the router", route.method, route.path);
        assert!(!reply.text.contains("There is nothing here"), "{} {} is in the document and not in the router", route.method, route.path);
    }
    for (path, there) in methods {
        let target = Route { method: Method::GET, path: path.to_owned(), scope: None }.target();
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::TRACE] {
            if !there.contains(&&method) {
                let reply = lab.call(method.clone(), &target).send().await;
                reply.problem(405, "method_not_allowed");
                assert!(!reply.header("allow").is_empty());
            }
        }
    }
    for path in ["/api", "/api/", "/api/account", "/api/accounts/", "/api/accounts/a/b", "/api/docs/x", "/metrics", "/.env"] {
        lab.get(path).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn only_three_routes_are_open() {
    let lab = Lab::bare().await;
    let mut open: Vec<String> = routes(&lab).await.into_iter().filter(|route| route.scope.is_none()).map(|route| route.path).collect();
    open.sort();
    assert_eq!(open, ["/api/docs", "/api/health", "/api/openapi.json"]);
}

#[tokio::test]
async fn every_route_lets_in_exactly_who_has_its_scope() {
    let lab = Lab::new().await;
    let scopes = [
        "self.read",
        "accounts.read",
        "accounts.create",
        "accounts.suspend",
        "accounts.package",
        "accounts.php",
        "accounts.password",
        "accounts.terminate",
        "accounts.restore",
        "accounts.repair",
        "accounts.sign_in",
        "self.sign_in",
        "operations.retry",
        "packages.read",
        "packages.write",
        "operations.read",
        "servers.read",
        "activity.read",
    ];
    let mut callers: Vec<(String, Vec<&str>)> = Vec::new();
    for scope in scopes {
        callers.push((lab.token(&json!({ "name": scope, "scopes": [scope] })).await, vec![scope]));
    }
    callers.push((lab.token(&json!({ "name": "full", "scopes": scopes })).await, scopes.to_vec()));
    let soon = Micros::now().plus(Duration::from_secs(10)).0;
    let expired = lab.token(&json!({ "name": "expired", "scopes": scopes, "expires_at": soon })).await;
    let elsewhere = lab.token(&json!({ "name": "elsewhere", "scopes": scopes, "addresses": ["198.51.100.1"] })).await;
    lab.advance(Duration::from_secs(11));
    let before = lab.count("SELECT COUNT(*) FROM activity WHERE outcome = 'ok'").await;

    for route in routes(&lab).await {
        let call = || lab.call(route.method.clone(), &route.target());
        let Some(scope) = &route.scope else {
            assert_eq!(call().from("203.0.113.7:1").send().await.status, 200, "{}", route.path);
            continue;
        };
        let what = format!("{} {}", route.method, route.path);
        assert_eq!(call().from("203.0.113.7:1").send().await.status, 401, "{what} without a token");
        assert_eq!(call().peer(Peer::Local { uid: 1000 }).send().await.status, 401, "{what} as another user of the machine");
        assert_eq!(call().token("wrong").send().await.status, 401, "{what} with a wrong token");
        assert_eq!(call().token("").send().await.status, 401, "{what} with an empty token");
        assert_eq!(call().token(&expired).send().await.status, 401, "{what} with an expired token");
        assert_eq!(call().token(&elsewhere).send().await.status, 403, "{what} from a wrong address");
        let twice = call().token(&callers[0].0).header("authorization", "Bearer x").send().await;
        assert_eq!(twice.status, 401, "{what} with two tokens");
        for (token, held) in &callers {
            let status = call().token(token).send().await.status;
            if held.contains(&scope.as_str()) {
                assert!(!matches!(status, 401 | 403), "{what} with {held:?}: {status}");
            } else {
                assert_eq!(status, 403, "{what} with {held:?}");
            }
        }
        let root = call().send().await.status;
        assert!(!matches!(root, 401 | 403), "{what} as root: {root}");
    }
    assert_eq!(lab.count("SELECT COUNT(*) FROM activity WHERE outcome = 'ok'").await, before, "nobody changed anything");
}

#[tokio::test]
async fn every_reply_has_a_request_id_and_tells_browsers_to_do_nothing_with_it() {
    let lab = Lab::bare().await;
    for path in ["/api/health", "/api/self", "/nothing", "/api/docs", "/api/accounts?x=y"] {
        let reply = lab.call(Method::GET, path).header("x-request-id", "my.request_id-1").send().await;
        assert_eq!(reply.header("x-request-id"), "my.request_id-1", "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("cache-control"), "no-store");
        assert!(reply.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
    }
    for bad in ["short", "with space", &"a".repeat(65)] {
        let reply = lab.call(Method::GET, "/api/health").header("x-request-id", bad).send().await;
        assert_eq!(reply.header("x-request-id").len(), 36, "{bad}");
    }
    assert_eq!(lab.get("/api/health").await.data(200), json!({ "status": "ok" }));
}

#[tokio::test]
async fn the_document_is_whole() {
    let lab = Lab::bare().await;
    let document = lab.get("/api/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} is nowhere");
    }
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert!(operation["responses"]["default"].is_null(), "{method} {path} says not with what it may refuse");
            assert!(operation["x-refusals"].is_null(), "{method} {path}");
            ids.push(operation["operationId"].as_str().unwrap());
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "operation ids are unique");
}

#[tokio::test]
async fn the_answers_are_what_the_document_says() {
    let lab = Lab::new().await;
    lab.create(&order("alice")).await.data(201);
    let document = lab.get("/api/openapi.json").await.json();
    let schema =
        |path: &str, method: &str| document["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"].clone();
    for path in [
        "/api/accounts",
        "/api/usage",
        "/api/packages",
        "/api/operations",
        "/api/servers",
        "/api/activity",
        "/api/self",
        "/api/tokens",
        "/api/settings",
        "/api/settings/dns",
        "/api/settings/pages",
        "/api/resync",
    ] {
        lab.token(&json!({ "name": path, "scopes": ["self.read"] })).await;
        fits(&document, &schema(path, "get"), &lab.get(path).await.json(), path);
    }
    lab.agent.uses("alice", 1, 1);
    lab.agent.damage("alice", "tmp would be made");
    let suspended = lab.post("/api/accounts/ref:ref-alice/suspend", &json!({ "reason": "spam" })).await.json();
    fits(&document, &schema("/api/accounts/{id}/suspend", "post"), &suspended, "suspend");
    lab.agent.damage("alice", "tmp would be made");
    for verb in ["plan", "usage", "php"] {
        let answer = lab.get(&format!("/api/accounts/ref:ref-alice/{verb}")).await.json();
        fits(&document, &schema(&format!("/api/accounts/{{id}}/{verb}"), "get"), &answer, verb);
    }
    let limits = json!({ "package": "Starter", "limits": { "databases": 7 }, "keep_overrides": false });
    let changed = lab.put("/api/accounts/ref:ref-alice/package", &limits).await.json();
    fits(&document, &schema("/api/accounts/{id}/package", "put"), &changed, "package");
    let gone = lab.delete("/api/accounts/ref:ref-alice").await.json();
    fits(&document, &schema("/api/accounts/{id}", "delete"), &gone, "terminate");
    let problem = lab.get("/api/accounts/ref:ref-alice").await.json();
    fits(&document, &document["components"]["schemas"]["Problem"], &problem, "problem");
}

/// Panics unless `value` has exactly the fields that `schema` names.
fn fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    let schema = match schema["oneOf"].as_array() {
        Some(_) if value.is_null() => return,
        Some(all) => return fits(document, all.iter().find(|one| !one["$ref"].is_null()).unwrap(), value, at),
        None => schema,
    };
    if let Some(properties) = schema["properties"].as_object() {
        let given = value.as_object().unwrap_or_else(|| panic!("{at}: {value}"));
        for name in given.keys() {
            assert!(properties.contains_key(name), "{at}: {name} is not in the document");
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(given.contains_key(name.as_str().unwrap()), "{at}: {name} is missing");
        }
        for (name, value) in given {
            fits(document, &properties[name], value, &format!("{at}.{name}"));
        }
    } else if let (Some(values), false) = (value.as_array(), schema["items"].is_null()) {
        for value in values {
            fits(document, &schema["items"], value, at);
        }
    }
}

#[tokio::test]
async fn the_page_shows_every_operation_and_loads_nothing_from_elsewhere() {
    let lab = Lab::bare().await;
    let page = lab.call(Method::GET, "/api/docs").from("203.0.113.7:1").send().await;
    assert_eq!(page.status, 200);
    for route in routes(&lab).await {
        assert!(page.text.contains(&format!("<code>{} {}</code>", route.method, route.path)), "{} {}", route.method, route.path);
    }
    assert!(page.header("content-security-policy").contains("style-src 'sha256-"));
    for foreign in ["<script", "http://", "https://", "src=", "@import", "style=\""] {
        assert!(!page.text.contains(foreign), "{foreign}");
    }
}

#[tokio::test]
async fn a_body_is_read_as_its_schema_says() {
    let lab = Lab::new().await;
    lab.create(&order("alice")).await.data(201);
    // Words are for queries.
    for (field, value) in [("force", json!("true")), ("keep_overrides", json!("false"))] {
        let mut body = json!({ "package": "Starter" });
        body[field] = value;
        assert_eq!(lab.put("/api/accounts/ref:ref-alice/package", &body).await.problem(422, "invalid_request")["field"], field);
    }
    // A whole number is one however JSON writes it.
    let whole =
        lab.call(Method::POST, "/api/packages").raw("application/json", r#"{"name":"Whole","disk_mib":1024.0,"files":1e3}"#).send().await;
    let limits = whole.data(201)["limits"].clone();
    assert_eq!((&limits["disk_mib"], &limits["files"]), (&json!(1024), &json!(1000)));
    for number in ["1024.5", "-1", "-0.5", "1e30", "18446744073709551616", "\"1024\""] {
        let body = format!(r#"{{"name":"Broken","disk_mib":{number}}}"#);
        lab.call(Method::POST, "/api/packages").raw("application/json", body).send().await.problem(422, "invalid_request");
    }
    // What is null is not given, whatever is given beside it.
    lab.post("/api/tokens", &json!({ "name": "Whmcs", "purpose": "whmcs", "scopes": null })).await.data(201);
    lab.agent.uses("alice", 1, 1);
    lab.put("/api/accounts/ref:ref-alice/package", &json!({ "package": "Whole", "package_id": null })).await.data(200);
}

#[tokio::test]
async fn a_number_in_a_query_has_no_sign() {
    let lab = Lab::new().await;
    lab.create(&order("alice")).await.data(201);
    let id = "0193a5e0-7c1e-7000-8000-000000000000";
    for query in [
        "/api/accounts?limit=%2B5",
        "/api/accounts?limit=0",
        "/api/accounts?limit=501",
        "/api/usage?limit=%2B5",
        "/api/usage?limit=10001",
        "/api/usage?server=",
        "/api/activity?cursor=-1",
        "/api/activity?cursor=%2B1",
        &format!("/api/accounts?cursor=-1.{id}"),
        &format!("/api/usage?cursor=%2B1.{id}"),
    ] {
        lab.get(query).await.problem(422, "invalid_request");
    }
    lab.delete("/api/accounts/ref:ref-alice?keep_days=%2B5").await.problem(422, "invalid_request");
    lab.delete("/api/accounts/ref:ref-alice?keep_days=5").await.data(200);
}

#[tokio::test]
async fn a_path_that_is_no_text_is_the_path_of_nothing() {
    let lab = Lab::new().await;
    for path in ["/api/servers/%ff", "/api/accounts/%ff", "/api/packages/%c3%28", "/api/operations/%ff", "/api/operations/%ff/events"] {
        lab.get(path).await.problem(404, "not_found");
    }
    lab.put("/api/administrators/%ff/password", &json!({ "password": "correct horse" })).await.problem(404, "not_found");
}
