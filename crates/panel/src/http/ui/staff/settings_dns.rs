//! `/settings/dns`: the DNS records that new accounts begin with, and the name servers of every server.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use opterius_model::{Addresses, DomainName, InvalidRecords, MAX_RECORDS, RecordType, Ttl, ZoneRecords, zone_of};

use crate::app::{self, AppError, Scope, ServerChange};
use crate::core::Core;
use crate::http::api::servers::enough;
use crate::http::api::settings_dns::record;
use crate::http::read::Fields;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::form::{Filled, Given, Typed, Wrong, checked};
use crate::http::ui::kit::frame::{Asked, Frame, shown, to};
use crate::http::ui::kit::texts::Texts;
use crate::store::server::{self, Server};

/// Rows without a record, for those that are to come.
const EMPTY_ROWS: usize = 3;

/// The domain of the preview.
const EXAMPLE: &str = "example.com";

#[derive(Template)]
#[template(path = "settings_dns.html")]
struct DnsPage {
    frame: Frame,
    may: bool,
    may_servers: bool,
    version: String,
    filled: Filled,
    rows: Vec<Row>,
    kinds: Vec<&'static str>,
    /// What is there, beside what was typed and not taken.
    now: Vec<String>,
    preview: Vec<[String; 4]>,
    servers: Vec<Names>,
}

/// One record of the form.
struct Row {
    at: usize,
    name: String,
    kind: String,
    content: String,
    /// What is wrong with the record, in sentences.
    problems: Vec<String>,
}

/// The name servers of one server.
struct Names {
    id: String,
    name: String,
    /// Whether the server has a host name; without one it is to be configured first.
    configured: bool,
    version: String,
    filled: Filled,
}

/// The name of the field of a row.
fn field(name: &str, at: usize) -> String {
    format!("{name}-{at}")
}

/// What the page shows beside what there is.
#[derive(Default)]
struct Sent {
    /// The form of the records, as it was typed.
    records: Option<Typed>,
    /// What was typed, if it can be: then the preview is of it.
    preview: Option<ZoneRecords>,
    /// The name servers of one server, as they were typed.
    nameservers: Option<(String, Typed)>,
    error: Option<AppError>,
}

pub(crate) async fn show(State(core): State<Arc<Core>>, asked: Asked) -> Response {
    answer(&core, &asked, Sent::default()).await
}

pub(crate) async fn change(State(core): State<Arc<Core>>, asked: Asked, given: Given) -> Response {
    let Given { mut fields, typed, .. } = given;
    let seen = fields.version();
    let what = fields.optional("do", |text| Ok::<_, String>(text.to_owned())).unwrap_or_default();
    let records = if what == "built-in" { Ok(ZoneRecords::built_in()) } else { read(fields) };
    let (records, error) = match records {
        Ok(records) => (records, None),
        Err(error) => return answer(&core, &asked, Sent { records: Some(typed), error: Some(error), ..Sent::default() }).await,
    };
    if what == "preview" {
        return answer(&core, &asked, Sent { records: Some(typed), preview: Some(records), error, ..Sent::default() }).await;
    }
    match app::change_default_records(&core, &asked.caller, records.clone(), seen.as_ref(), &asked.request_id).await {
        Ok(_) => to("/settings/dns", asked.part),
        Err(error) => {
            answer(&core, &asked, Sent { records: Some(typed), preview: Some(records), error: Some(error), ..Sent::default() }).await
        }
    }
}

/// The records of a form. A row without name and content is none.
fn read(mut fields: Fields) -> Result<ZoneRecords, AppError> {
    let ttl = fields.required("ttl", |text| match text.parse::<u64>() {
        Ok(seconds) => Ttl::try_from(seconds).map_err(|error| error.to_string()),
        Err(_) => Err("the time must be a whole number of seconds from 60 to 86400".to_owned()),
    });
    let (mut records, mut rows, mut whole) = (Vec::new(), Vec::new(), true);
    for at in 0..MAX_RECORDS + EMPTY_ROWS {
        let [name, kind, content] = ["name", "kind", "content"].map(|name| field(name, at));
        if !fields.has(&name) && !fields.has(&content) {
            fields.optional(&kind, |_| Ok::<_, String>(()));
            continue;
        }
        match record(&mut fields, &name, &kind, &content) {
            Some(record) => {
                records.push(record);
                rows.push(at);
            }
            None => whole = false,
        }
    }
    let records = ttl.filter(|_| whole).and_then(|ttl| {
        let refuse = |InvalidRecords { at, why }| fields.refuse(&field("content", rows[at]), "invalid", why);
        ZoneRecords::new(ttl, records).map_err(refuse).ok()
    });
    checked(fields.finish(records))
}

pub(crate) async fn set_nameservers(State(core): State<Arc<Core>>, asked: Asked, Path(id): Path<String>, given: Given) -> Response {
    let Given { mut fields, typed, .. } = given;
    let done = async {
        let server = app::server(&core, &asked.caller, &id).await?;
        let seen = fields.version();
        let names = fields.required_lines("nameservers", DomainName::parse);
        let names = enough(&mut fields, names);
        let (seen, nameservers) = checked(fields.finish(seen.zip(names)))?;
        let Server { hostname: Some(hostname), ipv4, ipv6, max_accounts, .. } = server else {
            return Err(app::Refusal::server_not_configured(&server.name).into());
        };
        let change = ServerChange { hostname, ipv4, ipv6, nameservers, max_accounts: Some(max_accounts) };
        app::change_server(&core, &asked.caller, &id, change, Some(&seen), &asked.request_id).await
    };
    match done.await {
        Ok(_) => to("/settings/dns", asked.part),
        Err(error) => answer(&core, &asked, Sent { nameservers: Some((id, typed)), error: Some(error), ..Sent::default() }).await,
    }
}

