//! A client for the Unix sockets.

use std::path::PathBuf;
use std::time::Duration;

use crate::bounded::{self, BodyError};
use crate::{Call, WireError};

/// The longest reply that is read, in bytes. That of a server with 100,000 accounts, with all that each of them uses, has a quarter of it.
const LONGEST_REPLY: u64 = 64 * bounded::MIB;

/// Calls one server over its Unix socket.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    socket: PathBuf,
}

/// Why a call has no reply.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection was made, so the server has seen nothing of the call.
    #[error("could not connect to {}", socket.display())]
    NotSent {
        /// The server's socket.
        socket: PathBuf,
        /// Why not.
        #[source]
        source: reqwest::Error,
    },
    /// A connection was made and then broke or fell silent: the server may have acted, or may still be acting.
    #[error("{} did not answer in full", socket.display())]
    NoReply {
        /// The server's socket.
        socket: PathBuf,
        /// What happened.
        #[source]
        source: reqwest::Error,
    },
    /// The server answered with more than is ever read.
    #[error("{} answered with something that was longer than {most} bytes", socket.display())]
    TooLong {
        /// The server's socket.
        socket: PathBuf,
        /// The bound.
        most: u64,
    },
    /// The server answered with something that is not of the contract.
    #[error("{} answered {status} with something that was not understood", socket.display())]
    NotUnderstood {
        /// The server's socket.
        socket: PathBuf,
        /// The HTTP status.
        status: http::StatusCode,
        /// What was wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The server refused, and changed nothing.
    #[error(transparent)]
    Refused(WireError),
}

impl Client {
    /// A client of the server behind `socket`. Connections are kept and used again.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        let socket = socket.into();
        let http = reqwest::Client::builder()
            .unix_socket(socket.clone())
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client without TLS needs nothing that could fail");
        Self { http, socket }
    }

    /// Makes one call and waits at most `timeout` for the whole reply.
    pub async fn call<C: Call>(&self, call: &C, timeout: Duration) -> Result<C::Reply, CallError> {
        self.call_within(call, timeout, LONGEST_REPLY).await
    }

    /// The same, of a reply that has at most `most` bytes.
    pub async fn call_within<C: Call>(&self, call: &C, timeout: Duration, most: u64) -> Result<C::Reply, CallError> {
        let mut request = self.http.request(C::METHOD, format!("http://localhost{}", call.target())).timeout(timeout);
        if C::METHOD != http::Method::GET {
            request = request.json(call);
        }
        let failed = |source: reqwest::Error| {
            let socket = self.socket.clone();
            // A connection kept from before may close under a request that was not yet written; that counts as "may have been sent".
            if source.is_connect() { CallError::NotSent { socket, source } } else { CallError::NoReply { socket, source } }
        };
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let body = bounded::body(response, most).await.map_err(|error| match error {
            BodyError::Broken(source) => failed(source),
            BodyError::TooLarge { most } => CallError::TooLong { socket: self.socket.clone(), most },
        })?;
        let not_understood = |source| CallError::NotUnderstood { socket: self.socket.clone(), status, source };
        if status.is_success() {
            serde_json::from_slice(&body).map_err(not_understood)
        } else {
            Err(CallError::Refused(serde_json::from_slice(&body).map_err(not_understood)?))
        }
    }
}

/// An error with its causes, in one line. `Display` of our errors never holds the cause; this is where it is added, once.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::agent::ListUsage;

    #[tokio::test]
    async fn an_answer_of_any_length_is_not_read_to_its_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("sock");
        let listener = tokio::net::UnixListener::bind(&socket).expect("a socket");
        tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.expect("a client");
            let mut asked = [0; 4096];
            let _ = client.read(&mut asked).await;
            let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            for _ in 0..65 {
                let _ = client.write_all(&vec![b' '; 1 << 20]).await;
            }
        });
        let error = Client::new(socket).call(&ListUsage {}, Duration::from_mins(5)).await.expect_err("too much");
        assert!(chain(&error).contains("longer than"), "{error:?}");
    }
}
