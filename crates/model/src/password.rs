//! Passwords and their hashes. Neither prints itself.

use sha_crypt::{PasswordHasher, PasswordVerifier, ShaCrypt};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A password as its owner typed it: 8 to 128 characters, at most 500 bytes of UTF-8, no control characters. It is used exactly as
/// given. It has no `Display`, its `Debug` shows nothing, and its memory is wiped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Password(String);

/// Why a text is not a [`Password`]. No variant holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    /// Fewer than 8 characters.
    #[error("the password is too short: use at least 8 characters")]
    TooShort,
    /// More than 128 characters, or more than 500 bytes: crypt(3) refuses 512 (measured).
    #[error("the password is too long: use at most 128 characters and 500 bytes of UTF-8")]
    TooLong,
    /// A control character, which no login form can send.
    #[error("the password holds a control character such as a line break: leave it out")]
    Control,
}

impl Password {
    /// Checks `text` and keeps it byte for byte.
    pub fn parse(text: String) -> Result<Self, InvalidPassword> {
        let password = Self(text);
        let characters = password.0.chars().count();
        if password.0.chars().any(char::is_control) {
            Err(InvalidPassword::Control)
        } else if characters < 8 {
            Err(InvalidPassword::TooShort)
        } else if characters > 128 || password.0.len() > 500 {
            Err(InvalidPassword::TooLong)
        } else {
            Ok(password)
        }
    }

    /// The text itself, for hashing and for handing it to its owner once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The hash that Linux and the Panel's login share: SHA-512-crypt (`$6$`) with a fresh salt. Takes some milliseconds of CPU.
    ///
    /// The salt has 16 characters (12 bytes), the most that crypt(3) keeps: with a longer one, as the library makes by itself, crypt(3)
    /// answers another text than the one stored, and PAM, which compares the texts, lets nobody in.
    pub fn hash(&self) -> PasswordHash {
        let mut salt = [0; 12];
        getrandom::fill(&mut salt).expect("the kernel has random bytes");
        let hash = ShaCrypt::default()
            .hash_password_with_salt(self.0.as_bytes(), &salt)
            .expect("SHA-crypt hashes any password of at most 500 bytes");
        PasswordHash(hash.to_string())
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// The crypt(3) hash of a password, of the `$6$` kind. Its `Debug` shows nothing; it is serialised only into a Spec.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct PasswordHash(String);

/// Why a text is not a [`PasswordHash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the password hash is not of the form $6$salt$hash")]
pub struct InvalidPasswordHash;

impl PasswordHash {
    /// Checks that `text` is one `$6$` hash and nothing that a line of /etc/shadow would read as more.
    pub fn parse(text: String) -> Result<Self, InvalidPasswordHash> {
        let body = text.strip_prefix("$6$").ok_or(InvalidPasswordHash)?;
        let ok = body.len() <= 160 && body.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/' | b'$' | b'='));
        if ok && body.contains('$') { Ok(Self(text)) } else { Err(InvalidPasswordHash) }
    }

    /// The text as crypt(3) reads it, for chpasswd's standard input and for comparing with /etc/shadow.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is the hash of `password`. Takes some milliseconds of CPU.
    pub fn matches(&self, password: &Password) -> bool {
        ShaCrypt::default().verify_password(password.0.as_bytes(), self.0.as_str()).is_ok()
    }
}

impl TryFrom<String> for PasswordHash {
    type Error = InvalidPasswordHash;

    fn try_from(text: String) -> Result<Self, InvalidPasswordHash> {
        Self::parse(text)
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(text.to_owned()).expect(text)
    }

    #[test]
    fn every_allowed_character_survives_the_hash() {
        for text in ["& < > \" ' # % : \\ $ ", " leading and trailing ", "pässwörd☃☃", "$6$not$ahash", &"€".repeat(128)] {
            let hash = password(text).hash();
            assert!(hash.matches(&password(text)), "{text}");
            assert!(!hash.matches(&password("something else")), "{text}");
            assert_eq!(PasswordHash::parse(hash.expose().to_owned()), Ok(hash));
        }
    }

    #[test]
    fn the_salt_is_fresh_and_no_longer_than_crypt_keeps() {
        let salt = || password("S3cret & more").hash().expose().rsplit('$').nth(1).map(str::to_owned);
        let (one, other) = (salt(), salt());
        assert_eq!(one.as_ref().map(String::len), Some(16));
        assert_ne!(one, other);
    }

    #[test]
    fn refusals_do_not_repeat_the_password() {
        for (text, refusal) in [
            ("short12", InvalidPassword::TooShort),
            ("line\nbreak", InvalidPassword::Control),
            (&"a".repeat(129), InvalidPassword::TooLong),
            (&"😀".repeat(126), InvalidPassword::TooLong),
        ] {
            assert_eq!(Password::parse(text.to_owned()).unwrap_err(), refusal);
            assert!(!refusal.to_string().contains(text));
        }
        assert_eq!(format!("{:?} {:?}", password("secret-secret"), password("secret-secret").hash()), "Password(…) PasswordHash(…)");
    }

    #[test]
    fn a_hash_cannot_hold_a_second_field_or_line() {
        for bad in ["", "$6$", "$6$salt", "$1$a$b", "$6$a$b:0:0", "$6$a$b\nroot::0", "!$6$a$b", "plain"] {
            assert!(PasswordHash::parse(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
