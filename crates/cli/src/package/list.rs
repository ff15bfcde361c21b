//! `opterius package list`.

use crate::api::{self, Package};
use crate::failure::Failure;
use crate::limits;
use crate::output::{self, Align, Format, Table};
use crate::panel::{Panel, read_all};

pub(crate) async fn run(panel: &Panel, format: Format) -> Result<(), Failure> {
    let data = panel.list("/api/packages", &[]).await?;
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let packages: Vec<Package> = read_all(&data)?;
    if packages.is_empty() {
        output::line("There are no packages. Make one with `opterius package create Starter --disk-mib 10240`.");
        return Ok(());
    }
    let mut table = Table::new(&[("NAME", Align::Left), ("ACCOUNTS", Align::Right), ("LIMITS", Align::Left), ("ID", Align::Left)]);
    let mut limited = std::collections::BTreeSet::new();
    for package in packages {
        limited.extend(package.limits.iter().filter(|(_, number)| **number > 0).map(|(limit, _)| limit.clone()));
        let name = if package.retired { format!("{} (retired)", package.name) } else { package.name };
        table.row([name, package.accounts.to_string(), limits::summary(&package.limits), package.id]);
    }
    output::line(table);
    let servers = panel.list("/api/servers", &[]).await.and_then(|data| read_all(&data)).unwrap_or_default();
    let enforcement = api::default_server(servers).map(|server| server.enforcement).unwrap_or_default();
    let not_enforced: Vec<&str> = limited
        .iter()
        .filter(|limit| enforcement.get(*limit).is_some_and(|verdict| limits::is_only_promised(verdict)))
        .map(|limit| limits::name(limit))
        .collect();
    if !not_enforced.is_empty() {
        output::blank();
        output::line(format!("Not enforced on this server: {}. `opterius doctor` says why.", not_enforced.join(", ")));
    }
    Ok(())
}
