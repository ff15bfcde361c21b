//! What a hostile or mistaken caller sends straight to the Panel: refused by name, and nothing else happens.

use std::time::Duration;

use opterius_e2e::{Debris, Order, Server, eventually, within};
use serde_json::{Value, json};

/// An order that would be taken, but for what a test puts into it.
fn order(server: &Server) -> Value {
    json!({
        "username": "mallory", "domain": "mallory.example", "password": "Long enough 1", "package_id": server.starter,
        "email": "mallory@example.org", "external_ref": "s66",
    })
}

/// Everything that an order may leave behind. Equal before and after means that nothing happened. Refusals are told in the Activity, and
/// an earlier order's outcome may still be acknowledged.
fn traces(server: &Server) -> String {
    server.sh("cat /etc/passwd /etc/shadow /etc/group /etc/gshadow\n\
         ls -la --full-time /home /var/log/opterius/accounts /var/lib/opterius/sites /var/lib/opterius/entries /var/lib/opterius/staging \
           /run/opterius/php\n\
         find /var/lib/opterius-agent/operations 2>/dev/null | sort; find /var/lib/opterius-agent/accounts -type f 2>/dev/null | sort | xargs -r sha256sum\n\
         sqlite3 /var/lib/powerdns/opterius.sqlite3 'select * from domains; select * from records'\n\
         sqlite3 /var/lib/opterius-panel/panel.db \
           'select * from account; select id, outcome from operation; select * from claimed_name; select * from package; select * from server'")
}

fn assert_nothing_happened(server: &Server, before: &str) {
    let after = traces(server);
    let changed: Vec<&str> = after.lines().filter(|line| !before.lines().any(|old| old == *line)).collect();
    assert!(after == before, "something happened: {changed:#?}");
}

fn post(server: &Server, body: &Value) -> (u16, Value) {
    server.api("POST", "/api/accounts", Some(body))
}

