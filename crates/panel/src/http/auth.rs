//! Deny by default: what a route asks of its caller stands in the OpenAPI document, and a route that is not in it lets nobody in.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use opterius_model::RequestId;
use serde_json::Value;
use zeroize::Zeroizing;

use super::connection::Visit;
use super::connections::Shown;
use super::problem::{Problem, status};
use crate::app::{self, AppError, Caller, CallsFrom, Code, Payer, Price, Refusal, Scope};
use crate::core::Core;

/// Where a request comes from. The listener puts it into the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Over TLS.
    Tls(SocketAddr),
    /// Over the Unix socket.
    Local {
        /// The uid of the process on the other side, as the kernel says.
        uid: u32,
    },
}

impl Peer {
    /// The address it comes from; nothing for the Unix socket.
    pub(crate) fn address(self) -> Option<IpAddr> {
        match self {
            Self::Tls(address) => Some(address.ip()),
            Self::Local { .. } => None,
        }
    }
}

/// What a route asks of its caller.
#[derive(Debug, Clone)]
enum Rule {
    /// Nothing.
    Open,
    /// That they have this scope.
    Scope(Scope),
}

#[derive(Debug, Clone)]
struct Entry {
    rule: Rule,
    /// How the Activity names it: the document's `operationId`.
    action: String,
}

/// What every route asks, by path and method.
#[derive(Debug, Default)]
pub(crate) struct Access(HashMap<String, HashMap<String, Entry>>);

impl Access {
    /// Reads the document. An operation whose `security` is not one known scope, and not expressly empty, lets nobody in.
    pub(crate) fn from_document(document: &Value) -> Self {
        let mut access = Self::default();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let rule = match operation["security"].as_array().map(Vec::as_slice) {
                    Some([one]) if one.as_object().is_some_and(serde_json::Map::is_empty) => Rule::Open,
                    Some([one]) => match one["token"].as_array().map(Vec::as_slice) {
                        Some([scope]) => match scope.as_str().unwrap_or_default().parse() {
                            Ok(scope) => Rule::Scope(scope),
                            Err(_) => continue,
                        },
                        _ => continue,
                    },
                    _ => continue,
                };
                let action = operation["operationId"].as_str().unwrap_or_default().to_owned();
                access.0.entry(path.clone()).or_default().insert(method.to_uppercase(), Entry { rule, action });
            }
        }
        access
    }

    fn entry(&self, route: &str, method: &Method) -> Option<&Entry> {
        let method = if method == Method::HEAD { "GET" } else { method.as_str() };
        self.0.get(route)?.get(method)
    }

    /// How the Activity names a request.
    pub(crate) fn action(&self, route: &str, method: &Method) -> String {
        self.entry(route, method).map_or_else(|| format!("{method} {route}"), |entry| entry.action.clone())
    }

    fn allowed_methods(&self, route: &str) -> String {
        let mut methods: Vec<&str> = self.0.get(route).into_iter().flatten().map(|(method, _)| method.as_str()).collect();
        methods.sort_unstable();
        methods.join(", ")
    }
}

/// Lets a request through to its handler only if its caller may do what the route does.
pub(crate) async fn guard(State((core, access)): State<(Arc<Core>, Arc<Access>)>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let Some(entry) = access.entry(&route, request.method()) else {
        let mut response =
            Problem::from(Refusal::new(Code::MethodNotAllowed, format!("{} is not possible here.", request.method()))).into_response();
        if let Ok(value) = HeaderValue::from_str(&access.allowed_methods(&route)) {
            response.headers_mut().insert(header::ALLOW, value);
        }
        return response;
    };
    let Rule::Scope(scope) = &entry.rule else { return next.run(request).await };
    let asker = Asker::of(&request);
    let calls_from = match calls_from(request.headers()) {
        Ok(calls_from) => calls_from.filter(|_| !asker.only_looks),
        Err(problem) => return problem.into_response(),
    };
    let request_id = request.extensions().get::<RequestId>().cloned().unwrap_or_else(RequestId::generate);
    let price = if asker.only_looks { Price::Look } else { Price::of_action(&entry.action) };
    match admitted(&core, &asker, *scope, price, calls_from, &request_id).await {
        Ok(caller) => {
            let payer = Payer::of(&caller).filter(|_| asker.only_looks);
            request.extensions_mut().insert(caller);
            let response = next.run(request).await;
            // A change that is refused is paid for where it is recorded, since its caller may have hung up by then.
            if let (Some(payer), Some(Problem(refusal))) = (payer, response.extensions().get::<Problem>()) {
                core.rates.charge(&payer, price, refusal, core.now());
            }
            response
        }
        Err(error) => turned_away(&core, &asker, error),
    }
}

