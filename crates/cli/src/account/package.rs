//! `opterius account package`.

use std::collections::BTreeMap;

use clap::Args;
use opterius_model::{Limit, Limits, PackageName};
use serde_json::{Map, json};

use super::name::{self, Name};
use super::{change, plan};
use crate::api::Account;
use crate::failure::Failure;
use crate::limits;
use crate::output::{self, Format};
use crate::panel::{Order, Panel, read};

#[derive(Args)]
pub(crate) struct Options {
    /// The account
    #[arg(value_name = name::FORMS, value_parser = Name::parse)]
    account: Name,
    /// The package's name; without one, beside `--limit` or `--drop-overrides`, the account keeps its package
    #[arg(required_unless_present_any = ["limits", "drop_overrides"])]
    package: Option<PackageName>,
    /// Give the account a limit of its own, such as `disk_mib=20480`; 0 is unlimited, and `disk_mib=package` takes the package's again; can be given several times
    #[arg(long = "limit", value_name = "NAME=N", value_parser = own_limit)]
    limits: Vec<OwnLimit>,
    /// Drop the limits that the account has of its own
    #[arg(long)]
    drop_overrides: bool,
    /// Change it even if the account uses more than a limit then allows
    #[arg(long)]
    force: bool,
    /// Only say what it would change, and what is in the way
    #[arg(long)]
    plan: bool,
}

/// A limit of an account's own, or that it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OwnLimit {
    name: String,
    /// Nothing: the package's.
    number: Option<Limit>,
}

fn own_limit(text: &str) -> Result<OwnLimit, String> {
    let (name, number) = text.split_once('=').ok_or_else(|| "use a limit's name and a number, such as `disk_mib=20480`".to_owned())?;
    let name = name.replace('-', "_");
    let known = Limits::DEFAULT.named().map(|(known, _)| known);
    if !known.contains(&name.as_str()) {
        return Err(format!("`{name}` is not a limit: use {}", known.join(", ")));
    }
    let number = match number {
        "package" => None,
        number => Some(limits::parse(number)?),
    };
    Ok(OwnLimit { name, number })
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let before = options.account.account(panel).await?;
    let mut body = Map::new();
    match (&options.package, &before.package) {
        (Some(name), _) => body.insert("package".to_owned(), json!(name)),
        (None, Some(package)) if !package.id.is_empty() => body.insert("package_id".to_owned(), json!(package.id)),
        (None, _) => {
            return Err(Failure::new(format!("the package of the account {} is not known any more", before.username))
                .hint("name a package; `opterius package list` shows them"));
        }
    };
    if !options.limits.is_empty() {
        let limits: BTreeMap<&str, Option<Limit>> = options.limits.iter().map(|limit| (limit.name.as_str(), limit.number)).collect();
        body.insert("limits".to_owned(), json!(limits));
    }
    if options.drop_overrides {
        body.insert("keep_overrides".to_owned(), json!(false));
    }
    if options.force {
        body.insert("force".to_owned(), json!(true));
    }
    let order = Order::put(format!("/api/accounts/{}/package", before.id), body.into());
    if options.plan {
        return plan::ask(&order, panel, format).await;
    }
    let done = change::make(&order, panel, format).await?;
    let after = done.after();
    let mut data = done.account(panel).await?;
    let account: Account = read(&data)?;
    // Who asks only afterwards is not told of them.
    let dropped: BTreeMap<String, u64> = before.overrides.into_iter().filter(|(limit, _)| !account.overrides.contains_key(limit)).collect();
    if format == Format::Json {
        data["dropped_overrides"] = json!(dropped);
        output::json(&data);
        return Ok(());
    }
    change::tell(&account, &after);
    output::line(format!("Its package is {}.", account.package_name()));
    if !dropped.is_empty() {
        output::line(format!("Limits of its own that it had and has no more: {}.", limits::every(&dropped)));
    }
    output::blank();
    output::line(limits::table(&account.limits, &account.overrides, &account.enforcement));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_its_own_is_a_known_name_and_a_number_or_the_packages() {
        let limit = |number: u64| Some(Limit::try_from(number).expect("a limit"));
        assert_eq!(own_limit("disk_mib=20480"), Ok(OwnLimit { name: "disk_mib".to_owned(), number: limit(20480) }));
        assert_eq!(own_limit("php-workers=0"), Ok(OwnLimit { name: "php_workers".to_owned(), number: limit(0) }));
        assert_eq!(own_limit("files=package"), Ok(OwnLimit { name: "files".to_owned(), number: None }));
        for (bad, why) in
            [("disk", "disk_mib=20480"), ("disks=1", "use disk_mib, files"), ("files=-1", "whole number"), ("files=", "whole number")]
        {
            assert!(own_limit(bad).is_err_and(|error| error.contains(why)), "{bad}");
        }
    }
}
