//! `opterius doctor`: looks at every part of this server and says what to do about what is wrong. It changes nothing.

mod answers;
mod door;
mod drift;
mod host;
mod operations;
mod overrides;
mod php;
mod ports;
mod report;
mod run;
mod services;
mod tasks;

pub(crate) use run::run;
