//! The Panel's API over its Unix socket.

use std::path::PathBuf;
use std::time::Duration;

use opterius_model::RequestId;
use opterius_protocol::bounded::{self, BodyError, MIB};
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::{Failure, root_cause};

/// Where the Panel listens on its own machine; root is the administrator there.
pub(crate) const SOCKET: &str = "/run/opterius/panel.sock";

/// Longer than the Panel lets any of its callers wait.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The longest answer that is read, in bytes: several times a page of what 10,000 accounts use.
const LONGEST: u64 = 64 * MIB;

/// The most entries of a list that are read: several times the accounts of the largest hosts.
const MOST_ENTRIES: usize = 1_000_000;

/// The longest refusal, in bytes.
const LONGEST_REFUSAL: u64 = MIB;

/// The Panel on this machine.
pub(crate) struct Panel {
    http: reqwest::Client,
    socket: PathBuf,
}

/// What a success answers.
pub(crate) struct Reply {
    /// 200, 201, 202 or 204.
    pub(crate) status: StatusCode,
    /// The API's `data`, as it came.
    pub(crate) data: Value,
    /// The cursor of the next page, in a list that has one.
    next: Option<String>,
}

/// A change of an account, as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    method: Method,
    /// Such as `/api/accounts/<id>/suspend`.
    path: String,
    /// What stands behind the path's question mark.
    pub(crate) query: Vec<(&'static str, String)>,
    /// Nothing for a DELETE.
    body: Option<Value>,
}

impl Order {
    /// A POST of `body`.
    pub(crate) fn post(path: String, body: Value) -> Self {
        Self { method: Method::POST, path, query: Vec::new(), body: Some(body) }
    }

    /// A PUT of `body`.
    pub(crate) fn put(path: String, body: Value) -> Self {
        Self { method: Method::PUT, path, query: Vec::new(), body: Some(body) }
    }

    /// A DELETE.
    pub(crate) fn delete(path: String) -> Self {
        Self { method: Method::DELETE, path, query: Vec::new(), body: None }
    }

    /// The same as a question: nothing is changed, and the answer is a plan.
    #[must_use]
    pub(crate) fn planned(&self) -> Self {
        let mut order = self.clone();
        order.query.push(("plan", "true".to_owned()));
        order
    }
}

/// How long the Panel may keep its caller waiting for an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// Not at all.
    None,
    /// As long as the Panel does by itself.
    Panels,
}

