//! `opterius settings dns`: the DNS records that new accounts begin with.

use clap::{Args, Subcommand};
use opterius_model::{Record, RecordName, RecordType, Ttl, ZoneRecords};
use serde_json::{Value, json};

use crate::api::DefaultRecords;
use crate::failure::Failure;
use crate::output::{self, Align, Format, Table};
use crate::panel::{Panel, read};

const PATH: &str = "/api/settings/dns";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show the records
    Show,
    /// Set the records of accounts that are made from now on
    Set(Options),
    /// Go back to the built-in records
    Reset,
}

#[derive(Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Options {
    /// For how many seconds answers may be kept: 60 to 86400; as it is, if not given
    #[arg(long, value_name = "SECONDS", value_parser = ttl)]
    ttl: Option<Ttl>,
    /// One record, such as `@ MX 10 mail.{domain}` or `_dmarc TXT v=DMARC1; p=none`; given for each. They replace those that are there, which
    /// stay if none is given. {domain}, {ipv4} and {ipv6} are filled in for each account
    #[arg(long = "record", value_name = "NAME TYPE CONTENT", value_parser = record)]
    records: Vec<Record>,
}

fn ttl(text: &str) -> Result<Ttl, String> {
    let seconds = text.parse::<u64>().map_err(|_| "use a whole number of seconds".to_owned())?;
    Ttl::try_from(seconds).map_err(|error| error.to_string())
}

fn record(text: &str) -> Result<Record, String> {
    let mut words = text.trim().splitn(3, |c: char| c.is_ascii_whitespace());
    let (Some(name), Some(kind), Some(content)) = (words.next(), words.next(), words.next()) else {
        return Err("use a name, a type and a content, such as `@ MX 10 mail`".to_owned());
    };
    let (name, kind) = (RecordName::parse(name), kind.parse::<RecordType>());
    let record = name.and_then(|name| Record::new(name, kind?, content.trim()));
    record.map_err(|error| error.to_string())
}

pub(super) async fn run(command: Command, panel: &Panel, format: Format) -> Result<(), Failure> {
    let data = match command {
        Command::Show => panel.get(PATH).await?,
        Command::Set(Options { ttl, records }) => {
            let there: Value = panel.get(PATH).await?;
            let ttl = ttl.map_or_else(|| there["ttl"].clone(), |ttl| json!(ttl));
            let records = if records.is_empty() { there["records"].clone() } else { json!(records) };
            panel.put(PATH, &json!({ "ttl": ttl, "records": records })).await?.data
        }
        Command::Reset => panel.put(PATH, &json!(ZoneRecords::built_in())).await?.data,
    };
    show(&data, format)
}

fn show(data: &Value, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        output::json(data);
        return Ok(());
    }
    let there: DefaultRecords = read(data)?;
    let mut table = Table::new(&[("NAME", Align::Left), ("TYPE", Align::Left), ("CONTENT", Align::Left)]);
    for record in there.records {
        table.row([record.name, record.kind, record.content]);
    }
    output::line(table);
    output::blank();
    let built_in = if there.built_in { " These are the built-in records." } else { "" };
    output::line(format!("Answers may be kept for {} seconds.{built_in}", there.ttl));
    Ok(())
}
