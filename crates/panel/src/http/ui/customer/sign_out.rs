//! `/sign-out`, and what it leads to.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::sign_in::ATTRIBUTES;
use crate::app;
use crate::core::Core;
use crate::http::ui::kit::gate::{COOKIE, secret};
use crate::http::ui::kit::message::Message;

/// Ends the session of this browser.
pub(crate) async fn leave(State(core): State<Arc<Core>>, headers: HeaderMap) -> Response {
    if let Some(secret) = secret(&headers)
        && let Err(error) = app::sign_out(&core, secret).await
    {
        return Message::of(error).into_response();
    }
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, "/signed-out")]).into_response();
    if let Ok(cookie) = HeaderValue::from_str(&format!("{COOKIE}=; {ATTRIBUTES}; Max-Age=0")) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

pub(crate) async fn left() -> Response {
    Message::signed_out().into_response()
}
