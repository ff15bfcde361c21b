//! HTTP: requests are decoded and callers found out here, and what a verb returns becomes JSON.

mod api;
mod auth;
mod cursor;
mod docs;
mod fields;
mod frame;
mod headers;
mod json;
mod problem;
mod router;
mod serve;
mod ui;

pub use auth::Peer;
pub use serve::Listeners;

pub(crate) use router::router;
pub(crate) use serve::serve;
pub(crate) use ui::{Texts, pages};
