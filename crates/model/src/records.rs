//! The DNS records of a new account's zone, as the host wants them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::text::{shown, text_type};
use crate::{Addresses, DomainName};

/// For how long answers may be kept, in seconds.
pub const TTL_RANGE: std::ops::RangeInclusive<u32> = 60..=86_400;

/// How many records a zone may be given.
pub const MAX_RECORDS: usize = 50;

/// The longest name of a record below its zone, in bytes: with the longest domain it stays a name that DNS takes.
const MAX_NAME: usize = 100;

/// The longest text of a TXT record, in bytes.
const MAX_TEXT: usize = 2000;

/// What a string of a TXT record holds at most, in bytes (RFC 1035, 3.3.14).
const STRING: usize = 255;

const DOMAIN: &str = "{domain}";
const IPV4: &str = "{ipv4}";
const IPV6: &str = "{ipv6}";

/// The types of records that a host may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// Another name for a name.
    Cname,
    /// Where mail goes.
    Mx,
    /// A text.
    Txt,
    /// Who may issue certificates (RFC 8659).
    Caa,
    /// Where a service is (RFC 2782).
    Srv,
}

impl RecordType {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::A, Self::Aaaa, Self::Cname, Self::Mx, Self::Txt, Self::Caa, Self::Srv];

    /// As zones name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Txt => "TXT",
            Self::Caa => "CAA",
            Self::Srv => "SRV",
        }
    }
}

impl std::fmt::Display for RecordType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for RecordType {
    type Err = InvalidRecord;

    fn from_str(text: &str) -> Result<Self, InvalidRecord> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| InvalidRecord::Type(shown(text)))
    }
}

/// Why something is not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    /// The name.
    #[error(
        "`{0}` is not the name of a record: use `@` for the domain itself, `*`, or a name below it such as `mail`, of letters, digits, \
         hyphens and underscores"
    )]
    Name(String),
    /// The type.
    #[error("`{0}` is not a type of record: use A, AAAA, CNAME, MX, TXT, CAA or SRV")]
    Type(String),
    /// The content.
    #[error("`{given}` is not what a record of the type {kind} holds: use {form}")]
    Content {
        /// The type.
        kind: RecordType,
        /// What was given.
        given: String,
        /// What it holds.
        form: &'static str,
    },
}

/// The name of a record below its zone: `@`, `*`, `mail`, `_sip._tcp`, `*.shop`. Lower case, at most 100 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordName(String);

impl RecordName {
    /// Checks `text`, in any case.
    pub fn parse(text: &str) -> Result<Self, InvalidRecord> {
        let name = text.to_ascii_lowercase();
        let below = if name == "*" { "" } else { name.strip_prefix("*.").unwrap_or(&name) };
        let ok = name == "@" || name == "*" || (name.len() <= MAX_NAME && are_labels(below));
        if ok { Ok(Self(name)) } else { Err(InvalidRecord::Name(shown(text))) }
    }

    /// The whole name in a zone, with its final dot.
    fn in_zone(&self, domain: &DomainName) -> String {
        if self.0 == "@" { format!("{domain}.") } else { format!("{}.{domain}.", self.0) }
    }
}

text_type!(RecordName, InvalidRecord);

/// Whether a text is labels with dots between them.
fn are_labels(text: &str) -> bool {
    text.split('.').all(|label| {
        let ends = label.starts_with('-') || label.ends_with('-');
        let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && !ends && label.bytes().all(known)
    })
}

/// One record that new zones are to have. In its content `{domain}` stands for the account's domain, and `{ipv4}` and `{ipv6}` for the
/// addresses of its server: of several each makes a record, and of none there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Record {
    name: RecordName,
    #[serde(rename = "type")]
    kind: RecordType,
    content: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    name: RecordName,
    #[serde(rename = "type")]
    kind: RecordType,
    content: String,
}

impl TryFrom<Unchecked> for Record {
    type Error = InvalidRecord;

    fn try_from(given: Unchecked) -> Result<Self, InvalidRecord> {
        Self::new(given.name, given.kind, &given.content)
    }
}

