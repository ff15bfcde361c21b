//! The whole desired state of one account on its server.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::text::{shown, text_type};
use crate::{AccountId, DomainName, Limits, Micros, OwnerId, PasswordHash, PhpChoice, Uid, Username, ZoneRecords};

/// The version of the Spec's form that this build writes. A fixture of each version must still load.
pub const SPEC_VERSION: u32 = 1;

/// Counts the Specs of one account. It only grows; an Agent refuses an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(u64);

impl Generation {
    /// The generation of an account's first Spec.
    pub const FIRST: Self = Self(1);

    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// A stored number.
    pub fn from_stored(number: u64) -> Self {
        Self(number)
    }
}

impl std::fmt::Display for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What an account is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its site answers.
    Active,
    /// Its site says that it is suspended; its data stay.
    Suspended,
    /// Nothing of it is on the server.
    Absent,
}

/// Who holds a suspended account. Holds are separate: lifting one leaves the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// The billing system.
    Billing,
    /// The host's staff.
    Abuse,
}

impl Hold {
    /// Both, in the order in which a Spec lists them.
    pub const ALL: [Self; 2] = [Self::Billing, Self::Abuse];

    /// The word that names it in every form: `billing`, `abuse`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Billing => "billing",
            Self::Abuse => "abuse",
        }
    }
}

/// Why a text is not a [`Hold`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a hold: use `billing` or `abuse`")]
pub struct InvalidHold(String);

impl std::str::FromStr for Hold {
    type Err = InvalidHold;

    fn from_str(text: &str) -> Result<Self, InvalidHold> {
        Self::ALL.into_iter().find(|hold| hold.as_str() == text).ok_or_else(|| InvalidHold(shown(text)))
    }
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a pool within its account: 1 to 16 lower-case letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolName(String);

/// Why a text is not a [`PoolName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a pool name: use 1 to 16 lower-case letters and digits")]
pub struct InvalidPoolName(String);

impl PoolName {
    /// Checks `text`.
    pub fn parse(text: &str) -> Result<Self, InvalidPoolName> {
        let ok = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if ok { Ok(Self(text.to_owned())) } else { Err(InvalidPoolName(shown(text))) }
    }

    /// The name of the one pool an account starts with.
    pub fn main() -> Self {
        Self("main".to_owned())
    }
}

text_type!(PoolName, InvalidPoolName);

/// One PHP-FPM of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Its name within the account.
    pub name: PoolName,
    /// The PHP that it is to run. Only a server that tells which versions it has is sent `newest`: an Agent of an earlier version cannot read it.
    pub php_version: PhpChoice,
}

/// Where a site's files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Docroot {
    /// `/home/<username>/<primary host>/public_html`. A customer who wants another place makes `public_html` a link.
    PublicHtml,
}

/// Where a site's certificate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// The site has none.
    None,
}

/// One vhost of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// The names it answers to, the primary one first. Each also answers with `www.` in front.
    pub hosts: Vec<DomainName>,
    /// Where its files are.
    pub docroot: Docroot,
    /// The pool that runs its PHP.
    pub pool: PoolName,
    /// Its certificate.
    pub tls: Tls,
}

impl Site {
    /// The name that the site's directories and zone bear.
    pub fn primary(&self) -> &DomainName {
        &self.hosts[0]
    }
}

/// The addresses that an account's names point to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// IPv4 addresses, at least one.
    pub ipv4: Vec<Ipv4Addr>,
    /// IPv6 addresses, possibly none.
    pub ipv6: Vec<Ipv6Addr>,
}

/// The whole desired state of one account on its server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// [`SPEC_VERSION`].
    pub version: u32,
    /// The account.
    pub account_id: AccountId,
    /// Who it belongs to.
    pub owner_id: OwnerId,
    /// Which Spec of the account this is.
    pub generation: Generation,
    /// What it is meant to be.
    pub state: State,
    /// Its Linux user.
    pub username: Username,
    /// The uid, once the Agent has chosen one.
    pub uid: Option<Uid>,
    /// The hash of its password, for Linux.
    pub password_hash: PasswordHash,
    /// Its sites, at least one.
    pub sites: Vec<Site>,
    /// Its pools, at least one.
    pub pools: Vec<Pool>,
    /// The addresses of its names.
    pub addresses: Addresses,
    /// What it may use.
    pub limits: Limits,
    /// Who holds it: at least one if it is suspended, none otherwise, each once.
    pub holds: Vec<Hold>,
    /// The name servers of its zones, at least two.
    pub nameservers: Vec<DomainName>,
    /// Until when an absent account's home, logs, Spec and zone are kept in the trash, so that it can be restored. Nothing: nothing of it
    /// is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_until: Option<Micros>,
    /// What its zones have beside what every zone has; nothing for [`ZoneRecords::built_in`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<ZoneRecords>,
}

