//! What is typed, or handed in on standard input.

use std::io::{self, BufRead};

/// The longest line that is read, in bytes.
const LONGEST: u64 = 64 * 1024;

/// One line, its end included. An input without line ends is read no further than the longest line.
#[expect(clippy::disallowed_methods, reason = "a bound is put around it here")]
pub(crate) fn line(input: impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    input.take(LONGEST + 1).read_until(b'\n', &mut line)?;
    if line.len() as u64 > LONGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("the line is longer than {LONGEST} bytes")));
    }
    String::from_utf8(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_an_end_is_not_waited_for() {
        assert_eq!(line(&b"one\ntwo\n"[..]).expect("a line"), "one\n");
        assert_eq!(line(&b"one"[..]).expect("a line"), "one");
        let endless = io::BufReader::new(io::repeat(b'x'));
        assert_eq!(line(endless).expect_err("it has no end").kind(), io::ErrorKind::FileTooLarge);
    }
}