/// A part of a content.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Domain,
    Ipv4,
    Ipv6,
}

/// What a content consists of; nothing if something in braces is no placeholder. `%{` is SPF's own (RFC 7208, 7.1) and stays as it is.
fn pieces(text: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let (mut rest, mut from) = (text, 0);
    while let Some(at) = rest[from..].find('{').map(|at| from + at) {
        if rest[..at].ends_with('%') {
            from = at + 1;
            continue;
        }
        let known = [(DOMAIN, Piece::Domain), (IPV4, Piece::Ipv4), (IPV6, Piece::Ipv6)];
        let (word, piece) = known.into_iter().find(|(word, _)| rest[at..].starts_with(word))?;
        pieces.extend([Piece::Text(&rest[..at]), piece]);
        (rest, from) = (&rest[at + word.len()..], 0);
    }
    pieces.push(Piece::Text(rest));
    Some(pieces)
}

/// A host name in a record as it is kept, without a final dot: a single label is below the account's domain. `.` is no host at all.
fn target(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let text = if text == "." { &text } else { text.strip_suffix('.').unwrap_or(&text) };
    if text == "@" {
        return Some(DOMAIN.to_owned());
    }
    if text == DOMAIN || text == "." {
        return Some(text.to_owned());
    }
    if let Some(below) = text.strip_suffix(DOMAIN).and_then(|below| below.strip_suffix('.')) {
        return (below.len() <= MAX_NAME && are_labels(below)).then(|| text.to_owned());
    }
    if !are_labels(text) || text.len() > 253 {
        return None;
    }
    let Some((_, top)) = text.rsplit_once('.') else { return Some(format!("{text}.{DOMAIN}")) };
    // An address is no name.
    top.starts_with(|c: char| c.is_ascii_lowercase()).then(|| text.to_owned())
}

/// A number of 16 bits, as it is written in zones.
fn number(text: &str) -> Option<u16> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

fn printable(text: &str) -> bool {
    text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

impl Record {
    /// Checks `content` for its type, and keeps it in one form: host names in lower case and whole (`mail` is `mail.{domain}`), the text of TXT
    /// as it is, the value of CAA in quotes.
    pub fn new(name: RecordName, kind: RecordType, content: &str) -> Result<Self, InvalidRecord> {
        let words: Vec<&str> = content.split_ascii_whitespace().collect();
        let kept = match (kind, words.as_slice()) {
            (RecordType::Txt, _) => text(content),
            (RecordType::A, [one]) if *one == IPV4 => Some(IPV4.to_owned()),
            (RecordType::A, [one]) => one.parse::<std::net::Ipv4Addr>().ok().map(|address| address.to_string()),
            (RecordType::Aaaa, [one]) if *one == IPV6 => Some(IPV6.to_owned()),
            (RecordType::Aaaa, [one]) => one.parse::<std::net::Ipv6Addr>().ok().map(|address| address.to_string()),
            (RecordType::Cname, [one]) => target(one).filter(|target| target != "."),
            (RecordType::Mx, [preference, host]) => {
                number(preference).zip(target(host)).map(|(preference, host)| format!("{preference} {host}"))
            }
            (RecordType::Srv, [priority, weight, port, host]) => {
                let numbers = number(priority).zip(number(weight)).zip(number(port));
                numbers.zip(target(host)).map(|(((priority, weight), port), host)| format!("{priority} {weight} {port} {host}"))
            }
            (RecordType::Caa, [flags, tag, ..]) => caa(flags, tag, content),
            _ => None,
        };
        let content = kept.ok_or_else(|| InvalidRecord::Content { kind, given: shown(content), form: form(kind) })?;
        Ok(Self { name, kind, content })
    }

    /// The name below the zone.
    pub fn name(&self) -> &RecordName {
        &self.name
    }

    /// The type.
    pub fn kind(&self) -> RecordType {
        self.kind
    }

    /// The content, with its placeholders.
    pub fn content(&self) -> &str {
        &self.content
    }

    /// Every content that this is with an account's domain and addresses.
    fn filled(&self, domain: &DomainName, addresses: &Addresses) -> Vec<String> {
        let pieces = pieces(&self.content).unwrap_or_default();
        let ipv4: Vec<String> = addresses.ipv4.iter().map(ToString::to_string).collect();
        let ipv6: Vec<String> = addresses.ipv6.iter().map(ToString::to_string).collect();
        let each = |piece: Piece<'static>, all: Vec<String>| if pieces.contains(&piece) { all } else { vec![String::new()] };
        let (ipv4, ipv6) = (each(Piece::Ipv4, ipv4), each(Piece::Ipv6, ipv6));
        let fill = |v4: &str, v6: &str| {
            let texts = pieces.iter().map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::Domain => domain.as_str(),
                Piece::Ipv4 => v4,
                Piece::Ipv6 => v6,
            });
            texts.collect::<String>()
        };
        ipv4.iter().flat_map(|v4| ipv6.iter().map(|v6| fill(v4, v6)).collect::<Vec<_>>()).collect()
    }

    /// A content with nothing to fill in, as zones have it.
    fn written(&self, content: &str) -> String {
        match self.kind {
            RecordType::A | RecordType::Aaaa | RecordType::Caa => content.to_owned(),
            RecordType::Cname | RecordType::Mx | RecordType::Srv if content.ends_with('.') => content.to_owned(),
            RecordType::Cname | RecordType::Mx | RecordType::Srv => format!("{content}."),
            RecordType::Txt => {
                let strings = content.as_bytes().chunks(STRING).map(|string| {
                    let text = String::from_utf8_lossy(string);
                    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
                });
                strings.collect::<Vec<_>>().join(" ")
            }
        }
    }
}

