//! The DNS records that new accounts begin with.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use opterius_model::{Record, RecordName, RecordType, Ttl, ZoneRecords};
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, data};
use super::texts;
use crate::app;
use crate::core::Core;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::{Body, Fields};

/// The records that the zone of a new account has beside SOA, NS and the addresses of the domain and its `www`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DefaultRecords)]
pub(crate) struct DefaultRecordsView {
    /// For how many seconds answers may be kept.
    ttl: u32,
    records: Vec<RecordView>,
    /// Whether they are what accounts get where nobody has said anything else.
    built_in: bool,
}

/// One record.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DefaultRecord)]
struct RecordView {
    /// `@` for the domain itself, `*`, or a name below it.
    name: String,
    /// `A`, `AAAA`, `CNAME`, `MX`, `TXT`, `CAA` or `SRV`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The content. `{domain}` stands for the account's domain, `{ipv4}` and `{ipv6}` for the addresses of its server: of several each makes a
    /// record, and of none there is none.
    content: String,
}

impl From<ZoneRecords> for DefaultRecordsView {
    fn from(records: ZoneRecords) -> Self {
        let view = |record: &Record| RecordView {
            name: record.name().to_string(),
            kind: record.kind().as_str(),
            content: record.content().to_owned(),
        };
        Self {
            ttl: records.ttl().get(),
            records: records.records().iter().map(view).collect(),
            built_in: records == ZoneRecords::built_in(),
        }
    }
}

/// The records as they are to be.
#[derive(ToSchema)]
#[schema(as = ChangeDefaultRecords)]
#[expect(dead_code, reason = "describes the body in the document")]
struct ChangeDefaultRecordsBody {
    /// 60 to 86400 seconds.
    ttl: texts::Ttl,
    /// All of them, at most 50.
    #[schema(max_items = 50)]
    records: Vec<ChangeDefaultRecord>,
}

/// One record.
#[derive(ToSchema)]
#[schema(as = ChangeDefaultRecord)]
#[expect(dead_code, reason = "describes the body in the document")]
struct ChangeDefaultRecord {
    name: texts::RecordName,
    r#type: texts::RecordTypeWord,
    content: texts::RecordContent,
}

/// Look at the default DNS records
#[utoipa::path(
    get, path = "/api/settings/dns", operation_id = "settings.dns.read", tag = "settings", security(("token" = ["settings.read"])),
    responses((status = 200, description = "The records.", body = Data<DefaultRecordsView>))
)]
pub(crate) async fn get(State(core): State<Arc<Core>>, _call: Call) -> Result<Json<Data<DefaultRecordsView>>, Problem> {
    Ok(data(app::default_records(&core).await?.into()))
}

/// Set the default DNS records
///
/// Accounts that are there keep what they have. A server whose Agent is of a version before these records takes no orders while they are others
/// than the built-in ones.
#[utoipa::path(
    put, path = "/api/settings/dns", operation_id = "settings.dns.change", tag = "settings", security(("token" = ["settings.write"])),
    request_body = ChangeDefaultRecordsBody,
    responses((status = 200, description = "The records as they are now.", body = Data<DefaultRecordsView>))
)]
pub(crate) async fn change(
    State(core): State<Arc<Core>>,
    call: Call,
    Body(mut fields): Body,
) -> Result<Json<Data<DefaultRecordsView>>, Problem> {
    let ttl = fields.required_number("ttl", Ttl::try_from);
    let records = fields.required_objects("records", |fields| record(fields, "name", "type", "content"));
    let records = ttl.zip(records).and_then(|(ttl, records)| {
        let refuse = |error: opterius_model::InvalidRecords| fields.refuse(&format!("records[{}]", error.at), "invalid", error);
        ZoneRecords::new(ttl, records).map_err(refuse).ok()
    });
    let records = fields.finish(records)?;
    Ok(data(app::change_default_records(&core, &call.caller, records, None, &call.request_id).await?.into()))
}

/// One record from the fields of these names.
pub(crate) fn record(fields: &mut Fields, name: &str, kind: &str, content: &str) -> Option<Record> {
    let name = fields.required(name, RecordName::parse);
    let kind = fields.required(kind, str::parse::<RecordType>);
    let Some((name, kind)) = name.zip(kind) else {
        fields.required(content, |_| Ok::<_, String>(()));
        return None;
    };
    fields.required(content, |text| Record::new(name, kind, text))
}