/// Where the calling installation says it is.
pub(super) fn calls_from(headers: &HeaderMap) -> Result<Option<CallsFrom>, Problem> {
    let Some(text) = headers.get("opterius-caller") else { return Ok(None) };
    let from = CallsFrom::from_header(text.to_str().unwrap_or_default());
    from.map(Some).map_err(|detail| Refusal::invalid_field("Opterius-Caller", "invalid", detail).into())
}

async fn admitted(
    core: &Arc<Core>,
    asker: &Asker,
    scope: Scope,
    price: Price,
    changes_from: Option<CallsFrom>,
    request: &RequestId,
) -> Result<Caller, AppError> {
    let caller = Caller { address: asker.address(), ..who(core, asker, price).await? };
    if let Some(visit) = &asker.visit {
        visit.is_good(Shown::Caller);
    }
    if caller.may(scope) {
        if let Some(from) = changes_from {
            app::admit(core, &caller, from, request).await?;
        }
        return Ok(caller);
    }
    let who = match caller.kind {
        app::CallerKind::Token => format!("The token `{}`", caller.name),
        _ => format!("The administrator `{}`, signed in with a password,", caller.name),
    };
    Err(Refusal::new(Code::Forbidden, format!("{who} may not do this: it has no scope `{}`.", scope.as_str()))
        .hint("Use a token with that scope, or do it on the server with the `opterius` command.")
        .into())
}

async fn who(core: &Arc<Core>, asker: &Asker, price: Price) -> Result<Caller, AppError> {
    let nobody = || {
        Refusal::new(Code::Unauthorized, "The request says not who it is from.")
            .hint("Send a token as `Authorization: Bearer <token>`; `opterius token create` makes one.")
    };
    let authorization = match asker.authorization.as_slice() {
        [one] => one,
        [] => {
            return match asker.peer {
                Some(Peer::Local { uid }) if uid == core.seams.administrator_uid => Ok(Caller::local_administrator()),
                _ => Err(nobody().into()),
            };
        }
        _ => return Err(nobody().into()),
    };
    let text = Zeroizing::new(authorization.to_str().unwrap_or_default().to_owned());
    let (scheme, value) = text.split_once(' ').unwrap_or((text.as_str(), ""));
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return app::token(core, value, asker.address(), price).await;
    }
    if let (true, Some(from)) = (scheme.eq_ignore_ascii_case("basic"), asker.may_use_a_password()) {
        let decoded = Zeroizing::new(STANDARD.decode(value).unwrap_or_default());
        let decoded = std::str::from_utf8(&decoded).unwrap_or_default();
        let (name, password) = decoded.split_once(':').ok_or_else(nobody)?;
        return app::administrator(core, name, Zeroizing::new(password.to_owned()), from).await;
    }
    Err(nobody().into())
}

/// What a request says of who sent it.
struct Asker {
    peer: Option<Peer>,
    visit: Option<Visit>,
    authorization: Vec<HeaderValue>,
    only_looks: bool,
}

impl Asker {
    fn of(request: &Request) -> Self {
        Self {
            peer: request.extensions().get::<Peer>().copied(),
            visit: request.extensions().get::<Visit>().cloned(),
            authorization: request.headers().get_all(header::AUTHORIZATION).iter().cloned().collect(),
            only_looks: matches!(*request.method(), Method::GET | Method::HEAD),
        }
    }

    /// The address it came from; nothing for the Unix socket.
    fn address(&self) -> Option<IpAddr> {
        self.peer.and_then(Peer::address)
    }

    fn has_token(&self) -> bool {
        self.authorization
            .first()
            .is_some_and(|value| value.as_bytes().get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer ")))
    }

    /// A password is taken only where it can do no harm: over TLS, to look.
    fn may_use_a_password(&self) -> Option<IpAddr> {
        self.address().filter(|_| self.only_looks)
    }
}

fn turned_away(core: &Core, asker: &Asker, error: AppError) -> Response {
    let problem = Problem::from(error);
    let status = status(problem.0.code);
    // A token that asks too often is counted by its name.
    let counted = status == StatusCode::TOO_MANY_REQUESTS && asker.has_token();
    if !counted && matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
        core.refused.count_address(asker.address(), problem.0.code, core.now());
    }
    let mut response = problem.into_response();
    if status == StatusCode::UNAUTHORIZED {
        let offers = response.headers_mut();
        offers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        if asker.may_use_a_password().is_some() {
            offers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Opterius\", charset=\"UTF-8\""));
        }
    }
    response
}
