//! Strangers and greedy tokens, who attack the Panel while somebody else works with it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use opterius_protocol::bounded;
use serde_json::Value;

use crate::repository;
use crate::server::Server;

/// One attack by the program `attacker`, from the server's own network. It ends with this.
#[derive(Debug)]
pub struct Attack {
    kind: String,
    process: Child,
}

/// The first of the networks of 64 bits that one attacker may have: all of a network of 48.
pub const NETWORKS: &str = "2001:db8:bad::1";

impl Attack {
    /// Begins an attack, a word of `attacker`, with more arguments and the token of an attacker who has one. It goes on for two minutes at most.
    ///
    /// # Panics
    /// When it does not begin.
    pub fn begin(server: &Server, kind: &str, arguments: &[&str], token: &str) -> Self {
        let mut process = Command::new("nsenter")
            .args(["-t", &server.init().to_string(), "-n"])
            .arg(repository::path().join("e2e/attacker"))
            .arg(kind)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the attacker starts");
        writeln!(process.stdin.as_mut().expect("it is piped"), "{token}").expect("the attacker reads");
        let attack = Self { kind: kind.to_owned(), process };
        attack.begun()
    }

    fn begun(mut self) -> Self {
        let out = self.process.stdout.as_mut().expect("it is piped");
        let mut word = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "a bound is put around it here")]
        BufReader::with_capacity(1, out.take(100)).read_until(b'\n', &mut word).expect("the attacker writes");
        assert_eq!(word, b"begun\n", "{}", self.kind);
        self
    }

    /// Ends it: what the Panel did to it, and how often.
    ///
    /// # Panics
    /// When the attacker failed.
    pub fn end(mut self) -> Did {
        drop(self.process.stdin.take());
        let out = self.process.stdout.take().expect("it is piped");
        let said = bounded::read(out, 10_000).expect("the attacker ends");
        let did = serde_json::from_slice(&said).expect("the attacker says what the Panel did");
        Did { kind: self.kind.clone(), did }
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the Panel did to an attacker.
#[derive(Debug)]
pub struct Did {
    kind: String,
    did: Value,
}

impl Did {
    /// How often it turned the attacker away: refused or closed a connection, or answered 429.
    pub fn turned_away(&self) -> u64 {
        ["refused", "closed", "429"].into_iter().map(|what| self.times(what)).sum()
    }

    /// How often it did this: a word of `attacker`, or a status.
    pub fn times(&self, what: &str) -> u64 {
        self.did[what].as_u64().unwrap_or(0)
    }
}

impl std::fmt::Display for Did {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind, self.did)
    }
}
