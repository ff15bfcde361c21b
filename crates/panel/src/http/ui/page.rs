//! What every page is sent with.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::message::Message;
use crate::app::AppError;

/// One style sheet of our own, forms to ourselves, and nothing else.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");

/// A form says where it comes from only if its page may say so to its own host.
const REFERRER: HeaderValue = HeaderValue::from_static("same-origin");

/// A page as an answer.
pub(super) fn page(status: StatusCode, template: &impl Template) -> Response {
    let Ok(html) = template.render() else { return broken() };
    let mut response = (status, Html(html)).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
    response.headers_mut().insert(header::REFERRER_POLICY, REFERRER);
    response
}

fn broken() -> Response {
    // A message has nothing in it that could fail.
    let message = Message::of(AppError::Broken("write a page"));
    message.render().map_or_else(
        |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        |html| (StatusCode::INTERNAL_SERVER_ERROR, Html(html)).into_response(),
    )
}