fn text(content: &str) -> Option<String> {
    ((1..=MAX_TEXT).contains(&content.len()) && printable(content) && pieces(content).is_some()).then(|| content.to_owned())
}

/// Flags, a tag and a value, which may stand in quotes.
fn caa(flags: &str, tag: &str, content: &str) -> Option<String> {
    let flags = number(flags).and_then(|flags| u8::try_from(flags).ok())?;
    let tag = tag.to_ascii_lowercase();
    let tag_ok = (1..=15).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    // What stands behind the second word, blanks of its own included.
    let behind = |text: &str| text.trim_start().split_once(|c: char| c.is_ascii_whitespace()).map(|(_, rest)| rest.trim().to_owned());
    let value = behind(content).and_then(|rest| behind(&rest)).unwrap_or_default();
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(&value);
    let value_ok = (1..=200).contains(&value.len()) && printable(value) && !value.contains(['"', '\\', '{', '}']);
    (tag_ok && value_ok).then(|| format!("{flags} {tag} \"{value}\""))
}

/// What a record of a type holds, for whoever typed something else.
fn form(kind: RecordType) -> &'static str {
    match kind {
        RecordType::A => "an IPv4 address, or `{ipv4}` for those of the server",
        RecordType::Aaaa => "an IPv6 address, or `{ipv6}` for those of the server",
        RecordType::Cname => "a host name, such as `web.example.net` or `www.{domain}`",
        RecordType::Mx => "a number from 0 to 65535 and a host name, such as `10 mail.{domain}`",
        RecordType::Txt => {
            "1 to 2000 characters of printable ASCII; in braces only `{domain}`, `{ipv4}`, `{ipv6}`, and what follows a percent sign"
        }
        RecordType::Caa => "a number from 0 to 255, a tag and a value, such as `0 issue \"ca.example.net\"`",
        RecordType::Srv => "priority, weight, port and a host name, such as `10 5 5060 sip.{domain}`",
    }
}

/// For how long answers may be kept, in seconds: [`TTL_RANGE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64")]
pub struct Ttl(u32);

/// Why a number is not a [`Ttl`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} seconds cannot be: use a whole number from 60 to 86400")]
pub struct InvalidTtl(u64);

impl Ttl {
    /// An hour.
    pub const DEFAULT: Self = Self(3600);

    /// Seconds.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u64> for Ttl {
    type Error = InvalidTtl;

