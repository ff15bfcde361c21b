//! Calls of the Panel's API by programs that say more than the usual ones: whose token, under which id, and whether they wait.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;

use serde_json::Value;

use crate::server::{Server, run};

/// One call over TLS.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Whose call it is.
    pub token: &'a str,
    /// Under which the Panel, the Agent and the Activity know it.
    pub request_id: &'a str,
    /// As in HTTP.
    pub method: &'a str,
    /// With the query.
    pub path: &'a str,
    /// What is sent, if anything is.
    pub body: Option<&'a Value>,
    /// Whether a long operation is to be answered at once, with 202.
    pub at_once: bool,
}

impl Server {
    /// Makes the call. Nothing, if it was cut off, or has no answer after a minute.
    pub fn call(&self, call: &Call<'_>) -> Option<(u16, Value)> {
        // The token goes over standard input, not into the list of processes.
        let mut config = format!(
            "url = \"https://127.0.0.1:{}{}\"\nrequest = \"{}\"\ninsecure\nsilent\nmax-time = 60\nnoproxy = \"*\"\n\
             write-out = \"\\n%{{http_code}}\"\nheader = \"Authorization: Bearer {}\"\nheader = \"X-Request-Id: {}\"\n",
            self.panel_port, call.path, call.method, call.token, call.request_id
        );
        if call.at_once {
            config.push_str("header = \"Prefer: respond-async\"\n");
        }
        let mut body = tempfile::NamedTempFile::new().expect("a temporary file");
        if let Some(value) = call.body {
            body.write_all(value.to_string().as_bytes()).expect("the body is written");
            let path = body.path().display();
            let _ = writeln!(config, "header = \"Content-Type: application/json\"\ndata-binary = \"@{path}\"");
        }
        let output = run(Command::new("curl").args(["-K", "-"]), config);
        let (answer, status) = output.stdout.rsplit_once('\n').filter(|_| output.status == 0)?;
        Some((status.parse().ok()?, serde_json::from_str(answer).ok()?))
    }
}