/// What contradicts itself in a [`Spec`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpec {
    /// Written by a newer build.
    #[error("this Spec has version {0}, and this build reads version {SPEC_VERSION}")]
    Version(u32),
    /// A list that must hold something is empty.
    #[error("`{0}` of the Spec is empty")]
    Empty(&'static str),
    /// A site names a pool that is not there.
    #[error("the site {site} names the pool {pool}, which the Spec does not have")]
    UnknownPool {
        /// The site.
        site: DomainName,
        /// The pool it names.
        pool: PoolName,
    },
    /// Two of one name.
    #[error("`{0}` stands twice in the Spec")]
    Twice(String),
    /// Suspended by nobody, or held and not suspended.
    #[error("`holds` of the Spec must name who holds the account if it is suspended, and nobody otherwise")]
    Holds,
    /// Something is kept of an account that is there.
    #[error("`kept_until` of the Spec is for absent accounts")]
    Kept,
}

impl Spec {
    /// Checks what the types of the fields cannot: that lists hold what they must and names fit together.
    pub fn check(&self) -> Result<(), InvalidSpec> {
        if self.version != SPEC_VERSION {
            return Err(InvalidSpec::Version(self.version));
        }
        for (field, empty) in [
            ("sites", self.sites.is_empty()),
            ("pools", self.pools.is_empty()),
            ("hosts", self.sites.iter().any(|site| site.hosts.is_empty())),
            ("addresses.ipv4", self.addresses.ipv4.is_empty()),
            ("nameservers", self.nameservers.len() < 2),
        ] {
            if empty {
                return Err(InvalidSpec::Empty(field));
            }
        }
        if self.holds.is_empty() == (self.state == State::Suspended) {
            return Err(InvalidSpec::Holds);
        }
        if self.kept_until.is_some() && self.state != State::Absent {
            return Err(InvalidSpec::Kept);
        }
        if let Some(hold) = Hold::ALL.into_iter().find(|hold| self.holds.iter().filter(|other| *other == hold).count() > 1) {
            return Err(InvalidSpec::Twice(hold.to_string()));
        }
        let mut names = std::collections::BTreeSet::new();
        for name in
            self.sites.iter().flat_map(|site| &site.hosts).map(DomainName::as_str).chain(self.pools.iter().map(|pool| pool.name.as_str()))
        {
            if !names.insert(name) {
                return Err(InvalidSpec::Twice(name.to_owned()));
            }
        }
        for site in &self.sites {
            if !self.pools.iter().any(|pool| pool.name == site.pool) {
                return Err(InvalidSpec::UnknownPool { site: site.primary().clone(), pool: site.pool.clone() });
            }
        }
        Ok(())
    }

    /// This Spec with nothing left on the server, one generation on.
    #[must_use]
    pub fn absent(&self) -> Self {
        Self { state: State::Absent, generation: self.generation.next(), holds: Vec::new(), kept_until: None, ..self.clone() }
    }

    /// This Spec with nothing left on the server but what a restore needs, until then; one generation on.
    #[must_use]
    pub fn kept(&self, until: Micros) -> Self {
        Self { kept_until: Some(until), ..self.absent() }
    }

