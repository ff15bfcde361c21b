//! What is shown once: a password or a token that was made just now.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use zeroize::Zeroizing;

use super::assets;
use super::frame::{Frame, shown};

#[derive(Template)]
#[template(path = "once.html")]
pub(super) struct Once {
    pub(super) frame: Frame,
    pub(super) title: String,
    pub(super) text: String,
    pub(super) values: Vec<Value>,
    /// Where to go on.
    pub(super) back: String,
}

/// One value that is to be copied.
pub(super) struct Value {
    pub(super) label: String,
    pub(super) text: Zeroizing<String>,
}

impl Value {
    pub(super) fn new(label: String, text: &str) -> Self {
        Self { label, text: Zeroizing::new(text.to_owned()) }
    }
}

impl Once {
    pub(super) fn answer(&self) -> Response {
        shown(StatusCode::OK, self)
    }
}
