//! Secrets that this command makes.

/// Letters and digits: safe in TOML, in nginx's and PowerDNS's configuration, and in a URL.
const PLAIN: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The same without those that are mistaken for another when they are read from a screen.
const READABLE: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789";

/// A secret that two programs share: 43 characters, 256 bits.
pub(crate) fn key() -> String {
    random(PLAIN, 43)
}

/// A password for a person: 20 characters, 116 bits.
pub(crate) fn password() -> String {
    random(READABLE, 20)
}

fn random(alphabet: &[u8], length: usize) -> String {
    // Bytes at or above the last whole multiple of the alphabet are thrown away, else its first letters would come up more often.
    let fair = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut byte = [0u8];
        getrandom::fill(&mut byte).expect("the kernel gives random bytes once it has booted");
        let number = usize::from(byte[0]);
        if number < fair {
            text.push(char::from(alphabet[number % alphabet.len()]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_passwords_have_their_form_and_do_not_repeat() {
        assert_eq!(key().len(), 43);
        assert!(key().bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_ne!(key(), key());
        assert_eq!(password().len(), 20);
        assert!(password().bytes().all(|b| b.is_ascii_alphanumeric() && !b"lo0O1I".contains(&b)));
        assert_ne!(password(), password());
    }
}
