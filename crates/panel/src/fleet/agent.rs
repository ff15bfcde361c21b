//! The door to an Agent. What comes in through it was perhaps written by a customer, and perhaps by whoever took the server over: its texts
//! are cleaned here, once, before anything of the Panel sees them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use opterius_model::clean;
use opterius_protocol::Call;
use opterius_protocol::bounded::MIB;
use opterius_protocol::client::{CallError, Client};
use serde::de::Error as _;

use super::answer::{Answer, LONGEST};

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

    /// As [`Client::call`]; the answer is bounded and its texts are clean, as [`Answer::admit`] says.
    pub(crate) async fn call<C: Call<Reply: Answer>>(&self, call: &C, timeout: Duration) -> Result<C::Reply, CallError> {
        match self.client.call_within(call, timeout, longest(C::ROUTE)).await {
            // What is not of the contract any more once it is clean never was.
            Ok(reply) => reply.admit().map_err(|source| CallError::NotUnderstood {
                socket: self.socket.clone(),
                status: http::StatusCode::OK,
                source,
            }),
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
