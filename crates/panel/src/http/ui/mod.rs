//! The pages for people, one page a file with its template beside it. They know the visitor by a cookie that opens no route of the API.

mod account;
mod accounts;
mod activity;
mod assets;
mod bytes;
mod dashboard;
mod enter;
mod form;
mod frame;
mod gate;
mod given;
mod managed;
mod managed_changes;
mod managed_package;
mod message;
mod moment;
mod new_account;
mod once;
mod operation;
mod operations;
mod packages;
mod page;
mod people;
mod plan;
mod profile;
mod routes;
mod servers;
mod settings;
mod sign_in;
mod sign_out;
mod state;
mod style;
mod texts;
mod tokens;

pub(crate) use routes::{beside, pages};
pub(crate) use sign_in::PATH as SIGN_IN;
