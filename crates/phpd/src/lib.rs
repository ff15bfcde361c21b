//! opterius-phpd: holds the listening socket of every account's PHP, starts that account's sandboxed PHP-FPM on the first request, and
//! stops it when nobody has asked for it in a while.
//!
//! Reading order: [`registry`] is what the control socket talks to, [`pool`] is the life of one pool, [`launch`] starts a sandbox and
//! [`view`] says what it sees. [`startup`] is how everything comes back after phpd, or the server, was restarted.

pub mod backoff;
pub mod bubblewrap;
pub mod cgroup;
pub mod config;
pub mod enter;
pub mod fd_store;
pub mod fpm_config;
pub mod http;
pub mod launch;
pub mod panics;
pub mod php_log;
pub mod phps;
pub mod pool;
pub mod process;
pub mod registry;
pub mod retire;
pub mod runs;
pub mod sockets;
pub mod startup;
pub mod store;
pub mod syscalls;
pub mod view;
mod watch;
