//! Whether the Panel answers those who come over the network: its socket, which this command uses, says nothing of that.

use std::sync::Arc;
use std::time::Duration;

use opterius_model::clean;
use opterius_protocol::bounded::{self, MIB};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::answers::Answers;
use super::report::Report;
use crate::system::System;

/// How much of the answer is read, in bytes: only its first line matters.
const FIRST_LINE: usize = 256;

/// How long the Panel may take until it answers.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked within that time, and how long after a failure: a busy server may cut one connection off.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_millis(250);

const CERTIFICATE: &str = "/var/lib/opterius-panel/tls/cert.pem";

/// Whether the Panel answers over TLS, with its own key.
pub(super) async fn door(system: &System, answers: &Answers, report: &mut Report) {
    if answers.panel.is_err() {
        return;
    }
    let port = system.panel.port();
    let hint = format!("see `journalctl -u opterius-panel`; `ss -tn state established 'sport = :{port}'` shows who is connected");
    match tries(system).await {
        (Ok(()), None) => report.ok("Panel", format!("answers on port {port}")),
        (Ok(()), Some(why)) => report.warning("Panel", format!("the Panel answers on port {port}, but not at the first try: {why}"), hint),
        (Err(why), _) => report.problem("Panel", format!("the Panel answers on its socket but not on port {port}: {why}"), hint),
    }
}

/// How it ended, and why an earlier try failed.
async fn tries(system: &System) -> (Result<(), String>, Option<String>) {
    let patience = PATIENCE.min(system.patience);
    let mut failed = None;
    let connector = match configuration(system) {
        Ok(configuration) => TlsConnector::from(Arc::new(configuration)),
        Err(why) => return (Err(why), None),
    };
    let all = async {
        for _ in 1..TRIES {
            match ask(system, &connector).await {
                Ok(()) => return Ok(()),
                Err(why) => failed = Some(why),
            }
            tokio::time::sleep(PAUSE).await;
        }
        ask(system, &connector).await
    };
    let ended = tokio::time::timeout(patience, all).await;
    (ended.unwrap_or_else(|_| Err(format!("there was no answer within {} seconds", patience.as_secs()))), failed)
}

async fn ask(system: &System, connector: &TlsConnector) -> Result<(), String> {
    let stream = TcpStream::connect(system.panel).await.map_err(|error| format!("could not connect: {error}"))?;
    let name = ServerName::from(system.panel.ip());
    let mut stream = connector.connect(name, stream).await.map_err(|error| format!("the TLS handshake failed: {error}"))?;
    let request = format!("GET /api/health HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", system.panel);
    stream.write_all(request.as_bytes()).await.map_err(|error| format!("could not ask: {error}"))?;
    let mut answer = Vec::with_capacity(FIRST_LINE);
    while answer.len() < FIRST_LINE && !answer.contains(&b'\n') {
        match stream.read_buf(&mut answer).await {
            Ok(0) => return Err("the connection was closed without an answer".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(format!("there was no answer: {error}")),
        }
    }
    let line = answer.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match line.strip_prefix(b"HTTP/1.1 ") {
        Some(status) if status.starts_with(b"200") => Ok(()),
        _ => Err(format!("it answered \u{201c}{}\u{201d}", clean(line, FIRST_LINE))),
    }
}

fn configuration(system: &System) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = OwnKey { key: own_key(system), provider: provider.clone() };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| format!("TLS cannot be used: {error}"))?.dangerous();
    Ok(builder.with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// The public key of the Panel's own certificate; nothing if it cannot be read, which is a finding of its own.
fn own_key(system: &System) -> Option<Vec<u8>> {
    let content = bounded::file(system.path(CERTIFICATE), MIB).ok()?;
    let first = Pem::iter_from_buffer(&content).flatten().find(|block| block.label == "CERTIFICATE")?;
    public_key(&first.contents)
}

fn public_key(certificate: &[u8]) -> Option<Vec<u8>> {
    X509Certificate::from_der(certificate).ok().map(|(_, certificate)| certificate.public_key().raw.to_vec())
}

/// Believes the Panel's own key, whoever signed its certificate and whatever name stands in it.
#[derive(Debug)]
struct OwnKey {
    key: Option<Vec<u8>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OwnKey {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.key {
            Some(key) if public_key(certificate).as_ref() != Some(key) => {
                Err(rustls::Error::General(format!("another program listens there: its key is not that of {CERTIFICATE}")))
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject as _;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::super::answers::Myself;
    use super::super::report::Level;
    use super::*;

    /// A listener with a key of its own, that says `reply` to everybody but the first `cut`, whom it hangs up on; and its certificate as PEM.
    async fn listener(reply: &'static str, cut: usize) -> (SocketAddr, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["panel.hoster.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        let private = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                if number < cut {
                    continue;
                }
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut asked = Vec::with_capacity(1024);
                let _ = stream.read_buf(&mut asked).await;
                let _ = stream.write_all(reply.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        (address, certificate.pem())
    }

    async fn found(at: SocketAddr, certificate: &str) -> (Level, String) {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join(CERTIFICATE.trim_start_matches('/'));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, certificate).unwrap();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut system = System::below(root.path(), nowhere, nowhere);
        system.panel = at;
        let answers =
            Answers { agent: Err(String::new()), drift: None, phpd: Err(String::new()), panel: Ok(Myself { version: "1".to_owned() }) };
        let mut report = Report::default();
        door(&system, &answers, &mut report).await;
        (report.0[0].level, report.0[0].detail.clone())
    }

    #[tokio::test]
    async fn a_panel_that_answers_on_its_socket_only_is_a_problem_that_says_why() {
        let (address, certificate) = listener("HTTP/1.1 200 OK\r\n\r\n", 0).await;
        assert_eq!(found(address, &certificate).await, (Level::Ok, format!("answers on port {}", address.port())));
        assert_eq!(found(address, "").await.0, Level::Ok, "that its certificate is not there is told elsewhere");
        let (silent, _open) = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            (listener.local_addr().unwrap(), listener)
        };
        let (other, _) = listener("HTTP/1.1 200 OK\r\n\r\n", 0).await;
        let (broken, broken_certificate) = listener("HTTP/1.1 500 Internal Server Error\r\n\r\n", 0).await;
        let (mute, mute_certificate) = listener("", 0).await;
        for (at, certificate, why) in [
            (SocketAddr::from(([127, 0, 0, 1], 1)), certificate.as_str(), "could not connect: "),
            (silent, &certificate, "there was no answer within 2 seconds"),
            (other, &certificate, "another program listens there"),
            (broken, &broken_certificate, "it answered \u{201c}HTTP/1.1 500 Internal Server Error\u{201d}"),
            (mute, &mute_certificate, "without an answer"),
        ] {
            let (level, detail) = found(at, certificate).await;
            let begins = format!("the Panel answers on its socket but not on port {}: ", at.port());
            assert!(level == Level::Problem && detail.starts_with(&begins) && detail.contains(why), "{detail}");
        }
    }

    #[tokio::test]
    async fn one_connection_that_is_cut_off_is_a_warning_and_all_of_them_are_a_problem() {
        for (cut, level, says) in
            [(TRIES - 1, Level::Warning, "but not at the first try: the TLS handshake failed: "), (TRIES, Level::Problem, "not on port")]
        {
            let (address, certificate) = listener("HTTP/1.1 200 OK\r\n\r\n", cut).await;
            let (found, detail) = found(address, &certificate).await;
            assert!(found == level && detail.contains(says), "{detail}");
        }
    }
}
