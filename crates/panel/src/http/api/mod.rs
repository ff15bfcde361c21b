//! One noun a file: its routes, what they take and what they answer.

pub(crate) mod accounts;
pub(crate) mod activity;
pub(crate) mod administrators;
pub(crate) mod availability;
pub(crate) mod health;
pub(crate) mod mail_server;
pub(crate) mod operations;
pub(crate) mod own;
pub(crate) mod packages;
pub(crate) mod php;
pub(crate) mod plan;
pub(crate) mod resync;
pub(crate) mod servers;
pub(crate) mod settings;
pub(crate) mod settings_dns;
pub(crate) mod settings_pages;
pub(crate) mod shared_parent_domains;
pub(crate) mod sign_in;
pub(crate) mod tasks;
pub(crate) mod tokens;
pub(crate) mod usage;

mod shape;
pub(crate) mod texts;