/// Texts that no name may hold: paths, quotes, delimiters of shells, nginx, SQL and passwd, what cannot be seen, and look-alikes.
fn hostile() -> Vec<String> {
    [
        "../../etc/passwd",
        "..",
        "/etc/passwd",
        "a/b",
        "~root",
        "a\u{0}b",
        "a\nroot::0:0::/:/bin/sh",
        "a\r\nX: y",
        "a\u{1b}[2J",
        "a\u{7f}b",
        "alice'--",
        "ali\"ce",
        "alice;id",
        "ali{ce}",
        "$HOME",
        "$host",
        "`id`",
        "$(id)",
        "ali ce",
        " alice",
        "alice ",
        "ali:ce",
        "-rf",
        "%2e%2e",
        "*",
        "#alice",
        "<script>",
        // Cyrillic a, full-width letters, a letter with a combining mark, text that runs backwards, a blank of no width.
        "\u{430}lice",
        "\u{ff41}lice",
        "a\u{301}lice",
        "ali\u{202e}ce",
        "ali\u{200b}ce",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn a_wrong_field_is_named_and_nothing_else_happens() {
    let server = Server::new("fields");
    // What refusals are measured against: an account that is there.
    Order::new(&server, 12, "alice", "alice.example").succeed(&server);

    let mut cases: Vec<(&str, Value)> = Vec::new();
    for field in ["username", "domain", "password", "package", "package_id", "email", "external_ref", "server"] {
        for wrong in [json!(""), json!(7), json!(-1.5), json!(true), json!(["alice"]), json!({ "a": "b" }), json!("x".repeat(60_000))] {
            cases.push((field, wrong));
        }
    }
    for field in ["username", "domain", "password", "package", "external_ref"] {
        cases.push((field, Value::Null));
    }
    for text in hostile() {
        for field in ["username", "package_id", "server"] {
            cases.push((field, json!(text)));
        }
        // A ref is the caller's own word and names nothing on the server, so these may stand in it.
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte)) {
            cases.push(("external_ref", json!(text)));
        }
        cases.push(("email", json!(format!("{text}@"))));
        // International letters are letters in a domain; what else there is, is not.
        if !text.ends_with("lice") {
            cases.push(("domain", json!(format!("{text}.example"))));
        }
    }
    for text in ["a\u{0}b", "a\nb", "Star\u{200b}ter", "Star\u{202e}ter"] {
        cases.push(("package", json!(text)));
    }
    for text in ["ab", "1alice", "Alice", &"a".repeat(33), "root", "www", "mysql", "admin", "opterius", "nobody"] {
        cases.push(("username", json!(text)));
    }
    for text in [
        "example",
        "com",
        "co.uk",
        "github.io",
        "localhost",
        "alice.localhost",
        "192.0.2.1",
        "[::1]",
        ".alice.example",
        "alice..example",
        "-alice.example",
        "alice_.example",
        "*.alice.example",
        "www.mallory.example",
        "mallory.example.",
        "mallory.example:80",
        "http://mallory.example",
        &format!("{}.example", "a".repeat(64)),
        &format!("{}example", "a.".repeat(60)),
        // The Panel's own name, its parent, and the name servers'.
        "server1.opterius.test",
        "SERVER1.opterius.test",
        "opterius.test",
        "ns1.opterius.test",
        "ns2.opterius.test",
    ] {
        cases.push(("domain", json!(text)));
    }
    for text in ["Ab3$%", "1234567", &"a".repeat(129), "tab\tinside it", "line\nbreak inside", "null\u{0}inside it", &"😀".repeat(126)] {
        cases.push(("password", json!(text)));
    }
    for text in ["nobody", "a@b@c.example", "a@b", "<a@b.example>", "a@b.example\nBcc: c@d.example", "a b@c.example"] {
        cases.push(("email", json!(text)));
    }
    cases.push(("server", json!("another-server")));
    for field in ["shell", "uid", "owner", "home", "docroot", "Username", "password_hash", "__proto__"] {
        cases.push((field, json!("0")));
    }

    let before = traces(&server);
    for (field, value) in &cases {
        let mut body = order(&server);
        if *field == "package" {
            body.as_object_mut().unwrap().remove("package_id");
        }
        body[*field] = value.clone();
        let shown: String = value.to_string().chars().take(80).collect();
        let (status, problem) = post(&server, &body);
        if *field == "server" && status == 404 {
            // Any text may be a server's name; there is none of this one.
            assert!(problem["detail"].as_str().is_some_and(|detail| detail.starts_with("There is no server `")), "{problem}");
            continue;
        }
        assert_eq!((status, &problem["code"]), (422, &json!("invalid_request")), "{field} {shown}: {problem}");
        let named: Vec<&Value> = problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
        assert_eq!((named.as_slice(), &problem["field"]), ([&json!(field)].as_slice(), &json!(field)), "{shown}: {problem}");
        // A refusal is shown to people and kept: it repeats neither a password nor more than a glimpse of anything else.
        assert!(problem.to_string().len() < 2000, "{field}: {problem}");
        if *field == "password" && value.as_str().is_some_and(|text| text.len() > 4) {
            assert!(!problem.to_string().contains(value.as_str().unwrap()), "{problem}");
        }
        assert!(!problem["detail"].as_str().unwrap().chars().any(char::is_control), "{problem}");
    }
    for field in ["username", "domain", "password", "package_id", "external_ref"] {
        let mut body = order(&server);
        body.as_object_mut().unwrap().remove(field);
        let (status, problem) = post(&server, &body);
        let named = if field == "package_id" { "package" } else { field };
        assert_eq!((status, &problem["field"]), (422, &json!(named)), "{problem}");
    }
    let (status, problem) = post(&server, &json!({}));
    assert_eq!((status, problem["errors"].as_array().map(Vec::len)), (422, Some(5)), "all that is wrong is told at once: {problem}");

    assert_nothing_happened(&server, &before);
    assert_eq!(server.api("GET", "/api/accounts", None).1["page"]["total"], 1);
    Debris::assert_none(&server, "mallory", "mallory.example");
    // What was refused in one field only would have been taken without it.
    assert_eq!(post(&server, &order(&server)).0, 201);
}

