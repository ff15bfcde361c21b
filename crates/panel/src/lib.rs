//! The Panel: an HTTP API, a database, and the operations it hands to the servers' Agents.
//!
//! A request comes in through [`http`], which decodes it and finds out who asks; one verb in `app` does what was asked, with the rows of
//! `store` and the Agents of `fleet`; what came of it goes back as JSON. An operation is carried to its outcome by
//! `app/run_operation.rs`, whatever becomes of the connection that asked for it, and by the next Panel if this one ends.

mod activity_key;
mod app;
mod config;
mod core;
mod fleet;
mod http;
mod notices;
mod panel;
mod store;
mod tasks;
mod tls;
mod turns;

pub use config::{Config, ConfigError, PATH as CONFIG_PATH};
pub use core::{Seams, StartError, Timing};
pub use http::{Listeners, Peer};
pub use panel::{InitError, Panel, init};
pub use tls::{Pins, TlsError};
