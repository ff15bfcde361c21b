//! PowerDNS: changed through its HTTP API, and asked as a resolver asks it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use opterius_model::{AccountId, DomainName, clean};
use opterius_protocol::bounded;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use crate::config::Config;
use crate::host::{HostError, RecordSet, ZonePlan, ZoneSeen};

/// One call of the API, or one question.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer of the API, which is a zone with all its records, in bytes.
const LONGEST_ANSWER: u64 = 16 * bounded::MIB;

/// The longest that is kept of what PowerDNS says about a failure, in characters.
const LONGEST_WORDS: usize = 500;

/// The longest name and content of a record as text, in characters: every byte of the 255, or the 65,535, may be written as `\\255`.
const LONGEST_NAME: usize = 4 * 256;
const LONGEST_CONTENT: usize = 4 * 65_536 + 1024;

/// SQLite answers "database is locked" when several write at once; PowerDNS passes that on as a 500 (its issues 14564, 15384).
const LOCKED_TRIES: u32 = 20;
const LOCKED_PAUSE: Duration = Duration::from_millis(50);

/// The kinds of records that the Agent writes.
const KINDS: [&str; 9] = ["SOA", "NS", "A", "AAAA", "CNAME", "MX", "TXT", "CAA", "SRV"];

pub(super) struct PowerDns {
    http: reqwest::Client,
    api: String,
    api_key: reqwest::header::HeaderValue,
    server: SocketAddr,
}

/// A zone as the API tells it, as far as we look.
#[derive(Debug, Deserialize)]
struct ApiZone {
    #[serde(default)]
    account: String,
    #[serde(default)]
    rrsets: Vec<ApiRecordSet>,
}

#[derive(Debug, Deserialize)]
struct ApiRecordSet {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    ttl: u32,
    records: Vec<ApiRecord>,
}

#[derive(Debug, Deserialize)]
struct ApiRecord {
    content: String,
}

