//! The pages in a browser: Chromium, driven by Playwright, against the real Panel and Agent. What it does is in `e2e/browser`.

use std::process::Command;

use opterius_e2e::{Order, Server, Tenant, repository};
use serde_json::{Value, json};

/// What the pages show: accounts in every state, and an order that failed.
fn furnish(server: &Server) -> Value {
    let [active, suspended, terminated] = ["alice", "bob", "carol"].map(|name| Tenant::new(server, name, &format!("{name}.test")).account);
    server.done("POST", &format!("/api/accounts/{suspended}/suspend"), Some(&json!({ "reason": "Invoice 2026-117 is overdue" })));
    server.done("DELETE", &format!("/api/accounts/{terminated}"), None);
    server.ok(&["systemctl", "stop", "pdns"]);
    assert!(!Order::new(server, 4, "dave", "dave.test").create(server).is_success());
    server.ok(&["systemctl", "start", "pdns"]);
    let first = |path: &str, id: &str| {
        let (status, answer) = server.admin("GET", path);
        assert_eq!(status, 200, "{path}: {answer}");
        answer["data"][0][id].clone()
    };
    let failed = server.newest_operation("dave");
    json!({
        "active": active,
        "suspended": suspended,
        "terminated": terminated,
        "done": server.newest_operation("alice"),
        "failed": failed,
        "package": server.starter,
        "story": first("/api/activity?outcome=failed", "id"),
        "server": first("/api/servers", "id"),
        "person": "admin",
    })
}

#[test]
fn the_hosts_people_work_in_a_browser() {
    let server = Server::new("browser");
    let made = furnish(&server);
    let directory = repository::path().join("e2e/browser");
    let npm = |arguments: &[&str]| {
        let mut command = Command::new("npm");
        command.args(arguments).current_dir(&directory);
        command
    };
    let fetched = npm(&["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).status().expect("npm runs");
    assert!(fetched.success(), "npm ci: {fetched}");
    #[expect(clippy::disallowed_methods, reason = "the program is a test")]
    let tried = npm(&["exec", "--no", "--", "playwright", "test"])
        .env("OPTERIUS_SANDBOX", std::env::var("OPTERIUS_SANDBOX").expect("OPTERIUS_SANDBOX is set by ./test"))
        .env("OPTERIUS_SERVER", &server.name)
        // Where both Chromium, in the server's network, and this machine reach it.
        .env("OPTERIUS_PANEL", format!("https://{}:8443", server.ip))
        .env("OPTERIUS_SITE_ADDRESS", &server.ip)
        .env("OPTERIUS_ADMIN_PASSWORD", &server.admin_password)
        .env("OPTERIUS_MADE", made.to_string())
        .output()
        .expect("npm runs");
    let said = String::from_utf8_lossy(&tried.stdout);
    assert!(tried.status.success(), "{said}{}", String::from_utf8_lossy(&tried.stderr));
}
