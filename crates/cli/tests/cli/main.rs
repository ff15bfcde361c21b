//! The command as an operator types it, against a small Panel that is not one.

mod account;
mod activity;
mod administrator;
mod fake_panel;
mod hostile;
mod life;
mod operation;
mod package;
mod resync;
mod server;
mod settings;
mod token;
mod usage;
mod whmcs;
