//! One Panel, one fake Agent, and a way to talk to them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, Method, Request, header};
use http_body_util::BodyExt as _;
use opterius_model::{DomainName, ServerId};
use opterius_panel::{Config, Panel, Peer, Seams, Timing};
use opterius_protocol::Micros;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tower::ServiceExt as _;

use super::FakeAgent;

/// The uid that stands for root.
const ADMINISTRATOR: u32 = 4242;

/// The address that callers with a token come from.
pub(crate) const ADDRESS: &str = "203.0.113.7:50000";

pub(crate) struct Lab {
    pub(crate) dir: TempDir,
    pub(crate) agent: FakeAgent,
    pub(crate) timing: Timing,
    /// Certificates that mail servers are believed with.
    pub(crate) mail_roots: Vec<Vec<u8>>,
    /// The sockets of Agents that are not this machine's.
    pub(crate) agents: HashMap<ServerId, PathBuf>,
    /// The uid that stands for root behind the Unix socket.
    pub(crate) administrator: u32,
    panel: Option<Panel>,
    later: Arc<AtomicI64>,
    clock: Clock,
}

/// Whether the Panel's clock is broken, and how often that was met.
#[derive(Clone, Default)]
struct Clock {
    broken: Arc<AtomicBool>,
    /// When it was stopped; 0 while it goes.
    stopped: Arc<AtomicI64>,
    met: Arc<AtomicUsize>,
}

/// A reply, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) async fn of(response: http::Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        #[expect(clippy::disallowed_methods, reason = "the Panel under test is ours")]
        let bytes = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status.as_u16(), headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} {}", self.status, self.text))
    }

    /// The `data` of a success.
    #[track_caller]
    pub(crate) fn data(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()["data"].clone()
    }

    /// The problem document of a refusal with this status and code.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{}", self.text);
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"], self.headers["x-request-id"].to_str().unwrap());
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        problem
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// The same for every Panel of a test.
static DOCUMENT: OnceCell<Value> = OnceCell::const_new();

/// Panics unless the document says that this operation answers with this status, and with this code where it is a refusal.
async fn documented(router: axum::Router, method: &Method, path: &str, reply: &Reply) {
    let document = DOCUMENT.get_or_init(async || {
        let request = Request::builder().uri("/api/openapi.json").body(Body::empty()).unwrap();
        Reply::of(router.oneshot(request).await.unwrap()).await.json()
    });
    let segments = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    let given = segments(path);
    let is_it = |known: &str| {
        let known = segments(known);
        known.len() == given.len() && known.iter().zip(&given).all(|(known, given)| known.starts_with('{') || known == given)
    };
    let paths = document.await["paths"].as_object().unwrap();
    let found = paths.iter().filter(|(known, _)| is_it(known)).min_by_key(|(known, _)| known.matches('{').count());
    let Some(operation) = found.and_then(|(_, item)| item.get(method.as_str().to_lowercase())) else { return };
    let response = &operation["responses"][reply.status.to_string()];
    assert!(response.is_object(), "{method} {path} answers {}, which its document does not know: {}", reply.status, reply.text);
    if reply.status >= 400 {
        let codes = &response["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"]["enum"];
        let code = &reply.json()["code"];
        assert!(
            codes.as_array().unwrap().contains(code),
            "{method} {path} refuses with {code}, which its document does not know: {}",
            reply.text
        );
    }
}

/// An order for `username`, of the package `Starter`.
pub(crate) fn order(username: &str) -> Value {
    json!({ "username": username, "domain": format!("{username}.example"), "password": "correct horse", "package": "Starter", "external_ref": format!("ref-{username}") })
}

/// Waits until `condition` is true.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

impl Lab {
    /// A Panel with a configured server and the package `Starter`.
    pub(crate) async fn new() -> Self {
        let lab = Self::bare().await;
        lab.configure().await;
        let starter = json!({ "name": "Starter", "disk_mib": 10240, "databases": 1 });
        lab.post("/api/packages", &starter).await.data(201);
        lab
    }

    /// A Panel with nothing in it.
    pub(crate) async fn bare() -> Self {
        let mut lab = Self::ended();
        lab.start().await;
        lab
    }

