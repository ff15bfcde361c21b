//! What WHMCS has sold, as the module's page in WHMCS exports it: CSV (RFC 4180) with a header line.

use std::collections::HashMap;

use csv::{ByteRecord, Position, ReaderBuilder};
use jiff::civil::Date;
use serde::Serialize;

/// The columns, in any order; what else there is is left alone.
const COLUMNS: [&str; 8] = ["kind", "id", "client", "status", "domain", "username", "package", "next_due_on"];

/// One thing that WHMCS has sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Sold {
    pub(super) kind: Kind,
    pub(super) id: u64,
    pub(super) client: u64,
    pub(super) status: Status,
    pub(super) domain: String,
    pub(super) username: String,
    /// What its product says: a package's id, or a name that was typed.
    pub(super) package: String,
    /// Nothing if it is never due.
    pub(super) next_due_on: Option<Date>,
}

impl Sold {
    /// As a person calls it: `service 12`.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.kind.word(), self.id)
    }

    /// What the module calls it in the Panel, behind the token's prefix.
    pub(super) fn external_ref(&self) -> String {
        format!("{}{}", self.kind.letter(), self.id)
    }
}

/// WHMCS numbers services and add-ons apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Service,
    Addon,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Service, Self::Addon];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Addon => "addon",
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Service => 's',
            Self::Addon => 'a',
        }
    }
}

/// How WHMCS says that it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Status {
    Pending,
    Active,
    Suspended,
    Terminated,
    Cancelled,
    Fraud,
    Completed,
}

impl Status {
    const ALL: [Self; 7] = [Self::Pending, Self::Active, Self::Suspended, Self::Terminated, Self::Cancelled, Self::Fraud, Self::Completed];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Active => "Active",
            Self::Suspended => "Suspended",
            Self::Terminated => "Terminated",
            Self::Cancelled => "Cancelled",
            Self::Fraud => "Fraud",
            Self::Completed => "Completed",
        }
    }

    /// Whether there is to be no account any more.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Terminated | Self::Cancelled | Self::Fraud)
    }
}

/// Reads an export.
///
/// # Errors
/// The first thing that is wrong with it, in a sentence that names line and column. An export is read whole or not at all: of what is left
/// out, the report would say that WHMCS does not know it.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Sold>, String> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let mut reader = ReaderBuilder::new().from_reader(bytes);
    let header = reader.byte_headers().map_err(|error| error.to_string())?.clone();
    let columns = columns(&header)?;
    let mut sold = Vec::new();
    let mut places = HashMap::new();
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|error| of_reader(&error, bytes))? {
        let row = Row { bytes, record: &record, columns };
        let one = row.sold()?;
        let place = record.position().cloned();
        if let Some(before) = places.insert((one.kind, one.id), place) {
            return Err(row.wrong("id", format!("{} stands in line {} already", one.name(), line(bytes, before.as_ref()))));
        }
        sold.push(one);
    }
    Ok(sold)
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// In which line a record begins, from 1. The reader's own count is one short where lines end in CRLF: it takes CR for the end of a record,
/// and LF for a part of the next one.
fn line(bytes: &[u8], place: Option<&Position>) -> usize {
    let (before, rest) = bytes.split_at(place.and_then(|place| usize::try_from(place.byte()).ok()).unwrap_or_default().min(bytes.len()));
    let ends = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    1 + before.iter().chain(ends).filter(|byte| **byte == b'\n').count()
}

/// Where each of the [`COLUMNS`] is.
fn columns(header: &ByteRecord) -> Result<[usize; COLUMNS.len()], String> {
    let expected = COLUMNS.join(",");
    let names: Vec<String> = header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
    let others = [(';', "semicolons"), ('\t', "tabs")];
    if let [one] = &names[..]
        && let Some((_, separator)) = others.iter().find(|(character, _)| one.contains(*character))
    {
        return Err(format!("line 1: the columns are separated by {separator}; export it with commas, as WHMCS does"));
    }
    let mut places = [0; COLUMNS.len()];
    for (column, place) in COLUMNS.iter().zip(&mut places) {
        let mut found = names.iter().enumerate().filter(|(_, name)| name == column).map(|(at, _)| at);
        *place = found.next().ok_or_else(|| format!("line 1: there is no column `{column}`; the first line must be `{expected}`"))?;
        if found.next().is_some() {
            return Err(format!("line 1: the column `{column}` is there twice"));
        }
    }
    Ok(places)
}

