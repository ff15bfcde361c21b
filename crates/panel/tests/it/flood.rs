//! A Panel as a process of its own, to which strangers send passwords.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use http::Method;
use opterius_model::DomainName;
use opterius_panel::Config;
use opterius_protocol::bounded;
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, UnixStream};
use tokio_rustls::TlsConnector;

use crate::sockets::{ask, connector};
use crate::support::{Lab, until};

const PANEL: &str = env!("CARGO_BIN_EXE_opterius-panel");

struct Process {
    child: Child,
    address: SocketAddr,
    socket: PathBuf,
    tls: TlsConnector,
    _dir: tempfile::TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    async fn start() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("panel.toml");
        let state = dir.path().join("state");
        let agent = dir.path().join("agent.sock");
        let text = format!(
            "hostnames = [\"panel.hoster.example\"]\nstate_dir = \"{}\"\nagent_socket = \"{}\"\n",
            state.display(),
            agent.display()
        );
        std::fs::write(&config, text).unwrap();
        let pins = opterius_panel::init(Config::new(DomainName::parse("panel.hoster.example").unwrap(), state, agent)).await.unwrap();
        // An address of this test's own, so that no other process has the port.
        let [.., second, third] = std::process::id().to_be_bytes();
        let address = SocketAddr::from((Ipv4Addr::new(127, 99, second, third), 18443));
        let socket = dir.path().join("panel.sock");
        let child = Command::new(PANEL)
            .arg("--config")
            .arg(&config)
            .args([
                "serve",
                "--listen",
                &address.to_string(),
                "--administrator-uid",
                &std::fs::metadata(dir.path()).unwrap().uid().to_string(),
            ])
            .arg("--socket")
            .arg(&socket)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let tls = connector(&pins.tls_pin, &[]);
        let process = Self { child, address, socket, tls, _dir: dir };
        until("the Panel listens", async || {
            let Ok(stream) = UnixStream::connect(&process.socket).await else { return false };
            ask(stream, "GET /api/health HTTP/1.1").await.starts_with("HTTP/1.1 200")
        })
        .await;
        process
    }

    /// Sends name and password from an address of this machine; the reply.
    async fn enter(&self, from: Ipv4Addr, name: &str, password: &str) -> String {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        let stream = self.tls.connect(ServerName::try_from("panel.hoster.example").unwrap(), stream).await.unwrap();
        let body = format!("name={name}&password={password}");
        let length = body.len();
        let head = format!(
            "POST /enter HTTP/1.1\r\nhost: panel.hoster.example\r\nconnection: close\r\nsec-fetch-site: same-origin\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}"
        );
        exchange(stream, &format!("{head}\r\n\r\n{body}")).await
    }

    /// The memory that the process has now, in MiB.
    fn resident(&self) -> u64 {
        let status = bounded::text(format!("/proc/{}/status", self.child.id()), 1 << 16).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    }
}

/// Sends a request, and takes in the whole reply.
async fn exchange(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, request: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    // A peer that closes without the farewell of TLS has said everything all the same.
    while stream.read_buf(&mut reply).await.is_ok_and(|read| read > 0) {}
    String::from_utf8_lossy(&reply).into_owned()
}

#[tokio::test]
async fn a_flood_of_passwords_takes_little_memory_and_keeps_nobody_out_who_is_known() {
    let panel = Process::start().await;
    let body = r#"{"username":"ada","password":"correct-horse"}"#;
    let head = format!(
        "POST /api/administrators HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}",
        body.len()
    );
    let made = exchange(UnixStream::connect(&panel.socket).await.unwrap(), &format!("{head}\r\n\r\n{body}")).await;
    assert!(made.starts_with("HTTP/1.1 201"), "{made}");
    let home = Ipv4Addr::new(127, 1, 0, 1);
    assert!(panel.enter(home, "ada", "correct-horse").await.starts_with("HTTP/1.1 303"));
    let before = panel.resident();

    let flood = futures::future::join_all((0..200u8).map(|from| {
        let panel = &panel;
        async move { panel.enter(Ipv4Addr::new(127, 2, from, 1), &format!("name{from}"), "wrong-password").await }
    }));
    let known = async {
        let mut inside = Vec::new();
        for _ in 0..5 {
            inside.push(panel.enter(home, "ada", "correct-horse").await);
        }
        inside
    };
    let (replies, inside) = tokio::join!(flood, known);
    for reply in inside {
        assert!(reply.starts_with("HTTP/1.1 303"), "{reply}");
    }
    for reply in &replies {
        let refused = reply.starts_with("HTTP/1.1 401");
        let later = reply.starts_with("HTTP/1.1 429") && reply.contains("\r\nretry-after: ");
        assert!(refused || later, "{reply}");
    }
    // Two hashes at a time, of 19 MiB each, and what two hundred connections need.
    until("the memory is given back", async || panel.resident() < before + 150).await;
    assert!(panel.enter(Ipv4Addr::new(127, 3, 0, 1), "ada", "correct-horse").await.starts_with("HTTP/1.1 303"), "no stranger for ever");
}

#[tokio::test]
async fn where_somebody_signed_in_well_is_known_after_a_start() {
    let mut lab = Lab::bare().await;
    let ada = serde_json::json!({ "username": "ada", "password": "correct: horse" });
    lab.post("/api/administrators", &ada).await.data(201);
    let enter = async |lab: &Lab, from: &str, name: &str| {
        let call = lab.call(Method::POST, "/enter").from(from).header("sec-fetch-site", "same-origin");
        call.raw("application/x-www-form-urlencoded", format!("name={name}&password=correct%3A+horse")).send().await
    };
    for place in 1..=25 {
        assert_eq!(enter(&lab, &format!("198.51.{place}.7:1"), "ada").await.status, 303);
        lab.advance(std::time::Duration::from_secs(1));
    }
    assert_eq!(lab.count("SELECT COUNT(*) FROM sign_in_place").await, 20);
    lab.crash().await;
    lab.start().await;
    // Somebody at the same address uses up what strangers there may try.
    for at in 0..20 {
        assert_eq!(enter(&lab, "198.51.25.7:1", &format!("name{at}")).await.status, 401);
    }
    let refused = enter(&lab, "198.51.25.7:1", "another").await;
    assert_eq!((refused.status, refused.header("retry-after").is_empty()), (429, false), "{}", refused.text);
    assert_eq!(enter(&lab, "198.51.25.7:1", "ada").await.status, 303);
}
