//! Gives an account another package, or limits of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use opterius_model::{Limit, Limits, MIB};
use opterius_protocol::agent::{GetUsage, Usage};
use opterius_protocol::client::chain;

use super::change_account::{Next, Verb, Wanted, committed};
use super::packages::{resolve_package, with_limit};
use super::{AppError, Caller, Code, FieldProblem, Memo, PackageChoice, Refusal};
use crate::core::Core;
use crate::store::account::Account;
use crate::store::operation::Kind;

/// Reading a whole home may take as long as this.
const MEASURING: Duration = Duration::from_mins(1);

const GIB: u64 = 1024 * MIB;

/// What an account is to have.
#[derive(Debug)]
pub(crate) struct PackageChange {
    pub(crate) package: PackageChoice,
    /// Overrides to set, and those to remove, by the limit's name.
    pub(crate) overrides: Vec<(&'static str, Option<Limit>)>,
    /// Whether the account's other overrides stay.
    pub(crate) keep_overrides: bool,
    /// Whether limits below what is used are meant so.
    pub(crate) force: bool,
}

impl PackageChange {
    fn overrides(&self, account: &Account) -> BTreeMap<String, Limit> {
        let mut overrides = if self.keep_overrides { account.overrides.clone() } else { BTreeMap::new() };
        for (name, limit) in &self.overrides {
            match limit {
                Some(limit) => overrides.insert((*name).to_owned(), *limit),
                None => overrides.remove(*name),
            };
        }
        overrides
    }
}

impl PackageChange {
    /// The overrides that an account had and that are dropped for this.
    pub(crate) fn dropped(&self, before: &Account) -> BTreeMap<String, Limit> {
        let mut dropped = if self.keep_overrides { BTreeMap::new() } else { before.overrides.clone() };
        dropped.retain(|name, _| self.overrides.iter().all(|(given, _)| given != name));
        dropped
    }
}

impl Verb for PackageChange {
    const KIND: Kind = Kind::Package;

    async fn next(&self, core: &Core, caller: &Caller, account: &Account) -> Result<Next, AppError> {
        let spec = committed(account)?;
        let package = resolve_package(core.store.read(), caller, &self.package).await?;
        let overrides = self.overrides(account);
        let limits = overrides.iter().fold(package.limits, |limits, (name, limit)| with_limit(limits, name, *limit));
        let same_package = account.package.as_ref().is_some_and(|there| there.id == package.id);
        if same_package && overrides == account.overrides && limits == spec.limits {
            return Ok(Next::Nothing);
        }
        if package.retired && !same_package {
            return Err(Refusal::package_retired(&package.name, &self.package).into());
        }
        let lowered = lowered(spec.limits, limits);
        let in_the_way = if lowered.is_empty() || self.force {
            None
        } else {
            let usage = measure(core, account).await?;
            let of = |name: &str| if overrides.contains_key(name) { "its override" } else { package.name.as_str() }.to_owned();
            below_use(account, &lowered, &usage, of)
        };
        let memo = Memo { package_id: Some(package.id), package_name: Some(package.name.to_string()), overrides, ..Memo::of(account) };
        let spec = opterius_model::Spec { limits, ..spec.clone() };
        Ok(Next::Change(Box::new(Wanted { spec, memo, in_the_way: in_the_way.into_iter().collect() })))
    }

    fn taken_on(&self, account: &Account) -> String {
        let forced = if self.force { ", whatever is used" } else { "" };
        format!("The package {} for {} ({}) was taken on{forced}.", self.package, account.username, account.domain)
    }
}

/// The limits that can be measured and get lower, with what they are to be.
fn lowered(before: Limits, after: Limits) -> Vec<(&'static str, u32)> {
    let measured = ["disk_mib", "files", "bandwidth_gib", "processes"];
    before
        .named()
        .into_iter()
        .zip(after.named())
        .filter(|((name, _), _)| measured.contains(name))
        .filter_map(|((name, before), (_, after))| {
            let after = after.get()?;
            before.get().is_none_or(|before| after < before).then_some((name, after))
        })
        .collect()
}

/// What the account uses, as its server measures it now.
pub(super) async fn measure(core: &Core, account: &Account) -> Result<Usage, AppError> {
    let answer = core.fleet.agent(account.server.id).call(&GetUsage { id: account.id }, MEASURING).await;
    answer.map_err(|error| Refusal::server_unreachable(&account.server.name, &chain(&error)).into())
}

/// Why a limit cannot get that low, if something uses more.
fn below_use(account: &Account, lowered: &[(&'static str, u32)], usage: &Usage, of: impl Fn(&str) -> String) -> Option<Refusal> {
    let errors: Vec<FieldProblem> = lowered
        .iter()
        .filter_map(|(name, limit)| {
            let (used, unit) = match *name {
                "disk_mib" => (usage.disk_bytes.div_ceil(MIB), " MiB"),
                "files" => (usage.files, ""),
                "bandwidth_gib" => (usage.traffic_bytes.div_ceil(GIB), " GiB"),
                _ => (usage.processes, ""),
            };
            let least = if usage.at_least && matches!(*name, "disk_mib" | "files") { "at least " } else { "" };
            (used > u64::from(*limit)).then(|| FieldProblem {
                field: (*name).to_owned(),
                code: "below_use".to_owned(),
                detail: format!("{name}: {least}{used}{unit} are used, and {} allows {limit}.", of(name)),
            })
        })
        .collect();
    if errors.is_empty() {
        return None;
    }
    let all: Vec<&str> = errors.iter().map(|error| error.detail.as_str()).collect();
    let detail = format!("The account `{}` uses more than that. {}", account.username, all.join(" "));
    let refusal = Refusal::new(Code::LimitsBelowUse, detail)
        .hint("Free that much first, choose a larger package, or send `force` to set the limits anyway.");
    Some(Refusal { errors, ..refusal })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_lowered_when_it_allows_less_and_unlimited_is_the_most() {
        let with = |name: &str, number: u64| with_limit(Limits::DEFAULT, name, Limit::try_from(number).unwrap());
        assert_eq!(lowered(with("disk_mib", 10), with("disk_mib", 5)), [("disk_mib", 5)]);
        assert_eq!(lowered(with("disk_mib", 0), with("disk_mib", 5)), [("disk_mib", 5)]);
        assert_eq!(lowered(with("disk_mib", 5), with("disk_mib", 0)), []);
        assert_eq!(lowered(with("disk_mib", 5), with("disk_mib", 5)), []);
        assert_eq!(lowered(with("mailboxes", 5), with("mailboxes", 1)), [], "mailboxes are not measured");
    }
}
