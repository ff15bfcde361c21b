//! Reads what callers send: bodies of the API, queries, and forms of the pages, which ask the same in the same words.

mod fields;
mod order;

pub(crate) use fields::*;
pub(crate) use order::{order, package_choice, refuse_reserved, server_choice};
