//! What customers and staff see of an account in a browser, and what it uses: measured by the Agent, told by the Panel, shown on the page.

use std::process::Command;
use std::time::Duration;

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

/// Where browsers of this machine reach the Panel, which is where the tests reach its API.
fn panel(server: &Server) -> String {
    format!("https://127.0.0.1:{}", server.panel_port)
}

/// Opens an address of the Panel as a browser would.
fn open(url: &str, cookie: &str) -> Seen {
    ask(url, &["-H", &format!("Cookie: {cookie}")])
}

/// Sends the Panel what these arguments of curl say.
fn ask(url: &str, arguments: &[&str]) -> Seen {
    let mut curl = Command::new("curl");
    curl.args(["--insecure", "--silent", "--show-error", "--include", "--max-time", "60", "--noproxy", "*"]).args(arguments).arg(url);
    #[expect(clippy::disallowed_methods, reason = "the Panel under test answers")]
    let output = curl.output().expect("curl runs");
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    let (headers, page) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{url}: {}", String::from_utf8_lossy(&output.stderr)));
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
    let seen = open(link, "");
    assert_eq!(seen.status, 303, "{}{}", seen.headers, seen.page);
    let cookie = seen.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    assert!(cookie.starts_with("__Host-opterius="));
    (cookie, format!("{}{}", panel(server), seen.header("location")))
}

#[test]
fn a_customer_sees_what_the_account_uses_and_nothing_of_the_neighbours() {
    let server = Server::new("pages");
    // Measured again soon, should it have been before there was anything to measure.
    server.configure_agent("usage_seconds = 2");
    let (alice, bob) = (Tenant::new(&server, "alice", "alice.test"), Tenant::new(&server, "bob", "bob.test"));
    alice.sh(&server, "head -c 5242880 /dev/urandom >large.bin");
    for _ in 0..3 {
        assert_eq!(server.get("alice.test", "/large.bin").status, 200);
    }
    // A Panel asks every few minutes, and one that starts at once.
    within(Duration::from_mins(3), "the Agent has measured it", || {
        let (status, usage) = server.agent("GET", "/usage", None);
        let mut accounts = usage["accounts"].as_array().into_iter().flatten().filter(|_| status == 200);
        let one = accounts.find(|one| one["account_id"] == alice.account.as_str())?;
        (one["disk"]["bytes"].as_u64() >= Some(5 << 20) && one["traffic_bytes"].as_u64() >= Some(15 << 20)).then_some(())
    });
    server.ok(&["systemctl", "restart", "opterius-panel"]);
    server.wait_until_ready();
    let of = |account: &Tenant| {
        let (status, answer) = server.api("GET", "/api/usage", None);
        assert_eq!(status, 200, "{answer}");
        let lines = answer["data"].as_array().cloned().unwrap_or_default();
        lines.into_iter().find(|line| line["account_id"] == account.account.as_str()).unwrap_or_default()
    };
    within(Duration::from_mins(8), "the disk and the traffic are known", || {
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
    assert!(first.starts_with(&format!("{}/sign-in/", panel(&server))), "it leads to where the Panel was asked for it");
    let (cookie, at) = sign_in(&server, &first);
    assert_eq!(at, format!("{}/account/{}#usage", panel(&server), alice.account));
    let page = open(&at, &cookie);
    assert_eq!(page.status, 200, "{}", page.page);
    for text in ["alice.test", "Disk space", "MiB</strong> of 10 GiB", &server.ip, "ns1.opterius.test", ">active<"] {
        assert!(page.page.contains(text), "{text}: {}", page.page);
    }
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; style-src 'self'"));
    assert_eq!(open(&first, "").status, 410, "a link works once");
    assert_eq!(open(&format!("{}/account/{}", panel(&server), bob.account), &cookie).status, 404);
    assert_eq!(open(&format!("{}/api/accounts", panel(&server)), &cookie).status, 401, "the cookie is for pages");

    let (staff, accounts) = sign_in(&server, &link(&server, "/api/self/sign-in", &json!({})));
    let list = open(&accounts, &staff);
    assert!(list.status == 200 && list.page.contains("alice.test") && list.page.contains("bob.test"), "{}", list.page);

    server.done("PUT", &format!("/api/accounts/{}/password", alice.account), Some(&json!({ "password": "another good one" })));
    assert_eq!(open(&at, &cookie).status, 403, "another password ends what was opened before it");
    assert_eq!(open(&accounts, &staff).status, 200);
    // Nothing that opens a page is in a log, and the Activity tells who was let in.
    let logs = server.sh("journalctl -u opterius-panel -o cat");
    for secret in [first.rsplit('/').next().unwrap_or_default(), cookie.split_once('=').map(|(_, value)| value).unwrap_or_default()] {
        assert!(secret.len() == 43 && !logs.contains(secret));
    }
    let (_, rows) = server.admin("GET", &format!("/api/activity?account={}&action=account.sign_in.used", alice.account));
    assert_eq!(rows["page"]["total"], 1, "{rows}");
}

#[test]
fn the_hosts_people_sign_in_and_every_page_opens() {
    let server = Server::new("server-mode");
    let alice = Tenant::new(&server, "alice", "alice.test");
    let at = |path: &str| format!("{}{path}", panel(&server));
    assert_eq!(open(&at("/"), "").header("location"), "/enter");
    let form = tempfile::NamedTempFile::new().expect("a temporary file");
    let sign_in = |password: &str| {
        std::fs::write(form.path(), password).expect("the password is written");
        let password = format!("password@{}", form.path().display());
        let said = ["-H", "Sec-Fetch-Site: same-origin", "--data-urlencode", "name=admin", "--data-urlencode", &password];
        ask(&at("/enter"), &said)
    };
    assert_eq!(sign_in("wrong").status, 401);
    let inside = sign_in(&server.admin_password);
    let cookie = inside.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    assert!(cookie.starts_with("__Host-opterius="), "{}{}", inside.headers, inside.page);
    let account = format!("/accounts/{}", alice.account);
    for (path, shows) in [
        ("/", "alice.test"),
        ("/accounts", "alice.test"),
        (account.as_str(), "alice.test"),
        ("/accounts/new", "Starter"),
        ("/packages", "Starter"),
        ("/operations", "alice"),
        ("/activity", "account.create"),
        ("/servers", &server.ip),
        ("/tokens", "test"),
        ("/people", "admin"),
        ("/settings", "7"),
        ("/settings/mail", "Nothing was told yet"),
        ("/settings/dns", "mail.example.com."),
        ("/settings/pages", "This site is suspended"),
        ("/profile", "admin"),
    ] {
        let page = open(&at(path), &cookie);
        assert_eq!(page.status, 200, "{path}: {}", page.page);
        assert!(page.page.contains(shows) || path == "/", "{path} shows {shows}: {}", page.page);
        assert!(page.header("content-security-policy").contains("script-src 'self';"), "{path}");
        assert!(page.page.contains("</html>"), "{path}");
    }
}
