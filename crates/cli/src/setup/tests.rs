//! The whole of setup on a pretended server: a directory, programs that only write down what they were told, and parts that answer.

use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::{Json, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post, put};
use axum::{Router, serve};
use opterius_protocol::bounded::{self, MIB};
use serde_json::{Value, json};
use tokio::net::{TcpListener, UnixListener};

use super::identity::Options;
use super::progress::Progress;
use super::run::{Summary, set_up};
use crate::failure::Failure;
use crate::system::{ROOT, System};

/// What the pretended Panel knows.
struct Panel {
    server: Value,
    administrators: u32,
}

struct Server {
    root: tempfile::TempDir,
    system: System,
    panel: Arc<Mutex<Panel>>,
}

impl Server {
    async fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let server = json!({"id": "0193a5e0-7c1e-7000-8000-000000000001", "name": "server1", "hostname": null, "ipv4": [], "ipv6": [], "nameservers": [],
                            "reachable": true, "accounts": 0, "default": true, "enforcement": {}});
        let panel = Arc::new(Mutex::new(Panel { server, administrators: 0 }));
        let web = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let dns_api = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addresses: [SocketAddr; 2] = [web.local_addr().expect("bound"), dns_api.local_addr().expect("bound")];
        let system = System::below(root.path(), addresses[0], addresses[1]);
        for directory in [
            "/run/opterius",
            "/var/lib/powerdns",
            "/var/lib/opterius-panel",
            "/etc/nginx/opterius",
            "/etc/powerdns/pdns.d",
            "/state",
            "/proc",
        ] {
            system.directory(directory).expect("a directory");
        }
        let this = Self { root, system, panel };
        this.packaged();
        this.programs();
        this.parts(web, dns_api);
        this
    }

    /// What the packages bring.
    fn packaged(&self) {
        for (path, content) in [
            ("/etc/hostname", "panel\n"),
            ("/etc/hosts", "127.0.0.1 localhost\n192.0.2.10 panel.example.com panel\n"),
            ("/usr/share/opterius-agent/nginx/probe.conf.in", include_str!("../../../../packaging/nginx/probe.conf.in")),
            ("/usr/share/opterius-agent/powerdns/opterius.conf.in", include_str!("../../../../packaging/powerdns/opterius.conf.in")),
            ("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql", "CREATE TABLE domains (id INTEGER PRIMARY KEY);"),
            ("/lib/systemd/system/php8.2-fpm.service", ""),
        ] {
            self.system.directory(Path::new(path).parent().expect("a directory").to_str().expect("UTF-8")).expect("a directory");
            self.system.write(path, content, ROOT, 0o644).expect("written");
        }
    }

    fn programs(&self) {
        self.program(
            "/usr/bin/systemctl",
            r#"verb=$1; for unit; do :; done
               case $verb in
               is-enabled) if [ -e state/masked.$unit ]; then echo masked; exit 1; fi; [ -e state/enabled.$unit ];;
               is-active) [ -e state/active.$unit ];;
               enable) : >state/enabled.$unit;;
               mask) : >state/masked.$unit;;
               start|restart|reload)
                   if [ -e state/broken.$unit ]; then echo "Job for $unit failed." >&2; exit 1; fi
                   [ -e state/conditional.$unit ] || : >state/active.$unit
                   if [ $unit = opterius-agent.service ]; then
                       sed -n "s/^probe_secret = \"\(.*\)\"/$verb with \1/p" etc/opterius/agent.toml >>state/known
                   fi
                   if [ $unit = nginx.service ]; then
                       sed -n 's/.*(?:\(.*\))\$.*/\1/p' etc/nginx/opterius/probe.conf >>state/known
                       mkdir -p proc/4242 && echo 4242 >run/nginx.pid
                       echo 'nginx: master process /usr/sbin/nginx -c /etc/nginx/opterius/nginx.conf -g daemon on;' >proc/4242/cmdline
                   fi;;
               esac"#,
        );
        self.program("/usr/bin/journalctl", "echo 'the reason'");
        self.program("/usr/sbin/nft", "[ -e state/rules ] || { : >state/rules; exit 1; }");
        self.program("/usr/sbin/nginx", "[ ! -e state/refuse ] || { echo 'nginx: [emerg] unknown directive \"x\"' >&2; exit 1; }");
        self.program(
            "/usr/sbin/opterius-panel",
            r#": >var/lib/opterius-panel/panel.db; echo '{"tls_pin":"PIN=","tls_backup_pin":"BACKUP="}'"#,
        );
    }

    fn program(&self, path: &str, script: &str) {
        self.system.directory(Path::new(path).parent().expect("a directory").to_str().expect("UTF-8")).expect("a directory");
        let name = path.rsplit('/').next().expect("a name");
        let text = format!("#!/bin/sh\necho \"{name} $*\" >>state/calls\n{script}\n");
        std::fs::write(self.system.path(path), text).expect("written");
        std::fs::set_permissions(self.system.path(path), PermissionsExt::from_mode(0o755)).expect("a mode");
    }

    /// The sockets and ports that setup waits for.
    fn parts(&self, web: TcpListener, dns_api: TcpListener) {
        let api = Router::new()
            .route("/api/health", get(async || Json(json!({"data": {"status": "ok"}}))))
            .route(
                "/api/servers",
                get(async |State(panel): State<Arc<Mutex<Panel>>>| {
                    Json(json!({"data": [panel.lock().expect("not poisoned").server], "page": {"next": null}}))
                }),
            )
            .route(
                "/api/servers/{id}",
                put(async |State(panel): State<Arc<Mutex<Panel>>>, Json(change): Json<Value>| {
                    let server = &mut panel.lock().expect("not poisoned").server;
                    for (field, value) in change.as_object().expect("an object") {
                        server[field] = value.clone();
                    }
                    Json(json!({"data": server}))
                }),
            )
            .route(
                "/api/administrators",
                post(async |State(panel): State<Arc<Mutex<Panel>>>, Json(order): Json<Value>| {
                    let mut panel = panel.lock().expect("not poisoned");
                    if panel.administrators > 0 {
                        return (
                            StatusCode::CONFLICT,
                            Json(json!({"code": "name_taken", "detail": "There is an administrator `admin` already."})),
                        );
                    }
                    panel.administrators += 1;
                    (StatusCode::CREATED, Json(json!({"data": {"username": order["username"]}})))
                }),
            )
            .with_state(Arc::clone(&self.panel));
        let agent = json!({"version": "0.1.0", "protocol": 1, "ready": true, "open_operations": [], "accounts": 0,
            "parts": [{"name": "nginx", "ok": true, "detail": "answers", "hint": null}],
            "enforcement": [{"limit": "disk_mib", "enforced": false, "detail": "/home has no quotas"}]});
        let phpd = json!({"version": "0.1.0", "pools": 0, "running": 0, "backing_off": [], "cgroups": "yes"});
        let answering = |health: Value| Router::new().route("/health", get(async move || Json(health)));
        for (socket, router) in [("panel", api), ("agent", answering(agent)), ("phpd", answering(phpd))] {
            let listener = UnixListener::bind(self.system.path(&format!("/run/opterius/{socket}.sock"))).expect("a socket");
            tokio::spawn(async move { serve(listener, router).await });
        }
        tokio::spawn(async move { serve(web, Router::new()).await });
        let configuration = self.system.path("/etc/powerdns/pdns.d/opterius.conf");
        let key = get(async move |headers: HeaderMap| {
            let right = format!("\napi-key={}\n", headers["x-api-key"].to_str().expect("a key"));
            if bounded::text(&configuration, MIB).expect("written").contains(&right) { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
        });
        tokio::spawn(async move { serve(dns_api, Router::new().route("/api/v1/servers/localhost", key)).await });
    }

    async fn setup(&self, options: &Options) -> (Result<Summary, Failure>, Vec<String>) {
        let mut progress = Progress::default();
        let result = set_up(&self.system, options, &mut progress).await;
        (result, progress.lines)
    }

    fn state(&self, name: &str) {
        std::fs::write(self.root.path().join("state").join(name), "").expect("written");
    }

    /// What the programs were told since the last time.
    fn calls(&self) -> Vec<String> {
        let path = self.root.path().join("state/calls");
        let calls = bounded::text(&path, MIB).unwrap_or_default();
        drop(std::fs::remove_file(path));
        calls.lines().map(str::to_owned).collect()
    }

    fn read(&self, path: &str) -> String {
        self.system.read(path).expect("read").expect("there")
    }
}