    /// A Panel that was not started yet.
    pub(crate) fn ended() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let agent = FakeAgent::start(&dir.path().join("agent.sock"));
        let timing = Timing {
            first_pause: Duration::from_millis(2),
            longest_pause: Duration::from_millis(20),
            health_every: Duration::from_millis(10),
            count_refused_every: Duration::from_millis(5),
            forget_every: Duration::from_millis(10),
            usage_every: Duration::from_millis(10),
            notices_every: Duration::from_millis(10),
            rows_counted_every: Duration::from_millis(5),
            shorten_every: Duration::from_millis(5),
            clock_believed_after: Duration::ZERO,
            ..Timing::default()
        };
        Self {
            dir,
            agent,
            timing,
            mail_roots: Vec::new(),
            agents: HashMap::new(),
            administrator: ADMINISTRATOR,
            panel: None,
            later: Arc::default(),
            clock: Clock::default(),
        }
    }

    pub(crate) fn config(&self) -> Config {
        Config::new(DomainName::parse("panel.hoster.example").unwrap(), self.dir.path().to_owned(), self.dir.path().join("agent.sock"))
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.dir.path().join("panel.db")
    }

    /// Starts a Panel on the database that is there.
    pub(crate) async fn start(&mut self) {
        let later = self.later.clone();
        let clock = self.clock.clone();
        let seams = Seams {
            now: Arc::new(move || {
                if clock.broken.load(Ordering::SeqCst) {
                    clock.met.fetch_add(1, Ordering::SeqCst);
                    panic!("the clock is broken");
                }
                let now = match clock.stopped.load(Ordering::SeqCst) {
                    0 => Micros::now().0,
                    stopped => stopped,
                };
                Micros(now + later.load(Ordering::Relaxed))
            }),
            administrator_uid: self.administrator,
            timing: self.timing.clone(),
            mail_roots: self.mail_roots.clone(),
            agents: self.agents.clone(),
        };
        self.panel = Some(Panel::start(self.config(), seams).await.unwrap());
    }

    /// Ends the Panel where it stands, as a crash would.
    pub(crate) async fn crash(&mut self) {
        self.panel.take().unwrap().end().await;
    }

    /// Ends the Panel, and keeps a copy of its database.
    pub(crate) async fn back_up(&mut self) {
        self.crash().await;
        std::fs::copy(self.database(), self.backup()).unwrap();
        self.start().await;
    }

    /// Ends the Panel, and starts one on the database as it was at the last [`Self::back_up`].
    pub(crate) async fn restore_backup(&mut self) {
        self.crash().await;
        std::fs::copy(self.backup(), self.database()).unwrap();
        self.start().await;
    }

    fn backup(&self) -> PathBuf {
        self.dir.path().join("backup.db")
    }

    /// From now on the Panel's clock only goes when it is moved.
    pub(crate) fn stop_clock(&self) {
        self.clock.stopped.store(Micros::now().0, Ordering::SeqCst);
    }

    /// Moves the Panel's clock.
    pub(crate) fn advance(&self, by: Duration) {
        self.later.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::Relaxed);
    }

    /// From now on whatever asks for the time panics; returns how often that happened.
    pub(crate) fn break_clock(&self) -> Arc<AtomicUsize> {
        self.clock.broken.store(true, Ordering::SeqCst);
        self.clock.met.clone()
    }

    pub(crate) fn mend_clock(&self) {
        self.clock.broken.store(false, Ordering::SeqCst);
    }

    pub(crate) fn panel(&self) -> &Panel {
        self.panel.as_ref().unwrap()
    }

    pub(crate) async fn configure(&self) {
        let server = json!({
            "hostname": "srv1.hoster.example", "ipv4": ["192.0.2.10"], "ipv6": ["2001:db8::10"],
            "nameservers": ["ns1.names.example", "ns2.names.example"],
        });
        self.call(Method::PUT, "/api/servers/default").json(&server).send().await.data(200);
    }

    /// A request of the administrator on this machine, unless it is said otherwise.
    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        let request = Request::builder().method(method).uri(path).extension(Peer::Local { uid: self.administrator });
        Call { router: self.panel().router(), request, body: Body::empty() }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.call(Method::POST, path).json(body).send().await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Reply {
        self.call(Method::PUT, path).json(body).send().await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.call(Method::DELETE, path).send().await
    }

    /// Orders an account.
    pub(crate) async fn create(&self, order: &Value) -> Reply {
        self.post("/api/accounts", order).await
    }

    /// Makes a token and returns its text.
    pub(crate) async fn token(&self, body: &Value) -> String {
        self.post("/api/tokens", body).await.data(201)["token"].as_str().unwrap().to_owned()
    }

    /// A token of a WHMCS installation.
    pub(crate) async fn whmcs(&self, name: &str) -> String {
        self.token(&json!({ "name": name, "purpose": "whmcs" })).await
    }

    /// A connection to the database, beside the Panel's.
    pub(crate) async fn sql(&self) -> sqlx::SqlitePool {
        sqlx::SqlitePool::connect(&format!("sqlite://{}", self.database().display())).await.unwrap()
    }

    /// A number that a query gives.
    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        let pool = self.sql().await;
        let count = sqlx::query_scalar(query).fetch_one(&pool).await.unwrap();
        pool.close().await;
        count
    }
}

/// One request on its way.
pub(crate) struct Call {
    router: axum::Router,
    request: http::request::Builder,
    body: Body,
}

impl Call {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string())
    }

    pub(crate) fn raw(mut self, content_type: &str, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// Comes over TLS from `address`.
    pub(crate) fn from(mut self, address: &str) -> Self {
        self.request = self.request.extension(Peer::Tls(address.parse::<SocketAddr>().unwrap()));
        self
    }

    pub(crate) fn peer(mut self, peer: Peer) -> Self {
        self.request = self.request.extension(peer);
        self
    }

    /// Comes over TLS, with a token.
    pub(crate) fn token(self, token: &str) -> Self {
        self.from(ADDRESS).header("authorization", &format!("Bearer {token}"))
    }

    /// Panics if the OpenAPI document does not know of the reply.
    pub(crate) async fn send(self) -> Reply {
        let router = self.router.clone();
        let method = self.request.method_ref().unwrap().clone();
        let path = self.request.uri_ref().unwrap().path().to_owned();
        let reply = Reply::of(self.open().await).await;
        documented(router, &method, &path, &reply).await;
        reply
    }

    /// Sends it and leaves the reply's body unread.
    pub(crate) async fn open(self) -> http::Response<Body> {
        self.router.oneshot(self.request.body(self.body).unwrap()).await.unwrap()
    }
}
