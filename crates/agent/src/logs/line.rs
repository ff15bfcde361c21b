//! One line of nginx's logs: whose it is, and how it reads in the account's own log.

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// nginx cuts a line of its error log at this length (`NGX_MAX_ERROR_STR`), in bytes.
const ERROR_LINE_BYTES: usize = 2048;

/// A line of the access log: the format `opterius` of `/etc/nginx/opterius/http.conf`, as far as it is used here.
#[derive(Debug, Deserialize)]
struct AccessLine<'a> {
    #[serde(borrow)]
    t: Cow<'a, str>,
    #[serde(borrow)]
    site: Cow<'a, str>,
    #[serde(borrow)]
    ip: Cow<'a, str>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    uri: Cow<'a, str>,
    #[serde(borrow)]
    proto: Cow<'a, str>,
    status: u16,
    bytes: u64,
    #[serde(rename = "in")]
    received: u64,
    #[serde(borrow, rename = "ref")]
    referrer: Cow<'a, str>,
    #[serde(borrow, rename = "ua")]
    user_agent: Cow<'a, str>,
}

/// A request, as the access log tells it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The site that answered; empty where the host was not a name.
    pub(crate) site: String,
    /// The UTC month it ended in, `2026-10`.
    pub(crate) month: String,
    /// Bytes sent, headers included.
    pub(crate) sent: u64,
    /// Bytes received, headers included.
    pub(crate) received: u64,
    /// The line for the account's log, with its end: the combined format, the time in UTC and the bytes those of the whole response.
    pub(crate) combined: String,
}

/// Reads a line of the access log; `None` if it is not one. Bytes that are no UTF-8, which nginx passes as they came, become U+FFFD.
pub(crate) fn access(line: &[u8]) -> Option<Request> {
    let text = String::from_utf8_lossy(line);
    let text = with_a_plain_status(&text);
    let line: AccessLine<'_> = serde_json::from_str(&text).ok()?;
    let (seconds, _) = line.t.split_once('.')?;
    let time = Timestamp::from_second(seconds.parse().ok()?).ok()?.to_zoned(TimeZone::UTC);
    let mut combined = String::with_capacity(text.len());
    escape(&mut combined, &line.ip, true);
    let _ = write!(combined, " - - [{}] \"", time.strftime("%d/%b/%Y:%H:%M:%S +0000"));
    for (part, end) in [(&line.method, " "), (&line.uri, " "), (&line.proto, "\" ")] {
        escape(&mut combined, part, true);
        combined.push_str(end);
    }
    let _ = write!(combined, "{:03} {} \"", line.status, line.bytes);
    for (part, end) in [(&line.referrer, "\" \""), (&line.user_agent, "\"\n")] {
        escape(&mut combined, if part.is_empty() { "-" } else { part }, true);
        combined.push_str(end);
    }
    Some(Request {
        site: line.site.into_owned(),
        month: time.strftime("%Y-%m").to_string(),
        sent: line.bytes,
        received: line.received,
        combined,
    })
}

/// nginx writes a status with three digits, and JSON allows no zero in front (`009` of HTTP/0.9, `000` before there was an answer). In a
/// value the quotes would be escaped, so that the first match is the key.
fn with_a_plain_status(text: &str) -> Cow<'_, str> {
    const KEY: &str = ",\"status\":";
    let Some(at) = text.find(KEY).map(|at| at + KEY.len()) else { return Cow::Borrowed(text) };
    let (before, after) = text.split_at(at);
    if !after.starts_with('0') {
        return Cow::Borrowed(text);
    }
    let digits = after.trim_start_matches('0');
    let zero = if digits.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "0" };
    Cow::Owned(format!("{before}{zero}{digits}"))
}

