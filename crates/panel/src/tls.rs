//! The Panel's keys. Callers may pin them: a key that is used, and a backup key that is kept for the day when the first one must go, so
//! that no caller's configuration has to change on that day.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opterius_model::DomainName;
use opterius_protocol::{Micros, bounded};
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The longest key or chain that is read, in bytes.
const LONGEST: u64 = bounded::MIB;

/// The pins of the key and of the backup key, as curl's `CURLOPT_PINNEDPUBLICKEY` takes them behind `sha256//`: base64 of the SHA-256 of
/// the SubjectPublicKeyInfo.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Pins {
    /// The pin of the key in use.
    pub tls_pin: String,
    /// The pin of the backup key.
    pub tls_backup_pin: String,
}

/// Why the TLS keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("could not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("could not write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A key or certificate cannot be made or understood.
    #[error("could not use the key or certificate {}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rcgen::Error,
    },
    /// What was read is not PEM.
    #[error("could not understand {}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The certificate and the key do not fit each other.
    #[error("could not use the certificate with its key")]
    Config(#[source] rustls::Error),
}

fn key_file(dir: &Path) -> PathBuf {
    dir.join("key.pem")
}

fn backup_key_file(dir: &Path) -> PathBuf {
    dir.join("backup-key.pem")
}

fn certificate_file(dir: &Path) -> PathBuf {
    dir.join("cert.pem")
}

/// Makes what is missing of key, backup key and self-signed certificate, and keeps what is there.
pub(crate) fn init(dir: &Path, hostnames: &[DomainName]) -> Result<Pins, TlsError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| TlsError::Write { path: dir.to_owned(), source })?;
    let key = read_or_make_key(&key_file(dir))?;
    let backup = read_or_make_key(&backup_key_file(dir))?;
    let certificate = certificate_file(dir);
    if !certificate.exists() {
        let pem = self_signed(&key, hostnames).map_err(|source| TlsError::Key { path: certificate.clone(), source })?;
        write_once(&certificate, pem.as_bytes())?;
    }
    Ok(Pins { tls_pin: pin(&key), tls_backup_pin: pin(&backup) })
}

impl Pins {
    /// The pins of the keys in `dir`; nothing if none were made yet.
    pub(crate) fn load(dir: &Path) -> Result<Option<Self>, TlsError> {
        if !key_file(dir).exists() || !backup_key_file(dir).exists() {
            return Ok(None);
        }
        Ok(Some(Self { tls_pin: pin(&read_key(&key_file(dir))?), tls_backup_pin: pin(&read_key(&backup_key_file(dir))?) }))
    }
}

/// Until when the certificate that browsers see is valid; nothing if there is none that can be read.
pub(crate) fn valid_until(dir: &Path) -> Option<Micros> {
    let pem = read(&certificate_file(dir)).ok()?;
    // The first one is the Panel's own; those behind it are its authorities'.
    let block = x509_parser::pem::Pem::iter_from_buffer(&pem).flatten().find(|block| block.label == "CERTIFICATE")?;
    let until = block.parse_x509().ok()?.validity().not_after.timestamp();
    Some(Micros(until.saturating_mul(1_000_000)))
}

/// What the TLS listener serves with.
pub(crate) fn server_config(dir: &Path) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let (key_path, certificate_path) = (key_file(dir), certificate_file(dir));
    let chain = CertificateDer::pem_slice_iter(&read(&certificate_path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Pem { path: certificate_path, source })?;
    let key = PrivateKeyDer::from_pem_slice(&read(&key_path)?).map_err(|source| TlsError::Pem { path: key_path, source })?;
    let mut config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).map_err(TlsError::Config)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    bounded::file(path, LONGEST).map(Zeroizing::new).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn read_key(path: &Path) -> Result<KeyPair, TlsError> {
    let pem = Zeroizing::new(bounded::text(path, LONGEST).map_err(|source| TlsError::Read { path: path.to_owned(), source })?);
    KeyPair::from_pem(&pem).map_err(|source| TlsError::Key { path: path.to_owned(), source })
}

fn read_or_make_key(path: &Path) -> Result<KeyPair, TlsError> {
    if path.exists() {
        return read_key(path);
    }
    let key = KeyPair::generate().map_err(|source| TlsError::Key { path: path.to_owned(), source })?;
    write_once(path, Zeroizing::new(key.serialize_pem()).as_bytes())?;
    Ok(key)
}

/// Writes a file that only we can read, whole or not at all, and never over another.
pub(crate) fn write_once(path: &Path, content: &[u8]) -> Result<(), TlsError> {
    let failed = |source| TlsError::Write { path: path.to_owned(), source };
    let staged = path.with_extension("new");
    match std::fs::remove_file(&staged) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged).map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::hard_link(&staged, path).map_err(failed)?;
    std::fs::remove_file(&staged).map_err(failed)?;
    path.parent().map_or(Ok(()), |dir| std::fs::File::open(dir).and_then(|dir| dir.sync_all())).map_err(failed)
}

fn self_signed(key: &KeyPair, hostnames: &[DomainName]) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::new(hostnames.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    if let Some(first) = hostnames.first() {
        params.distinguished_name.push(DnType::CommonName, first.as_str());
    }
    // Callers trust the key by its pin, so an expiry would only break them.
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2120, 1, 1);
    Ok(params.self_signed(key)?.pem())
}

fn pin(key: &KeyPair) -> String {
    STANDARD.encode(Sha256::digest(key.subject_public_key_info()))
}
