//! The key that signs what is removed from the beginning of the Activity, so that a removal which is not the Panel's is found.

use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use opterius_protocol::bounded;
use zeroize::Zeroizing;

use crate::store::activity::hex;
use crate::tls;

/// The longest key that is read, in bytes: PKCS #8 of Ed25519 has 83.
const LONGEST: u64 = 1024;

/// An Ed25519 key. It prints nothing of itself.
pub(crate) struct ActivityKey(Ed25519KeyPair);

impl ActivityKey {
    /// Reads the key at `path`, or makes one there that only the Panel can read.
    ///
    /// # Errors
    /// Why there is none that can be used, in a sentence.
    pub(crate) fn read_or_make(path: &Path) -> Result<Self, String> {
        let unusable = |why: &dyn std::fmt::Display| {
            format!("The key {} that signs what is removed from the Activity cannot be used: {why}.", path.display())
        };
        if !path.exists() {
            let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| unusable(&"none could be made"))?;
            tls::write_once(path, made.as_ref()).map_err(|error| unusable(&opterius_protocol::client::chain(&error)))?;
        }
        let der = Zeroizing::new(bounded::file(path, LONGEST).map_err(|error| unusable(&error))?);
        Ed25519KeyPair::from_pkcs8(&der).map(Self).map_err(|error| unusable(&error))
    }

    /// The public part: 64 lower-case hexadecimal digits.
    pub(crate) fn public(&self) -> String {
        hex(self.0.public_key().as_ref())
    }

    /// The signature of a text: 128 lower-case hexadecimal digits.
    pub(crate) fn sign(&self, text: &str) -> String {
        hex(self.0.sign(text.as_bytes()).as_ref())
    }
}

/// Whether `signature` is one of `text` by the key whose public part is `key`.
pub(crate) fn is_signed(text: &str, key: &str, signature: &str) -> bool {
    let (Some(key), Some(signature)) = (unhex(key), unhex(signature)) else { return false };
    UnparsedPublicKey::new(&ED25519, key).verify(text.as_bytes(), &signature).is_ok()
}

/// Bytes of lower-case hexadecimal digits; nothing if it is anything else.
fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || text.len() > 256 || !text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_the_panel_alone_and_signs_what_no_other_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("activity-key.der");
        let key = ActivityKey::read_or_make(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(ActivityKey::read_or_make(&path).unwrap().public(), key.public());
        let other = ActivityKey::read_or_make(&dir.path().join("other.der")).unwrap();
        let (text, signature) = ("The rows 1 to 5 were removed.", key.sign("The rows 1 to 5 were removed."));
        assert!(is_signed(text, &key.public(), &signature));
        assert!(!is_signed("The rows 1 to 6 were removed.", &key.public(), &signature));
        assert!(!is_signed(text, &other.public(), &signature));
        for bad in ["", "0", "zz", "é0", &signature[2..], &"0".repeat(128)] {
            assert!(!is_signed(text, &key.public(), bad) && !is_signed(text, bad, &signature), "{bad}");
        }
        std::fs::write(&path, "broken").unwrap();
        assert!(ActivityKey::read_or_make(&path).err().unwrap().contains("activity-key.der"));
    }
}
