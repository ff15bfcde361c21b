//! As much of FastCGI as a web server speaks to FPM (the FastCGI specification, version 1): one request a connection.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

const BEGIN_REQUEST: u8 = 1;
const END_REQUEST: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const STDERR: u8 = 7;

/// A request that was sent and not yet answered.
pub(crate) struct Sent(UnixStream);

/// An answer: headers and body as they came, and what went to standard error.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// What comes after the headers.
    pub(crate) fn body(&self) -> &str {
        self.stdout.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

/// Sends a request for `script`, by the path that FPM sees.
pub(crate) fn send(socket: &Path, script: &str) -> io::Result<Sent> {
    let mut stream = UnixStream::connect(socket)?;
    let mut params = Vec::new();
    for (name, value) in [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", script),
        ("SCRIPT_FILENAME", script),
        ("REQUEST_URI", script),
        ("QUERY_STRING", ""),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
    ] {
        params.extend([length(name), length(value)]);
        params.extend(name.bytes().chain(value.bytes()));
    }
    // Role 1 is the responder; flags 0 close the connection afterwards.
    stream.write_all(&record(BEGIN_REQUEST, &[0, 1, 0, 0, 0, 0, 0, 0]))?;
    stream.write_all(&record(PARAMS, &params))?;
    stream.write_all(&record(PARAMS, &[]))?;
    stream.write_all(&record(STDIN, &[]))?;
    Ok(Sent(stream))
}

/// Sends a request and waits for the answer.
pub(crate) fn ask(socket: &Path, script: &str) -> io::Result<Answer> {
    send(socket, script)?.answer()
}

impl Sent {
    /// Waits for the answer; an error if the connection ends before it is whole.
    pub(crate) fn answer(mut self) -> io::Result<Answer> {
        let mut answer = Answer::default();
        loop {
            let mut header = [0; 8];
            self.0.read_exact(&mut header)?;
            let mut content = vec![0; usize::from(u16::from_be_bytes([header[4], header[5]]))];
            self.0.read_exact(&mut content)?;
            let mut padding = vec![0; usize::from(header[6])];
            self.0.read_exact(&mut padding)?;
            let text = String::from_utf8_lossy(&content);
            match header[1] {
                STDOUT => answer.stdout.push_str(&text),
                STDERR => answer.stderr.push_str(&text),
                END_REQUEST => return Ok(answer),
                other => return Err(io::Error::other(format!("a record of type {other}"))),
            }
        }
    }
}

fn length(text: &str) -> u8 {
    u8::try_from(text.len()).ok().filter(|length| *length < 128).expect("short names and values")
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a short record").to_be_bytes();
    [&[1, kind, 0, 1, length[0], length[1], 0, 0], content].concat()
}