/// The addresses of the machine that the test runs on are of no concern to it.
fn options() -> Options {
    Options {
        ipv4: vec!["192.0.2.10".parse().expect("an address")],
        ipv6: vec!["2001:db8::10".parse().expect("an address")],
        ..Options::default()
    }
}

#[tokio::test]
async fn the_first_setup_writes_starts_and_registers_everything() {
    let server = Server::new().await;
    let (result, lines) = server.setup(&options()).await;
    let summary = result.expect("ready");
    assert_eq!(
        serde_json::to_value(&summary).expect("JSON"),
        json!({
            "panel_url": "https://panel.example.com:8443", "admin_user": "admin", "admin_password": summary.admin_password, "tls_pin": "PIN=",
            "tls_backup_pin": "BACKUP=", "hostname": "panel.example.com", "ipv4": ["192.0.2.10"], "ipv6": ["2001:db8::10"],
            "nameservers": ["ns1.example.com", "ns2.example.com"]
        })
    );
    assert_eq!(summary.admin_password.as_ref().map(String::len), Some(20));
    assert!(lines.iter().all(|line| !line.starts_with("kept")), "{lines:?}");
    assert!(lines.contains(&"note not enforced on this server: disk (/home has no quotas)".to_owned()), "{lines:?}");

    let agent: toml::Table = server.read("/etc/opterius/agent.toml").parse().expect("TOML");
    let secret = |key: &str| agent[key].as_str().expect(key).to_owned();
    assert!(server.read("/etc/nginx/opterius/probe.conf").contains(&format!("!~ \"^(?:{})$\"", secret("probe_secret"))));
    let powerdns = server.read("/etc/powerdns/pdns.d/opterius.conf");
    assert!(
        powerdns.contains(&format!("\napi-key={}\n", secret("pdns_api_key")))
            && powerdns.contains("\ndefault-soa-content=ns1.example.com. hostmaster")
    );
    assert!(!powerdns.contains('@') || powerdns.matches('@').count() == 1, "only the zone's own name is left to PowerDNS");
    for (path, mode) in [
        ("/etc/opterius/agent.toml", 0o600),
        ("/etc/opterius/phpd.toml", 0o600),
        ("/etc/opterius/panel.toml", 0o640),
        ("/etc/nginx/opterius/probe.conf", 0o600),
        ("/etc/powerdns/pdns.d/opterius.conf", 0o640),
        ("/var/lib/powerdns/opterius.sqlite3", 0o640),
    ] {
        assert_eq!(server.system.path(path).metadata().expect(path).mode() & 0o7777, mode, "{path}");
    }
    assert_eq!(server.panel.lock().expect("not poisoned").server["hostname"], "panel.example.com");
    let calls = server.calls();
    assert!(calls.contains(&"systemctl mask --now php8.2-fpm.service".to_owned()), "{calls:?}");
    // A new Panel is started when there is an Agent that it can find.
    let at = |call: &str| calls.iter().position(|told| told == call).unwrap_or_else(|| panic!("{call}: {calls:?}"));
    assert!(at("systemctl start opterius-agent.service") < at("systemctl start opterius-panel.service"));
}

