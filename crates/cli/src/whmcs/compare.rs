//! What WHMCS says that it has sold, held beside the accounts that are there. Nothing is asked and nothing is changed here. The two are
//! matched by the reference that the module gave at the order, never by names.

use std::collections::HashMap;

use opterius_model::DomainName;
use opterius_protocol::Micros;
use serde::Serialize;

use super::export::{self, Sold, Status};
use crate::api::{Account, Named};
use crate::output;

/// In what way the two do not agree, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Paid, and not there.
    Missing,
    /// There, and not sold any more.
    Cancelled,
    /// Ordered, and there, and WHMCS has not heard of it.
    Pending,
    /// Suspended on one side, or in no state to be left in.
    WrongState,
    /// There with another package than the product's.
    WrongPackage,
    /// There under another username or domain.
    WrongName,
    /// There, and the export knows nothing of it.
    Unknown,
    /// Suspended by the host itself. As it should be.
    HostsHold,
    /// Not to be compared while an operation goes on.
    Busy,
}

impl Kind {
    pub(super) const ALL: [Self; 9] = [
        Self::Missing,
        Self::Cancelled,
        Self::Pending,
        Self::WrongState,
        Self::WrongPackage,
        Self::WrongName,
        Self::Unknown,
        Self::HostsHold,
        Self::Busy,
    ];

    /// Whether the two do not agree, and not only look so.
    pub(super) fn is_difference(self) -> bool {
        !matches!(self, Self::HostsHold | Self::Busy)
    }
}

/// One thing to look at.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding<'a> {
    pub(super) kind: Kind,
    /// As WHMCS has it, if the export has it.
    pub(super) sold: Option<&'a Sold>,
    /// The account that is there, if there is one.
    pub(super) account: Option<There<'a>>,
    pub(super) detail: String,
    /// What mends it: a button in WHMCS, or a command.
    pub(super) mend: String,
}

/// As much of an account as a finding shows.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct There<'a> {
    pub(super) id: &'a str,
    pub(super) external_ref: Option<&'a str>,
    pub(super) username: &'a str,
    pub(super) domain: &'a str,
    pub(super) status: &'a str,
}

impl<'a> There<'a> {
    fn of(account: &'a Account) -> Self {
        Self {
            id: &account.id,
            external_ref: account.external_ref.as_deref(),
            username: &account.username,
            domain: &account.domain,
            status: &account.status,
        }
    }
}

/// What the Panel has.
#[derive(Clone, Copy)]
pub(super) struct Had<'a> {
    /// What is in front of the references of this WHMCS.
    pub(super) prefix: &'a str,
    /// Accounts that are there or are being made, other people's among them.
    pub(super) accounts: &'a [Account],
    /// Accounts that were terminated.
    pub(super) terminated: &'a [Account],
    pub(super) packages: &'a [Named],
    pub(super) now: Micros,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Comparison<'a> {
    /// By kind, then in the order of the export.
    pub(super) findings: Vec<Finding<'a>>,
    /// How much of what was sold agrees with what is there.
    pub(super) same: usize,
    /// How much of what was sold has an account.
    pub(super) matched: usize,
    /// How many accounts are of this WHMCS.
    pub(super) accounts: usize,
}

/// Compares what was sold with what is there.
pub(super) fn compare<'a>(sold: &'a [Sold], had: &Had<'a>) -> Comparison<'a> {
    // A reference that begins with the prefix, without it.
    let own = |account: &'a Account| account.external_ref.as_deref().and_then(|external_ref| external_ref.strip_prefix(had.prefix));
    let accounts: HashMap<&str, &Account> = had.accounts.iter().filter_map(|account| Some((own(account)?, account))).collect();
    // The last one of each reference.
    let mut terminated: HashMap<&str, &Account> = HashMap::new();
    for account in had.terminated {
        if let Some(external_ref) = own(account) {
            let last = terminated.entry(external_ref).or_insert(account);
            if account.terminated_at > last.terminated_at {
                *last = account;
            }
        }
    }

    let (mut findings, mut same, mut matched) = (Vec::new(), 0, 0);
    let mut known = accounts.clone();
    for one in sold {
        let external_ref = one.external_ref();
        let of_this = match accounts.get(external_ref.as_str()) {
            Some(account) => {
                matched += 1;
                known.remove(external_ref.as_str());
                present(one, account, had.packages)
            }
            None => absent(one, terminated.get(external_ref.as_str()).copied(), had.now).into_iter().collect(),
        };
        if !of_this.iter().any(|finding| finding.kind.is_difference()) {
            same += 1;
        }
        findings.extend(of_this);
    }
    let mut strangers: Vec<(&str, &Account)> = known.into_iter().collect();
    strangers.sort_by_key(|(_, account)| &account.id);
    findings.extend(strangers.into_iter().map(|(external_ref, account)| unknown(external_ref, account)));
    findings.sort_by_key(|finding| finding.kind);
    Comparison { findings, same, matched, accounts: accounts.len() }
}

