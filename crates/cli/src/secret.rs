//! Secrets that this command makes.

use base64::prelude::*;

/// 32 random bytes as 43 characters of base64url: safe in TOML, in nginx's and PowerDNS's configuration, and in a URL.
pub(crate) fn key() -> String {
    let mut bytes = [0u8; 32];
    fill(&mut bytes);
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A password for a person: 20 characters (116 bits), none of which is mistaken for another when it is read from a screen.
pub(crate) fn password() -> String {
    const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    // Bytes at or above the last whole multiple of the alphabet are thrown away, else its first letters would come up more often.
    const FAIR: usize = 256 - 256 % ALPHABET.len();
    let mut password = String::with_capacity(20);
    while password.len() < 20 {
        let mut byte = [0u8];
        fill(&mut byte);
        let number = usize::from(byte[0]);
        if number < FAIR {
            password.push(char::from(ALPHABET[number % ALPHABET.len()]));
        }
    }
    password
}

fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the kernel gives random bytes once it has booted");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_passwords_have_their_form_and_do_not_repeat() {
        assert_eq!(key().len(), 43);
        assert!(key().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_ne!(key(), key());
        assert_eq!(password().len(), 20);
        assert!(password().bytes().all(|b| b.is_ascii_alphanumeric() && !b"lo0O1I".contains(&b)));
        assert_ne!(password(), password());
    }
}
