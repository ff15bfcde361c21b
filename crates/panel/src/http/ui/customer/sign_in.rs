//! `/sign-in/{code}`: a link that signs its browser in, once.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use opterius_model::RequestId;

use crate::app;
use crate::core::Core;
use crate::http::auth::Peer;
use crate::http::ui::kit::gate::{COOKIE, is_ahead_of_time, not_ahead_of_time, secret};
use crate::http::ui::kit::message::Message;

/// What stands in front of the code, which no log may have.
pub(crate) const PATH: &str = "/sign-in/";

pub(crate) async fn open(
    State(core): State<Arc<Core>>,
    method: Method,
    headers: HeaderMap,
    code: Result<Path<String>, PathRejection>,
    Extension(peer): Extension<Peer>,
    Extension(request_id): Extension<RequestId>,
) -> Response {
    // Nobody is there who could be signed in; the link stays good for whoever comes.
    if method == Method::HEAD {
        return StatusCode::NO_CONTENT.into_response();
    }
    if is_ahead_of_time(&headers) {
        return not_ahead_of_time();
    }
    let Ok(Path(code)) = code else { return Message::link_is_over().into_response() };
    match app::use_link(&core, &code, secret(&headers), peer.address(), &request_id).await {
        Ok(Some(signed_in)) => {
            let to = match signed_in.account_id {
                Some(account) => format!("/account/{account}#{}", signed_in.target),
                None => "/accounts".to_owned(),
            };
            let cookie = format!("{COOKIE}={}; {ATTRIBUTES}; Max-Age={}", signed_in.secret.as_str(), app::SESSION.as_secs());
            let Ok(mut cookie) = HeaderValue::from_str(&cookie) else { return Message::link_is_over().into_response() };
            cookie.set_sensitive(true);
            let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response();
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        Ok(None) => Message::link_is_over().into_response(),
        Err(error) => Message::of(error).into_response(),
    }
}

/// `Lax`, not `Strict`: the visitor comes from the billing system, and a browser keeps a strict cookie back on the way that another site sent it.
pub(crate) const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";