#[derive(Debug, Deserialize)]
struct ApiError {
    error: String,
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("PowerDNS answered {status}: {said}")]
    Api { status: StatusCode, said: String },
    #[error("the answer over {transport} was {code}")]
    Answer { transport: &'static str, code: ResponseCode },
    #[error("the answer over {transport} was not authoritative")]
    NotAuthoritative { transport: &'static str },
    #[error("the answer holds no {0} record")]
    Missing(RecordType),
    #[error("UDP and TCP answered differently")]
    Differ,
}

fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HostError {
    HostError::Unavailable {
        part: "PowerDNS",
        hint: "Start it with `systemctl start pdns`, and see `journalctl -u pdns -n 50`.".to_owned(),
        source: source.into(),
    }
}

/// The contents of a SOA without its serial, which PowerDNS counts.
fn without_serial(content: &str) -> String {
    let mut fields: Vec<&str> = content.split_whitespace().collect();
    if fields.len() == 7 {
        fields.remove(2);
    }
    fields.join(" ")
}

/// Records in the form that the API takes.
fn to_api(records: &BTreeSet<RecordSet>, change: Option<&str>) -> serde_json::Value {
    let sets = records.iter().map(|set| {
        let contents = set.contents.iter().map(|content| {
            let mut fields: Vec<&str> = content.split(' ').collect();
            if set.kind == "SOA" {
                fields.insert(2, "0");
            }
            json!({ "content": fields.join(" "), "disabled": false })
        });
        let mut api = json!({ "name": set.name, "type": set.kind, "ttl": set.ttl, "records": contents.collect::<Vec<_>>() });
        if let Some(change) = change {
            api["changetype"] = change.into();
        }
        api
    });
    sets.collect()
}

impl PowerDns {
    pub(super) fn new(config: &Config) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .expect("a client without TLS needs nothing that could fail");
        let mut api_key = reqwest::header::HeaderValue::from_str(config.pdns_api_key.expose()).expect("the configuration was checked");
        api_key.set_sensitive(true);
        Self { http, api: format!("http://{}/api/v1/servers/localhost", config.pdns_api_address), api_key, server: config.dns_address }
    }

    /// One call, again while the database is locked. Answers the status and the body of whatever is not an error of the transport.
    async fn call(
        &self,
        method: reqwest::Method,
        target: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<(StatusCode, Vec<u8>), HostError> {
        for attempt in 1.. {
            let mut request = self.http.request(method.clone(), format!("{}{target}", self.api)).header("X-API-Key", self.api_key.clone());
            if let Some(body) = body {
                request = request.json(body);
            }
            let response = request.send().await.map_err(|error| unavailable(error.without_url()))?;
            let status = response.status();
            let body = bounded::body(response, LONGEST_ANSWER).await.map_err(unavailable)?;
            let locked = status == StatusCode::INTERNAL_SERVER_ERROR && String::from_utf8_lossy(&body).contains("locked");
            if !locked || attempt == LOCKED_TRIES {
                return Ok((status, body));
            }
            tokio::time::sleep(LOCKED_PAUSE).await;
        }
        unreachable!("the attempts are counted to their end")
    }

    fn refused(doing: String, status: StatusCode, body: &[u8]) -> HostError {
        let said = serde_json::from_slice::<ApiError>(body).map(|error| error.error.into_bytes());
        let said = clean(&said.unwrap_or_else(|_| body.to_vec()), LONGEST_WORDS);
        HostError::failed(doing)(Refused::Api { status, said })
    }

    pub(super) async fn zone(&self, domain: &DomainName) -> Result<Option<ZoneSeen>, HostError> {
        let doing = || format!("look at the DNS zone {domain}");
        let (status, body) = self.call(reqwest::Method::GET, &format!("/zones/{domain}."), None).await?;
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            // PowerDNS 4.7 says 422 "Could not find domain" for a zone that is not there.
            StatusCode::UNPROCESSABLE_ENTITY if String::from_utf8_lossy(&body).contains("Could not find domain") => return Ok(None),
            _ => return Err(Self::refused(doing(), status, &body)),
        }
        let zone: ApiZone = serde_json::from_slice(&body).map_err(HostError::failed(doing()))?;
        let mut records: BTreeMap<(String, &'static str), RecordSet> = BTreeMap::new();
        for set in zone.rrsets {
            let Some(kind) = KINDS.into_iter().find(|kind| *kind == set.kind) else { continue };
            let contents = set.records.into_iter().map(|record| {
                let content = clean(record.content.as_bytes(), LONGEST_CONTENT);
                if kind == "SOA" { without_serial(&content) } else { content }
            });
            let name = clean(set.name.as_bytes(), LONGEST_NAME);
            records.insert((name.clone(), kind), RecordSet { contents: contents.collect(), name, kind, ttl: set.ttl });
        }
        Ok(Some(ZoneSeen { account: AccountId::parse(&zone.account).ok(), records: records.into_values().collect() }))
    }

    /// One POST, which PowerDNS carries out in one transaction.
    pub(super) async fn add(&self, zone: &ZonePlan) -> Result<(), HostError> {
        let body = json!({
            "name": format!("{}.", zone.domain),
            "kind": "Native",
            "account": zone.account.to_string(),
            "soa_edit_api": "DEFAULT",
            "rrsets": to_api(&zone.records, None),
        });
        self.make(zone, &body).await
    }

    async fn make(&self, zone: &ZonePlan, body: &serde_json::Value) -> Result<(), HostError> {
        let (status, answer) = self.call(reqwest::Method::POST, "/zones", Some(body)).await?;
        match status {
            StatusCode::CREATED => self.forget_answers(zone).await,
            StatusCode::CONFLICT => Err(HostError::Taken { what: format!("a DNS zone {}", zone.domain) }),
            _ => Err(Self::refused(format!("make the DNS zone {}", zone.domain), status, &answer)),
        }
    }

    /// Makes PowerDNS forget what it answered while it did not have the zone: it goes on refusing, for up to 20 s, whoever asks again what
    /// was asked before the zone was made (seen), as resolvers do for a domain that points here already.
    async fn forget_answers(&self, zone: &ZonePlan) -> Result<(), HostError> {
        let names: BTreeSet<&str> = zone.records.iter().map(|set| set.name.as_str()).collect();
        for name in names {
            let (status, answer) = self.call(reqwest::Method::PUT, &format!("/cache/flush?domain={name}"), None).await?;
            if status != StatusCode::OK {
                return Err(Self::refused(format!("make PowerDNS forget its earlier answers about {name}"), status, &answer));
            }
        }
        Ok(())
    }

    /// Every record of a zone, if it is the account's, in the form that [`PowerDns::restore`] takes. Serials and signatures are PowerDNS's own.
    pub(super) async fn export(&self, account: AccountId, domain: &DomainName) -> Result<Option<String>, HostError> {
        let doing = || format!("read the DNS zone {domain}");
        let (status, body) = self.call(reqwest::Method::GET, &format!("/zones/{domain}."), None).await?;
        if status != StatusCode::OK {
            return self.zone(domain).await.map(|_| None);
        }
        let mut zone: serde_json::Value = serde_json::from_slice(&body).map_err(HostError::failed(doing()))?;
        if zone["account"].as_str() != Some(&account.to_string()) {
            return Ok(None);
        }
        let kept = json!({ "version": 1, "domain": domain, "rrsets": zone["rrsets"].take() });
        Ok(Some(serde_json::to_string_pretty(&kept).map_err(HostError::failed(doing()))?))
    }

    /// Makes a zone again from what [`PowerDns::export`] read.
    pub(super) async fn restore(&self, zone: &ZonePlan, kept: &str) -> Result<(), HostError> {
        let doing = || format!("read the records that were kept of {}", zone.domain);
        let kept: serde_json::Value = serde_json::from_str(kept).map_err(HostError::failed(doing()))?;
        if kept["version"] != 1 {
            return Err(HostError::failed(doing())("they are of another version"));
        }
        let body = json!({
            "name": format!("{}.", zone.domain),
            "kind": "Native",
            "account": zone.account.to_string(),
            "soa_edit_api": "DEFAULT",
            "rrsets": kept["rrsets"],
        });
        self.make(zone, &body).await
    }

    /// Replaces the sets of the plan, and deletes those that contradict it; what was added beside it stays.
    pub(super) async fn mend(&self, zone: &ZonePlan) -> Result<(), HostError> {
        let doing = || format!("correct the DNS zone {}", zone.domain);
        let seen = self.zone(&zone.domain).await?.map(|seen| seen.records).unwrap_or_default();
        let planned = |set: &RecordSet| zone.records.iter().any(|planned| planned.name == set.name && planned.kind == set.kind);
        // First what goes: PowerDNS takes the changes one after the other, and refuses a CNAME beside what is there at that moment.
        let mut sets: Vec<serde_json::Value> = seen
            .iter()
            .filter(|set| zone.contradicts(set) && !planned(set))
            .map(|set| json!({ "name": set.name, "type": set.kind, "changetype": "DELETE" }))
            .collect();
        let serde_json::Value::Array(wanted) = to_api(&zone.records, Some("REPLACE")) else { unreachable!("records are a list") };
        sets.extend(wanted);
        let (status, answer) =
            self.call(reqwest::Method::PATCH, &format!("/zones/{}.", zone.domain), Some(&json!({ "rrsets": sets }))).await?;
        if status == StatusCode::NO_CONTENT { Ok(()) } else { Err(Self::refused(doing(), status, &answer)) }
    }

    pub(super) async fn remove(&self, account: AccountId, domain: &DomainName) -> Result<(), HostError> {
        if self.zone(domain).await?.is_none_or(|zone| zone.account != Some(account)) {
            return Ok(());
        }
        let (status, body) = self.call(reqwest::Method::DELETE, &format!("/zones/{domain}."), None).await?;
        match status {
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => Ok(()),
            _ => Err(Self::refused(format!("remove the DNS zone {domain}"), status, &body)),
        }
    }

    /// Whether the API answers.
    pub(super) async fn answers(&self) -> Result<(), HostError> {
        // A zone that no account can have. Asking for the list would take a second with 100,000 zones (measured).
        let (status, body) = self.call(reqwest::Method::GET, "/zones/probe.invalid.", None).await?;
        if status == StatusCode::UNAUTHORIZED {
            return Err(Self::refused("use the API of PowerDNS".to_owned(), status, &body));
        }
        Ok(())
    }

    pub(super) async fn ask_soa(&self, domain: &DomainName) -> Result<String, HostError> {
        let records = self.ask(domain, RecordType::SOA).await?;
        let soa = records.iter().find_map(|data| if let RData::SOA(soa) = data { Some(soa) } else { None });
        let soa = soa.ok_or_else(|| HostError::failed(asking(domain, RecordType::SOA))(Refused::Missing(RecordType::SOA)))?;
        Ok(clean(soa.mname.to_ascii().trim_end_matches('.').as_bytes(), LONGEST_NAME))
    }

    pub(super) async fn ask_a(&self, domain: &DomainName) -> Result<BTreeSet<Ipv4Addr>, HostError> {
        let records = self.ask(domain, RecordType::A).await?;
        Ok(records.into_iter().filter_map(|data| if let RData::A(a) = data { Some(a.0) } else { None }).collect())
    }

    /// Asks over UDP and TCP at the same time; both must say the same.
    async fn ask(&self, domain: &DomainName, kind: RecordType) -> Result<BTreeSet<RData>, HostError> {
        let doing = || asking(domain, kind);
        let name = Name::from_ascii(format!("{domain}.")).map_err(HostError::failed(doing()))?;
        let mut message = Message::query();
        message.add_query(Query::query(name, kind));
        let question = message.to_vec().map_err(HostError::failed(doing()))?;
        let (udp, tcp) = tokio::join!(self.exchange_udp(&question), self.exchange_tcp(&question));
        let mut answers = Vec::new();
        for (transport, reply) in [("UDP", udp), ("TCP", tcp)] {
            let reply = Message::from_vec(&reply.map_err(unavailable)?).map_err(HostError::failed(doing()))?;
            if reply.metadata.response_code != ResponseCode::NoError {
                return Err(HostError::failed(doing())(Refused::Answer { transport, code: reply.metadata.response_code }));
            }
            if !reply.metadata.authoritative {
                return Err(HostError::failed(doing())(Refused::NotAuthoritative { transport }));
            }
            answers.push(reply.answers.into_iter().map(|record| record.data).collect::<BTreeSet<_>>());
        }
        let tcp = answers.pop().unwrap_or_default();
        if answers.pop().as_ref() == Some(&tcp) { Ok(tcp) } else { Err(HostError::failed(doing())(Refused::Differ)) }
    }

    async fn exchange_udp(&self, question: &[u8]) -> std::io::Result<Vec<u8>> {
        let socket = UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        // Connected, so that only the server's answer arrives.
        socket.connect(self.server).await?;
        socket.send(question).await?;
        let mut reply = vec![0; 4096];
        let length = tokio::time::timeout(PATIENCE, socket.recv(&mut reply)).await.map_err(|_| std::io::ErrorKind::TimedOut)??;
        reply.truncate(length);
        Ok(reply)
    }

    /// From an address that accounts cannot have, since the DNS server lets so many connections of one address in.
    async fn connect(&self) -> std::io::Result<TcpStream> {
        if self.server.ip() != Ipv4Addr::LOCALHOST {
            return TcpStream::connect(self.server).await;
        }
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::new(127, 0, 0, 2), 0).into())?;
        socket.connect(self.server).await
    }

    async fn exchange_tcp(&self, question: &[u8]) -> std::io::Result<Vec<u8>> {
        let talk = async {
            let mut stream = self.connect().await?;
            let length = u16::try_from(question.len()).map_err(|_| std::io::ErrorKind::InvalidInput)?;
            stream.write_all(&[&length.to_be_bytes()[..], question].concat()).await?;
            let length = stream.read_u16().await?;
            let mut reply = vec![0; length.into()];
            stream.read_exact(&mut reply).await?;
            Ok(reply)
        };
        tokio::time::timeout(PATIENCE, talk).await.map_err(|_| std::io::ErrorKind::TimedOut)?
    }
}