#[test]
fn a_body_that_is_no_order_is_refused_before_anything_is_read_from_it() {
    let server = Server::new("bodies");
    let before = traces(&server);
    let token = server.token.clone();
    let send = |body: &str, kind: &str| server.api_as(&token, "POST", "/api/accounts", Some(body), kind);
    for body in ["", "{", "[]", "null", "7", "\"text\"", "username=mallory", "<order/>", "{\"username\": \"mallory\",}", "\u{feff}{}"] {
        let (status, problem) = send(body, "application/json");
        assert_eq!((status, &problem["code"]), (422, &json!("invalid_request")), "{body}: {problem}");
    }
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(send(&deep, "application/json").0, 422, "a body that is nested too deeply");
    let whole = order(&server).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", "text/json"] {
        let (status, problem) = send(&whole, kind);
        assert_eq!((status, &problem["code"]), (415, &json!("unsupported_media_type")), "{kind}: {problem}");
    }
    let large = format!("{{\"username\": \"{}\"}}", "a".repeat(64 * 1024));
    let (status, problem) = send(&large, "application/json");
    // The reason arrives, and not just a broken connection, also while the caller is still sending.
    assert_eq!((status, &problem["code"]), (413, &json!("body_too_large")), "{problem}");
    for (method, path, wanted) in
        [("PUT", "/api/accounts", 405), ("POST", "/api/nowhere", 404), ("GET", "/api/accounts/../../etc/passwd", 404)]
    {
        let (status, problem) = server.api_as(&token, method, path, None, "");
        assert_eq!(status, wanted, "{method} {path}: {problem}");
    }
    // Whoever is refused while it still sends hears why, also over HTTP/2 and on a busy machine.
    for (method, path, status) in [
        ("POST", "/api/nowhere", "404"),
        ("POST", "/api/health", "405"),
        ("DELETE", "/enter", "405"),
        ("POST", "/enter", "403"),
        ("POST", "/api/accounts", "401"),
    ] {
        let told = server.a_hundred(method, path);
        let wanted = format!("{status} 2");
        let wrong: Vec<&String> = told.iter().filter(|one| one.trim_end() != wanted).collect();
        assert!(told.len() == 200 && wrong.is_empty(), "{method} {path}: {} of {}: {wrong:#?}", wrong.len(), told.len());
    }
    assert_nothing_happened(&server, &before);
}

#[test]
fn a_caller_without_the_right_is_turned_away_and_counted() {
    let server = Server::new("tokens");
    let scoped = |name: &str, more: Value| {
        let mut token = json!({ "name": name, "scopes": ["accounts.read", "self.read"] });
        token.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.new_token(&token)
    };
    let text = |token: &Value| token["token"].as_str().unwrap().to_owned();
    let expired = text(&scoped("expired", json!({ "expires_at": soon() })));
    let elsewhere = text(&scoped("elsewhere", json!({ "addresses": ["203.0.113.0/24", "2001:db8::/32"] })));
    let reader = text(&scoped("reader", json!({})));
    let revoked = server.another_whmcs("revoked");
    assert_eq!(server.api_as(&text(&revoked), "GET", "/api/self", None, "").0, 200);
    let revoke = format!("/api/tokens/{}", revoked["id"].as_str().unwrap());
    assert_eq!(server.admin_send("DELETE", &revoke, &json!({})).0, 204);
    eventually("the token expires", || (server.api_as(&expired, "GET", "/api/self", None, "").0 == 401).then_some(()));
    let before = traces(&server);

    let body = order(&server).to_string();
    let mut refused = 0;
    let cases = [
        ("no token", String::new(), 401),
        ("a made-up token", "A".repeat(43), 401),
        ("a token cut short", server.token[..42].to_owned(), 401),
        ("a whole access hash", server.access_hash.clone(), 401),
        ("an expired token", expired, 401),
        ("a revoked token", text(&revoked), 401),
        ("a token from a wrong address", elsewhere, 0),
        ("a token without the scope", reader.clone(), 403),
    ];
    for (what, token, wanted) in &cases {
        let (status, problem) = server.api_as(token, "POST", "/api/accounts", Some(&body), "application/json");
        // Whether the right token in the wrong place is unknown or forbidden is the Panel's choice; that it is refused is not.
        assert!(status == *wanted || (*wanted == 0 && [401, 403].contains(&status)), "{what}: {status} {problem}");
        let code = if status == 401 { "unauthorized" } else { "forbidden" };
        assert!(problem["code"] == code && !problem["hint"].is_null(), "{what}: {problem}");
        assert!(token.is_empty() || !problem.to_string().contains(token.as_str()), "{what}: {problem}");
        refused += 1;
    }
    for (method, path) in [("GET", "/api/packages"), ("GET", "/api/activity"), ("GET", "/api/tokens"), ("GET", "/api/operations")] {
        assert_eq!(server.api_as(&reader, method, path, None, "").0, 403, "{method} {path}");
        refused += 1;
    }
    // The administrator's own doors stay shut for the token that WHMCS has.
    for (method, path, body) in [
        ("POST", "/api/tokens", json!({ "name": "more", "purpose": "whmcs" })),
        ("POST", "/api/packages", json!({ "name": "more" })),
        ("POST", "/api/administrators", json!({ "username": "mallory", "password": "Long enough 1" })),
        ("DELETE", &format!("/api/packages/{}", server.starter), json!({})),
    ] {
        let (status, problem) = server.api(method, path, Some(&body));
        assert!([403, 405].contains(&status), "{method} {path}: {problem}");
        refused += i64::from(status == 403);
    }
    assert_nothing_happened(&server, &before);
    assert_eq!(server.api_as(&reader, "GET", "/api/accounts", None, "").1["page"]["total"], 0, "and what the scope allows is allowed");

    // Guessing is seen: in buckets, with where from and how often.
    // A minute's are told when it is over.
    let counted = within(Duration::from_mins(3), "the refusals are told in the Activity", || {
        let (_, rows) = server.admin("GET", "/api/activity?action=caller.refused&limit=500");
        let rows = rows["data"].as_array()?.clone();
        let times =
            |row: &Value| row["detail"].as_str().and_then(|detail| detail.split(' ').next()).and_then(|times| times.parse::<i64>().ok());
        (rows.iter().filter_map(times).sum::<i64>() >= refused).then_some(rows)
    });
    for code in ["unauthorized", "forbidden"] {
        assert!(counted.iter().any(|row| row["detail"].as_str().is_some_and(|detail| detail.contains(code))), "{counted:?}");
    }
    assert!(counted.iter().all(|row| row["outcome"] == "refused" && row["actor"].as_str().is_some_and(|who| who.starts_with("address:"))));
    assert!(counted.len() < usize::try_from(refused).unwrap(), "many refusals make few rows: {counted:?}");
}