    fn try_from(seconds: u64) -> Result<Self, InvalidTtl> {
        u32::try_from(seconds).ok().filter(|seconds| TTL_RANGE.contains(seconds)).map(Self).ok_or(InvalidTtl(seconds))
    }
}

/// What a new zone has beside SOA, name servers and the addresses of the domain and its `www`, which every zone has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedZone")]
pub struct ZoneRecords {
    ttl: Ttl,
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UncheckedZone {
    ttl: Ttl,
    records: Vec<Record>,
}

impl TryFrom<UncheckedZone> for ZoneRecords {
    type Error = InvalidRecords;

    fn try_from(given: UncheckedZone) -> Result<Self, InvalidRecords> {
        Self::new(given.ttl, given.records)
    }
}

/// Why records do not make a zone: the first that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct InvalidRecords {
    /// Which one, counted from 0.
    pub at: usize,
    /// Why not.
    pub why: Misfit,
}

/// Why a record does not fit beside the others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// More than [`MAX_RECORDS`].
    #[error("there are more than {MAX_RECORDS} records: leave some out")]
    TooMany,
    /// It stands twice.
    #[error("this record is there already")]
    Twice,
    /// An address of a name whose addresses are always the server's.
    #[error("`{0}` always has the addresses of its server, which is how an account is proven to answer: leave its addresses out")]
    Address(RecordName),
    /// Another name for a name that has records.
    #[error("`{0}` has other records, and a name that is another name for something (CNAME) can have none: use another name")]
    Cname(RecordName),
    /// Another name for itself.
    #[error("`{0}` would be another name for itself")]
    Circle(RecordName),
}

impl ZoneRecords {
    /// Checks that the records fit beside each other, and beside what every zone has.
    pub fn new(ttl: Ttl, records: Vec<Record>) -> Result<Self, InvalidRecords> {
        let fixed = |name: &RecordName| matches!(name.as_str(), "@" | "www");
        for (at, record) in records.iter().enumerate() {
            let (name, before) = (&record.name, &records[..at]);
            let is_cname = record.kind == RecordType::Cname;
            let meets_cname = before.iter().any(|other| other.name == *name && (is_cname || other.kind == RecordType::Cname));
            let why = if at >= MAX_RECORDS {
                Misfit::TooMany
            } else if before.contains(record) {
                Misfit::Twice
            } else if fixed(name) && matches!(record.kind, RecordType::A | RecordType::Aaaa) {
                Misfit::Address(name.clone())
            } else if meets_cname || (is_cname && fixed(name)) {
                Misfit::Cname(name.clone())
            } else if is_cname && record.content == format!("{name}.{DOMAIN}") {
                Misfit::Circle(name.clone())
            } else {
                continue;
            };
            return Err(InvalidRecords { at, why });
        }
        Ok(Self { ttl, records })
    }

    /// What zones have where the host has said nothing: `mail`, which takes the mail, and SPF for it.
    pub fn built_in() -> Self {
        let record = |name: &str, kind, content: &str| Record { name: RecordName(name.to_owned()), kind, content: content.to_owned() };
        Self {
            ttl: Ttl::DEFAULT,
            records: vec![
                record("mail", RecordType::A, IPV4),
                record("mail", RecordType::Aaaa, IPV6),
                record("@", RecordType::Mx, "10 mail.{domain}"),
                record("@", RecordType::Txt, "v=spf1 a mx ~all"),
            ],
        }
    }

    /// For how long answers may be kept.
    pub fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// The records.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

/// One record of a zone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZoneRecord {
    /// The whole name, with its final dot.
    pub name: String,
    /// The type.
    pub kind: &'static str,
    /// The content, as zones have it; SOA's without its serial.
    pub content: String,
}

