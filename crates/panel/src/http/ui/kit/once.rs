//! What is shown once: a password or a token that was made just now.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use zeroize::Zeroizing;

use super::assets;
use super::frame::{Frame, shown};

#[derive(Template)]
#[template(path = "once.html")]
pub(crate) struct Once {
    pub(crate) frame: Frame,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) values: Vec<Value>,
    /// Where to go on.
    pub(crate) back: String,
}

/// One value that is to be copied.
pub(crate) struct Value {
    pub(crate) label: String,
    pub(crate) text: Zeroizing<String>,
}

impl Value {
    pub(crate) fn new(label: String, text: &str) -> Self {
        Self { label, text: Zeroizing::new(text.to_owned()) }
    }
}

impl Once {
    pub(crate) fn answer(&self) -> Response {
        shown(StatusCode::OK, self)
    }
}