/// A moment, in microseconds, that is over shortly.
fn soon() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(now.as_micros()).expect("it is before the year 292000") + 2_000_000
}

#[test]
fn another_whmcs_sees_neither_accounts_nor_operations_and_learns_no_names() {
    let server = Server::new("two-whmcs");
    Order::new(&server, 12, "alice", "shop.alice.example").succeed(&server);
    let (_, mine) = server.api("GET", "/api/accounts", None);
    let (account, operation) = (mine["data"][0]["id"].as_str().unwrap(), mine["data"][0]["operation"]["id"].as_str().unwrap());

    let other = server.another_whmcs("other");
    let token = other["token"].as_str().unwrap();
    let get = |path: &str| server.api_as(token, "GET", path, None, "");
    for path in [
        "/api/accounts",
        "/api/operations",
        "/api/accounts?username=alice",
        "/api/accounts?external_ref=s12",
        "/api/operations?external_ref=s12",
    ] {
        let (status, list) = get(path);
        assert_eq!((status, &list["data"], &list["page"]["total"]), (200, &json!([]), &json!(0)), "{path}: {list}");
    }
    for path in [format!("/api/accounts/{account}"), format!("/api/operations/{operation}"), format!("/api/operations/{operation}/events")]
    {
        let (status, problem) = get(&path);
        assert_eq!((status, &problem["code"]), (404, &json!("not_found")), "{path}: {problem}");
    }
    let (_, list) = get(&format!("/api/operations?account={account}"));
    assert_eq!(list["data"], json!([]), "{list}");

    // Taken is taken, but whose it is stays unsaid: not the account, not its ref, not its other name.
    for (username, domain, told) in [
        ("alice", "other.example", "username_taken"),
        ("bob", "shop.alice.example", "domain_taken"),
        ("bob", "alice.example", "domain_taken"),
        ("bob", "a.shop.alice.example", "domain_taken"),
    ] {
        let body =
            json!({ "username": username, "domain": domain, "password": "Long enough 1", "package": "Starter", "external_ref": "s12" });
        let (status, problem) = server.api_as(token, "POST", "/api/accounts", Some(&body.to_string()), "application/json");
        assert_eq!((status, &problem["code"]), (409, &json!(told)), "{problem}");
        let said = problem.to_string();
        for secret in [account, operation, "whmcs:", "ada@example.org"] {
            assert!(!said.contains(secret), "{secret}: {said}");
        }
        let held = if username == "alice" { "shop.alice.example" } else { "`alice`" };
        assert!(!said.contains(held), "{said}");
        assert!(domain != "alice.example" || !said.contains("shop.alice.example"), "{said}");
        assert!(problem["conflict"].get("account_id").is_none() && problem["conflict"].get("external_ref").is_none(), "{said}");
    }
    Debris::assert_none(&server, "bob", "other.example");

    // Its own service 12 is another one, and the first WHMCS does not see it either.
    let theirs = Order { access_hash: other["access_hash"].as_str().unwrap().to_owned(), ..Order::new(&server, 12, "bob", "bob.example") };
    theirs.succeed(&server);
    let (_, seen) = get("/api/accounts");
    assert_eq!((&seen["page"]["total"], &seen["data"][0]["username"]), (&json!(1), &json!("bob")));
    let (_, seen) = server.api("GET", "/api/accounts", None);
    assert_eq!((&seen["page"]["total"], &seen["data"][0]["username"]), (&json!(1), &json!("alice")));
    assert_eq!(server.admin("GET", "/api/accounts").1["page"]["total"], 2);
}