/// A line that is not the header.
struct Row<'a> {
    /// Of the whole export.
    bytes: &'a [u8],
    record: &'a ByteRecord,
    columns: [usize; COLUMNS.len()],
}

impl Row<'_> {
    fn sold(&self) -> Result<Sold, String> {
        let [kind, id, client, status, domain, username, package, next_due_on] = COLUMNS;
        Ok(Sold {
            kind: self.one_of(kind, &Kind::ALL, Kind::word)?,
            id: self.number(id)?,
            client: self.number(client)?,
            status: self.one_of(status, &Status::ALL, Status::word)?,
            domain: self.text(domain)?,
            username: self.text(username)?,
            package: self.text(package)?,
            next_due_on: self.date(next_due_on)?,
        })
    }

    fn wrong(&self, column: &str, why: impl std::fmt::Display) -> String {
        format!("line {}, column `{column}`: {why}", line(self.bytes, self.record.position()))
    }

    /// What stands in a column, as it was before it was made safe for spreadsheets.
    fn text(&self, column: &str) -> Result<String, String> {
        let at = COLUMNS.iter().position(|known| *known == column).map_or(0, |at| self.columns[at]);
        let text = std::str::from_utf8(self.record.get(at).unwrap_or_default())
            .map_err(|_| self.wrong(column, "is not UTF-8 text; save the export as it came from WHMCS"))?;
        if text.contains(['\n', '\r']) {
            return Err(self.wrong(column, "holds a line break; a quotation mark is missing, here or at its end"));
        }
        if text.chars().any(char::is_control) {
            return Err(self.wrong(column, "holds a control character"));
        }
        Ok(bare(text).trim().to_owned())
    }

    fn number(&self, column: &str) -> Result<u64, String> {
        let text = self.text(column)?;
        match text.parse() {
            Ok(number) if number > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number),
            _ if text.is_empty() => Err(self.wrong(column, "is empty; WHMCS gives everything a number here")),
            _ => Err(self.wrong(column, format!("`{text}` is not a number as WHMCS gives it, such as 12"))),
        }
    }

    fn date(&self, column: &str) -> Result<Option<Date>, String> {
        let text = self.text(column)?;
        if text.is_empty() {
            return Ok(None);
        }
        // jiff reads more than the one form that is written here.
        let date = if text.len() == 10 { text.parse().ok() } else { None };
        date.map(Some)
            .ok_or_else(|| self.wrong(column, format!("`{text}` is not a date such as 2026-12-31; a spreadsheet may have changed it")))
    }

    fn one_of<T: Copy>(&self, column: &str, all: &[T], word: fn(T) -> &'static str) -> Result<T, String> {
        let text = self.text(column)?;
        all.iter().copied().find(|one| word(*one) == text).ok_or_else(|| {
            let words: Vec<&str> = all.iter().copied().map(word).collect();
            self.wrong(column, format!("`{text}` is not one of {}", words.join(", ")))
        })
    }
}

/// A value without the apostrophe that keeps a spreadsheet from taking it for a formula.
fn bare(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if rest.trim_start().starts_with(['=', '+', '-', '@', '|', '%']) => rest,
        _ => text,
    }
}

