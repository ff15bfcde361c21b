//! A mail server that keeps what it takes.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufStream};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A mail as it was taken.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// The head, with every header on one line.
    pub(crate) head: String,
    /// The text, decoded.
    pub(crate) body: String,
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secured {
    Never,
    AtOnce,
    WhenAsked,
}

#[derive(Default)]
struct Inside {
    taken: Vec<Taken>,
    /// What every sender is answered, if they are refused.
    refuses: Option<String>,
    /// Recipients that are not known here.
    unknown: HashSet<String>,
    /// Who may send; everybody without signing in, if nobody is named.
    users: Option<(String, String)>,
    /// How often somebody began to send.
    tries: usize,
}

#[derive(Clone)]
pub(crate) struct Sink {
    inside: Arc<Mutex<Inside>>,
    pub(crate) port: u16,
    /// The certificate (DER) that it can be known by.
    pub(crate) certificate: Vec<u8>,
}

impl Sink {
    pub(crate) async fn start(secured: Secured) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().to_vec();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let inside: Arc<Mutex<Inside>> = Arc::default();
        let sink = Self { inside: inside.clone(), port, certificate };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (inside, acceptor) = (inside.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match secured {
                        Secured::AtOnce => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                talk(&inside, BufStream::new(stream), true, false).await;
                            }
                        }
                        Secured::Never => drop(talk(&inside, BufStream::new(stream), true, false).await),
                        Secured::WhenAsked => {
                            if let Some(plain) = talk(&inside, BufStream::new(stream), true, true).await
                                && let Ok(stream) = acceptor.accept(plain.into_inner()).await
                            {
                                talk(&inside, BufStream::new(stream), false, false).await;
                            }
                        }
                    }
                });
            }
        });
        sink
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.inside.lock().unwrap().taken.clone()
    }

    pub(crate) fn tries(&self) -> usize {
        self.inside.lock().unwrap().tries
    }

    /// Answers this to everybody who wants to send, until nothing is said.
    pub(crate) fn refuse(&self, answer: Option<&str>) {
        self.inside.lock().unwrap().refuses = answer.map(str::to_owned);
    }

    pub(crate) fn does_not_know(&self, recipient: &str) {
        self.inside.lock().unwrap().unknown.insert(recipient.to_owned());
    }

    pub(crate) fn lets_in_only(&self, username: &str, password: &str) {
        self.inside.lock().unwrap().users = Some((username.to_owned(), password.to_owned()));
    }
}

/// One conversation. Gives the stream back when TLS is to begin.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    inside: &Mutex<Inside>,
    mut stream: BufStream<S>,
    greets: bool,
    offers_tls: bool,
) -> Option<BufStream<S>> {
    if greets {
        say(&mut stream, "220 sink").await?;
    }
    let (mut from, mut to, mut known) = (String::new(), Vec::new(), false);
    loop {
        let line = line(&mut stream).await?;
        let (verb, rest) = line.split_once([' ', ':']).unwrap_or((&line, ""));
        let between = |text: &str| text.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let answer = match verb.to_ascii_uppercase().as_str() {
            "EHLO" if offers_tls => "250-sink\r\n250 STARTTLS".to_owned(),
            "EHLO" => "250-sink\r\n250-8BITMIME\r\n250 AUTH PLAIN".to_owned(),
            "STARTTLS" if offers_tls => {
                say(&mut stream, "220 go on").await?;
                return Some(stream);
            }
            "AUTH" => {
                let given = rest.strip_prefix("PLAIN ").and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
                let given = String::from_utf8(given).unwrap();
                let wanted = inside.lock().unwrap().users.clone().map(|(name, password)| format!("\0{name}\0{password}"));
                known = wanted.is_some_and(|wanted| wanted == given);
                // Some servers say what they were told.
                if known { "235 welcome".to_owned() } else { format!("535 5.7.8 not {rest} or {}", given.replace('\0', " ")) }
            }
            "MAIL" => {
                let mut inside = inside.lock().unwrap();
                inside.tries += 1;
                from = between(rest);
                to.clear();
                match &inside.refuses {
                    Some(answer) => answer.clone(),
                    None if inside.users.is_some() && !known => "530 5.7.0 sign in first".to_owned(),
                    None => "250 ok".to_owned(),
                }
            }
            "RCPT" if inside.lock().unwrap().unknown.contains(&between(rest)) => "550 5.1.1 no such person here".to_owned(),
            "RCPT" => {
                to.push(between(rest));
                "250 ok".to_owned()
            }
            "DATA" => {
                say(&mut stream, "354 go on").await?;
                let mut text = String::new();
                loop {
                    let line = self::line(&mut stream).await?;
                    if line == "." {
                        break;
                    }
                    text.push_str(line.strip_prefix('.').unwrap_or(&line));
                    text.push_str("\r\n");
                }
                let (head, body) = text.split_once("\r\n\r\n").unwrap();
                let head = head.replace("\r\n ", " ");
                let body = if head.contains("quoted-printable") { decoded(body) } else { body.to_owned() };
                let body = body.replace("\r\n", "\n");
                inside.lock().unwrap().taken.push(Taken { from: from.clone(), to: to.clone(), head, body });
                "250 taken".to_owned()
            }
            "QUIT" => {
                say(&mut stream, "221 bye").await?;
                return None;
            }
            _ => "250 ok".to_owned(),
        };
        say(&mut stream, &answer).await?;
    }
}

async fn line<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufStream<S>) -> Option<String> {
    let mut line = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "the Panel under test is what speaks")]
    let length = stream.read_until(b'\n', &mut line).await.ok()?;
    (length > 0).then(|| String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufStream<S>, text: &str) -> Option<()> {
    stream.write_all(format!("{text}\r\n").as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

/// Quoted-printable (RFC 2045, 6.7).
fn decoded(text: &str) -> String {
    let text = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'=' && after.len() >= 2 {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}
