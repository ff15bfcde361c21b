//! Deny by default: a page lets in whom its line in the map names, and one that is not in the map lets in nobody.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use opterius_model::RequestId;

use super::frame::to;
use super::message::{self, Message};
use crate::app::{self, CallerKind, Price, Scope};
use crate::core::Core;
use crate::http::auth::Peer;
use crate::http::connection::Visit;
use crate::http::connections::Shown;
use crate::http::problem;

/// The cookie of a session. Browsers take a name of this form only over TLS, for this host alone.
pub(crate) const COOKIE: &str = "__Host-opterius";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who may open a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Everybody.
    Anyone,
    /// A customer who is signed in, as far as it is about their account, and staff.
    Customer,
    /// Staff who are signed in and may do this.
    Staff(Scope),
    /// The host's own people.
    Administrator,
}

impl Who {
    /// As a test asks for it: a word, or the scope.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::Customer => "customer",
            Self::Staff(scope) => scope.as_str(),
            Self::Administrator => "administrator",
        }
    }
}

/// Who may open which page, by method and path.
#[derive(Debug)]
pub(crate) struct Rules(pub(crate) HashMap<(Method, String), Who>);

/// Who looks at a page. Only the gate says so.
#[derive(Debug, Clone)]
pub(crate) struct Visitor(pub(crate) app::Visitor);

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Message::not_signed_in().into_response())
    }
}

/// Lets a request through to its page only if its visitor may open it.
pub(crate) async fn gate(State((core, rules)): State<(Arc<Core>, Arc<Rules>)>, request: Request, next: Next) -> Response {
    let request_id = request.extensions().get::<RequestId>().cloned();
    message::write(let_in(&core, &rules, request, next).await, request_id.as_ref())
}

async fn let_in(core: &Core, rules: &Rules, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    let method = if looks { Method::GET } else { request.method().clone() };
    let price = match route.as_str() {
        _ if looks => Price::Look,
        "/accounts/{id}/suspend" | "/accounts/{id}/terminate" => Price::Close,
        _ => Price::Change,
    };
    let Some(who) = rules.0.get(&(method, route)).copied() else { return Message::not_possible().into_response() };
    if !looks && !comes_from_our_page(request.headers()) {
        return Message::from_elsewhere().into_response();
    }
    if who == Who::Anyone {
        return next.run(request).await;
    }
    let visitor = match secret(request.headers()) {
        Some(secret) => match app::visitor(core, secret).await {
            Ok(visitor) => visitor,
            Err(error) => return Message::of(error).into_response(),
        },
        None => None,
    };
    let Some(mut visitor) = visitor else {
        // The host's people have a door of their own; a customer comes from the billing system.
        return if who == Who::Customer {
            Message::not_signed_in().into_response()
        } else {
            to("/enter", request.headers().contains_key("hx-request"))
        };
    };
    if let Some(visit) = request.extensions().get::<Visit>() {
        visit.is_good(if matches!(visitor, app::Visitor::Customer(_)) { Shown::Customer } else { Shown::Caller });
    }
    if let Err(refusal) = app::pay_for_page(core, &visitor, price) {
        let mut response = Message::refused(&refusal).into_response();
        problem::retry_after(&refusal, response.headers_mut());
        return response;
    }
    match (who, &visitor) {
        (Who::Staff(_) | Who::Administrator, app::Visitor::Customer(_)) => return Message::nothing_here().into_response(),
        (Who::Staff(scope), app::Visitor::Staff(caller, _)) if !caller.may(scope) => return Message::may_not(scope).into_response(),
        (Who::Administrator, app::Visitor::Staff(caller, _)) if caller.kind != CallerKind::Administrator => {
            return Message::nothing_here().into_response();
        }
        _ => {}
    }
    if let app::Visitor::Staff(caller, _) = &mut visitor {
        caller.address = request.extensions().get::<Peer>().copied().and_then(Peer::address);
    }
    request.extensions_mut().insert(Visitor(visitor));
    next.run(request).await
}

/// What the browser sends of its session; nothing if it sends two.
pub(crate) fn secret(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let mut found = cookies.filter_map(|cookie| cookie.trim().split_once('=')).filter(|(name, _)| *name == COOKIE).map(|(_, value)| value);
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

/// Whether a page of ours sent the request, and not one of somebody else's that the browser has open, too. Every browser of today says so in
/// `Sec-Fetch-Site`; an older one in `Origin`. One that says nothing is not believed.
fn comes_from_our_page(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin";
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (text(header::ORIGIN).and_then(|origin| origin.strip_prefix("https://")), text(header::HOST)) {
        (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// Whether the browser only looks ahead, and nobody has asked for the page yet.
pub(crate) fn is_ahead_of_time(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .into_iter()
        .filter_map(|name| headers.get(name)?.to_str().ok())
        .any(|purpose| purpose.to_ascii_lowercase().contains("prefetch") || purpose.to_ascii_lowercase().contains("preview"))
}

/// The answer to who only looks ahead: it is asked for again once somebody wants it.
pub(crate) fn not_ahead_of_time() -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_a_page_of_ours_may_send_something() {
        let host = ("host", "panel.example.net:8443");
        for (ours, lines) in [
            (true, vec![host, ("sec-fetch-site", "same-origin")]),
            (true, vec![host, ("origin", "https://panel.example.net:8443")]),
            (false, vec![host]),
            (false, vec![host, ("sec-fetch-site", "same-site")]),
            (false, vec![host, ("sec-fetch-site", "cross-site"), ("origin", "https://panel.example.net:8443")]),
            (false, vec![host, ("sec-fetch-site", "none")]),
            (false, vec![host, ("origin", "https://panel.example.net")]),
            (false, vec![host, ("origin", "http://panel.example.net:8443")]),
            (false, vec![host, ("origin", "null")]),
        ] {
            assert_eq!(comes_from_our_page(&headers(&lines)), ours, "{lines:?}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let found = |text: &str| secret(&headers(&[("cookie", text)])).map(str::to_owned);
        assert_eq!(found("a=b; __Host-opterius=x; c=d").as_deref(), Some("x"));
        assert_eq!(found("__Host-opterius2=x; opterius=y"), None);
        assert_eq!(found("__Host-opterius=x; __Host-opterius=y"), None, "one of two is not chosen");
    }
}