#[tokio::test]
async fn a_second_setup_keeps_everything_and_touches_no_running_part() {
    let server = Server::new().await;
    server.setup(&options()).await.0.expect("ready");
    let agent = server.read("/etc/opterius/agent.toml");
    server.calls();
    let (result, lines) = server.setup(&Options::default()).await;
    let summary = result.expect("ready");
    assert_eq!((summary.admin_password, summary.ipv4, summary.nameservers.len()), (None, options().ipv4, 2));
    assert_eq!(server.read("/etc/opterius/agent.toml"), agent);
    let done: Vec<&String> =
        lines.iter().filter(|line| line.starts_with("done") && !line.contains("answers") && !line.contains("accepts")).collect();
    assert!(done.is_empty(), "{done:?}");
    let changing = ["start ", "restart ", "reload ", "enable ", "mask "].map(|verb| format!("systemctl {verb}"));
    let calls = server.calls();
    assert!(!calls.iter().any(|call| changing.iter().any(|verb| call.starts_with(verb))), "{calls:?}");
}

#[tokio::test]
async fn options_change_what_they_name_and_nothing_else() {
    let server = Server::new().await;
    server.setup(&options()).await.0.expect("ready");
    server.calls();
    let name = |text: &str| super::identity::full_name(text).expect(text);
    let change = Options {
        nameservers: vec![name("a.example.net"), name("b.example.net")],
        hostname: Some(name("new.example.com")),
        ..Options::default()
    };
    let (result, lines) = server.setup(&change).await;
    let summary = result.expect("ready");
    assert_eq!((summary.panel_url.as_str(), summary.ipv4), ("https://new.example.com:8443", options().ipv4));
    let changed: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("done changed ")).collect();
    assert_eq!(changed, ["/etc/opterius/panel.toml", "/etc/powerdns/pdns.d/opterius.conf"]);
    let restarts: Vec<String> = server.calls().into_iter().filter(|call| call.starts_with("systemctl restart")).collect();
    assert_eq!(restarts, ["systemctl restart opterius-panel.service", "systemctl restart pdns.service"]);
    assert_eq!(server.panel.lock().expect("not poisoned").server["nameservers"], json!(["a.example.net", "b.example.net"]));
}