    /// This Spec held by exactly these, one generation on: suspended if there are any, active if not.
    #[must_use]
    pub fn held(&self, holds: impl IntoIterator<Item = Hold>) -> Self {
        let mut holds: Vec<Hold> = holds.into_iter().collect();
        holds.sort_unstable();
        holds.dedup();
        let state = if holds.is_empty() { State::Active } else { State::Suspended };
        Self { state, holds, generation: self.generation.next(), kept_until: None, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = include_str!("../fixtures/spec-v1.json");

    #[test]
    fn a_spec_of_version_1_still_loads_and_is_written_back_the_same() {
        let spec: Spec = serde_json::from_str(V1).expect("the fixture is a Spec");
        assert_eq!(spec.check(), Ok(()));
        let before: serde_json::Value = serde_json::from_str(V1).expect("the fixture is JSON");
        assert_eq!(serde_json::to_value(&spec).expect("a Spec serialises"), before);
    }

    #[test]
    fn a_spec_with_the_newest_php_is_written_back_the_same_and_differs_in_nothing_else() {
        let newest: Spec = serde_json::from_str(include_str!("../fixtures/spec-v1-newest-php.json")).expect("the fixture is a Spec");
        assert_eq!((newest.check(), &newest.pools[0].php_version), (Ok(()), &PhpChoice::Newest));
        let one: Spec = serde_json::from_str(V1).expect("the fixture is a Spec");
        let pools = vec![Pool { php_version: PhpChoice::Newest, ..one.pools[0].clone() }];
        assert_eq!(newest, Spec { pools, ..one });
        let before: serde_json::Value =
            serde_json::from_str(include_str!("../fixtures/spec-v1-newest-php.json")).expect("the fixture is JSON");
        assert_eq!(serde_json::to_value(&newest).expect("a Spec serialises"), before);
    }

    #[test]
    fn a_spec_with_records_of_its_own_is_written_back_the_same() {
        let text = include_str!("../fixtures/spec-v1-records.json");
        let spec: Spec = serde_json::from_str(text).expect("the fixture is a Spec");
        assert_eq!(spec.check(), Ok(()));
        assert_eq!(spec.records.as_ref().map(|records| records.records().len()), Some(2));
        let before: serde_json::Value = serde_json::from_str(text).expect("the fixture is JSON");
        assert_eq!(serde_json::to_value(&spec).expect("a Spec serialises"), before);
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let mut json: serde_json::Value = serde_json::from_str(V1).expect("the fixture is JSON");
        json["shell"] = "/bin/bash".into();
        assert!(serde_json::from_value::<Spec>(json).is_err());
    }

    #[test]
    fn a_spec_that_contradicts_itself_is_refused() {
        let spec: Spec = serde_json::from_str(V1).expect("the fixture is a Spec");
        let broken = |change: fn(&mut Spec)| {
            let mut spec = spec.clone();
            change(&mut spec);
            spec.check()
        };
        assert_eq!(broken(|s| s.version = 2), Err(InvalidSpec::Version(2)));
        assert_eq!(broken(|s| s.sites.clear()), Err(InvalidSpec::Empty("sites")));
        assert_eq!(broken(|s| s.sites[0].hosts.clear()), Err(InvalidSpec::Empty("hosts")));
        assert_eq!(broken(|s| s.nameservers.truncate(1)), Err(InvalidSpec::Empty("nameservers")));
        assert_eq!(broken(|s| s.state = State::Suspended), Err(InvalidSpec::Holds));
        assert_eq!(broken(|s| s.holds.push(Hold::Abuse)), Err(InvalidSpec::Holds));
        assert_eq!(broken(|s| s.kept_until = Some(Micros(1))), Err(InvalidSpec::Kept));
        assert!(matches!(broken(|s| *s = Spec { holds: vec![Hold::Abuse; 2], ..s.held([Hold::Abuse]) }), Err(InvalidSpec::Twice(_))));
        assert!(matches!(broken(|s| s.sites.push(s.sites[0].clone())), Err(InvalidSpec::Twice(_))));
        assert!(matches!(broken(|s| s.pools[0].name = PoolName::parse("other").expect("a name")), Err(InvalidSpec::UnknownPool { .. })));
    }

    #[test]
    fn the_next_generation_is_larger_and_absent_takes_it() {
        let spec: Spec = serde_json::from_str(V1).expect("the fixture is a Spec");
        assert!(spec.absent().generation > spec.generation);
        assert_eq!(spec.absent().state, State::Absent);
    }

    #[test]
    fn holds_and_what_is_kept_make_valid_specs() {
        let spec: Spec = serde_json::from_str(V1).expect("the fixture is a Spec");
        let held = spec.held([Hold::Abuse, Hold::Billing, Hold::Abuse]);
        assert_eq!((held.state, held.holds.as_slice(), held.check()), (State::Suspended, [Hold::Billing, Hold::Abuse].as_slice(), Ok(())));
        assert_eq!((held.held([]).state, held.held([]).check()), (State::Active, Ok(())));
        let kept = held.kept(Micros(7));
        assert_eq!((kept.state, kept.kept_until, kept.check()), (State::Absent, Some(Micros(7)), Ok(())));
        assert_eq!(kept.held([]).kept_until, None);
        let read: Spec = serde_json::from_str(&serde_json::to_string(&kept).expect("a Spec serialises")).expect("a Spec");
        assert_eq!(read, kept);
        assert!("billing".parse::<Hold>().is_ok_and(|hold| hold == Hold::Billing) && "tax".parse::<Hold>().is_err());
    }
}
