//! A page that only says something.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use opterius_model::RequestId;
use opterius_protocol::client::chain;

use super::page::page;
use super::style;
use crate::app::{AppError, Refusal, Scope};
use crate::http::problem;

/// A page that only says something.
#[derive(Debug, Clone, Template)]
#[template(path = "message.html")]
pub(crate) struct Message {
    status: StatusCode,
    title: &'static str,
    text: String,
    /// What to do now.
    next: String,
    /// By which the Panel's log is searched, where the Panel failed.
    request_id: String,
}

impl Message {
    fn new(status: StatusCode, title: &'static str, text: &str, next: &str) -> Self {
        Self { status, title, text: text.to_owned(), next: next.to_owned(), request_id: String::new() }
    }

    /// The link was used, is too old, or never was.
    pub(crate) fn link_is_over() -> Self {
        Self::new(
            StatusCode::GONE,
            "This link does not work any more",
            "A link for signing in works once, and only for a minute.",
            "Go back to your account at your hosting company and choose the same thing there again: it makes a new link.",
        )
    }

    pub(crate) fn not_signed_in() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "You are not signed in",
            "Nobody is signed in in this browser, or it was too long ago.",
            "Go to your account at your hosting company and open this page from there: it signs you in.",
        )
    }

    pub(crate) fn signed_out() -> Self {
        Self::new(
            StatusCode::OK,
            "You are signed out",
            "This browser shows nothing of the account any more.",
            "To come back, open the page from your account at your hosting company again.",
        )
    }

    pub(crate) fn nothing_here() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "There is nothing here",
            "There is no such page, or it is not yours to see.",
            "Go back to the page that you came from.",
        )
    }

    pub(crate) fn not_possible() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "That is not possible here",
            "This page can be looked at, and nothing else.",
            "Go back to the page that you came from.",
        )
    }

    pub(crate) fn from_elsewhere() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "That did not come from here",
            "The request was sent by a page of another site, or by a browser that does not say which page sent it. Nothing was done.",
            "Go back to the page that you came from, load it again, and try once more.",
        )
    }

    /// What was sent is not what the page's form sends.
    pub(crate) fn no_such_form() -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "That could not be read",
            "What was sent is not what the form of this page sends. Nothing was done.",
            "Go back to the page that you came from, load it again, and try once more.",
        )
    }

    /// Staff who may not do this.
    pub(crate) fn may_not(scope: Scope) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "You may not do this",
            &format!("Whoever signed you in has no scope `{}`.", scope.as_str()),
            "Ask an administrator of the Panel for it.",
        )
    }

    /// Why something is not shown, to staff.
    pub(crate) fn refused(refusal: &Refusal) -> Self {
        Self {
            status: problem::status(refusal.code),
            title: problem::title(refusal.code),
            text: refusal.detail.clone(),
            next: refusal.hint.clone().unwrap_or_else(|| "Go back to the page that you came from.".to_owned()),
            request_id: String::new(),
        }
    }

    /// That something was refused, which says no more than that there is nothing, or that the Panel failed.
    pub(crate) fn of(error: AppError) -> Self {
        match error {
            AppError::Refused(_) => Self::nothing_here(),
            error => {
                tracing::error!(error = %chain(&error), "the Panel failed at a page");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Something went wrong here",
                    "The page could not be shown. It is not because of anything that you did.",
                    "Try again in a moment. If it stays so, tell your hosting company when it happened.",
                )
            }
        }
    }
}

impl IntoResponse for Message {
    /// The gate writes it down, since the request's id may stand in it.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the message that a response carries, if it carries one.
pub(crate) fn write(mut response: Response, request_id: Option<&RequestId>) -> Response {
    let Some(mut message) = response.extensions_mut().remove::<Message>() else { return response };
    if message.status.is_server_error() {
        message.request_id = request_id.map(ToString::to_string).unwrap_or_default();
    }
    let wait = response.headers_mut().remove(header::RETRY_AFTER);
    let mut response = page(message.status, &message);
    response.headers_mut().extend(wait.map(|wait| (header::RETRY_AFTER, wait)));
    response
}
