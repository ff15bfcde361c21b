//! `opterius package create`.

use std::collections::BTreeMap;

use clap::Args;
use opterius_model::{Limit, PackageName};
use serde::Serialize;

use crate::api::{self, Package};
use crate::failure::Failure;
use crate::limits;
use crate::output::{self, Format};
use crate::panel::{Panel, read, read_all};

/// What is not given is left to the Panel: 5 PHP workers of 256 MiB, and nothing else limited.
#[derive(Args, Serialize)]
pub(crate) struct Options {
    /// The package's name; WHMCS names it exactly so, in upper and lower case
    #[arg(value_name = "NAME")]
    name: PackageName,
    /// Disk space, in MiB; 0 in this and every other limit means unlimited
    #[arg(long, value_name = "N", value_parser = limits::parse)]
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_mib: Option<Limit>,
    /// Files and directories
    #[arg(long, value_name = "N", value_parser = limits::parse)]
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Limit>,
    /// Traffic, in GiB a month
    #[arg(long, value_name = "N", value_parser = limits::parse)]
    #[serde(skip_serializing_if = "Option::is_none")]
    bandwidth_gib: Option<Limit>,
    /// PHP requests at the same time [default: 5]
    #[arg(long, value_name = "N", value_parser = limits::parse)]
    #[serde(skip_serializing_if = "Option::is_none")]
    php_workers: Option<Limit>,
    /// Memory of one PHP request, in MiB [default: 256]
    #[arg(long, value_name = "N", value_parser = limits::parse)]
    #[serde(skip_serializing_if = "Option::is_none")]
    php_memory_mib: Option<Limit>,
    /// CPU time, in percent of one core
    #[arg(long, value_name = "N", value_parser = limits::parse)]
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_percent: Option<Limit>,
    /// Memory of all processes, in MiB
    #[arg(long, value_name = "N", value_parser = limits::parse)]
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_mib: Option<Limit>,
    /// Processes at the same time
    #[arg(long, value_name = "N", value_parser = limits::parse)]
    #[serde(skip_serializing_if = "Option::is_none")]
    processes: Option<Limit>,
    /// Sites beside the primary domain
    #[arg(long, value_name = "N", value_parser = limits::parse)]
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_sites: Option<Limit>,
    /// Databases
    #[arg(long, value_name = "N", value_parser = limits::parse)]
    #[serde(skip_serializing_if = "Option::is_none")]
    databases: Option<Limit>,
    /// Mailboxes
    #[arg(long, value_name = "N", value_parser = limits::parse)]
    #[serde(skip_serializing_if = "Option::is_none")]
    mailboxes: Option<Limit>,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let order = serde_json::to_value(options).expect("names and numbers are JSON");
    let data = panel.post("/api/packages", &order).await?.data;
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let package: Package = read(&data)?;
    // Only what is said beside the limits comes from the server; the package is there without it.
    let servers = panel.list("/api/servers", &[]).await.and_then(|data| read_all(&data)).unwrap_or_default();
    let enforcement = api::default_server(servers).map(|server| server.enforcement).unwrap_or_default();
    output::line(format!("Created the package {} ({}).", package.name, package.id));
    output::blank();
    output::line(limits::table(&package.limits, &BTreeMap::new(), &enforcement));
    Ok(())
}
