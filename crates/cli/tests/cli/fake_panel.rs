//! A Panel that answers what a test tells it to, over a Unix socket, and remembers what it was asked.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

/// What the Panel answers.
#[derive(Clone)]
pub(crate) enum Answer {
    /// A success: status, `data`.
    Data(u16, Value),
    /// A page of a list, and the cursor of the next one.
    Page(Value, Option<&'static str>),
    /// A refusal: status and the rest of the problem.
    Problem(u16, Value),
    /// An event stream.
    Events(String),
    /// Something that no Panel says.
    Raw(u16, &'static str),
}

/// What the Panel was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `POST /api/packages?x=y`.
    pub(crate) what: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

#[derive(Default)]
struct Script {
    answers: HashMap<String, Vec<Answer>>,
    asked: Vec<Asked>,
}

/// A listening Panel; it ends with the test.
pub(crate) struct FakePanel {
    directory: tempfile::TempDir,
    script: Arc<Mutex<Script>>,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl FakePanel {
    /// A Panel that answers 404 to everything but what it is taught.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let listener = tokio::net::UnixListener::bind(directory.path().join("panel.sock")).expect("a socket");
        let script = Arc::new(Mutex::new(Script::default()));
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&script));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { directory, script }
    }

    /// Teaches an answer to `GET /api/packages`; taught several times, they are given in turn, and the last one for ever.
    pub(crate) fn on(self, what: &str, answer: Answer) -> Self {
        self.script.lock().expect("not poisoned").answers.entry(what.to_owned()).or_default().push(answer);
        self
    }

    /// Everything that it was asked for so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.script.lock().expect("not poisoned").asked.clone()
    }

    /// The one request that was `what`.
    pub(crate) fn asked_for(&self, what: &str) -> Asked {
        let all = self.asked();
        let found: Vec<&Asked> = all.iter().filter(|asked| asked.what == what).collect();
        assert_eq!(found.len(), 1, "{all:?}");
        found[0].clone()
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("panel.sock")
    }

    /// Runs the command with `arguments`.
    pub(crate) async fn opterius(&self, arguments: &[&str]) -> Ran {
        opterius(&self.socket(), arguments, "").await
    }

    /// The same with something on its standard input.
    pub(crate) async fn opterius_reading(&self, arguments: &[&str], input: &str) -> Ran {
        opterius(&self.socket(), arguments, input).await
    }
}

/// Runs the command against a socket.
pub(crate) async fn opterius(socket: &std::path::Path, arguments: &[&str], input: &str) -> Ran {
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_opterius"))
        .args(arguments)
        .env("OPTERIUS_PANEL_SOCKET", socket)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A command that does not read has closed it already.
    drop(stdin.write_all(input.as_bytes()).await);
    drop(stdin);
    #[expect(clippy::disallowed_methods, reason = "the command is ours, and prints what a test has it print")]
    let Output { status, stdout, stderr } = child.wait_with_output().await.expect("the command ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: status.code().expect("no signal"), out: text(stdout), err: text(stderr) }
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let what = format!("{method} {uri}");
    let answer = {
        let mut script = script.lock().expect("not poisoned");
        script.asked.push(Asked { what: what.clone(), headers, body: serde_json::from_slice(&body).unwrap_or_default() });
        script.answers.get_mut(&what).map(|answers| if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
    };
    let request_id = [(HeaderName::from_static("x-request-id"), "req-of-the-panel")];
    let json = [(header::CONTENT_TYPE, "application/json")];
    let status = |code| StatusCode::from_u16(code).expect("a status");
    match answer {
        None => (
            StatusCode::NOT_FOUND,
            request_id,
            json!({"status": 404, "code": "not_found", "detail": format!("there is no {what}"), "request_id": "req-of-the-panel"})
                .to_string(),
        )
            .into_response(),
        Some(Answer::Data(204, _)) => (StatusCode::NO_CONTENT, request_id).into_response(),
        Some(Answer::Data(code, data)) => (status(code), request_id, json, json!({"data": data}).to_string()).into_response(),
        Some(Answer::Page(data, next)) => {
            (StatusCode::OK, request_id, json, json!({"data": data, "page": {"next": next, "total": 0, "snapshot": "s"}}).to_string())
                .into_response()
        }
        Some(Answer::Problem(code, mut problem)) => {
            problem["status"] = json!(code);
            (status(code), request_id, problem.to_string()).into_response()
        }
        Some(Answer::Events(text)) => ([(header::CONTENT_TYPE, "text/event-stream")], text).into_response(),
        Some(Answer::Raw(code, text)) => (status(code), request_id, text).into_response(),
    }
}

/// An account as the API shows it.
pub(crate) fn account() -> Value {
    json!({
        "id": "0193a5e0-7c1e-7000-8000-00000000000a", "owner": "host", "external_ref": "s12", "username": "alice", "domain": "example.com",
        "email": "alice@example.net", "client_ref": "c7", "next_due_on": "2026-12-31", "php_version": "8.2", "package": {"id": "0193a5e0-7c1e-7000-8000-00000000000b", "name": "Starter"},
        "server": {"id": "0193a5e0-7c1e-7000-8000-00000000000c", "name": "server1", "hostname": "server1.opterius.test"},
        "status": "active", "ipv4": ["192.0.2.10"], "ipv6": ["2001:db8::10"], "nameservers": ["ns1.opterius.test", "ns2.opterius.test"],
        "uid": 20001, "created_at": 1_795_469_666_000_000_i64,
        "limits": {"disk_mib": 1024, "php_workers": 5, "files": 0}, "enforcement": {"disk_mib": "not enforced on this server", "php_workers": "enforced", "files": "enforced"},
        "operation": {"id": "0193a5e0-7c1e-7000-8000-00000000000d", "kind": "create", "outcome": "committed"}
    })
}

/// An operation as the API shows it.
pub(crate) fn operation(outcome: &str) -> Value {
    let step = |name: &str, state: &str, at: i64, took: Option<u64>| json!({"name": name, "direction": "forward", "state": state, "started_at": 1_795_469_666_000_000 + at, "duration_us": took, "detail": null});
    json!({
        "id": "0193a5e0-7c1e-7000-8000-00000000000d", "account_id": "0193a5e0-7c1e-7000-8000-00000000000a", "kind": "create", "username": "alice",
        "domain": "example.com", "external_ref": "s12", "outcome": outcome, "started_at": 1_795_469_666_000_000_i64,
        "finished_at": if outcome == "running" { Value::Null } else { json!(1_795_469_666_300_000_i64) }, "request_id": "req-12345678",
        "steps": [step("linux user", "done", 0, Some(62_000)), step("home", if outcome == "running" { "running" } else { "done" }, 62_000, (outcome != "running").then_some(3000))],
        "error": null
    })
}

/// The one server, which does not enforce disk space.
pub(crate) fn servers() -> Value {
    json!([{
        "id": "0193a5e0-7c1e-7000-8000-00000000000c", "name": "server1", "hostname": "panel.opterius.test", "ipv4": ["192.0.2.10"], "ipv6": [],
        "nameservers": ["ns1.opterius.test", "ns2.opterius.test"], "reachable": true, "accounts": 1, "max_accounts": 0, "default": true, "php_versions": ["8.4", "8.2"],
        "enforcement": {"disk_mib": "not enforced on this server", "php_workers": "enforced"}
    }])
}
