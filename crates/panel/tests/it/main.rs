//! The Panel from outside: requests go through its whole router, and the Agent behind it is a fake with the real one's semantics.

mod support;

mod accounts;
mod activity;
mod administrators;
mod api;
mod faults;
mod operations;
mod packages;
mod secrets;
mod servers;
mod sockets;
mod tokens;
