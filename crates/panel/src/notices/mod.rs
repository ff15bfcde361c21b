//! What staff are told by mail: its words, and the way to the mail server.

mod smtp;
mod words;

pub(crate) use smtp::{Mail, hand_over};
pub(crate) use words::{mail, path, subject, test_mail};
