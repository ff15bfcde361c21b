//! The pages of the host's people (Server Mode).

pub(crate) mod accounts;
pub(crate) mod activity;
pub(crate) mod activity_verdict;
pub(crate) mod dashboard;
pub(crate) mod enter;
pub(crate) mod mail;
pub(crate) mod managed;
pub(crate) mod managed_changes;
pub(crate) mod managed_package;
pub(crate) mod new_account;
pub(crate) mod operation;
pub(crate) mod operations;
pub(crate) mod packages;
pub(crate) mod people;
pub(crate) mod php;
pub(crate) mod profile;
pub(crate) mod servers;
pub(crate) mod settings;
pub(crate) mod settings_dns;
pub(crate) mod settings_pages;
pub(crate) mod tokens;
