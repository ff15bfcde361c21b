//! The DNS records that new accounts begin with.

use std::sync::Arc;

use opterius_model::{Record, RequestId, ZoneRecords};

use super::{AppError, Caller, Version, record, still};
use crate::core::Core;
use crate::store::{self, setting};

/// How much of a record stands in the Activity, in characters.
const TOLD: usize = 120;

/// What a form shows of the records.
pub(crate) fn default_records_version(records: &ZoneRecords) -> Version {
    Version::of(records)
}

/// The records that new accounts begin with.
pub(crate) async fn default_records(core: &Core) -> Result<ZoneRecords, AppError> {
    Ok(setting::default_records(core.store.read()).await?.unwrap_or_else(ZoneRecords::built_in))
}

/// Sets the records that accounts begin with from now on. Accounts that are there keep theirs.
pub(crate) async fn change_default_records(
    core: &Arc<Core>,
    caller: &Caller,
    records: ZoneRecords,
    seen: Option<&Version>,
    request: &RequestId,
) -> Result<ZoneRecords, AppError> {
    let mut write = core.store.write().await?;
    let before = setting::default_records(&mut *write).await?.unwrap_or_else(ZoneRecords::built_in);
    still("The list of default DNS records", seen, &default_records_version(&before))?;
    // What an Agent has of its own is not sent to it, so that one of an earlier version takes orders all the same.
    setting::set_default_records(&mut write, Some(&records).filter(|records| **records != ZoneRecords::built_in())).await?;
    record::done(&mut write, core, caller, "settings.dns.change", request, difference(&before, &records)).await?;
    store::commit(write).await?;
    Ok(records)
}

/// What was changed, in a sentence.
fn difference(before: &ZoneRecords, after: &ZoneRecords) -> String {
    let told = |record: &Record| {
        let line = format!("{} {} {}", record.name(), record.kind(), record.content());
        if line.chars().count() > TOLD { line.chars().take(TOLD).chain(['…']).collect() } else { line }
    };
    let only = |these: &ZoneRecords, those: &ZoneRecords| -> Vec<String> {
        these.records().iter().filter(|record| !those.records().contains(record)).map(told).collect()
    };
    let mut changes = Vec::new();
    for (word, records) in [("now with", only(after, before)), ("without", only(before, after))] {
        if !records.is_empty() {
            changes.push(format!("{word} {}", records.join(", ")));
        }
    }
    if before.ttl() != after.ttl() {
        changes.push(format!("kept for {} seconds", after.ttl().get()));
    }
    let what = if changes.is_empty() { "as they were".to_owned() } else { changes.join("; ") };
    format!("The default DNS records were set: {what}.")
}
