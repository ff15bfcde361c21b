//! The DNS zone of an account's domain.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use opterius_model::{ZoneRecords, zone_of};
use opterius_protocol::agent::FailureKind;

use super::{Conflict, Resource, Target};
use crate::host::{Host, HostError, RecordSet, ZonePlan, ZoneSeen};

/// The DNS zone.
pub(crate) struct DnsZone;

/// What is to be done about the zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Create,
    Restore,
    Mend,
    Remove,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Create => "make the DNS zone",
            Self::Restore => "make the DNS zone with the records that were kept",
            Self::Mend => "correct the records of the DNS zone",
            Self::Remove => "remove the DNS zone",
        })
    }
}

/// The zone as the Spec says.
fn wanted(target: &Target) -> ZonePlan {
    let (spec, domain) = (&target.spec, target.site().primary());
    let host = spec.records.clone().unwrap_or_else(ZoneRecords::built_in);
    let mut sets: BTreeMap<(String, &'static str), BTreeSet<String>> = BTreeMap::new();
    for record in zone_of(domain, &spec.addresses, &spec.nameservers, &host) {
        sets.entry((record.name, record.kind)).or_default().insert(record.content);
    }
    let set = |((name, kind), contents)| RecordSet { name, kind, ttl: host.ttl().get(), contents };
    ZonePlan { account: spec.account_id, domain: domain.clone(), records: sets.into_iter().map(set).collect() }
}

/// Whether a zone has everything that is planned, and leads its names nowhere else. What was added beside it is nobody's business.
fn fits(records: &BTreeSet<RecordSet>, plan: &ZonePlan) -> bool {
    plan.records.is_subset(records) && !records.iter().any(|set| plan.contradicts(set))
}

/// What was seen of the zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) zone: Option<ZoneSeen>,
    /// Whether the trash has its records, and it is to be restored from them.
    pub(crate) kept: bool,
}

#[async_trait]
impl Resource for DnsZone {
    const NAME: &'static str = "dns zone";
    const TAKEN: FailureKind = FailureKind::DomainTaken;
    const VISIBLE: bool = true;
    type Seen = Seen;
    type Change = Change;

    async fn inspect(host: &dyn Host, target: &Target) -> Result<Seen, HostError> {
        let zone = host.zone(target.site().primary()).await?;
        let same_name = |before: &opterius_model::Spec| before.sites[0].primary() == target.site().primary();
        let kept = zone.is_none()
            && target.restores()
            && target.before.as_ref().is_some_and(same_name)
            && host.keepsake(target.spec.account_id).await?.zone;
        Ok(Seen { zone, kept })
    }

    fn diff(seen: &Seen, target: &Target) -> Result<Option<Change>, Conflict> {
        let ours = seen.zone.as_ref().is_some_and(|zone| zone.account == Some(target.spec.account_id));
        match (&seen.zone, target.absent()) {
            (None, true) => Ok(None),
            (None, false) => Ok(Some(if seen.kept { Change::Restore } else { Change::Create })),
            (Some(_), true) => Ok(ours.then_some(Change::Remove)),
            (Some(zone), false) if ours => Ok((!fits(&zone.records, &wanted(target))).then_some(Change::Mend)),
            (Some(_), false) => Err(Conflict::taken(format!(
                "There is already a DNS zone {} on the server, and it is not this account's.",
                target.site().primary()
            ))),
        }
    }

