//! The door to an Agent. What comes in through it was perhaps written by a customer, and perhaps by whoever took the server over: its texts
//! are cleaned here, once, before anything of the Panel sees them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use opterius_model::clean;
use opterius_protocol::Call;
use opterius_protocol::bounded::MIB;
use opterius_protocol::client::{CallError, Client};
use serde::Serialize;
use serde::de::Error as _;
use serde_json::Value;

/// The longest text that is taken from an Agent, in characters.
const LONGEST: usize = 4000;

/// The Agent of one server.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    client: Client,
    socket: PathBuf,
}

impl Agent {
    pub(crate) fn new(socket: &Path) -> Self {
        Self { client: Client::new(socket), socket: socket.to_owned() }
    }

    /// As [`Client::call`]; every text of the answer is one line of bounded length without control characters, but those of a Spec, which
    /// have types of their own.
    pub(crate) async fn call<C: Call<Reply: Serialize>>(&self, call: &C, timeout: Duration) -> Result<C::Reply, CallError> {
        match self.client.call_within(call, timeout, longest(C::ROUTE)).await {
            // What is not of the contract any more once it is clean never was.
            Ok(reply) => match cleaned(&reply) {
                Ok(None) => Ok(reply),
                Ok(Some(clean)) => Ok(clean),
                Err(source) => Err(CallError::NotUnderstood { socket: self.socket.clone(), status: http::StatusCode::OK, source }),
            },
            Err(CallError::Refused(mut error)) => {
                error.detail = clean(error.detail.as_bytes(), LONGEST);
                Err(CallError::Refused(error))
            }
            // It quotes what was not understood.
            Err(CallError::NotUnderstood { socket, status, source }) => {
                let source = serde_json::Error::custom(clean(source.to_string().as_bytes(), LONGEST));
                Err(CallError::NotUnderstood { socket, status, source })
            }
            Err(error) => Err(error),
        }
    }
}

/// The longest answer to a call, in bytes: several of them are under way at once, and one server must not take the memory of all. Only lists of
/// all accounts are long (100,000 accounts use 16 MiB).
fn longest(route: &str) -> u64 {
    match route {
        "/usage" => 32 * MIB,
        "/drift" => 16 * MIB,
        "/accounts" | "/activity/heads" => 4 * MIB,
        _ => 2 * MIB,
    }
}

/// Nothing, if there is nothing to clean.
fn cleaned<T: Serialize + for<'de> serde::Deserialize<'de>>(reply: &T) -> Result<Option<T>, serde_json::Error> {
    let mut value = serde_json::to_value(reply)?;
    if clean_texts(&mut value) { serde_json::from_value(value).map(Some) } else { Ok(None) }
}

/// Says whether it changed anything.
fn clean_texts(value: &mut Value) -> bool {
    match value {
        Value::String(text) => {
            let clean = clean(text.as_bytes(), LONGEST);
            let changes = clean != *text;
            if changes {
                *text = clean;
            }
            changes
        }
        Value::Array(all) => all.iter_mut().fold(false, |changed, one| clean_texts(one) | changed),
        Value::Object(fields) => {
            fields.iter_mut().filter(|(name, _)| *name != "spec").fold(false, |changed, (_, one)| clean_texts(one) | changed)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_text_of_an_answer_is_cleaned_and_a_spec_is_left_as_it_is() {
        let mut value = json!({"steps": [{"detail": "a\u{1b}[31mb", "n": 1}], "spec": {"content": " x "}, "memo": {"reason": "one\ntwo"}});
        assert!(clean_texts(&mut value));
        assert_eq!(
            value,
            json!({"steps": [{"detail": "a\u{fffd}[31mb", "n": 1}], "spec": {"content": " x "}, "memo": {"reason": "one two"}})
        );
        assert!(!clean_texts(&mut value));
        let mut long = json!("ä".repeat(LONGEST + 1));
        assert!(clean_texts(&mut long));
        assert_eq!(long.as_str().map(|text| text.chars().count()), Some(LONGEST));
    }
}
