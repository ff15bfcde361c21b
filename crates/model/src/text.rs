//! One way to give a checked text type its `Display`, `FromStr` and serde forms, and to clean a text that is not checked.

/// Implements the string forms of a newtype around `String` that has `fn parse(&str) -> Result<Self, $error>`.
macro_rules! text_type {
    ($name:ident, $error:ident) => {
        impl $name {
            /// The checked text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                Self::parse(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use text_type;

/// A refused text as it may be shown back to the person who sent it: escaped, so that control characters do no harm, and short.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().count() > LONGEST {
        shown.push('…');
    }
    shown
}

/// What a customer, a visitor or a stranger wrote, as one line of at most `longest` characters that may be stored and shown anywhere: in a
/// log, a terminal, a table, a page. This is done once, where the text comes in.
///
/// Bytes that are no UTF-8, control characters (a terminal obeys those) and characters that change how their neighbours are shown (such as
/// U+202E, which turns the direction of writing) become U+FFFD; line ends and tabs become a space.
pub fn clean(text: &[u8], longest: usize) -> String {
    // No character has more than four bytes, and no more than these are looked at.
    let looked_at = &text[..text.len().min(longest.saturating_mul(4))];
    let mut clean: String = String::from_utf8_lossy(looked_at).trim().chars().take(longest).map(clean_character).collect();
    clean.truncate(clean.trim_end().len());
    clean
}

/// One line as it may be shown, whole and with the spaces at its ends: what [`clean`] replaces is replaced, and nothing is cut. For what was not
/// cleaned where it came in, or may not have been.
pub fn printable(line: &str) -> String {
    line.chars().map(clean_character).collect()
}

/// JSON as it may be shown: what [`clean`] would replace is escaped (RFC 8259, section 7), so that a program still gets all of it. Line ends stay.
pub fn printable_json(json: &str) -> String {
    use std::fmt::Write as _;

    let mut printable = String::with_capacity(json.len());
    for character in json.chars() {
        if character == '\n' || clean_character(character) == character {
            printable.push(character);
        } else {
            // Nothing but the texts of JSON holds such a character.
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(printable, "\\u{unit:04x}");
            }
        }
    }
    printable
}

fn clean_character(character: char) -> char {
    match character {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        // Soft hyphen, marks and overrides of direction, invisible joiners, annotations and tags.
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => '\u{fffd}',
        character if character.is_control() => '\u{fffd}',
        character => character,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_not_passed_on() {
        assert_eq!(clean(b"  PHP Fatal error: caf\xc3\xa9\n", 100), "PHP Fatal error: café");
        assert_eq!(clean(b"\x1b]0;owned\x07red\x1b[31m\x9b1m", 100), "\u{fffd}]0;owned\u{fffd}red\u{fffd}[31m\u{fffd}1m");
        assert_eq!(clean("\u{9b}31m \u{202e}gpj.exe\u{200b}".as_bytes(), 100), "\u{fffd}31m \u{fffd}gpj.exe\u{fffd}");
        assert_eq!(clean(b"one\r\ntwo\tthree", 100), "one  two three");
        assert_eq!(clean(&[b'x'; 1000], 5), "xxxxx");
        assert_eq!(clean("äöü".as_bytes(), 2), "äö");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_one_printable_line(bytes: Vec<u8>, longest in 0_usize..200) {
            let clean = clean(&bytes, longest);
            prop_assert!(clean.chars().count() <= longest);
            prop_assert!(!clean.chars().any(char::is_control));
        }
    }
}
