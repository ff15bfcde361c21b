//! HTTP: requests are decoded and callers found out here, and what a verb returns becomes JSON.

mod api;
mod auth;
mod docs;
mod fields;
mod frame;
mod headers;
mod problem;
mod router;
mod serve;

pub use auth::Peer;
pub use serve::Listeners;

pub(crate) use router::router;
pub(crate) use serve::serve;
