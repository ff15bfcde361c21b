//! opterius-agent: everything that changes a server.
//!
//! The Panel sends the whole Spec of an account over a Unix socket ([`http`]); the [`engine`] journals the change, converges the
//! resources (`resources/`) in the order that `operations/` says, proves that the account answers, and decides the outcome. Nothing but
//! [`host`] touches the operating system.

pub mod config;
pub mod engine;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod host;
pub mod http;
pub mod jobs;
pub mod logs;
mod operations;
pub mod pages;
mod resources;
mod run;

#[cfg(test)]
mod testing;
