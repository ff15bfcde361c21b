//! The command as an operator types it, against a small Panel that is not one.

mod account;
mod fake_panel;
mod operation;
mod package;
mod token;
mod usage;
