//! Visitors of sites, who send what they like.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::server::Server;

/// Says "hangs", not "slow".
const PATIENCE: Duration = Duration::from_mins(1);

/// What nginx answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status; 0 where the connection was closed without a word.
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    /// The body as it came: chunks and compression are left as they are.
    pub body: Vec<u8>,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = end.map_or((bytes, &b""[..]), |at| (&bytes[..at], &bytes[at + 4..]));
        let head = String::from_utf8_lossy(head).to_lowercase();
        let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head, body: body.to_owned() }
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a header, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(&name.to_lowercase())?.strip_prefix(": "))
    }
}

impl Server {
    /// A connection to nginx.
    ///
    /// # Panics
    /// When nobody listens.
    pub fn web(&self) -> TcpStream {
        let stream = TcpStream::connect((self.at.as_str(), 80)).expect("nginx takes the connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout is set");
        stream
    }

    /// Sends these bytes as they are and reads until nginx closes the connection, so they must ask it to.
    ///
    /// # Panics
    /// When the connection hangs.
    pub fn send(&self, request: &[u8]) -> Reply {
        let mut stream = self.web();
        // nginx may refuse, and close, before it has all of it.
        let _ = stream.write_all(request);
        finish(stream)
    }

    /// Gets `target`, which goes out as it is. HTTP/1.0, so that the body comes as it is too.
    pub fn get(&self, host: &str, target: &str) -> Reply {
        self.get_with(host, target, "")
    }

    /// Gets `target` with more headers, each with its line end.
    pub fn get_with(&self, host: &str, target: &str, headers: &str) -> Reply {
        self.send(format!("GET {target} HTTP/1.0\r\nHost: {host}\r\n{headers}\r\n").as_bytes())
    }

    /// Posts a body.
    pub fn post(&self, host: &str, target: &str, body: impl AsRef<[u8]>) -> Reply {
        let body = body.as_ref();
        let head = format!(
            "POST {target} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.send(&[head.as_bytes(), body].concat())
    }
}

/// A visitor whose connection stays open between requests.
#[derive(Debug)]
pub struct Lasting(BufReader<TcpStream>);

impl Lasting {
    /// One that is connected.
    pub fn new(server: &Server) -> Self {
        Self(BufReader::new(server.web()))
    }

    /// Asks for something of known length: the status and the body.
    ///
    /// # Panics
    /// When the connection is closed instead, or the answer has no length.
    pub fn get(&mut self, host: &str, target: &str) -> (u16, String) {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).expect("the connection is open");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            #[expect(clippy::disallowed_methods, reason = "a bound is put around it here")]
            let read = (&mut self.0).take(64 * 1024).read_until(b'\n', &mut head).expect("an answer");
            assert_ne!(read, 0, "closed behind {}", String::from_utf8_lossy(&head));
        }
        let head = Reply::parse(&head);
        let length = head.header("content-length").unwrap_or_else(|| panic!("no length: {}", head.head));
        let mut body = vec![0; length.parse().expect("a length is a number")];
        self.0.read_exact(&mut body).expect("the whole body");
        (head.status, String::from_utf8_lossy(&body).into_owned())
    }
}

/// Reads what is answered on a connection until it is closed.
///
/// # Panics
/// When it hangs.
pub fn finish(mut stream: TcpStream) -> Reply {
    let mut answer = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("no answer: {}", String::from_utf8_lossy(&answer))
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A reset after the answer is one, too.
            Err(_) => break,
        }
        assert!(answer.len() < 1 << 30, "an answer without an end");
    }
    let _ = stream.shutdown(Shutdown::Both);
    Reply::parse(&answer)
}
