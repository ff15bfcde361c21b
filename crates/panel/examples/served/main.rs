//! Serves two whole Panels with fake Agents behind them and accounts in every state, for the test of the API against its document (`tests/document`).
//!
//! Writes one line of JSON to standard output when both can be called: where, with what, and the ids of what there is by state. Serves until its
//! standard input ends.

#![expect(clippy::unwrap_used, reason = "a program of the tests, which ends where something is not as it made it")]
#![expect(clippy::print_stdout, reason = "whoever runs it reads there what there is")]

#[path = "../../tests/it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests use the rest")]
mod support;

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _, stream};
use http::Method;
use opterius_panel::{Listeners, Timing};
use opterius_protocol::agent::FailureKind;
use serde_json::{Map, Value, json};
use support::{Behaviour, Lab, Reply};
use tokio::net::{TcpListener, UnixStream};

/// How many accounts of each state there are. Requests that use one up, such as a terminate, have those of a state for themselves.
const STATES: [(&str, usize); 7] =
    [("active", 40), ("suspended", 20), ("to_terminate", 120), ("terminated", 40), ("gone", 4), ("drifted", 6), ("attention", 12)];

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asker {
    /// Root over the Unix socket.
    Administrator,
    /// A WHMCS token over TLS.
    Whmcs,
}

/// One Panel, and what a caller needs to know of it.
struct Served {
    lab: Lab,
    listeners: Listeners,
    known: Value,
}

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (administrator, whmcs) = tokio::join!(serve(Asker::Administrator), serve(Asker::Whmcs));
    println!("{}", json!({ "administrator": administrator.known, "whmcs": whmcs.known }));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        stop.send(())
    });
    let stopped = async { drop(stopped.await) }.shared();
    let (first, second) = tokio::join!(
        while_the_clock_runs(&administrator.lab, administrator.lab.panel().serve(administrator.listeners, stopped.clone())),
        while_the_clock_runs(&whmcs.lab, whmcs.lab.panel().serve(whmcs.listeners, stopped))
    );
    first.unwrap();
    second.unwrap();
}

/// Does `work` while the Panel's clock runs a hundred times as fast: a token's budget fills up with it, and no caller here is to wait for that.
async fn while_the_clock_runs<T>(lab: &Lab, work: impl Future<Output = T>) -> T {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => lab.advance(Duration::from_millis(9_900)),
        }
    }
}

async fn serve(asker: Asker) -> Served {
    let mut lab = Lab::ended();
    lab.administrator = std::fs::metadata(lab.dir.path()).unwrap().uid();
    lab.timing = Timing { first_pause: Duration::from_millis(5), longest_pause: Duration::from_millis(50), ..Timing::default() };
    opterius_panel::init(lab.config()).await.unwrap();
    lab.start().await;
    lab.configure().await;
    for name in ["Starter", "Business"] {
        lab.post("/api/packages", &json!({ "name": name, "disk_mib": 10240, "databases": 1 })).await.data(201);
    }
    let token = lab.whmcs("WHMCS").await;
    let token = (asker == Asker::Whmcs).then_some(token.as_str());
    let mut known = while_the_clock_runs(&lab, known(&lab, token)).await;

    let mut listeners = Listeners::default();
    let address = match asker {
        Asker::Administrator => {
            let socket = lab.dir.path().join("panel.sock");
            listeners.add_unix(&socket).unwrap();
            forward(socket).await
        }
        Asker::Whmcs => listeners.add_tls("127.0.0.1:0".parse().unwrap()).await.unwrap(),
    };
    known["url"] = match asker {
        Asker::Administrator => format!("http://{address}"),
        Asker::Whmcs => format!("https://{address}"),
    }
    .into();
    known["token"] = token.into();
    Served { lab, listeners, known }
}

