//! The DNS zone of an account's domain.

use std::collections::BTreeSet;

use async_trait::async_trait;
use opterius_protocol::agent::FailureKind;

use super::{Conflict, Resource, Target};
use crate::host::{Host, HostError, RecordSet, ZonePlan, ZoneSeen};

/// How long answers may be kept, in seconds.
const TTL: u32 = 3600;

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

/// The records an account starts with: SOA, name servers, addresses for the name itself, `www` and `mail`, mail exchanger, SPF.
fn wanted(target: &Target) -> ZonePlan {
    let domain = target.site().primary();
    let apex = format!("{domain}.");
    let set = |name: &str, kind, contents: BTreeSet<String>| RecordSet { name: name.to_owned(), kind, ttl: TTL, contents };
    let nameservers = &target.spec.nameservers;
    let soa = format!("{}. hostmaster.{apex} 10800 3600 604800 3600", nameservers[0]);
    let mut records = BTreeSet::from([
        set(&apex, "SOA", BTreeSet::from([soa])),
        set(&apex, "NS", nameservers.iter().map(|name| format!("{name}.")).collect()),
        set(&apex, "MX", BTreeSet::from([format!("10 mail.{apex}")])),
        set(&apex, "TXT", BTreeSet::from(["\"v=spf1 a mx ~all\"".to_owned()])),
    ]);
    let addresses = &target.spec.addresses;
    for name in [apex.clone(), format!("www.{apex}"), format!("mail.{apex}")] {
        records.insert(set(&name, "A", addresses.ipv4.iter().map(ToString::to_string).collect()));
        if !addresses.ipv6.is_empty() {
            records.insert(set(&name, "AAAA", addresses.ipv6.iter().map(ToString::to_string).collect()));
        }
    }
    ZonePlan { account: target.spec.account_id, domain: domain.clone(), records }
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
            let set = RecordSet { name: name.to_owned(), kind, ttl: TTL, contents: BTreeSet::from([content.to_owned()]) };
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
            ("with a record of another kind", zone(ours, with("www.example.com.", "TXT", "\"x\"")), Ok(None), Some(Change::Remove)),
            ("made by hand", zone(None, plan.records.clone()), Err(()), None),
        ];
        for (case, seen, wanted, unwanted) in table {
            assert_eq!(DnsZone::diff(&seen, &target()).map_err(|_| ()), wanted, "{case}, wanted");
            assert_eq!(DnsZone::diff(&seen, &absent()).map_err(|_| ()), Ok(unwanted), "{case}, not wanted");
        }
    }

    #[test]
    fn a_new_zone_has_the_records_that_customers_expect() {
        let records: Vec<String> = wanted(&target())
            .records
            .iter()
            .flat_map(|set| set.contents.iter().map(move |content| format!("{} {} {} {content}", set.name, set.ttl, set.kind)))
            .collect();
        assert_eq!(
            records,
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