/// Every record of an account's zone, each once: those that every zone has, then the host's.
///
/// The list of name servers must not be empty.
pub fn zone_of(domain: &DomainName, addresses: &Addresses, nameservers: &[DomainName], host: &ZoneRecords) -> Vec<ZoneRecord> {
    let apex = format!("{domain}.");
    let record = |name: &str, kind, content| ZoneRecord { name: name.to_owned(), kind, content };
    let mut zone = vec![record(&apex, "SOA", format!("{}. hostmaster.{apex} 10800 3600 604800 3600", nameservers[0]))];
    zone.extend(nameservers.iter().map(|name| record(&apex, "NS", format!("{name}."))));
    for name in [apex.clone(), format!("www.{apex}")] {
        zone.extend(addresses.ipv4.iter().map(|address| record(&name, "A", address.to_string())));
        zone.extend(addresses.ipv6.iter().map(|address| record(&name, "AAAA", address.to_string())));
    }
    for one in &host.records {
        let name = one.name.in_zone(domain);
        zone.extend(one.filled(domain, addresses).iter().map(|content| record(&name, one.kind.as_str(), one.written(content))));
    }
    let mut met = BTreeSet::new();
    zone.retain(|one| met.insert(one.clone()));
    zone
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(name: &str, kind: &str, content: &str) -> Result<Record, InvalidRecord> {
        Record::new(RecordName::parse(name)?, kind.parse()?, content)
    }

    fn records(all: &[(&str, &str, &str)]) -> Result<ZoneRecords, InvalidRecords> {
        let all = all.iter().map(|(name, kind, content)| record(name, kind, content).expect(content));
        ZoneRecords::new(Ttl::DEFAULT, all.collect())
    }

    fn addresses() -> Addresses {
        let ipv4 = vec!["192.0.2.1".parse().expect("an address"), "192.0.2.2".parse().expect("an address")];
        Addresses { ipv4, ipv6: vec!["2001:db8::1".parse().expect("an address")] }
    }

    fn zone(host: &ZoneRecords, addresses: &Addresses) -> Vec<String> {
        let name = |text: &str| DomainName::parse(text).expect(text);
        let nameservers = [name("ns1.names.example"), name("ns2.names.example")];
        let zone = zone_of(&name("example.com"), addresses, &nameservers, host);
        zone.into_iter().map(|one| format!("{} {} {}", one.name, one.kind, one.content)).collect()
    }

    #[test]
    fn contents_are_kept_in_one_form_and_written_as_zones_have_them() {
        let long = "x".repeat(300);
        for (name, kind, typed, kept, written) in [
            ("Mail", "a", "{ipv4}", "{ipv4}", vec!["mail.example.com. A 192.0.2.1", "mail.example.com. A 192.0.2.2"]),
            ("v6", "AAAA", "2001:DB8:0::1", "2001:db8::1", vec!["v6.example.com. AAAA 2001:db8::1"]),
            ("shop", "CNAME", "Shops.Example.NET.", "shops.example.net", vec!["shop.example.com. CNAME shops.example.net."]),
            ("*", "CNAME", "@", "{domain}", vec!["*.example.com. CNAME example.com."]),
            ("@", "MX", " 010   mail ", "10 mail.{domain}", vec!["example.com. MX 10 mail.example.com."]),
            ("no", "MX", "0 .", "0 .", vec!["no.example.com. MX 0 ."]),
            (
                "_sip._tcp",
                "SRV",
                "10 5 5060 sip.{domain}",
                "10 5 5060 sip.{domain}",
                vec!["_sip._tcp.example.com. SRV 10 5 5060 sip.example.com."],
            ),
            (
                "@",
                "CAA",
                "0 ISSUE ca.example; account=7",
                "0 issue \"ca.example; account=7\"",
                vec!["example.com. CAA 0 issue \"ca.example; account=7\""],
            ),
            (
                "@",
                "CAA",
                "128 iodef \"mailto:a@b.example\"",
                "128 iodef \"mailto:a@b.example\"",
                vec!["example.com. CAA 128 iodef \"mailto:a@b.example\""],
            ),
            (
                "_dmarc",
                "TXT",
                "v=DMARC1; rua=mailto:d@{domain}",
                "v=DMARC1; rua=mailto:d@{domain}",
                vec!["_dmarc.example.com. TXT \"v=DMARC1; rua=mailto:d@example.com\""],
            ),
            ("t", "TXT", r#"a "b" \c"#, r#"a "b" \c"#, vec![r#"t.example.com. TXT "a \"b\" \\c""#]),
            (
                "s",
                "TXT",
                "v=spf1 exists:%{i}.x.example",
                "v=spf1 exists:%{i}.x.example",
                vec!["s.example.com. TXT \"v=spf1 exists:%{i}.x.example\""],
            ),
            (
                "m",
                "TXT",
                "{ipv6}/{ipv4}",
                "{ipv6}/{ipv4}",
                vec!["m.example.com. TXT \"2001:db8::1/192.0.2.1\"", "m.example.com. TXT \"2001:db8::1/192.0.2.2\""],
            ),
            ("l", "TXT", &long, &long, vec![&format!("l.example.com. TXT \"{}\" \"{}\"", "x".repeat(255), "x".repeat(45))]),
        ] {
            let record = record(name, kind, typed).expect(typed);
            assert_eq!(record.content(), kept);
            let host = ZoneRecords::new(Ttl::DEFAULT, vec![record.clone()]).expect(typed);
            assert_eq!(zone(&host, &addresses()).split_off(9), written, "{typed}");
            let json = serde_json::to_string(&record).expect("a record serialises");
            assert_eq!(serde_json::from_str::<Record>(&json).expect("a record"), record);
        }
    }

    #[test]
    fn what_could_reach_another_record_or_is_none_is_refused() {
        for (name, kind, content) in [
            ("", "A", "{ipv4}"),
            ("a b", "A", "{ipv4}"),
            ("a.", "A", "{ipv4}"),
            ("a.*", "A", "{ipv4}"),
            ("**", "A", "{ipv4}"),
            ("-a", "A", "{ipv4}"),
            ("mail.{domain}", "A", "{ipv4}"),
            ("é", "A", "{ipv4}"),
            ("a", "NS", "ns1.example.net"),
            ("a", "SOA", "x"),
            ("a", "A", "2001:db8::1"),
            ("a", "A", "{ipv6}"),
            ("a", "A", "192.0.2.1 192.0.2.2"),
            ("a", "AAAA", "{ipv4}"),
            ("a", "CNAME", "."),
            ("a", "CNAME", "192.0.2.1"),
            ("a", "CNAME", "a b"),
            ("a", "CNAME", "x.{domain}.example.net"),
            ("a", "CNAME", "{ipv4}"),
            ("a", "MX", "mail"),
            ("a", "MX", "-1 mail"),
            ("a", "MX", "65536 mail"),
            ("a", "MX", "10 mail;x"),
            ("a", "SRV", "1 2 mail"),
            ("a", "CAA", "256 issue x"),
            ("a", "CAA", "0 issue"),
            ("a", "CAA", "0 issue a\"b"),
            ("a", "CAA", "0 is-sue a"),
            ("a", "TXT", ""),
            ("a", "TXT", "line\nbreak"),
            ("a", "TXT", "{username}"),
            ("a", "TXT", "grün"),
        ] {
            assert!(record(name, kind, content).is_err(), "{name} {kind} {content}");
        }
        assert!(record("a", "TXT", &"x".repeat(MAX_TEXT + 1)).is_err());
        assert!(Ttl::try_from(59).is_err() && Ttl::try_from(86_401).is_err() && Ttl::try_from(60).is_ok());
    }

    #[test]
    fn records_fit_beside_each_other() {
        let misfit = |all: &[(&str, &str, &str)]| records(all).map_err(|error| (error.at, error.why)).err();
        let name = |text: &str| RecordName::parse(text).expect(text);
        assert_eq!(misfit(&[("@", "CNAME", "x.example")]), Some((0, Misfit::Cname(name("@")))));
        assert_eq!(misfit(&[("www", "CNAME", "x.example")]), Some((0, Misfit::Cname(name("www")))));
        assert_eq!(misfit(&[("a", "TXT", "x"), ("a", "CNAME", "x.example")]), Some((1, Misfit::Cname(name("a")))));
        assert_eq!(misfit(&[("a", "CNAME", "x.example"), ("a", "TXT", "x")]), Some((1, Misfit::Cname(name("a")))));
        assert_eq!(misfit(&[("a", "CNAME", "x.example"), ("a", "CNAME", "y.example")]), Some((1, Misfit::Cname(name("a")))));
        assert_eq!(misfit(&[("a", "CNAME", "a")]), Some((0, Misfit::Circle(name("a")))));
        assert_eq!(misfit(&[("www", "A", "192.0.2.1")]), Some((0, Misfit::Address(name("www")))));
        assert_eq!(misfit(&[("@", "AAAA", "{ipv6}")]), Some((0, Misfit::Address(name("@")))));
        assert_eq!(misfit(&[("a", "A", "{ipv4}"), ("A", "A", "{ipv4}")]), Some((1, Misfit::Twice)));
        let many: Vec<String> = (0..=MAX_RECORDS).map(|number| format!("a{number}")).collect();
        let many: Vec<(&str, &str, &str)> = many.iter().map(|name| (name.as_str(), "A", "{ipv4}")).collect();
        assert_eq!(misfit(&many), Some((MAX_RECORDS, Misfit::TooMany)));
        assert_eq!(misfit(&many[1..]), None);
        assert_eq!(misfit(&[]), None);
        assert!(
            serde_json::from_str::<ZoneRecords>(r#"{"ttl":60,"records":[{"name":"@","type":"CNAME","content":"x.example"}]}"#).is_err()
        );
    }

    #[test]
    fn a_zone_without_wishes_has_what_customers_expect() {
        let built_in = ZoneRecords::built_in();
        assert_eq!(ZoneRecords::new(built_in.ttl, built_in.records.clone()).as_ref(), Ok(&built_in));
        for one in built_in.records() {
            assert_eq!(Record::new(one.name.clone(), one.kind, &one.content).as_ref(), Ok(one));
        }
        let one = Addresses { ipv4: vec!["192.0.2.1".parse().expect("an address")], ipv6: Vec::new() };
        assert_eq!(
            zone(&built_in, &one),
            [
                "example.com. SOA ns1.names.example. hostmaster.example.com. 10800 3600 604800 3600",
                "example.com. NS ns1.names.example.",
                "example.com. NS ns2.names.example.",
                "example.com. A 192.0.2.1",
                "www.example.com. A 192.0.2.1",
                "mail.example.com. A 192.0.2.1",
                "example.com. MX 10 mail.example.com.",
                "example.com. TXT \"v=spf1 a mx ~all\"",
            ]
        );
        assert_eq!(zone(&built_in, &addresses()).len(), 14);
    }

    proptest! {
        #[test]
        fn a_text_stays_within_its_quotes(content in "\\PC{1,400}") {
            if let Ok(record) = record("a", "TXT", &content) {
                let written = record.written(&content);
                // A reader of zones: strings in quotes, `\` before a character that means itself.
                let (mut read, mut strings, mut rest) = (String::new(), 0, written.as_str());
                while let Some(inner) = rest.strip_prefix('"') {
                    let mut characters = inner.char_indices();
                    let end = loop {
                        match characters.next() {
                            Some((_, '\\')) => read.extend(characters.next().map(|(_, c)| c)),
                            Some((at, '"')) => break at,
                            Some((_, c)) => read.push(c),
                            None => panic!("{written} does not end"),
                        }
                    };
                    (strings, rest) = (strings + 1, inner[end + 1..].trim_start());
                }
                prop_assert_eq!(rest, "");
                prop_assert_eq!(read, content.clone());
                prop_assert_eq!(strings, content.len().div_ceil(STRING));
            }
        }

        #[test]
        fn no_content_makes_a_second_record(kind in 0..7usize, content in "\\PC{0,60}") {
            if let Ok(record) = Record::new(RecordName("a".to_owned()), RecordType::ALL[kind], &content) {
                prop_assert!(record.content.bytes().all(|b| (b' '..=b'~').contains(&b)));
                prop_assert_eq!(Record::new(record.name.clone(), record.kind, &record.content), Ok(record.clone()));
            }
        }
    }
}