    async fn apply(host: &dyn Host, target: &Target, change: &Change) -> Result<(), HostError> {
        match change {
            Change::Create => host.add_zone(&wanted(target)).await,
            Change::Restore => host.restore_zone(&wanted(target)).await,
            Change::Mend => host.mend_zone(&wanted(target)).await,
            Change::Remove => host.remove_zone(target.spec.account_id, target.site().primary()).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{absent, target};

    #[test]
    fn a_zone_is_known_by_its_account() {
        let plan = wanted(&target());
        let zone = |account, records| Seen { zone: Some(ZoneSeen { account, records }), kept: false };
        let ours = Some(target().spec.account_id);
        let with = |name: &str, kind, content: &str| {
            let set = RecordSet { name: name.to_owned(), kind, ttl: 3600, contents: BTreeSet::from([content.to_owned()]) };
            let others = plan.records.iter().filter(|other| (&other.name, other.kind) != (&set.name, set.kind)).cloned();
            others.collect::<BTreeSet<_>>().into_iter().chain([set]).collect()
        };
        let table = [
            ("nothing there", Seen { zone: None, kept: false }, Ok(Some(Change::Create)), None),
            ("kept", Seen { zone: None, kept: true }, Ok(Some(Change::Restore)), None),
            ("as wanted", zone(ours, plan.records.clone()), Ok(None), Some(Change::Remove)),
            ("with records missing", zone(ours, BTreeSet::new()), Ok(Some(Change::Mend)), Some(Change::Remove)),
            ("with another address", zone(ours, with("www.example.com.", "A", "192.0.2.99")), Ok(Some(Change::Mend)), Some(Change::Remove)),
            ("with a name of its own", zone(ours, with("shop.example.com.", "A", "192.0.2.99")), Ok(None), Some(Change::Remove)),
            (
                "with another name for one of its names",
                zone(ours, with("www.example.com.", "CNAME", "x.example.")),
                Ok(Some(Change::Mend)),
                Some(Change::Remove),
            ),
            ("with a record of another kind", zone(ours, with("www.example.com.", "TXT", "\"x\"")), Ok(None), Some(Change::Remove)),
            ("made by hand", zone(None, plan.records.clone()), Err(()), None),
        ];
        for (case, seen, wanted, unwanted) in table {
            assert_eq!(DnsZone::diff(&seen, &target()).map_err(|_| ()), wanted, "{case}, wanted");
            assert_eq!(DnsZone::diff(&seen, &absent()).map_err(|_| ()), Ok(unwanted), "{case}, not wanted");
        }
    }

    fn lines(plan: &ZonePlan) -> Vec<String> {
        let line = |set: &RecordSet, content| format!("{} {} {} {content}", set.name, set.ttl, set.kind);
        plan.records.iter().flat_map(|set| set.contents.iter().map(move |content| line(set, content))).collect()
    }

    /// The account of the fixture, with the records that its host wants.
    fn with_records() -> Target {
        let spec = serde_json::from_str(include_str!("../../../model/fixtures/spec-v1-records.json")).expect("the fixture is a Spec");
        Target { spec, ..target() }
    }

    #[test]
    fn a_zone_has_the_records_of_its_host_and_what_every_zone_has() {
        let plan = wanted(&with_records());
        assert_eq!(
            lines(&plan),
            [
                "_dmarc.example.com. 600 TXT \"v=DMARC1; p=none; rua=mailto:dmarc@example.com\"",
                "example.com. 600 A 192.0.2.10",
                "example.com. 600 AAAA 2001:db8::10",
                "example.com. 600 MX 10 mx.example.net.",
                "example.com. 600 NS ns1.example.net.",
                "example.com. 600 NS ns2.example.net.",
                "example.com. 600 SOA ns1.example.net. hostmaster.example.com. 10800 3600 604800 3600",
                "www.example.com. 600 A 192.0.2.10",
                "www.example.com. 600 AAAA 2001:db8::10",
            ]
        );
        // An address beside a text leads nobody elsewhere.
        let beside = |name: &str, kind| RecordSet { name: name.to_owned(), kind, ttl: 1, contents: BTreeSet::from(["x".to_owned()]) };
        assert!(!plan.contradicts(&beside("_dmarc.example.com.", "A")) && plan.contradicts(&beside("_dmarc.example.com.", "CNAME")));
        let cname = ZonePlan { records: BTreeSet::from([beside("a.example.com.", "CNAME")]), ..plan };
        assert!(cname.contradicts(&beside("a.example.com.", "TXT")) && !cname.contradicts(&beside("a.example.com.", "CNAME")));
        assert!(!cname.contradicts(&beside("b.example.com.", "TXT")));
    }

    #[test]
    fn a_new_zone_has_the_records_that_customers_expect() {
        assert_eq!(
            lines(&wanted(&target())),
            [
                "example.com. 3600 A 192.0.2.10",
                "example.com. 3600 AAAA 2001:db8::10",
                "example.com. 3600 MX 10 mail.example.com.",
                "example.com. 3600 NS ns1.example.net.",
                "example.com. 3600 NS ns2.example.net.",
                "example.com. 3600 SOA ns1.example.net. hostmaster.example.com. 10800 3600 604800 3600",
                "example.com. 3600 TXT \"v=spf1 a mx ~all\"",
                "mail.example.com. 3600 A 192.0.2.10",
                "mail.example.com. 3600 AAAA 2001:db8::10",
                "www.example.com. 3600 A 192.0.2.10",
                "www.example.com. 3600 AAAA 2001:db8::10",
            ]
        );
    }
}