#[tokio::test]
async fn a_step_that_fails_is_named_with_its_reason_and_setup_goes_on_from_there() {
    let server = Server::new().await;
    server.state("broken.pdns.service");
    let failure = server.setup(&options()).await.0.err().expect("stopped");
    assert_eq!(
        failure.detail,
        "setup stopped at PowerDNS: could not start pdns.service: Job for pdns.service failed.\n  the last lines of its log:\n    the reason"
    );
    assert!(failure.hint.expect("a hint").contains("journalctl -u pdns.service"));
    let agent = server.read("/etc/opterius/agent.toml");
    std::fs::remove_file(server.root.path().join("state/broken.pdns.service")).expect("mended");
    let summary = server.setup(&options()).await.0.expect("ready");
    assert!(summary.admin_password.is_some());
    assert_eq!(server.read("/etc/opterius/agent.toml"), agent, "the secrets of the first try are kept");
}

#[tokio::test]
async fn a_unit_that_starts_and_is_not_there_stops_setup() {
    let server = Server::new().await;
    server.state("conditional.opterius-phpd.service");
    let failure = server.setup(&options()).await.0.err().expect("stopped");
    assert!(
        failure
            .detail
            .starts_with("setup stopped at phpd: could not start opterius-phpd.service: systemd started it, and it is not active"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_configuration_that_nginx_refuses_is_not_put_to_use() {
    let server = Server::new().await;
    server.state("refuse");
    let failure = server.setup(&options()).await.0.err().expect("stopped");
    assert_eq!(failure.detail, "setup stopped at nginx: nginx refuses its configuration: nginx: [emerg] unknown directive \"x\"");
    assert!(!server.calls().iter().any(|call| call.contains("nginx.service") && call.contains("start")));
}

#[tokio::test]
async fn a_host_name_without_a_domain_is_refused_before_anything_is_written() {
    let server = Server::new().await;
    server.system.write("/etc/hosts", "127.0.0.1 localhost\n", ROOT, 0o644).expect("written");
    let failure = server.setup(&Options::default()).await.0.err().expect("refused");
    assert_eq!(
        failure.detail,
        "setup stopped at host name: the system's host name `panel` is not a full host name, which has a domain and can be looked up"
    );
    assert!(failure.hint.expect("a hint").contains("opterius setup --hostname panel.example.com"));
    assert!(!server.system.has("/etc/opterius") && server.calls().is_empty());
}

#[tokio::test]
async fn two_setups_at_the_same_time_are_one_too_many() {
    let server = Server::new().await;
    let lock = std::fs::File::create(server.system.path("/run/opterius/setup.lock")).expect("a file");
    lock.try_lock().expect("locked");
    let failure = server.setup(&options()).await.0.err().expect("refused");
    assert_eq!(failure.detail, "another `opterius setup` is running on this server");
}

fn probe_secret(server: &Server) -> String {
    let agent: toml::Table = server.read("/etc/opterius/agent.toml").parse().expect("TOML");
    agent["probe_secret"].as_str().expect("a secret").to_owned()
}

/// The secrets that nginx knew, in turn, and what was restarted in between.
fn known_by_nginx(server: &Server) -> Vec<String> {
    let path = server.root.path().join("state/known");
    let known = bounded::text(&path, bounded::MIB).unwrap_or_default();
    drop(std::fs::remove_file(path));
    known.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_new_secret_of_the_probe_is_known_to_nginx_before_the_agent_uses_it_and_the_old_one_as_long() {
    let server = Server::new().await;
    server.setup(&options()).await.0.expect("ready");
    let old = probe_secret(&server);
    known_by_nginx(&server);
    server.calls();
    let change = Options { new_probe_secret: true, ..Options::default() };
    let (result, lines) = server.setup(&change).await;
    result.expect("ready");
    let new = probe_secret(&server);
    assert_ne!(new, old);
    assert_eq!(known_by_nginx(&server), [format!("{old}|{new}"), format!("restart with {new}"), new.clone()]);
    assert!(!lines.iter().any(|line| line.contains(&new) || line.contains(&old)), "{lines:?}");
    assert_eq!(server.read("/etc/opterius/agent.toml").matches("probe_secret").count(), 1);
    server.calls();
    server.setup(&Options::default()).await.0.expect("ready");
    assert!(!server.calls().iter().any(|call| call.contains("restart") || call.contains("reload")), "it is over");
}

#[tokio::test]
async fn a_change_of_the_probes_secret_that_was_cut_short_is_brought_to_its_end_by_the_next_setup() {
    let server = Server::new().await;
    server.setup(&options()).await.0.expect("ready");
    let first = probe_secret(&server);
    let change = Options { new_probe_secret: true, ..Options::default() };
    // nginx refuses: nothing of the Agent's was touched.
    server.state("broken.nginx.service");
    server.setup(&change).await.0.err().expect("stopped");
    assert_eq!(probe_secret(&server), first);
    std::fs::remove_file(server.root.path().join("state/broken.nginx.service")).expect("mended");
    server.setup(&Options::default()).await.0.expect("ready");
    assert!(!server.read("/etc/nginx/opterius/probe.conf").contains('|'));
    // The Agent's file has the new one, and the Agent runs with the old one.
    server.state("broken.opterius-agent.service");
    server.setup(&change).await.0.err().expect("stopped");
    let second = probe_secret(&server);
    assert_ne!(second, first);
    assert!(server.read("/etc/nginx/opterius/probe.conf").contains(&format!("{first}|{second}")));
    std::fs::remove_file(server.root.path().join("state/broken.opterius-agent.service")).expect("mended");
    known_by_nginx(&server);
    server.setup(&Options::default()).await.0.expect("ready");
    assert_eq!(probe_secret(&server), second, "no third one");
    let known = known_by_nginx(&server);
    assert_eq!(known[known.len() - 2..], [format!("restart with {second}"), second]);
}

#[tokio::test]
async fn a_persons_login_with_the_panels_name_or_a_link_in_the_place_of_a_directory_stops_setup_before_anything_is_written() {
    let server = Server::new().await;
    let passwd = "opterius:x:1000:1000:Otto:/home/opterius:/bin/bash\n";
    server.system.write("/etc/passwd", passwd, ROOT, 0o644).expect("written");
    let failure = server.setup(&options()).await.0.err().expect("refused");
    assert!(
        failure.detail.starts_with("setup stopped at names and directories: the user opterius is not Opterius' own (uid 1000"),
        "{failure:?}"
    );
    assert!(failure.hint.expect("a hint").contains("usermod --login"));
    std::fs::remove_file(server.system.path("/etc/passwd")).expect("removed");

    let elsewhere = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink(elsewhere.path(), server.system.path("/etc/opterius")).expect("a link");
    let failure = server.setup(&options()).await.0.err().expect("refused");
    assert!(failure.detail.contains("/etc/opterius is a link to "), "{failure:?}");
    assert!(server.calls().is_empty() && bounded::names(elsewhere.path(), 10).expect("a directory").is_empty());

    std::fs::remove_file(server.system.path("/etc/opterius")).expect("removed");
    server.setup(&options()).await.0.expect("ready");
}