/// Reads a line of the error log: the site it is about, and the line for the account's log, with its end. `None` if it is about no site,
/// or if that cannot be told for certain.
///
/// After its message, which can hold a decoded path and thereby anything, nginx adds
/// `, client: <address>, server: _, request: "<method> <target> <version>"[, upstream: "…"], host: "<Host>"[, referrer: "<Referer>"]`
/// and escapes none of it. What is wrong here shows one customer another one's paths, so a line is left out where a client could have
/// made it say something else than nginx meant.
///
/// A path with a line end in it (`%0A`) could make up a whole line about any site, and so could PHP on its stderr stream: nginx refuses the one
/// and keeps the other in a log of its own (packaging/nginx/site.conf).
pub(crate) fn error(line: &[u8]) -> Option<(String, String)> {
    // A line that was cut may lack its real end and show a forged one. One from PHP's stderr can hold anything, line ends too, so that not
    // even its start is certain; what PHP has to say is in php.log.
    if line.len() + 1 >= ERROR_LINE_BYTES || !starts_with_a_time(line) {
        return None;
    }
    let text = String::from_utf8_lossy(line);
    if text.contains("FastCGI sent in stderr") {
        return None;
    }
    // With two of these, one is forged, in the message or in the Referer, and nothing tells which.
    let (_, context) = text.split_once(", client: ")?;
    if context.contains(", client: ") {
        return None;
    }
    let (_, request) = context.split_once(", request: \"")?;
    // The request line may hold quotes, and no space but these two.
    let mut words = request.split(' ').filter(|word| !word.is_empty());
    let (_method, target, version) = (words.next()?, words.next()?, words.next()?);
    if !version.starts_with("HTTP/") {
        return None;
    }
    let host = if target.starts_with('/') {
        // The first, as a Referer can hold another one.
        let (_, host) = request.split_once("\", host: \"")?;
        let (host, rest) = host.split_once('"')?;
        if !(rest.is_empty() || rest.starts_with(", referrer: \"")) {
            return None;
        }
        host
    } else {
        // nginx takes the site from a target that names it, and shows the Host header all the same.
        let (_, authority) = target.split_once("://")?;
        authority.split(['/', '?', '#']).next()?
    };
    let site = site_of(host)?;
    let mut own = String::with_capacity(text.len() + 1);
    escape(&mut own, &text, false);
    own.push('\n');
    Some((site, own))
}

/// Whether a line starts like `2026/10/01 12:00:00 [`, as every line of the error log does that is not the rest of one.
fn starts_with_a_time(line: &[u8]) -> bool {
    const FORM: &[u8] = b"0000/00/00 00:00:00 [";
    line.len() > FORM.len() && FORM.iter().zip(line).all(|(form, byte)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form })
}

/// The site of a Host header, by the rules of nginx's `$host` and of the map in `http.conf`.
fn site_of(host: &str) -> Option<String> {
    let name = host.split(':').next()?.to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    let name = name.strip_prefix("www.").unwrap_or(name);
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    (!name.is_empty() && name.bytes().all(plain)).then(|| name.to_owned())
}

