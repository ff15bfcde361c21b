//! What every page is sent with.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

/// One style sheet of our own, forms to ourselves, and nothing else.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");

/// A form says where it comes from only if its page may say so to its own host.
const REFERRER: HeaderValue = HeaderValue::from_static("same-origin");

/// A page as an answer.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Response {
    with_policy(status, template, POLICY)
}

/// A page as an answer, with what it may load.
pub(crate) fn with_policy(status: StatusCode, template: &impl Template, policy: HeaderValue) -> Response {
    let html = match template.render() {
        Ok(html) => html,
        // A page that is written into memory cannot fail; should one, nothing is better than half of it.
        Err(error) => {
            tracing::error!(%error, "could not write a page");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let mut response = (status, Html(html)).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response.headers_mut().insert(header::REFERRER_POLICY, REFERRER);
    response
}
