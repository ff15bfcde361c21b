//! Limits as a person reads them.

use std::collections::BTreeMap;

use opterius_model::{Limit, Limits};

use crate::output::{Align, Table};

/// What a limit is called and counted in.
fn words(limit: &str) -> (&str, &'static str) {
    match limit {
        "disk_mib" => ("disk", " MiB"),
        "files" => ("files", ""),
        "bandwidth_gib" => ("bandwidth", " GiB a month"),
        "php_workers" => ("PHP workers", ""),
        "php_memory_mib" => ("PHP memory", " MiB a request"),
        "cpu_percent" => ("CPU", " % of a core"),
        "memory_mib" => ("memory", " MiB"),
        "processes" => ("processes", ""),
        "sub_sites" => ("sub-sites", ""),
        "databases" => ("databases", ""),
        "mailboxes" => ("mailboxes", ""),
        other => (other, ""),
    }
}

/// Reads a limit as it is typed.
pub(crate) fn parse(text: &str) -> Result<Limit, String> {
    let number: u64 = text.parse().map_err(|_| "use a whole number, 0 for unlimited".to_owned())?;
    Limit::try_from(number).map_err(|error| error.to_string())
}

/// The name of a limit.
pub(crate) fn name(limit: &str) -> &str {
    words(limit).0
}

/// Whether a server does not make a limit true. It is unknown, and not this, while the server's Agent does not answer.
pub(crate) fn is_only_promised(verdict: &str) -> bool {
    verdict.starts_with("not enforced")
}

/// Limits that share a reason, with it: `disk, files (/home has no quotas)`.
pub(crate) fn by_reason<'a>(limits: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (limit, reason) in limits {
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(name(limit)),
            None => reasons.push((reason, vec![name(limit)])),
        }
    }
    let shown = |(reason, names): (&str, Vec<&str>)| match reason.trim_end_matches('.') {
        "" => names.join(", "),
        reason => format!("{} ({reason})", names.join(", ")),
    };
    reasons.into_iter().map(shown).collect()
}

/// Every limit that is not unlimited with its number, in one line.
pub(crate) fn summary(limits: &BTreeMap<String, u64>) -> String {
    let set: Vec<String> = in_order(limits)
        .filter(|(_, number)| *number > 0)
        .map(|(limit, number)| {
            let (name, unit) = words(limit);
            format!("{name} {number}{}", unit.split(" a ").next().unwrap_or(unit).trim_end_matches(" of a core"))
        })
        .collect();
    if set.is_empty() { "nothing limited".to_owned() } else { set.join(", ") }
}

/// Every limit with its number, unlimited ones too, in one line.
pub(crate) fn every(limits: &BTreeMap<String, u64>) -> String {
    let all: Vec<String> = in_order(limits).map(|(limit, number)| format!("{} {}", name(limit), value(limit, number))).collect();
    all.join(", ")
}

/// A limit's number with what it is counted in.
fn value(limit: &str, number: u64) -> String {
    if number == 0 { "unlimited".to_owned() } else { format!("{number}{}", words(limit).1) }
}

/// A table of all limits, which of them are the account's own (`overrides`), and whether the server makes each true.
pub(crate) fn table(limits: &BTreeMap<String, u64>, overrides: &BTreeMap<String, u64>, enforcement: &BTreeMap<String, String>) -> Table {
    let mut table = Table::new(&[("LIMIT", Align::Left), ("VALUE", Align::Left), ("", Align::Left)]);
    for (limit, number) in in_order(limits) {
        let own = overrides.contains_key(limit).then_some("its own");
        // Of what is unlimited there is nothing to enforce.
        let promised = enforcement.get(limit).filter(|verdict| number > 0 && is_only_promised(verdict)).map(String::as_str);
        let notes: Vec<&str> = own.into_iter().chain(promised).collect();
        table.row([name(limit).to_owned(), value(limit, number), notes.join(", ")]);
    }
    table
}

/// The limits in the order in which they are shown; those that this build does not know come last.
fn in_order(limits: &BTreeMap<String, u64>) -> impl Iterator<Item = (&str, u64)> {
    let known = Limits::DEFAULT.named().map(|(name, _)| name);
    let first = known.into_iter().filter_map(|name| limits.get_key_value(name)).collect::<Vec<_>>();
    let rest = limits.iter().filter(move |(name, _)| !known.contains(&name.as_str()));
    first.into_iter().chain(rest).map(|(name, number)| (name.as_str(), *number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_limited_and_not_enforced_is_marked() {
        let limits = BTreeMap::from([
            ("disk_mib".to_owned(), 1024),
            ("php_workers".to_owned(), 5),
            ("files".to_owned(), 0),
            ("novel".to_owned(), 1),
        ]);
        let enforcement = ["disk_mib", "files"].map(|limit| (limit.to_owned(), "not enforced on this server".to_owned())).into();
        assert_eq!(
            table(&limits, &["files", "disk_mib"].map(|limit| (limit.to_owned(), 0)).into(), &enforcement).to_string(),
            "LIMIT        VALUE\ndisk         1024 MiB   its own, not enforced on this server\nfiles        unlimited  its own\nPHP workers  5\nnovel        1"
        );
        assert_eq!(every(&limits), "disk 1024 MiB, files unlimited, PHP workers 5, novel 1");
        assert_eq!(summary(&limits), "disk 1024 MiB, PHP workers 5, novel 1");
        assert_eq!(summary(&BTreeMap::new()), "nothing limited");
    }

    #[test]
    fn limits_that_share_a_reason_share_a_line() {
        let limits = [("disk_mib", "no quotas."), ("databases", ""), ("files", "no quotas.")];
        assert_eq!(by_reason(limits), ["disk, files (no quotas)", "databases"]);
    }
}
