//! A customer's pages.

pub(crate) mod account;
pub(crate) mod sign_in;
pub(crate) mod sign_out;
