//! Everything that is printed. Colour only repeats what a word says, and only where a person looks at a terminal.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use opterius_model::{printable, printable_json};
use serde::Serialize;

use crate::failure::Failure;

/// For whom the output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A person.
    Human,
    /// A program.
    Json,
}

/// Prints one line, or several. Whatever a terminal would obey is shown as `\u{fffd}`: much of what is printed was written by others, and came
/// through a Panel or an Agent that may be older, or not ours any more.
pub(crate) fn line(text: impl Display) {
    raw(printable_lines(&text.to_string()));
}

/// Prints one line that begins with a word in a colour.
pub(crate) fn led(before: &str, word: &str, paint: Paint, rest: impl Display) {
    raw(format!("{before}{}{}", painted(word, paint, coloured(&std::io::stdout())), printable_lines(&rest.to_string())));
}

fn raw(text: impl Display) {
    // A reader that went away (`opterius account list | head`) is no failure of ours, and nothing is left to say to it.
    if writeln!(std::io::stdout().lock(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Prints an empty line.
pub(crate) fn blank() {
    line("");
}

/// A text of which a terminal obeys nothing but its line ends.
fn printable_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(printable).collect();
    lines.join("\n")
}

/// Prints `value` as JSON for a program, indented so that a person can read it too.
pub(crate) fn json(value: &impl Serialize) {
    raw(printable_json(&serde_json::to_string_pretty(value).expect("what we print has string keys only")));
}

/// Prints `value` as JSON on one line.
pub(crate) fn json_line(value: &impl Serialize) {
    raw(printable_json(&serde_json::to_string(value).expect("what we print has string keys only")));
}

/// Prints why the command failed, on standard error.
pub(crate) fn failure(failure: &Failure) {
    let colour = coloured(&std::io::stderr());
    let text = failure.text(&painted("error", Paint::Bad, colour), &painted("hint", Paint::Note, colour), printable_lines);
    // Nothing is left to tell it to.
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Asks a person something, on standard error: standard output is for what came of it.
pub(crate) fn question(text: &str) {
    let mut stderr = std::io::stderr().lock();
    // Whoever cannot read it does not answer it either.
    drop(stderr.write_all(printable_lines(text).as_bytes()).and_then(|()| stderr.flush()));
}

/// What a colour stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Paint {
    /// Well.
    Good,
    /// To be looked at.
    Warn,
    /// Wrong.
    Bad,
    /// Beside the point, or a heading.
    Note,
}

/// Whether a person looks at `stream` and has not asked for plain text (<https://no-color.org>: any value but an empty one).
fn coloured(stream: &impl IsTerminal) -> bool {
    stream.is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn painted(text: &str, paint: Paint, colour: bool) -> String {
    let code = match paint {
        Paint::Good => "32",
        Paint::Warn => "33",
        Paint::Bad => "1;31",
        Paint::Note => "1;36",
    };
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// On which side of its column a cell stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a heading, in columns as wide as their widest cell.
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, of one cell a column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| printable(&cell)).collect());
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::fmt::Write;

        let width = |text: &str| text.chars().count();
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, (heading, _))| {
                self.rows.iter().filter_map(|row| row.get(at)).map(|cell| width(cell)).max().unwrap_or(0).max(width(heading))
            })
            .collect();
        let headings = self.columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
        for (number, row) in std::iter::once(&headings).chain(&self.rows).enumerate() {
            let mut text = String::new();
            for ((cell, (_, align)), width) in row.iter().zip(&self.columns).zip(&widths) {
                if !text.is_empty() {
                    text.push_str("  ");
                }
                match align {
                    Align::Left => write!(text, "{cell:<width$}")?,
                    Align::Right => write!(text, "{cell:>width$}")?,
                }
            }
            if number > 0 {
                writeln!(f)?;
            }
            f.write_str(text.trim_end())?;
        }
        Ok(())
    }
}

/// Names and their values, one a line, the values below each other.
pub(crate) struct Facts(Vec<(String, String)>);

impl Facts {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a fact.
    pub(crate) fn add(&mut self, name: impl Into<String>, value: impl Display) -> &mut Self {
        self.0.push((printable(&name.into()), printable(&value.to_string())));
        self
    }

    /// Adds a fact, unless there is nothing to say.
    pub(crate) fn add_some(&mut self, name: impl Into<String>, value: Option<impl Display>) -> &mut Self {
        if let Some(value) = value {
            self.add(name, value);
        }
        self
    }
}

impl Display for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = self.0.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (number, (name, value)) in self.0.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "  {name:<width$}  {value}")?;
        }
        Ok(())
    }
}

/// A moment (microseconds since 1970-01-01 UTC) to the second, in UTC as the logs have it.
pub(crate) fn moment(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| format!("{micros} µs"), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// A duration in microseconds, in the unit in which it is read at a glance.
pub(crate) fn duration(micros: u64) -> String {
    let millis = micros.div_ceil(1000);
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{}.{:02} s", millis / 1000, millis % 1000 / 10),
        _ => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1000),
    }
}

/// `1 package`, `2 packages`.
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_but_line_ends_and_a_program_gets_everything() {
        let hostile = "  a\u{1b}[31m\r\u{9b}1m\u{202e}\nb\t|c  ";
        assert_eq!(printable_lines(hostile), "  a\u{fffd}[31m \u{fffd}1m\u{fffd}\nb |c  ");
        assert_eq!(printable(hostile), "  a\u{fffd}[31m \u{fffd}1m\u{fffd} b |c  ");
        let json = printable_json(&serde_json::to_string_pretty(&[hostile, "ä\u{e0001}"]).expect("JSON"));
        assert!(json.chars().all(|c| c == '\n' || !c.is_control()) && !json.contains('\u{202e}') && json.contains('ä'), "{json}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).expect("JSON"), [hostile, "ä\u{e0001}"]);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_spaces() {
        let mut table = Table::new(&[("NAME", Align::Left), ("ACCOUNTS", Align::Right), ("NOTE", Align::Left)]);
        table.row(["Müller & Söhne".to_owned(), "5".to_owned(), String::new()]);
        table.row(["S".to_owned(), "1200".to_owned(), "x".to_owned()]);
        assert_eq!(table.to_string(), "NAME            ACCOUNTS  NOTE\nMüller & Söhne         5\nS                   1200  x");
    }

    #[test]
    fn durations_and_moments_are_readable() {
        assert_eq!(
            [0, 400, 62_000, 999_100, 1_240_000, 183_000_000].map(duration),
            ["0 ms", "1 ms", "62 ms", "1.00 s", "1.24 s", "3 min 3 s"]
        );
        assert_eq!(moment(1_795_469_666_000_000), "2026-11-23 21:34:26 UTC");
    }

    #[test]
    fn colour_only_repeats_the_word() {
        assert_eq!(painted("ok", Paint::Good, false), "ok");
        assert_eq!(painted("ok", Paint::Good, true), "\u{1b}[32mok\u{1b}[0m");
    }
}
