//! The vocabulary of Opterius: names that were checked once, sizes with their units, ids, secrets and the [`Spec`] of an account.
//!
//! Nothing here does I/O. A value of one of these types is valid wherever it appears, so nothing below the edge takes a bare string
//! for a name. Every constructor says why it refuses, in a sentence meant for the person who typed the value.

mod domain;
mod id;
mod limits;
mod micros;
mod package_name;
mod pages;
mod password;
mod php;
mod records;
mod spec;
mod text;
mod username;

pub use domain::{DomainName, InvalidDomain, MAX_DOMAIN_BYTES};
pub use id::{AccountId, InvalidId, OperationId, OwnerId, PackageId, RequestId, ServerId, TokenId};
pub use limits::{InvalidLimit, Limit, Limits, MIB};
pub use micros::Micros;
pub use package_name::{InvalidPackageName, PackageName};
pub use pages::{InvalidPage, PageLink, PageMessage, PageTitle, Pages, SuspensionPage, WelcomePage, style_of};
pub use password::{InvalidPassword, InvalidPasswordHash, Password, PasswordHash};
pub use php::{InvalidPhpChoice, InvalidPhpVersion, PhpChoice, PhpVersion};
pub use records::{
    InvalidRecord, InvalidRecords, InvalidTtl, MAX_RECORDS, Misfit, Record, RecordName, RecordType, TTL_RANGE, Ttl, ZoneRecord,
    ZoneRecords, zone_of,
};
pub use spec::{
    Addresses, Docroot, Generation, Hold, InvalidHold, InvalidPoolName, InvalidSpec, Pool, PoolName, SPEC_VERSION, Site, Spec, State, Tls,
};
pub use text::{clean, printable, printable_json};
pub use username::{InvalidUsername, RESERVED_USERNAMES, SYSTEM_IDS, UID_RANGE, Uid, Username};