/// What the reader of CSV did not understand.
fn of_reader(error: &csv::Error, bytes: &[u8]) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => format!(
            "line {}: has {len} values, and the first line {expected_len}; it may be cut off, or a quotation mark is missing",
            line(bytes, pos.as_ref())
        ),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "kind,id,client,status,domain,username,package,next_due_on";

    #[test]
    fn an_export_is_read_as_whmcs_and_spreadsheets_write_it() {
        let sold = Sold {
            kind: Kind::Service,
            id: 12,
            client: 7,
            status: Status::Active,
            domain: "bücher.example".to_owned(),
            username: "alice".to_owned(),
            package: "=Starter, \"big\"".to_owned(),
            next_due_on: Some(jiff::civil::date(2026, 12, 31)),
        };
        let addon = Sold {
            kind: Kind::Addon,
            status: Status::Completed,
            domain: String::new(),
            username: String::new(),
            package: "'Team' -1".to_owned(),
            next_due_on: None,
            ..sold.clone()
        };
        let lines = ["service,12,7,Active,bücher.example,alice,\"'=Starter, \"\"big\"\"\",2026-12-31", "addon,12,7,Completed,,,'Team' -1,"];
        for (what, text) in [
            ("LF", format!("{HEADER}\n{}\n", lines.join("\n"))),
            ("CRLF, as WHMCS writes it", format!("{HEADER}\r\n{}\r\n", lines.join("\r\n"))),
            ("a byte-order mark", format!("\u{feff}{HEADER}\r\n{}\r\n", lines.join("\r\n"))),
            ("no end of the last line", format!("{HEADER}\n{}", lines.join("\n"))),
            ("a blank line", format!("{HEADER}\n{}\n\n", lines.join("\n\n"))),
        ] {
            assert_eq!(read(text.as_bytes()), Ok(vec![sold.clone(), addon.clone()]), "{what}");
        }
        let moved = "next_due_on,id,note,kind,client,status,domain,username,package\n2026-12-31,12,x,service,7,Active,bücher.example,alice,\"'=Starter, \"\"big\"\"\"\n";
        assert_eq!(read(moved.as_bytes()), Ok(vec![sold]), "other columns, in another order");
        assert_eq!(read(HEADER.as_bytes()), Ok(vec![]), "nothing was sold yet");
    }

    #[test]
    fn what_is_wrong_with_an_export_is_told_with_line_and_column() {
        let good = "service,1,7,Active,a.example,alice,Starter,2026-12-31";
        for (line, why) in [
            ("server,2,7,Active,a.example,alice,Starter,", "line 3, column `kind`: `server` is not one of service, addon"),
            ("service,s2,7,Active,a.example,alice,Starter,", "line 3, column `id`: `s2` is not a number as WHMCS gives it, such as 12"),
            ("service,+2,7,Active,a.example,alice,Starter,", "line 3, column `id`: `+2` is not a number"),
            ("service,0,7,Active,a.example,alice,Starter,", "line 3, column `id`: `0` is not a number"),
            ("service,2,,Active,a.example,alice,Starter,", "line 3, column `client`: is empty"),
            ("service,2,7,active,a.example,alice,Starter,", "line 3, column `status`: `active` is not one of Pending, Active, Suspended"),
            (
                "service,2,7,Active,a.example,alice,Starter,31.12.2026",
                "line 3, column `next_due_on`: `31.12.2026` is not a date such as 2026-12-31",
            ),
            ("service,2,7,Active,a.example,alice,Starter,2026-02-30", "line 3, column `next_due_on`: `2026-02-30` is not a date"),
            ("service,2,7,Active,a.example,\u{1b}[31malice,Starter,", "line 3, column `username`: holds a control character"),
            ("service,2,7,Active,a.example,alice", "line 3: has 6 values, and the first line 8; it may be cut off"),
            ("service,2,7,Active,a.example,alice,Starter,,", "line 3: has 9 values, and the first line 8"),
            ("service,1,7,Active,a.example,alice,Starter,", "line 3, column `id`: service 1 stands in line 2 already"),
            (
                "service,2,7,Active,a.example,alice,\"Starter,\nservice,3,7,Active,a.example,alice,Starter\",",
                "line 3, column `package`: holds a line break; a quotation mark is missing",
            ),
            (
                "service,2,7,Active,a.example,alice,Starter,\"\nservice,3,7,Active,a.example,alice,Starter,",
                "line 3, column `next_due_on`: holds a line break",
            ),
        ] {
            for (end, mark) in [("\n", ""), ("\r\n", ""), ("\r\n", "\u{feff}")] {
                let text = format!("{mark}{HEADER}{end}{good}{end}{}{end}", line.replace('\n', end));
                let error = read(text.as_bytes()).expect_err(line);
                assert!(error.starts_with(why), "{line}: {error}");
            }
        }
        let latin = [format!("{HEADER}\n").as_bytes(), b"service,2,7,Active,b\xfccher.example,alice,Starter,\n"].concat();
        assert!(read(&latin).expect_err("Latin-1").starts_with("line 2, column `domain`: is not UTF-8 text"));
        for (header, why) in [
            ("", "line 1: there is no column `kind`; the first line must be `kind,id,client,"),
            ("kind;id;client;status;domain;username;package;next_due_on", "line 1: the columns are separated by semicolons"),
            ("kind\tid", "line 1: the columns are separated by tabs"),
            ("kind,id,client,status,domain,username,package", "line 1: there is no column `next_due_on`"),
            ("kind,id,client,status,domain,username,package,next_due_on,id", "line 1: the column `id` is there twice"),
        ] {
            let error = read(header.as_bytes()).expect_err(header);
            assert!(error.starts_with(why), "{header}: {error}");
        }
    }
}
