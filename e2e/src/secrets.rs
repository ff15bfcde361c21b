//! Looking for secrets in whatever was written.

use std::fmt::Write as _;

/// One secret, and every form in which it might turn up.
#[derive(Debug)]
pub struct Secret {
    /// What it is, for messages; never its text.
    pub name: String,
    forms: Vec<(&'static str, String)>,
}

impl Secret {
    /// # Panics
    /// When the text is so short that it would be found by chance.
    pub fn new(name: impl Into<String>, text: &str) -> Self {
        assert!(text.len() >= 8, "a secret has at least eight bytes");
        Self { name: name.into(), forms: forms(text) }
    }

    /// The encoding in which the secret stands in `text`, if it does.
    pub fn found_in(&self, text: &str) -> Option<&'static str> {
        self.forms.iter().find(|(_, form)| text.contains(form)).map(|(encoding, _)| *encoding)
    }
}

fn forms(text: &str) -> Vec<(&'static str, String)> {
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let inner = |quoted: String| quoted[1..quoted.len() - 1].to_owned();
    let ascii = |json: String| {
        json.chars().fold(String::new(), |mut out, c| {
            let mut units = [0; 2];
            if c.is_ascii() {
                out.push(c);
            } else {
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            out
        })
    };
    let percent = |kept: &str, upper: bool| {
        text.bytes().fold(String::new(), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
                out.push(char::from(byte));
            } else {
                let _ = if upper { write!(out, "%{byte:02X}") } else { write!(out, "%{byte:02x}") };
            }
            out
        })
    };
    let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let quotes = html.replace('"', "&quot;");
    let hex = text.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    });
    let mut forms = vec![
        ("as it is", text.to_owned()),
        ("JSON", inner(json(text))),
        ("JSON, ASCII only", ascii(inner(json(text)))),
        ("JSON, slashes escaped", inner(json(text)).replace('/', "\\/")),
        ("JSON in JSON", inner(json(&inner(json(text))))),
        ("Rust's Debug", inner(format!("{text:?}"))),
        ("SQL", text.replace('\'', "''")),
        ("URL", percent("-._~", true)),
        ("URL, lower case", percent("-._~", false)),
        ("form", percent("-._*", true).replace("%20", "+")),
        ("HTML", html.clone()),
        ("HTML, double quotes", quotes.clone()),
        ("HTML, both quotes", quotes.replace('\'', "&#039;")),
        ("HTML, both quotes, short", quotes.replace('\'', "&#39;")),
        ("HTML, both quotes, hexadecimal", quotes.replace('\'', "&#x27;")),
        ("HTML5", quotes.replace('\'', "&apos;")),
        ("hexadecimal", hex),
    ];
    // Inside of a larger text that is encoded whole, a secret begins at any of three places within a group.
    for shift in 0..3 {
        let standard = base64_inside(text, shift);
        let url = standard.replace('+', "-").replace('/', "_");
        forms.extend([("base64", standard), ("base64url", url)]);
    }
    forms
}

/// The part of a text's base64 that depends on `text` alone, `shift` bytes behind the beginning of a group.
fn base64_inside(text: &str, shift: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = std::iter::repeat_n(0, shift).chain(text.bytes()).collect();
    let first = (shift * 8).div_ceil(6);
    (first..bytes.len() * 8 / 6)
        .map(|digit| {
            let (byte, bit) = (digit * 6 / 8, digit * 6 % 8);
            let next = bytes.get(byte + 1).copied().unwrap_or_default();
            let pair = u16::from(bytes[byte]) << 8 | u16::from(next);
            char::from(DIGITS[usize::from(pair >> (10 - bit) & 63)])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_encoding() {
        let secret = Secret::new("test", "a \"b\" <c> & 'd'/é");
        for (encoding, text) in [
            ("as it is", "--a \"b\" <c> & 'd'/é--"),
            ("JSON", r#"{"x":"a \"b\" <c> & 'd'/é"}"#),
            ("JSON, ASCII only", r#"{"x":"a \"b\" <c> & 'd'/\u00e9"}"#),
            ("JSON, slashes escaped", r#"{"x":"a \"b\" <c> & 'd'\/é"}"#),
            ("SQL", "'a \"b\" <c> & ''d''/é'"),
            ("URL", "?x=a%20%22b%22%20%3Cc%3E%20%26%20%27d%27%2F%C3%A9"),
            ("form", "x=a+%22b%22+%3Cc%3E+%26+%27d%27%2F%C3%A9"),
            ("HTML, both quotes", "<b>a &quot;b&quot; &lt;c&gt; &amp; &#039;d&#039;/é</b>"),
            // By base64(1), of the text alone and behind one and two bytes.
            ("base64", "YSAiYiIgPGM+ICYgJ2QnL8Op"),
            ("base64", "LWEgImIiIDxjPiAmICdkJy/DqQ=="),
            ("base64", "LS1hICJiIiA8Yz4gJiAnZCcvw6k="),
            ("base64url", "YSAiYiIgPGM-ICYgJ2QnL8Op"),
        ] {
            assert_eq!(secret.found_in(text), Some(encoding), "{text}");
        }
        assert_eq!(secret.found_in("a \"b\" <c> & 'e'/é"), None);
    }
}