/// What was sold has no account.
fn absent<'a>(sold: &'a Sold, was: Option<&'a Account>, now: Micros) -> Option<Finding<'a>> {
    if !matches!(sold.status, Status::Active | Status::Suspended) {
        return None;
    }
    let create = match sold.status {
        Status::Suspended => "press Terminate if it is not to come back; once it is paid, press Create",
        _ => "press Create",
    };
    let (was, mend) = match was {
        None => (String::new(), create.to_owned()),
        Some(was) => {
            let when = was.terminated_at.map_or_else(String::new, |at| format!(" at {}", output::moment(at)));
            match was.restorable_until.filter(|until| *until > now.0) {
                Some(until) => (
                    format!("; the one it had was terminated{when} and is kept until {}", output::moment(until)),
                    format!(
                        "press Restore, or `opterius account restore {}`, to have it back as it was; for an empty one {create}",
                        was.id
                    ),
                ),
                None => (format!("; the one it had was terminated{when}, and nothing of it is kept"), create.to_owned()),
            }
        }
    };
    let detail = format!("{}, but there is no account{was}", sold.status.word());
    Some(Finding { kind: Kind::Missing, sold: Some(sold), account: None, detail, mend })
}

/// What was sold has an account.
fn present<'a>(sold: &'a Sold, account: &'a Account, packages: &[Named]) -> Vec<Finding<'a>> {
    let finding =
        |kind: Kind, detail: String, mend: String| Finding { kind, sold: Some(sold), account: Some(There::of(account)), detail, mend };
    let (whmcs, status) = (sold.status.word(), account.status_words());
    if let Some(operation) = &account.operation {
        if operation.outcome == "running" && !(sold.status.is_over() && operation.kind != "terminate") {
            let detail = format!("{whmcs}, and the operation {} ({}) goes on", operation.id, operation.kind);
            return vec![finding(Kind::Busy, detail, "run the report again once it is over".to_owned())];
        }
        if operation.outcome == "needs_attention" {
            let detail = format!("{whmcs}, and the operation {} ({}) could be neither finished nor undone", operation.id, operation.kind);
            let mend = format!("`opterius operation show {0}` says why; then `opterius operation retry {0}`", operation.id);
            return vec![finding(Kind::WrongState, detail, mend)];
        }
    }
    if sold.status.is_over() {
        let mend = format!("press Terminate, or `opterius account terminate {}`", account.id);
        return vec![finding(Kind::Cancelled, format!("{whmcs}, but the account is there ({status})"), mend)];
    }
    if sold.status == Status::Pending {
        let first = if account.holds.is_empty() { "" } else { "lift its suspension, then " };
        let detail = format!("{whmcs}, but the account is there ({status}): the answer to Create was lost");
        return vec![finding(Kind::Pending, detail, format!("{first}press Create again; it makes no second one"))];
    }
    if sold.status == Status::Completed {
        return Vec::new();
    }
    let mut findings = Vec::new();
    findings.extend(state(sold, account).map(|(kind, detail, mend)| finding(kind, detail, mend)));
    findings.extend(package(sold, account, packages).map(|(detail, mend)| finding(Kind::WrongPackage, detail, mend)));
    findings.extend(names(sold, account).map(|(detail, mend)| finding(Kind::WrongName, detail, mend)));
    findings
}

