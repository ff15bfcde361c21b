//! The pages for people, one page a file with its template beside it. They know the visitor by a cookie that opens no route of the API.

mod customer;
mod kit;
mod routes;
mod staff;

pub(crate) use customer::sign_in::PATH as SIGN_IN;
pub(crate) use kit::texts::Texts;
pub(crate) use routes::{beside, pages};
