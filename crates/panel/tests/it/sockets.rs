//! The listeners: TLS with the Panel's keys, and the Unix socket.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opterius_panel::Listeners;
use opterius_protocol::bounded;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use crate::support::{Behaviour, Lab, order, until};

/// Trusts exactly one key, as the billing module does.
#[derive(Debug)]
struct Pinned(String, Arc<CryptoProvider>);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let parsed = rustls::server::ParsedCertificate::try_from(certificate)?;
        let pin = STANDARD.encode(Sha256::digest(parsed.subject_public_key_info().as_ref()));
        if pin == self.0 { Ok(ServerCertVerified::assertion()) } else { Err(rustls::Error::General("another key".to_owned())) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.1.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.1.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.1.signature_verification_algorithms.supported_schemes()
    }
}

/// Connects to a Panel with the key of this pin, and offers the protocols `alpn`.
pub(crate) fn connector(pin: &str, alpn: &[&[u8]]) -> tokio_rustls::TlsConnector {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned(pin.to_owned(), provider)))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    tokio_rustls::TlsConnector::from(Arc::new(config))
}

/// One request over HTTP/1.1 without the end of its head, and its whole reply.
pub(crate) async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, head: &str) -> String {
    stream.write_all(format!("{head}\r\nhost: panel.hoster.example\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    // A peer that closes without the farewell of TLS has said everything all the same.
    while stream.read_buf(&mut reply).await.is_ok_and(|read| read > 0) {}
    String::from_utf8_lossy(&reply).into_owned()
}

#[tokio::test]
async fn a_panel_serves_with_the_keys_that_its_preparation_made() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut lab = Lab::bare().await;
    lab.crash().await;
    let pins = opterius_panel::init(lab.config()).await.unwrap();
    assert_eq!(opterius_panel::init(lab.config()).await.unwrap(), pins, "what is there is kept");
    assert_ne!(pins.tls_pin, pins.tls_backup_pin);
    lab.start().await;
    let token = lab.post("/api/tokens", &serde_json::json!({ "name": "WHMCS", "purpose": "whmcs" })).await.data(201);
    let text = token["token"].as_str().unwrap();
    assert_eq!(token["access_hash"], format!("o1.{text}.{},{}", pins.tls_pin, pins.tls_backup_pin));

    let mut listeners = Listeners::default();
    let address = listeners.add_tls("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let socket = lab.dir.path().join("panel.sock");
    listeners.add_unix(&socket).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let panel = lab.panel();
    let client = async {
        // Somebody who connects and says nothing keeps nobody waiting.
        let silent = TcpStream::connect(address).await.unwrap();
        let connector = connector(&pins.tls_pin, &[]);
        let name = ServerName::try_from("panel.hoster.example").unwrap();
        let connect = || async { connector.connect(name.clone(), TcpStream::connect(address).await.unwrap()).await.unwrap() };
        let reply = ask(connect().await, "GET /api/health HTTP/1.1").await;
        assert!(reply.starts_with("HTTP/1.1 200 OK"), "{reply}");
        let reply = ask(connect().await, &format!("GET /api/self HTTP/1.1\r\nauthorization: Bearer {text}")).await;
        assert!(reply.contains("\"kind\":\"token\""), "{reply}");
        let reply = ask(connect().await, "GET /api/self HTTP/1.1").await;
        assert!(reply.starts_with("HTTP/1.1 401"), "{reply}");
        // This process is not the administrator of the test's Panel.
        let reply = ask(UnixStream::connect(&socket).await.unwrap(), "GET /api/self HTTP/1.1").await;
        assert!(reply.starts_with("HTTP/1.1 401"), "{reply}");
        assert!(!reply.to_lowercase().contains("basic"), "{reply}");
        let plain = ask(TcpStream::connect(address).await.unwrap(), "GET /api/health HTTP/1.1").await;
        assert!(!plain.contains("200"), "{plain}");
        drop(silent);
        stop.send(()).unwrap();
    };
    let (served, ()) = tokio::join!(panel.serve(listeners, async { stopped.await.unwrap() }), client);
    served.unwrap();
}

#[tokio::test]
async fn a_panel_that_stops_ends_streams_first() {
    let lab = Lab::new().await;
    lab.agent.script("alice", Behaviour::Hold);
    let reply = lab.call(http::Method::POST, "/api/accounts").header("prefer", "respond-async").json(&order("alice")).send().await;
    let id = reply.data(202)["id"].as_str().unwrap().to_owned();
    let token = lab.token(&serde_json::json!({ "name": "reader", "scopes": ["operations.read"] })).await;
    until("the operation runs", async || lab.agent.begun("alice") == 1).await;
    let socket = lab.dir.path().join("panel.sock");
    let mut listeners = Listeners::default();
    listeners.add_unix(&socket).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let client = async {
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        let head = format!("GET /api/operations/{id}/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut first = [0; 1024];
        let read = stream.read(&mut first).await.unwrap();
        assert!(first[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&first[..read]));
        stop.send(()).unwrap();
        let mut rest = Vec::new();
        while stream.read_buf(&mut rest).await.unwrap() > 0 {}
    };
    let both = async { tokio::join!(lab.panel().serve(listeners, async { stopped.await.unwrap() }), client) };
    // Far below the ten seconds after which everything is cut off; without the order of ending this would hang until then.
    let (served, ()) = tokio::time::timeout(Duration::from_secs(9), both).await.expect("the stream kept the Panel from stopping");
    served.unwrap();
}

#[tokio::test]
async fn the_keys_are_for_nobody_else() {
    use std::os::unix::fs::PermissionsExt as _;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let config = opterius_panel::Config::new(
        opterius_model::DomainName::parse("panel.hoster.example").unwrap(),
        state.clone(),
        dir.path().join("agent.sock"),
    );
    opterius_panel::init(config).await.unwrap();
    for file in ["key.pem", "cert.pem", "backup-key.pem"] {
        let mode = std::fs::metadata(state.join("tls").join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(std::fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::metadata(state.join("panel.db")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(bounded::names(state.join("tls"), 10).unwrap().len(), 3, "nothing else is left");
}