impl Panel {
    /// The Panel behind `socket`.
    pub(crate) fn new(socket: PathBuf) -> Self {
        let http = reqwest::Client::builder()
            .unix_socket(socket.clone())
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("opterius/", env!("CARGO_PKG_VERSION")))
            .build()
            .expect("a client without TLS needs nothing that could fail");
        Self { http, socket }
    }

    /// The `data` of one thing.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        Ok(self.call(Method::GET, url(path, &[]), Patience::Panels, None).await?.data)
    }

    /// The first page of a list.
    pub(crate) async fn get_page(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, Failure> {
        match self.call(Method::GET, url(path, query), Patience::Panels, None).await?.data {
            Value::Array(page) => Ok(page),
            _ => Err(not_a_list(path)),
        }
    }

    /// Every entry of a list, whatever its number of pages.
    pub(crate) async fn list(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, Failure> {
        let mut entries = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            if let Some(cursor) = &cursor {
                query.push(("cursor", cursor));
            }
            let reply = self.call(Method::GET, url(path, &query), Patience::Panels, None).await?;
            let Value::Array(page) = reply.data else {
                return Err(not_a_list(path));
            };
            // A Panel that always has one more page would fill our memory.
            if entries.len() + page.len() > MOST_ENTRIES {
                return Err(Failure::new(format!("the Panel answered {path} with more than {MOST_ENTRIES} entries")).hint(UPGRADE));
            }
            let empty = page.is_empty();
            entries.extend(page);
            match reply.next {
                // A Panel that hands out the same page for ever would keep us here.
                Some(next) if !empty && cursor.as_ref() != Some(&next) => cursor = Some(next),
                _ => return Ok(entries),
            }
        }
    }

    /// Makes something, and waits for the answer however long the Panel takes to give it.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Reply, Failure> {
        self.call(Method::POST, url(path, &[]), Patience::Panels, Some(body)).await
    }

    /// Changes something.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Reply, Failure> {
        self.call(Method::PUT, url(path, &[]), Patience::Panels, Some(body)).await
    }

    /// Removes something.
    pub(crate) async fn delete(&self, path: &str) -> Result<Reply, Failure> {
        self.call(Method::DELETE, url(path, &[]), Patience::Panels, None).await
    }

    /// Orders a change of an account; what takes long is answered with its operation at once.
    pub(crate) async fn order(&self, order: &Order) -> Result<Reply, Failure> {
        let query: Vec<(&str, &str)> = order.query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.call(order.method.clone(), url(&order.path, &query), Patience::None, order.body.as_ref()).await
    }

    /// The events of one operation, as they happen.
    pub(crate) async fn events(&self, path: &str) -> Result<reqwest::Response, Failure> {
        let request = self.http.get(url(path, &[])).header("accept", "text/event-stream");
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response).await) }
    }

    async fn call(&self, method: Method, url: Url, patience: Patience, body: Option<&Value>) -> Result<Reply, Failure> {
        let path = url.path().to_owned();
        // Chosen here, so that it can be looked for in the logs even if no answer comes.
        let id = RequestId::generate();
        let mut request = self.http.request(method, url).timeout(TIMEOUT).header("x-request-id", id.as_str());
        if patience == Patience::None {
            // What the command shows while it waits comes from the operation, not from this answer.
            request = request.header("prefer", "respond-async");
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let named = |failure: Failure| Failure { request_id: failure.request_id.or_else(|| Some(id.to_string())), ..failure };
        let response = request.send().await.map_err(|error| {
            let failure = self.unreachable(&error);
            // What was never sent stands in no log.
            if error.is_connect() { failure } else { named(failure) }
        })?;
        let status = response.status();
        if !status.is_success() {
            return Err(named(refusal(response).await));
        }
        let bytes = bounded::body(response, LONGEST).await.map_err(|error| {
            named(match error {
                BodyError::Broken(error) => self.unreachable(&error),
                too_large @ BodyError::TooLarge { .. } => {
                    Failure::because(format!("the Panel answered {path} with something that cannot be read"), &too_large).hint(UPGRADE)
                }
            })
        })?;
        if bytes.is_empty() {
            return Ok(Reply { status, data: Value::Null, next: None });
        }
        let mut body: Value = serde_json::from_slice(&bytes).map_err(|error| {
            named(Failure::because(format!("the Panel answered {path} with something that is not JSON"), &error).hint(UPGRADE))
        })?;
        let next = body.pointer("/page/next").and_then(Value::as_str).map(str::to_owned);
        let data = body
            .get_mut("data")
            .map(Value::take)
            .ok_or_else(|| named(Failure::new(format!("the Panel answered {path} without data")).hint(UPGRADE)))?;
        Ok(Reply { status, data, next })
    }

    /// What to say when there is no answer, by the reason.
    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let socket = self.socket.display();
        if !error.is_connect() {
            return Failure::network(format!("the Panel at {socket} did not answer in full"), error).hint(
                "the order may have been carried out all the same: look before you repeat it, and read `journalctl -u opterius-panel`",
            );
        }
        let hint = match root_cause(error).downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
            Some(std::io::ErrorKind::PermissionDenied) => {
                "only root is the administrator on this socket: run the command as root, with sudo"
            }
            Some(std::io::ErrorKind::NotFound) => {
                "on a new server run `opterius setup` first; else see `systemctl status opterius-panel.socket`"
            }
            _ => "see `systemctl status opterius-panel.socket opterius-panel.service`, or run `opterius doctor`",
        };
        Failure::network(format!("could not connect to the Panel at {socket}"), error).hint(hint)
    }
}

const UPGRADE: &str =
    "the `opterius` command and the Panel may be of different versions: compare `opterius --version` with `opterius doctor`";

/// The URL of a path on the socket; its host is of no importance.
fn url(path: &str, query: &[(&str, &str)]) -> Url {
    let mut url = Url::parse("http://localhost").expect("a URL");
    url.set_path(path);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

fn not_a_list(path: &str) -> Failure {
    Failure::new(format!("the Panel answered {path} with something that is not a list")).hint(UPGRADE)
}

/// What a refusing answer says.
async fn refusal(response: reqwest::Response) -> Failure {
    let status = response.status();
    let request_id = response.headers().get("x-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let problem = bounded::body(response, LONGEST_REFUSAL).await.ok().and_then(|body| serde_json::from_slice::<Failure>(&body).ok());
    let failure = problem.unwrap_or_else(|| {
        Failure::new(format!("the Panel answered {status} without saying why")).hint("see `journalctl -u opterius-panel`")
    });
    Failure { status: status.as_u16(), request_id: failure.request_id.or(request_id), ..failure }
}

/// Reads what the API sent into what a command shows of it.
pub(crate) fn read<T: DeserializeOwned>(data: &Value) -> Result<T, Failure> {
    T::deserialize(data).map_err(|error| Failure::because("the Panel's answer was not understood", &error).hint(UPGRADE))
}

/// Reads every entry of a list.
pub(crate) fn read_all<T: DeserializeOwned>(data: &[Value]) -> Result<Vec<T>, Failure> {
    data.iter().map(read).collect()
}