/// Whether both sides agree on who holds the account.
fn state(sold: &Sold, account: &Account) -> Option<(Kind, String, String)> {
    let whmcs = sold.status.word();
    let said =
        |hold: &crate::api::Hold| hold.reason.as_ref().map_or_else(|| hold.kind.clone(), |reason| format!("{}: {reason}", hold.kind));
    let billing = account.holds.iter().find(|hold| hold.kind == "billing");
    let others: Vec<String> = account.holds.iter().filter(|hold| hold.kind != "billing").map(said).collect();
    let others = others.join(", ");
    match (sold.status, billing) {
        (Status::Active, Some(hold)) => {
            let stays = if others.is_empty() { String::new() } else { format!("; the host's own hold ({others}) stays") };
            Some((Kind::WrongState, format!("{whmcs}, but the account is suspended ({})", said(hold)), format!("press Unsuspend{stays}")))
        }
        (Status::Active, None) if !others.is_empty() => Some((
            Kind::HostsHold,
            format!("{whmcs}, and suspended by the host ({others})"),
            format!("nothing in WHMCS; `opterius account unsuspend {}` once its cause is gone", account.id),
        )),
        (Status::Suspended, None) if others.is_empty() => {
            Some((Kind::WrongState, format!("{whmcs}, but the account is {}", account.status_words()), "press Suspend".to_owned()))
        }
        (Status::Suspended, None) => Some((
            Kind::WrongState,
            format!("{whmcs}, but only the host holds the account ({others}): it would be active once that is lifted"),
            "press Suspend".to_owned(),
        )),
        _ => None,
    }
}

/// Whether the account has the package that its product says, by id or by name.
fn package(sold: &Sold, account: &Account, packages: &[Named]) -> Option<(String, String)> {
    let wanted = sold.package.as_str();
    let is = |package: &Named| wanted.eq_ignore_ascii_case(&package.id) || [wanted, &decoded(wanted)].contains(&package.name.as_str());
    // What is not chosen yet cannot be wrong.
    if wanted.is_empty() || account.package.as_ref().is_some_and(is) {
        return None;
    }
    let has = format!("the account has the package {}", account.package_name());
    Some(match packages.iter().find(|package| is(package)) {
        Some(package) => (
            format!("{has}, and the product says {}", package.name),
            "press Change Package, unless the client chose another one by an option of the product".to_owned(),
        ),
        None => (
            format!("{has}, and the product says `{wanted}`, which is no package here"),
            "choose a package in the product's Module Settings".to_owned(),
        ),
    })
}

/// Whether the account has the names that WHMCS shows.
fn names(sold: &Sold, account: &Account) -> Option<(String, String)> {
    let domain = sold.domain.trim_end_matches('.');
    let same_domain = DomainName::parse(domain).is_ok_and(|domain| domain.as_str() == account.domain);
    let same_username = sold.username.eq_ignore_ascii_case(&account.username);
    // An add-on need not have a field for either.
    let told = |whmcs: &str| !whmcs.is_empty() || sold.kind == export::Kind::Service;
    let mut wrong = Vec::new();
    if !same_domain && told(domain) {
        wrong.push(("Domain", domain, account.domain.as_str()));
    }
    if !same_username && told(&sold.username) {
        wrong.push(("Username", sold.username.as_str(), account.username.as_str()));
    }
    if wrong.is_empty() {
        return None;
    }
    let differ: Vec<String> = wrong
        .iter()
        .map(|(field, whmcs, here)| {
            let whmcs = if whmcs.is_empty() { "nothing".to_owned() } else { format!("`{whmcs}`") };
            format!("{field} is {whmcs} in WHMCS and {here} here")
        })
        .collect();
    let enter: Vec<String> = wrong.iter().map(|(field, _, here)| format!("{here} as its {field}")).collect();
    Some((differ.join("; "), format!("enter {} in WHMCS: an account keeps its names", enter.join(" and "))))
}

/// An account that the export knows nothing of.
fn unknown<'a>(external_ref: &str, account: &'a Account) -> Finding<'a> {
    let number = |letter: char| external_ref.strip_prefix(letter).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let (detail, what) = match (number('s'), number('a')) {
        (Some(id), _) => (format!("the account is there ({}), and the export has no service {id}", account.status_words()), "the service"),
        (_, Some(id)) => (format!("the account is there ({}), and the export has no addon {id}", account.status_words()), "the addon"),
        _ => (format!("the account is there ({}), and `{external_ref}` is no reference of the module's", account.status_words()), "it"),
    };
    let mend = format!(
        "look for {what} in WHMCS: if it is newer than the export, all is well; if it was deleted, `opterius account terminate {}`",
        account.id
    );
    Finding { kind: Kind::Unknown, sold: None, account: Some(There::of(account)), detail, mend }
}