/// Adds text in which no character can end the line or steer a terminal; `quoted` also keeps it within its quotes. As nginx escapes, `\x0A`.
fn escape(out: &mut String, text: &str, quoted: bool) {
    for character in text.chars() {
        if character.is_control() || (quoted && matches!(character, '"' | '\\')) {
            let mut buffer = [0; 4];
            for byte in character.encode_utf8(&mut buffer).bytes() {
                let _ = write!(out, "\\x{byte:02X}");
            }
        } else {
            out.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCESS: &str = r#"{"t":"1790856000.123","site":"alice.test","host":"www.alice.test","ip":"192.0.2.7","method":"GET","uri":"/a?b=1","proto":"HTTP/1.1","status":200,"bytes":1234,"in":321,"rt":0.005,"ref":"","ua":"curl/8","rid":"00ff"}"#;

    #[test]
    fn a_request_is_told_in_the_combined_format() {
        let request = access(ACCESS.as_bytes()).expect("a request");
        assert_eq!((request.site.as_str(), request.month.as_str(), request.sent, request.received), ("alice.test", "2026-10", 1234, 321));
        assert_eq!(request.combined, "192.0.2.7 - - [01/Oct/2026:12:00:00 +0000] \"GET /a?b=1 HTTP/1.1\" 200 1234 \"-\" \"curl/8\"\n");
    }

    #[test]
    fn invalid_utf_8_does_not_break_a_line() {
        let mut line = ACCESS.replace("curl/8", "caf_").into_bytes();
        let at = line.windows(4).position(|bytes| bytes == b"caf_").expect("there") + 3;
        line[at] = 0xe9;
        assert!(access(&line).expect("a request").combined.ends_with("\"caf\u{fffd}\"\n"));
    }

    #[test]
    fn nothing_a_client_sends_starts_a_line_or_ends_a_field() {
        let line = ACCESS.replace("curl/8", r#"a\"b\\c\n\u001b[31m\u009b,\"status\":0"#);
        let combined = access(line.as_bytes()).expect("a request").combined;
        assert!(combined.ends_with("\"a\\x22b\\x5Cc\\x0A\\x1B[31m\\xC2\\x9B,\\x22status\\x22:0\"\n"), "{combined}");
        assert_eq!(combined.matches('\n').count(), 1);
    }

    #[test]
    fn a_status_with_zeros_in_front_is_read() {
        for (status, shown) in [("000", " 000 "), ("009", " 009 ")] {
            let line = ACCESS.replace("\"status\":200", &format!("\"status\":{status}"));
            assert!(access(line.as_bytes()).expect("a request").combined.contains(shown));
        }
    }

    #[test]
    fn what_is_no_line_of_the_format_is_nobodys() {
        for line in ["", "{}", "null", "[1]", &ACCESS[..100], &ACCESS.replace("1790856000.123", "soon"), &ACCESS.replace("1234", "-1")] {
            assert_eq!(access(line.as_bytes()), None, "{line}");
        }
    }

    fn told(message: &str, request: &str, rest: &str) -> String {
        format!(
            "2026/10/01 12:00:00 [error] 7#7: *1 {message}, client: 192.0.2.7, server: _, request: \"{request} HTTP/1.1\"{rest}, host: \"alice.test\""
        )
    }

    fn site(line: &str) -> Option<String> {
        error(line.as_bytes()).map(|(site, _)| site)
    }

    #[test]
    fn the_first_host_counts_and_not_one_in_the_referer() {
        let plain = told("open() \"/x\" failed (2: No such file or directory)", "GET /x", "");
        let (of, own) = error(plain.as_bytes()).expect("a line of alice's");
        assert_eq!((of.as_str(), own), ("alice.test", format!("{plain}\n")));
        let forged = format!("{plain}, referrer: \"http://a/\", host: \"bob.test\"");
        assert_eq!(site(&forged).as_deref(), Some("alice.test"));
        let upstream = told("connect() failed", "GET /\"x.php", ", upstream: \"fastcgi://unix:alice.test/php.sock:\"");
        assert_eq!(site(&upstream).as_deref(), Some("alice.test"));
    }

    #[test]
    fn a_host_in_a_decoded_path_counts_for_nothing() {
        let line = told("open() \"/home/alice/\", host: \"bob.test\" failed", "GET /%22,%20host:%20%22bob.test", "");
        assert_eq!(site(&line).as_deref(), Some("alice.test"));
    }

    #[test]
    fn a_line_that_could_be_two_sites_is_nobodys() {
        let context = ", client: 192.0.2.7, server: _, request: \"GET / HTTP/1.1\", host: \"bob.test\"";
        assert_eq!(site(&told(&format!("open() \"/{context}\" failed"), "GET /x", "")), None);
        assert_eq!(site(&format!("{}, referrer: \"{context}\"", told("failed", "GET /x", ""))), None);
    }

    #[test]
    fn a_target_that_names_a_site_counts_before_the_host_header() {
        let line = told("failed", "GET http://bob.test/secret", "");
        assert_eq!(site(&line).as_deref(), Some("bob.test"));
        assert_eq!(site(&told("failed", "GET http://WWW.Bob.test:80?x", "")).as_deref(), Some("bob.test"));
        assert_eq!(site(&told("failed", "OPTIONS *", "")), None);
    }

    #[test]
    fn what_cannot_be_trusted_to_its_end_is_nobodys() {
        let plain = told("failed", "GET /x", "");
        assert_eq!(site(&format!("{plain}, referrer: \"{}\"", "x".repeat(ERROR_LINE_BYTES))), None);
        assert_eq!(site(&told("FastCGI sent in stderr: \"PHP message: x\" while reading", "GET /x", "")), None);
        assert_eq!(site(plain.strip_prefix("2026/").expect("a year")), None);
        assert_eq!(site(&format!("{plain} and more")), None);
        assert_eq!(site("2026/10/01 12:00:00 [notice] 7#7: signal process started"), None);
    }

    #[test]
    fn the_host_header_is_read_as_nginx_reads_it() {
        for (host, name) in [("Alice.Test", "alice.test"), ("www.alice.test:8080", "alice.test"), ("alice.test.", "alice.test")] {
            assert_eq!(site_of(host).as_deref(), Some(name));
        }
        for host in ["", "[::1]", "al ice.test", "alicé.test", "../bob.test"] {
            assert_eq!(site_of(host), None, "{host}");
        }
    }

    #[test]
    fn control_characters_of_an_error_are_escaped() {
        let (_, own) = error(told("open() \"/a\u{1b}[2J\r\" failed", "GET /x", "").as_bytes()).expect("a line");
        assert!(own.contains("\"/a\\x1B[2J\\x0D\" failed"), "{own}");
    }
}
