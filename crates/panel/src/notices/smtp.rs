//! The way to the mail server.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use uuid::Uuid;

use crate::core::Core;
use crate::store::mail_server::{Encryption, MailServer};

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long one answer of the server may take.
const ANSWER: Duration = Duration::from_secs(15);

/// The most that is kept of what a server says, in characters.
const SAID: usize = 400;

/// What is sent.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) subject: String,
    /// Plain text.
    pub(crate) body: String,
}

/// Gives a mail to the mail server for all recipients, within 20 seconds. Returns what the server said of those that it did not take it for,
/// and refuses, in the server's own words, if it took it for nobody. No text has the password in it.
pub(crate) async fn hand_over(core: &Core, server: &MailServer, mail: &Mail) -> Result<Option<String>, String> {
    match tokio::time::timeout(PATIENCE, talk(core, server, mail)).await {
        Ok(done) => done.map(|said| said.map(|said| harmless(server, &said))).map_err(|said| harmless(server, &said)),
        Err(_) => Err(format!("{} did not answer within {} seconds", server.host, PATIENCE.as_secs())),
    }
}

async fn talk(core: &Core, server: &MailServer, mail: &Mail) -> Result<Option<String>, String> {
    let hostname = core.config.hostnames.first().map(ToString::to_string).unwrap_or_default();
    let sender: Address = address(&server.sender)?;
    let recipients = server.recipients.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
    let message = message(&hostname, &sender, &recipients, mail)?;
    // Reads the certificates that this machine trusts.
    let (host, encryption, roots) = (server.host.clone(), server.encryption, core.seams.mail_roots.clone());
    let tls = crate::core::compute("read the trusted certificates", move || tls(&host, encryption, roots))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
        .port(server.port)
        .tls(tls)
        .hello_name(ClientId::Domain(hostname))
        .timeout(Some(ANSWER));
    if let (Some(username), Some(password)) = (&server.username, &server.password) {
        transport = transport.credentials(Credentials::new(username.clone(), password.expose().to_owned()));
    }
    let transport = transport.build();
    let send = async |to: Vec<Address>| {
        let envelope = lettre::address::Envelope::new(Some(sender.clone()), to).map_err(|error| (error.to_string(), false))?;
        transport.send_raw(&envelope, &message).await.map(|_| ()).map_err(|error| (said(&error), error.is_permanent()))
    };
    match send(recipients.clone()).await {
        Ok(()) => Ok(None),
        // One address that is gone must not keep the others from hearing.
        Err((_, true)) if recipients.len() > 1 => {
            let count = recipients.len();
            let mut refused = Vec::new();
            for recipient in recipients {
                let name = recipient.to_string();
                if let Err((said, _)) = send(vec![recipient]).await {
                    refused.push(format!("{name}: {said}"));
                }
            }
            let all = refused.join("; ");
            if refused.len() == count { Err(all) } else { Ok((!refused.is_empty()).then_some(all)) }
        }
        Err((said, _)) => Err(said),
    }
}

fn address(text: &str) -> Result<Address, String> {
    text.parse().map_err(|_| format!("`{text}` is not an address that mail can be sent to"))
}

fn tls(host: &str, encryption: Encryption, roots: Vec<Vec<u8>>) -> Result<Tls, Error> {
    if encryption == Encryption::None {
        return Ok(Tls::None);
    }
    let mut parameters = TlsParameters::builder(host.to_owned());
    for root in roots {
        parameters = parameters.add_root_certificate(Certificate::from_der(root)?);
    }
    let parameters = parameters.build_rustls()?;
    Ok(if encryption == Encryption::Tls { Tls::Wrapper(parameters) } else { Tls::Required(parameters) })
}

fn message(hostname: &str, sender: &Address, recipients: &[Address], mail: &Mail) -> Result<Vec<u8>, String> {
    let to: Mailboxes = recipients.iter().map(|address| Mailbox::new(None, address.clone())).collect();
    // A subject is one line.
    let subject: String = mail.subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut message = Message::builder()
        .from(Mailbox::new(Some("Opterius".to_owned()), sender.clone()))
        .mailbox(lettre::message::header::To::from(to))
        .subject(subject)
        .message_id(Some(format!("<{}@{hostname}>", Uuid::now_v7())))
        .header(ContentType::TEXT_PLAIN)
        .body(mail.body.clone())
        .map_err(|error| error.to_string())?;
    // Nobody is told of an absence in answer to it (RFC 3834).
    message.headers_mut().insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()));
    Ok(message.formatted())
}

/// What went wrong: the server's own words, where it said any.
fn said(error: &Error) -> String {
    match (error.status(), std::error::Error::source(error)) {
        (Some(code), Some(words)) => format!("{code} {words}"),
        _ => error.to_string(),
    }
}

/// One line without the password in any form in which a server could have sent it back.
fn harmless(server: &MailServer, said: &str) -> String {
    let mut said = said.to_owned();
    if let Some(password) = &server.password {
        let (username, password) = (server.username.as_deref().unwrap_or_default(), password.expose());
        for secret in [STANDARD.encode(format!("\0{username}\0{password}")), STANDARD.encode(password), password.to_owned()] {
            said = said.replace(&secret, "…");
        }
    }
    let line: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SAID).collect();
    line.trim().to_owned()
}