async fn answer(core: &Core, asked: &Asked, sent: Sent) -> Response {
    let Sent { records, preview, nameservers, error } = sent;
    let wrong = match error.map(Wrong::of).transpose() {
        Ok(wrong) => wrong,
        Err(error) => return asked.failed(core, error).await,
    };
    let status = wrong.as_ref().map_or(StatusCode::OK, |wrong| wrong.status);
    match view(core, asked, records, preview, nameservers, wrong).await {
        Ok(view) => shown(status, &view),
        Err(error) => asked.failed(core, error).await,
    }
}

async fn view(
    core: &Core,
    asked: &Asked,
    typed: Option<Typed>,
    preview: Option<ZoneRecords>,
    nameservers: Option<(String, Typed)>,
    wrong: Option<Wrong>,
) -> Result<DnsPage, AppError> {
    let frame = asked.frame(core).await?;
    let there = app::default_records(core).await?;
    let servers = server::list(core.store.read(), &asked.caller.owner).await?;
    let rows = match &typed {
        Some(typed) => typed_rows(typed, wrong.as_ref()),
        None => rows(&there),
    };
    let now = there.records().iter().map(|record| format!("{} {} {}", record.name(), record.kind(), record.content()));
    let lifetime = format!("TTL {}", there.ttl().get());
    Ok(DnsPage {
        may: asked.caller.may(Scope::SettingsWrite),
        may_servers: asked.caller.may(Scope::ServersWrite),
        version: app::default_records_version(&there).as_str().to_owned(),
        rows,
        kinds: RecordType::ALL.map(RecordType::as_str).to_vec(),
        now: if typed.is_some() && wrong.is_some() { std::iter::once(lifetime).chain(now).collect() } else { Vec::new() },
        preview: zone(servers.first(), preview.as_ref().unwrap_or(&there)),
        servers: servers.iter().map(|server| names(server, nameservers.as_ref(), wrong.as_ref())).collect(),
        filled: Filled { typed: typed.unwrap_or_else(|| Typed::of([("ttl", there.ttl().get().to_string())])), wrong, ..Filled::default() },
        frame,
    })
}

/// The rows of what is there, and some for more.
fn rows(there: &ZoneRecords) -> Vec<Row> {
    let row = |(at, record): (usize, &opterius_model::Record)| Row {
        at,
        name: record.name().to_string(),
        kind: record.kind().to_string(),
        content: record.content().to_owned(),
        problems: Vec::new(),
    };
    let full = there.records().len();
    let empty = (full..full + EMPTY_ROWS).map(|at| Row {
        at,
        name: String::new(),
        kind: String::new(),
        content: String::new(),
        problems: Vec::new(),
    });
    there.records().iter().enumerate().map(row).chain(empty).collect()
}

/// The rows as they were typed, each with what is wrong with it.
fn typed_rows(typed: &Typed, wrong: Option<&Wrong>) -> Vec<Row> {
    let filled = |at: &usize| typed.has(&field("name", *at)) || typed.has(&field("content", *at));
    let last = (0..MAX_RECORDS + EMPTY_ROWS).rev().find(filled).map_or(0, |last| last + 1);
    let row = |at: usize| {
        let [name, kind, content] = ["name", "kind", "content"].map(|name| field(name, at));
        let problems = wrong.iter().flat_map(|wrong| [&name, &kind, &content].into_iter().filter_map(|field| wrong.field(field)));
        Row {
            at,
            problems: problems.collect(),
            name: typed.get(&name).to_owned(),
            kind: typed.get(&kind).to_owned(),
            content: typed.get(&content).to_owned(),
        }
    };
    (0..(last + EMPTY_ROWS).min(MAX_RECORDS + EMPTY_ROWS)).map(row).collect()
}

/// The zone of a new account, a line a record: name, seconds, type, content.
fn zone(server: Option<&Server>, records: &ZoneRecords) -> Vec<[String; 4]> {
    let parsed = |text: &str| DomainName::parse(text).ok();
    // A server that was not configured yet has nothing to show, so that these stand in (RFC 5737, RFC 3849).
    let nameservers = match server {
        Some(server) if !server.nameservers.is_empty() => server.nameservers.clone(),
        _ => ["ns1.example.net", "ns2.example.net"].into_iter().filter_map(parsed).collect(),
    };
    let addresses = match server {
        Some(server) if !server.ipv4.is_empty() => Addresses { ipv4: server.ipv4.clone(), ipv6: server.ipv6.clone() },
        _ => Addresses { ipv4: vec![[192, 0, 2, 1].into()], ipv6: vec![[0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()] },
    };
    let Some(domain) = parsed(EXAMPLE) else { return Vec::new() };
    let line = |one: opterius_model::ZoneRecord| [one.name, records.ttl().get().to_string(), one.kind.to_owned(), one.content];
    zone_of(&domain, &addresses, &nameservers, records).into_iter().map(line).collect()
}

fn names(server: &Server, typed: Option<&(String, Typed)>, wrong: Option<&Wrong>) -> Names {
    let id = server.id.to_string();
    let typed = typed.filter(|(of, _)| *of == id).map(|(_, typed)| typed);
    let there = server.nameservers.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    Names {
        name: server.name.clone(),
        configured: server.hostname.is_some(),
        version: app::server_version(server).as_str().to_owned(),
        filled: Filled {
            under: format!("server-{id}"),
            wrong: typed.and(wrong).cloned(),
            typed: typed.cloned().unwrap_or_else(|| Typed::of([("nameservers", there)])),
        },
        id,
    }
}

impl DnsPage {
    fn texts(&self) -> Texts {
        self.frame.texts
    }
}
