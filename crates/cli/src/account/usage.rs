//! `opterius account usage`.

use std::collections::BTreeMap;

use clap::Args;

use super::name::{self, Name};
use crate::api::{LastUsage, Usage};
use crate::failure::Failure;
use crate::output::{self, Align, Format, Table};
use crate::panel::{Panel, read, read_all};

#[derive(Args)]
pub(crate) struct Options {
    /// The account, which is measured now; without one, all of them as they were last measured
    #[arg(value_name = name::FORMS, value_parser = Name::parse)]
    account: Option<Name>,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let Some(account) = &options.account else { return all(panel, format).await };
    let path = account.path(panel).await?;
    let data = panel.get(&format!("{path}/usage")).await?;
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let usage: Usage = read(&data)?;
    let mut table = Table::new(&[("WHAT", Align::Left), ("USED", Align::Right), ("OF", Align::Right)]);
    for (what, used, limit, unit) in [
        ("disk", least(binary(usage.disk_bytes), usage.disk_at_least), "disk_mib", " MiB"),
        ("files", least(usage.files.to_string(), usage.disk_at_least), "files", ""),
        ("traffic of this month", binary(usage.traffic_bytes), "bandwidth_gib", " GiB"),
        ("processes", usage.processes.to_string(), "processes", ""),
    ] {
        table.row([what.to_owned(), used, shown(&usage.limits, limit, unit)]);
    }
    output::line(table);
    output::blank();
    output::line(format!("Measured at {}.", output::moment(usage.measured_at)));
    if usage.disk_at_least {
        output::line("It may use more of the disk than that: not all of its home could be counted.");
    }
    Ok(())
}

/// What every account used when it was last measured.
async fn all(panel: &Panel, format: Format) -> Result<(), Failure> {
    let data = panel.list("/api/usage", &[]).await?;
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let accounts: Vec<LastUsage> = read_all(&data)?;
    if accounts.is_empty() {
        output::line("No account is active or suspended. Make one with `opterius account create`.");
        return Ok(());
    }
    let number = accounts.len();
    let mut table = Table::new(&[
        ("USERNAME", Align::Left),
        ("DOMAIN", Align::Left),
        ("DISK", Align::Right),
        ("OF", Align::Right),
        ("TRAFFIC OF THIS MONTH", Align::Right),
        ("OF", Align::Right),
        ("MEASURED", Align::Left),
    ]);
    let unknown = || "not known yet".to_owned();
    for account in accounts {
        table.row([
            account.username,
            account.domain,
            account.disk_bytes.map_or_else(unknown, |bytes| least(binary(bytes), account.disk_at_least)),
            shown(&account.limits, "disk_mib", " MiB"),
            account.traffic_bytes.map_or_else(unknown, binary),
            shown(&account.limits, "bandwidth_gib", " GiB"),
            account.measured_at.map_or_else(unknown, output::moment),
        ]);
    }
    output::line(table);
    output::blank();
    output::line(output::count(number, "account"));
    Ok(())
}

/// An amount of which perhaps not all was counted.
fn least(amount: String, at_least: bool) -> String {
    if at_least { format!("at least {amount}") } else { amount }
}

fn shown(limits: &BTreeMap<String, u64>, name: &str, unit: &str) -> String {
    match limits.get(name) {
        Some(0) => "unlimited".to_owned(),
        Some(number) => format!("{number}{unit}"),
        None => String::new(),
    }
}

/// Bytes in the largest unit of which there is one whole, with one decimal; limits are counted in the same units.
fn binary(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    units
        .into_iter()
        .find(|(size, _)| bytes >= *size)
        .map_or_else(|| format!("{bytes} bytes"), |(size, unit)| format!("{}.{} {unit}", bytes / size, bytes % size * 10 / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_the_units_of_limits() {
        assert_eq!([0, 1023, 1024, 1_572_864, u64::MAX].map(binary), ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 MiB", "17179869183.9 GiB"]);
    }
}
