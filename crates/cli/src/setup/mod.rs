//! `opterius setup`: makes a server with the packages on it ready to host accounts. It asks nothing and can be run again: keys, secrets
//! and the administrator are kept, and only what the options say is changed.

mod administrator;
mod configuration;
mod identity;
mod nginx;
mod panel;
mod powerdns;
mod progress;
mod register;
mod run;
mod services;
#[cfg(test)]
mod tests;

pub(crate) use identity::Options;
pub(crate) use nginx::{CONFIGURATION as NGINX_CONFIGURATION, running_configuration};
pub(crate) use run::{run, stock_php};
pub(crate) use services::SYSTEMCTL;
