//! A password that nobody has thought of.

use opterius_model::Password;
use zeroize::Zeroizing;

use super::AppError;

/// Without letters that are read for one another: 32, so that every byte chooses evenly.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Four groups of five letters and digits: 100 bits.
pub(crate) fn generate_password() -> Result<Password, AppError> {
    let mut random = Zeroizing::new([0; 20]);
    getrandom::fill(random.as_mut_slice()).map_err(|_| AppError::Broken("read random bytes"))?;
    let mut text = String::with_capacity(23);
    for (at, byte) in random.iter().enumerate() {
        if at > 0 && at % 5 == 0 {
            text.push('-');
        }
        text.push(char::from(LETTERS[usize::from(byte % 32)]));
    }
    Password::parse(text).map_err(|_| AppError::Broken("make a password"))
}

#[cfg(test)]
mod tests {
    use super::generate_password;

    #[test]
    fn a_password_is_long_readable_and_never_the_same() {
        let (one, other) = (generate_password().unwrap(), generate_password().unwrap());
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().split('-').map(str::len).collect::<Vec<_>>(), [5, 5, 5, 5]);
    }
}
