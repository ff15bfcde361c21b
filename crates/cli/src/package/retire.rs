//! `opterius package retire` and `opterius package unretire`.

use clap::Args;
use serde_json::json;

use crate::api::Package;
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::panel::{Panel, read, read_all};

#[derive(Args)]
pub(crate) struct Options {
    /// The package's name, in upper and lower case, or its id
    #[arg(value_name = "NAME")]
    package: String,
}

pub(crate) async fn run(options: &Options, retired: bool, panel: &Panel, format: Format) -> Result<(), Failure> {
    let packages: Vec<Package> = read_all(&panel.list("/api/packages", &[]).await?)?;
    let meant = packages.into_iter().find(|package| package.name == options.package || package.id == options.package);
    let package = meant.ok_or_else(|| {
        Failure::new(format!("there is no package `{}`", options.package)).hint("`opterius package list` shows them; capitals count")
    })?;
    let verb = if retired { "retire" } else { "return" };
    let data = panel.post(&format!("/api/packages/{}/{verb}", package.id), &json!({})).await?.data;
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let Package { name, accounts, .. } = read(&data)?;
    if retired {
        let keep = if accounts == 1 { "1 account keeps it".to_owned() } else { format!("{accounts} accounts keep it") };
        output::line(format!("Retired the package {name}: {keep}, and no other gets it."));
    } else {
        output::line(format!("The package {name} can be had again."));
    }
    Ok(())
}
