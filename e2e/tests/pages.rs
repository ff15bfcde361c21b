//! What customers and staff see of an account in a browser, and what it uses: measured by the Agent, told by the Panel, shown on the page.

use opterius_e2e::{Server, Tenant, within};
use serde_json::{Value, json};

/// What the Panel answers to a browser: the status, the headers in lower case, and the page.
struct Seen {
    status: u16,
    headers: String,
    page: String,
}

impl Seen {
    fn header(&self, name: &str) -> String {
        let line = self.headers.lines().find_map(|line| line.split_once(": ").filter(|(given, _)| given.eq_ignore_ascii_case(name)));
        line.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    }
}

/// Opens an address of the Panel as a browser on the server would. What opens something goes over standard input, not into the list of
/// processes.
fn open(server: &Server, url: &str, cookie: &str) -> Seen {
    let config = format!(
        "url = \"{url}\"\nresolve = \"server1.opterius.test:8443:127.0.0.1\"\ninsecure\nsilent\nshow-error\ninclude\nmax-time = 60\n\
         header = \"Cookie: {cookie}\"\n"
    );
    let output = server.feed(&["curl", "-K", "-"], config);
    let (headers, page) = output.stdout.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{}", output.stderr));
    let status = headers.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Seen { status, headers: headers.to_owned(), page: page.to_owned() }
}

fn link(server: &Server, path: &str, body: &Value) -> String {
    let (status, answer) = server.api("POST", path, Some(body));
    assert_eq!(status, 201, "{answer}");
    answer["data"]["url"].as_str().expect("a link").to_owned()
}

/// Uses a link, and answers the cookie and where it leads.
fn sign_in(server: &Server, link: &str) -> (String, String) {
    let seen = open(server, link, "");
    assert_eq!(seen.status, 303, "{}{}", seen.headers, seen.page);
    let cookie = seen.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    assert!(cookie.starts_with("__Host-opterius="));
    (cookie, format!("https://server1.opterius.test:8443{}", seen.header("location")))
}

#[test]
fn a_customer_sees_what_the_account_uses_and_nothing_of_the_neighbours() {
    let server = Server::new("pages");
    let (alice, bob) = (Tenant::new(&server, "alice", "alice.test"), Tenant::new(&server, "bob", "bob.test"));
    alice.sh(&server, "head -c 5242880 /dev/urandom >large.bin");
    for _ in 0..3 {
        assert_eq!(server.get("alice.test", "/large.bin").status, 200);
    }
    // A Panel that starts asks at once; the Agent measures a new account within a minute, and a Panel asks again after five.
    let of = |account: &Tenant| {
        let (status, answer) = server.api("GET", "/api/usage", None);
        assert_eq!(status, 200, "{answer}");
        let lines = answer["data"].as_array().cloned().unwrap_or_default();
        lines.into_iter().find(|line| line["account_id"] == account.account.as_str()).unwrap_or_default()
    };
    let minutes = std::time::Duration::from_mins(8);
    within(minutes, "the disk and the traffic are known", || {
        let line = of(&alice);
        (line["disk_bytes"].as_u64() >= Some(5 << 20) && line["traffic_bytes"].as_u64() >= Some(15 << 20)).then_some(())
    });
    assert!(of(&bob)["disk_bytes"].as_u64().is_none_or(|bytes| bytes < 5 << 20), "{}", of(&bob));
    let listed = server.ok(&["opterius", "account", "usage"]);
    assert!(listed.contains("alice.test") && listed.contains("2 accounts"), "{listed}");
    // An Agent that starts anew has measured nothing, and the Panel still knows.
    server.ok(&["systemctl", "restart", "opterius-agent", "opterius-panel"]);
    server.wait_until_ready();
    assert!(of(&alice)["disk_bytes"].as_u64() >= Some(5 << 20), "{}", of(&alice));

    let sign_in_path = format!("/api/accounts/{}/sign-in", alice.account);
    let first = link(&server, &sign_in_path, &json!({ "target": "usage" }));
    assert!(first.starts_with("https://server1.opterius.test:8443/sign-in/"), "the Panel's own name and port");
    let (cookie, at) = sign_in(&server, &first);
    assert_eq!(at, format!("https://server1.opterius.test:8443/account/{}#usage", alice.account));
    let page = open(&server, &at, &cookie);
    assert_eq!(page.status, 200, "{}", page.page);
    for text in ["alice.test", "Disk space", "MiB</strong> of 10 GiB", &server.ip, "ns1.opterius.test", ">active<"] {
        assert!(page.page.contains(text), "{text}: {}", page.page);
    }
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; style-src 'self'"));
    assert_eq!(open(&server, &first, "").status, 410, "a link works once");
    assert_eq!(open(&server, &format!("https://server1.opterius.test:8443/account/{}", bob.account), &cookie).status, 404);
    assert_eq!(open(&server, "https://server1.opterius.test:8443/api/accounts", &cookie).status, 401, "the cookie is for pages");

    let (staff, accounts) = sign_in(&server, &link(&server, "/api/self/sign-in", &json!({})));
    let list = open(&server, &accounts, &staff);
    assert!(list.status == 200 && list.page.contains("alice.test") && list.page.contains("bob.test"), "{}", list.page);

    server.done("PUT", &format!("/api/accounts/{}/password", alice.account), Some(&json!({ "password": "another good one" })));
    assert_eq!(open(&server, &at, &cookie).status, 403, "another password ends what was opened before it");
    assert_eq!(open(&server, &accounts, &staff).status, 200);
    // Nothing that opens a page is in a log, and the Activity tells who was let in.
    let logs = server.sh("journalctl -u opterius-panel -o cat");
    for secret in [first.rsplit('/').next().unwrap_or_default(), cookie.split_once('=').map(|(_, value)| value).unwrap_or_default()] {
        assert!(secret.len() == 43 && !logs.contains(secret));
    }
    let (_, rows) = server.admin("GET", &format!("/api/activity?account={}&action=account.sign_in.used", alice.account));
    assert_eq!(rows["page"]["total"], 1, "{rows}");
}
