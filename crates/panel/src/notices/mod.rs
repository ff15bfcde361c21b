//! What staff are told by mail: its words, the way to the mail server, and the task that sends what is queued.

mod send;
mod smtp;
mod words;

pub(crate) use send::keep_sending;
pub(crate) use smtp::{Mail, hand_over};
pub(crate) use words::{path, subject, test_mail};