fn asking(domain: &DomainName, kind: RecordType) -> String {
    format!("ask the DNS server for the {kind} of {domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pdns(answer: impl Into<Vec<u8>>) -> PowerDns {
        let address = crate::testing::answering(answer.into()).await;
        PowerDns::new(&crate::testing::config(address, address))
    }

    fn domain() -> DomainName {
        DomainName::parse("example.com").expect("a domain")
    }

    #[tokio::test]
    async fn an_answer_of_any_length_is_not_read_to_its_end() {
        let long = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b' '; 33 << 20]].concat();
        let error = pdns(long).await.zone(&domain()).await.expect_err("too much");
        assert!(opterius_protocol::client::chain(&error).contains("longer than"), "{error:?}");
    }

    #[tokio::test]
    async fn what_a_terminal_obeys_does_not_come_in_by_the_dns() {
        for body in ["{\"error\":\"\\u001b[31mred\"}", "\x1b[31mred"] {
            let error = pdns(format!("HTTP/1.1 400 Bad Request\r\n\r\n{body}")).await.zone(&domain()).await.expect_err("refused");
            let said = opterius_protocol::client::chain(&error);
            assert!(said.ends_with("\u{fffd}[31mred"), "{said:?}");
        }
        let zone =
            "{\"account\":\"\",\"rrsets\":[{\"name\":\"\\u001b.\",\"type\":\"TXT\",\"ttl\":1,\"records\":[{\"content\":\"\\u001b\"}]}]}";
        let seen = pdns(format!("HTTP/1.1 200 OK\r\n\r\n{zone}")).await.zone(&domain()).await.expect("a look").expect("a zone");
        let set = seen.records.first().expect("a record");
        assert!(!format!("{}{:?}", set.name, set.contents).contains("\\u{1b}") && !set.name.contains('\x1b'), "{set:?}");
    }

    #[test]
    fn a_serial_is_neither_written_nor_compared() {
        assert_eq!(without_serial("ns1.a. host.b. 2026112301 1 2 3 4"), "ns1.a. host.b. 1 2 3 4");
        let set = RecordSet { name: "b.".into(), kind: "SOA", ttl: 60, contents: BTreeSet::from(["ns1.a. host.b. 1 2 3 4".into()]) };
        let api = to_api(&BTreeSet::from([set]), Some("REPLACE"));
        assert_eq!(
            api,
            json!([{ "name": "b.", "type": "SOA", "ttl": 60, "changetype": "REPLACE",
                     "records": [{ "content": "ns1.a. host.b. 0 1 2 3 4", "disabled": false }] }])
        );
    }
}