/// A value that WHMCS may have stored as it stands in HTML.
fn decoded(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#039;", "'"), ("&#39;", "'"), ("&apos;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const STARTER: &str = "0193a5e0-7c1e-7000-8000-0000000000b1";
    const NOW: i64 = 1_795_469_666_000_000;

    /// Account `number` as the API shows it, with what differs.
    fn account(external_ref: &str, number: u32, differs: &Value) -> Account {
        let mut account = json!({
            "id": format!("id-{number}"), "external_ref": external_ref, "username": "alice", "domain": "xn--bcher-kva.example",
            "package": {"id": STARTER, "name": "Starter"}, "server": {"id": "srv"}, "status": "active", "created_at": 1,
            "operation": {"id": "op-1", "kind": "create", "outcome": "committed"},
        });
        for (field, value) in differs.as_object().expect("an object") {
            account[field] = value.clone();
        }
        serde_json::from_value(account).expect("an account")
    }

    fn held(holds: &[&str]) -> Value {
        let holds: Vec<Value> = holds.iter().map(|hold| json!({"hold": hold, "reason": format!("the {hold} reason")})).collect();
        json!({"status": "suspended", "holds": holds})
    }

    fn busy(kind: &str, outcome: &str) -> Value {
        json!({"operation": {"id": "op-2", "kind": kind, "outcome": outcome}})
    }

    fn sold(lines: &[&str]) -> Vec<Sold> {
        let header = "kind,id,client,status,domain,username,package,next_due_on";
        export::read(format!("{header}\n{}\n", lines.join("\n")).as_bytes()).expect("an export")
    }

    fn packages() -> Vec<Named> {
        [(STARTER, "Starter"), ("0193a5e0-7c1e-7000-8000-0000000000b2", "R&D <big>")]
            .map(|(id, name)| Named { id: id.to_owned(), name: name.to_owned() })
            .into()
    }

    /// What one line of an export and one account come to, each finding as `kind | detail | mend`.
    fn found(line: &str, account: Option<&Account>, terminated: &[Account]) -> Vec<String> {
        let (sold, packages) = (sold(&[line]), packages());
        let accounts = account.map_or(&[][..], std::slice::from_ref);
        let had = Had { prefix: "whmcs:1:", accounts, terminated, packages: &packages, now: Micros(NOW) };
        let comparison = compare(&sold, &had);
        assert_eq!(comparison.same == 1, !comparison.findings.iter().any(|finding| finding.kind.is_difference()), "{line}");
        comparison.findings.iter().map(|finding| format!("{:?} | {} | {}", finding.kind, finding.detail, finding.mend)).collect()
    }

    #[test]
    fn each_state_of_a_service_is_held_beside_its_account() {
        let cancelled = "the account is there (active) | press Terminate, or `opterius account terminate id-1`";
        let table: Vec<(&str, Option<Value>, Vec<String>)> = vec![
            ("Active", None, vec!["Missing | Active, but there is no account | press Create".into()]),
            (
                "Suspended",
                None,
                vec!["Missing | Suspended, but there is no account | press Terminate if it is not to come back; once it is paid, press Create".into()],
            ),
            ("Pending", None, vec![]),
            ("Terminated", None, vec![]),
            ("Cancelled", None, vec![]),
            ("Fraud", None, vec![]),
            ("Completed", None, vec![]),
            ("Active", Some(json!({})), vec![]),
            ("Completed", Some(json!({"domain": "other.example"})), vec![]),
            ("Terminated", Some(json!({})), vec![format!("Cancelled | Terminated, but {cancelled}")]),
            ("Cancelled", Some(json!({})), vec![format!("Cancelled | Cancelled, but {cancelled}")]),
            ("Fraud", Some(json!({})), vec![format!("Cancelled | Fraud, but {cancelled}")]),
            (
                "Pending",
                Some(json!({})),
                vec!["Pending | Pending, but the account is there (active): the answer to Create was lost | press Create again; it makes no second one".into()],
            ),
            (
                "Pending",
                Some(held(&["abuse"])),
                vec!["Pending | Pending, but the account is there (suspended): the answer to Create was lost | lift its suspension, then press Create again; it makes no second one".into()],
            ),
            (
                "Suspended",
                Some(json!({})),
                vec!["WrongState | Suspended, but the account is active | press Suspend".into()],
            ),
            ("Suspended", Some(held(&["billing"])), vec![]),
            ("Suspended", Some(held(&["billing", "abuse"])), vec![]),
            (
                "Suspended",
                Some(held(&["abuse"])),
                vec!["WrongState | Suspended, but only the host holds the account (abuse: the abuse reason): it would be active once that is lifted | press Suspend".into()],
            ),
            (
                "Active",
                Some(held(&["billing"])),
                vec!["WrongState | Active, but the account is suspended (billing: the billing reason) | press Unsuspend".into()],
            ),
            (
                "Active",
                Some(held(&["abuse", "billing"])),
                vec!["WrongState | Active, but the account is suspended (billing: the billing reason) | press Unsuspend; the host's own hold (abuse: the abuse reason) stays".into()],
            ),
            (
                "Active",
                Some(held(&["abuse"])),
                vec!["HostsHold | Active, and suspended by the host (abuse: the abuse reason) | nothing in WHMCS; `opterius account unsuspend id-1` once its cause is gone".into()],
            ),
            (
                "Suspended",
                Some(busy("suspend", "running")),
                vec!["Busy | Suspended, and the operation op-2 (suspend) goes on | run the report again once it is over".into()],
            ),
            (
                "Terminated",
                Some(busy("terminate", "running")),
                vec!["Busy | Terminated, and the operation op-2 (terminate) goes on | run the report again once it is over".into()],
            ),
            ("Terminated", Some(busy("package", "running")), vec![format!("Cancelled | Terminated, but {cancelled}")]),
            (
                "Active",
                Some(busy("unsuspend", "needs_attention")),
                vec!["WrongState | Active, and the operation op-2 (unsuspend) could be neither finished nor undone | `opterius operation show op-2` says why; then `opterius operation retry op-2`".into()],
            ),
        ];
        for (status, differs, expected) in table {
            for (kind, external_ref) in [("service", "whmcs:1:s12"), ("addon", "whmcs:1:a12")] {
                let account = differs.as_ref().map(|differs| account(external_ref, 1, differs));
                let line = format!("{kind},12,7,{status},bücher.example,alice,Starter,");
                assert_eq!(found(&line, account.as_ref(), &[]), expected, "{line}: {differs:?}");
            }
        }
    }

    #[test]
    fn an_account_that_is_missing_is_brought_back_if_it_can_be() {
        let gone = |number: u32, at: i64, until: Value| {
            account("whmcs:1:s12", number, &json!({"status": "terminated", "terminated_at": NOW + at, "restorable_until": until}))
        };
        let line = "service,12,7,Active,bücher.example,alice,Starter,";
        let kept = json!(NOW + 60_000_000);
        assert_eq!(
            found(line, None, &[gone(1, -9_000_000, kept.clone()), gone(3, -1_000_000, kept.clone()), gone(2, -5_000_000, Value::Null)]),
            ["Missing | Active, but there is no account; the one it had was terminated at 2026-11-23 21:34:25 UTC and is kept until \
              2026-11-23 21:35:26 UTC | press Restore, or `opterius account restore id-3`, to have it back as it was; for an empty one press Create"]
        );
        for until in [Value::Null, json!(NOW)] {
            assert_eq!(
                found(line, None, &[gone(1, -1_000_000, until)]),
                [
                    "Missing | Active, but there is no account; the one it had was terminated at 2026-11-23 21:34:25 UTC, and nothing of it is \
                  kept | press Create"
                ]
            );
        }
        assert!(found(&line.replace("Active", "Terminated"), None, &[gone(1, -1_000_000, kept)]).is_empty());
    }

    #[test]
    fn packages_are_the_same_by_id_or_by_name_as_whmcs_stores_it() {
        let own = |name: &str| account("whmcs:1:s12", 1, &json!({"package": {"id": "0193A5E0-7c1e-7000-8000-0000000000b2", "name": name}}));
        let starter = account("whmcs:1:s12", 1, &json!({}));
        let none = account("whmcs:1:s12", 1, &json!({"package": {"id": "", "name": ""}}));
        let line = |package: &str| format!("service,12,7,Active,bücher.example,alice,{package},");
        let change = "press Change Package, unless the client chose another one by an option of the product";
        for (package, account, expected) in [
            ("Starter", &starter, None),
            (STARTER, &starter, None),
            (&STARTER.to_uppercase(), &starter, None),
            ("", &starter, None),
            ("R&D <big>", &own("R&D <big>"), None),
            ("R&amp;D &lt;big&gt;", &own("R&D <big>"), None),
            ("0193a5e0-7c1e-7000-8000-0000000000b2", &own("renamed"), None),
            ("starter", &starter, Some("has the package Starter, and the product says `starter`, which is no package here | choose a package in the product's Module Settings".to_owned())),
            ("R&amp;D &lt;big&gt;", &starter, Some(format!("has the package Starter, and the product says R&D <big> | {change}"))),
            (STARTER, &own("R&D <big>"), Some(format!("has the package R&D <big>, and the product says Starter | {change}"))),
            (STARTER, &none, Some(format!("has the package none, and the product says Starter | {change}"))),
        ] {
            let expected: Vec<String> = expected.iter().map(|end| format!("WrongPackage | the account {end}")).collect();
            assert_eq!(found(&line(package), Some(account), &[]), expected, "{package}");
        }
    }

    #[test]
    fn names_are_the_same_however_they_are_written() {
        let there = account("whmcs:1:s12", 1, &json!({}));
        let addons = account("whmcs:1:a12", 1, &json!({}));
        let wrong = |domain: &str, username: &str, account: &Account| {
            let kind = if account.external_ref.as_deref() == Some("whmcs:1:a12") { "addon" } else { "service" };
            found(&format!("{kind},12,7,Suspended,{domain},{username},Starter,"), Some(account), &[])
                .into_iter()
                .filter(|text| !text.starts_with("WrongState"))
                .collect::<Vec<_>>()
        };
        for (domain, username) in [("xn--bcher-kva.example", "alice"), ("BÜCHER.example.", "Alice")] {
            assert!(wrong(domain, username, &there).is_empty(), "{domain} {username}");
        }
        let domain = "enter xn--bcher-kva.example as its Domain";
        for (domain, username, expected) in [
            ("b.example", "alice", format!("Domain is `b.example` in WHMCS and xn--bcher-kva.example here | {domain} in WHMCS")),
            (
                "www.bücher.example",
                "alice",
                format!("Domain is `www.bücher.example` in WHMCS and xn--bcher-kva.example here | {domain} in WHMCS"),
            ),
            ("bücher.example", "bob", "Username is `bob` in WHMCS and alice here | enter alice as its Username in WHMCS".to_owned()),
            (
                "",
                "",
                format!(
                    "Domain is nothing in WHMCS and xn--bcher-kva.example here; Username is nothing in WHMCS and alice here | {domain} and alice \
                     as its Username in WHMCS"
                ),
            ),
        ] {
            assert_eq!(wrong(domain, username, &there), [format!("WrongName | {expected}: an account keeps its names")]);
        }
        assert!(wrong("", "", &addons).is_empty(), "an add-on has no such fields of its own");
    }

    #[test]
    fn what_the_export_does_not_know_is_told_and_other_peoples_accounts_are_not() {
        let sold = sold(&["service,1,7,Active,bücher.example,alice,Starter,", "addon,1,7,Active,bücher.example,alice,Starter,"]);
        let accounts: Vec<Account> = ["whmcs:1:s1", "whmcs:1:s2", "whmcs:1:a2", "whmcs:1:x", "whmcs:2:s3", "shop"]
            .iter()
            .zip(1..)
            .map(|(external_ref, number)| account(external_ref, number, &json!({})))
            .chain([account("-", 9, &json!({"external_ref": null}))])
            .collect();
        let packages = packages();
        let had = Had { prefix: "whmcs:1:", accounts: &accounts, terminated: &[], packages: &packages, now: Micros(NOW) };
        let comparison = compare(&sold, &had);
        let told: Vec<(Kind, &str, &str)> = comparison
            .findings
            .iter()
            .map(|finding| (finding.kind, finding.account.as_ref().map_or("", |it| it.id), finding.detail.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (Kind::Missing, "", "Active, but there is no account"),
                (Kind::Unknown, "id-2", "the account is there (active), and the export has no service 2"),
                (Kind::Unknown, "id-3", "the account is there (active), and the export has no addon 2"),
                (Kind::Unknown, "id-4", "the account is there (active), and `x` is no reference of the module's"),
            ]
        );
        assert!(comparison.findings.iter().skip(1).all(|finding| finding.mend.contains("opterius account terminate id-")));
        assert_eq!((comparison.same, comparison.matched, comparison.accounts), (1, 1, 4));
    }

    #[test]
    fn an_account_can_have_more_than_one_thing_wrong() {
        let there = account("whmcs:1:s12", 1, &json!({"domain": "other.example", "package": {"id": "x", "name": "x"}}));
        let kinds: Vec<String> = found("service,12,7,Suspended,bücher.example,alice,Starter,", Some(&there), &[])
            .iter()
            .map(|text| text.split(" | ").next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(kinds, ["WrongState", "WrongPackage", "WrongName"]);
    }
}