/// Passes what comes to a port of this machine on to a Unix socket, since no caller over HTTP speaks to one.
async fn forward(socket: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut outside, _) = listener.accept().await.unwrap();
            let socket = socket.clone();
            tokio::spawn(async move {
                if let Ok(mut inside) = UnixStream::connect(&socket).await {
                    let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
                }
            });
        }
    });
    address
}

/// A request of who will ask later.
async fn ask(lab: &Lab, token: Option<&str>, method: Method, path: &str, body: Option<Value>) -> Reply {
    let mut call = lab.call(method, path);
    if let Some(token) = token {
        call = call.token(token);
    }
    if let Some(body) = body {
        call = call.json(&body);
    }
    call.send().await
}

/// Makes accounts in every state, packages and tokens, and says which there are.
async fn known(lab: &Lab, token: Option<&str>) -> Value {
    let mut accounts: Map<String, Value> = Map::new();
    let mut attention = Vec::new();
    for (state, number) in STATES {
        let made = stream::iter(0..number).map(|nth| account(lab, token, state, nth)).buffered(4).collect::<Vec<_>>().await;
        attention.extend(made.iter().filter_map(|(_, operation)| operation.clone()));
        accounts.insert(state.to_owned(), made.into_iter().map(|(id, _)| id).collect());
    }
    // An order that fails leaves its operation and no account.
    lab.agent.script("broken", Behaviour::Fail("php pool", FailureKind::Failed, "no space left on device"));
    ask(lab, token, Method::POST, "/api/accounts", Some(support::order("broken"))).await.problem(502, "provisioning_failed");

    let finished = ask(lab, token, Method::GET, "/api/operations?limit=40", None).await.json()["data"].clone();
    let finished: Vec<Value> = finished.as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    let made = |path: &'static str, body: Value| async move { lab.post(path, &body).await.data(201)["id"].clone() };
    let mut packages = Vec::new();
    let mut tokens = Vec::new();
    for nth in 0..60 {
        packages.push(made("/api/packages", json!({ "name": format!("Unused {nth}") })).await);
        tokens.push(made("/api/tokens", json!({ "name": format!("Unused {nth}"), "scopes": ["self.read"] })).await);
    }
    lab.post("/api/administrators", &json!({ "username": "ada", "password": "correct horse" })).await.data(201);
    let servers: Vec<Value> =
        lab.get("/api/servers").await.json()["data"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    json!({
        "accounts": accounts,
        "operations": { "finished": finished, "attention": attention },
        "packages": packages,
        "tokens": tokens,
        "servers": servers,
        "administrators": ["ada"],
        "package_names": ["Starter", "Business"],
    })
}

/// One account in a state: its id, and the operation that waits for a person if one does.
async fn account(lab: &Lab, token: Option<&str>, state: &str, nth: usize) -> (Value, Option<Value>) {
    let username = format!("{}{nth}", state.replace('_', ""));
    let reply = ask(lab, token, Method::POST, "/api/accounts", Some(support::order(&username))).await;
    let id = reply.data(201)["id"].clone();
    let path = format!("/api/accounts/{}", id.as_str().unwrap());
    let suspend = |reason: &str| (Method::POST, format!("{path}/suspend"), Some(json!({ "reason": reason })));
    lab.agent.uses(&username, 1 << 20, 100);
    let (method, path, body) = match state {
        "suspended" => suspend("not paid"),
        "terminated" => (Method::DELETE, path, None),
        "gone" => (Method::DELETE, format!("{path}?keep_days=0"), None),
        "attention" => {
            lab.agent.script(&username, Behaviour::Attention);
            let (method, path, body) = suspend("not paid");
            let problem = ask(lab, token, method, &path, body).await.problem(500, "needs_attention");
            return (id, Some(problem["operation_id"].clone()));
        }
        state => {
            if state == "drifted" {
                lab.agent.damage(&username, "tmp would be made");
            }
            return (id, None);
        }
    };
    ask(lab, token, method, &path, body).await.data(200);
    (id, None)
}
