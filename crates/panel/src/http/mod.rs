//! HTTP: requests are decoded and callers found out here, and what a verb returns becomes JSON.

mod api;
mod auth;
mod body;
mod connection;
mod connections;
mod cursor;
mod docs;
mod document;
mod frame;
mod headers;
mod json;
mod problem;
mod read;
mod router;
mod serve;
mod ui;

pub use auth::Peer;
pub use serve::Listeners;

pub(crate) use connections::Connections;
pub(crate) use router::router;
pub(crate) use serve::{LISTENING, serve};
pub(crate) use ui::{Texts, pages};
