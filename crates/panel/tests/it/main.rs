//! The Panel from outside: requests go through its whole router, and the Agent behind it is a fake with the real one's semantics.

#![expect(clippy::unwrap_used, reason = "a test that finds something else than it expects ends there")]

mod support;

mod accounts;
mod activity;
mod administrators;
mod ambiguous;
mod api;
mod billing;
mod door;
mod drift;
mod enter;
mod faults;
mod flood;
mod hostile;
mod migrations;
mod notices;
mod operations;
mod packages;
mod pages;
mod php;
mod refused;
mod resync;
mod secrets;
mod servers;
mod settings;
mod sign_in;
mod sockets;
mod tasks;
mod tokens;
mod turns;
mod ui_accounts;
mod ui_host;
mod usage;
