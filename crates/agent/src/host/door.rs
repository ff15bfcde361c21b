//! What the Agent can see and do, as one trait.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use async_trait::async_trait;
use opterius_model::{AccountId, DomainName, Generation, OperationId, PasswordHash, PoolName, Uid, Username};
use opterius_protocol::agent::{Enforcement, PartHealth};
use opterius_protocol::phpd::{PoolSpec, PoolStatus};

/// Why something could not be seen or done. `Display` says what was being done, never the cause.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// An exclusive creation found something in its place. Nothing was changed.
    #[error("{what} is already there")]
    Taken {
        /// What was found, with its name.
        what: String,
    },
    /// A service that is needed does not answer.
    #[error("{part} does not answer")]
    Unavailable {
        /// The service, as its administrators call it.
        part: &'static str,
        /// What to do about it.
        hint: String,
        /// How it failed to answer.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Anything else.
    #[error("could not {doing}")]
    Failed {
        /// What was being done, to what: "put the entry of example.com in place".
        doing: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl HostError {
    /// Makes a function that wraps a cause, for `map_err`.
    pub fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |source| Self::Failed { doing: doing.into(), source: source.into() }
    }
}

/// A Linux user to make. Its group has the same name and number, its home is `/home/<username>`, its shell refuses logins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// The name.
    pub username: Username,
    /// The number.
    pub uid: Uid,
    /// The account, for the mark in GECOS.
    pub account: AccountId,
}

/// A user or group that bears an account's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSeen {
    /// The uid, if there is an entry in passwd.
    pub uid: Option<u32>,
    /// The account whose mark the GECOS field bears.
    pub account: Option<AccountId>,
    /// The gid of the group of the same name, if there is one.
    pub group: Option<u32>,
    /// The field of shadow, if there is an entry: a hash, or `!` while the user is locked.
    pub shadow: Option<String>,
}

/// A home to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomePlan {
    /// The account.
    pub account: AccountId,
    /// Its user.
    pub username: Username,
    /// Who owns everything in it.
    pub uid: Uid,
    /// The primary domain, which names the document root.
    pub domain: DomainName,
}

/// What is at an account's places for homes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HomeSeen {
    /// `/home/<username>`: owner and permission bits, if anything is there; links are not followed.
    pub home: Option<(u32, u32)>,
    /// Whether a home of the account is being built or was left half built.
    pub staged: bool,
    /// Whether a removed home of the account waits for its deletion.
    pub trashed: bool,
}

/// What is at an account's places for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogsSeen {
    /// Whether anything is at `/var/log/opterius/accounts/<username>`.
    pub there: bool,
    /// The account whose mark it bears.
    pub account: Option<AccountId>,
    /// Whether a directory of the account is being made, or was left half made or half deleted.
    pub staged: bool,
}

/// A site entry to put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPlan {
    /// The account.
    pub account: AccountId,
    /// The site.
    pub site: DomainName,
    /// The generation that names the entry.
    pub generation: Generation,
    /// Whose home the entry's `home` names.
    pub username: Username,
    /// Whose socket the entry's `php.sock` names.
    pub pool: PoolName,
}

/// What `sites/<site>` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteSeen {
    /// The entry behind the link, if it is one of ours and whole.
    pub entry: Option<EntryPlan>,
    /// The account in whose directory of entries the link points, if it does.
    pub account: Option<AccountId>,
}

/// What phpd says of a pool.
pub type PoolSeen = PoolStatus;

/// The records of one name and type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordSet {
    /// The name with its final dot.
    pub name: String,
    /// `A`, `MX`, …
    pub kind: &'static str,
    /// Seconds.
    pub ttl: u32,
    /// The contents, as PowerDNS writes them.
    pub contents: BTreeSet<String>,
}

/// A zone to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZonePlan {
    /// The account, for the mark.
    pub account: AccountId,
    /// The zone.
    pub domain: DomainName,
    /// Every record but the SOA's serial.
    pub records: BTreeSet<RecordSet>,
}

/// A zone of an account's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneSeen {
    /// The account whose mark it bears.
    pub account: Option<AccountId>,
    /// Its records of the kinds that the Agent writes, the SOA's serial left out.
    pub records: BTreeSet<RecordSet>,
}

/// Declares the trait once, and from the same list the wrapper that tests hook into: every call is a place where a test can fail or stop
/// the Agent, so a new one cannot be forgotten.
macro_rules! door {
    ($($(#[$doc:meta])* $kind:ident fn $name:ident(&self $(, $arg:ident: $ty:ty)*) -> $ret:ty;)*) => {
        /// The operating system and its services, as far as accounts need them.
        ///
        /// Creating calls are exclusive: they answer [`HostError::Taken`] where something is in their place, and then have changed
        /// nothing. Removing calls succeed where there is nothing. A call that failed otherwise may have done its work in part; the
        /// next look says what there is.
        #[async_trait]
        pub trait Host: Send + Sync + 'static {
            $($(#[$doc])* async fn $name(&self $(, $arg: $ty)*) -> Result<$ret, HostError>;)*
        }

        #[cfg(any(test, feature = "failpoints"))]
        #[async_trait]
        impl<H: Host> Host for super::Watched<H> {
            $(async fn $name(&self $(, $arg: $ty)*) -> Result<$ret, HostError> {
                let changes = stringify!($kind) == "change";
                self.before(stringify!($name), changes).await?;
                let result = self.inner.$name($($arg),*).await;
                self.after(stringify!($name), changes).await?;
                result
            })*
        }
    };
}

door! {
    /// The user and group of this name.
    look fn user(&self, username: &Username) -> Option<UserSeen>;
    /// Whether a user, a group or a process has this number.
    look fn uid_in_use(&self, uid: Uid) -> bool;
    /// Makes a user and its group, locked. Taken: a user or group of this name, or the number.
    change fn add_user(&self, user: &NewUser) -> ();
    /// Sets the field in shadow.
    change fn set_password(&self, username: &Username, hash: &PasswordHash) -> ();
    /// Removes the user and its group, and what a removal or creation that was cut short left of either.
    change fn remove_user(&self, username: &Username, uid: Uid) -> ();
    /// Ends every process of this uid; none is left.
    change fn end_processes(&self, uid: Uid) -> ();

    /// What is at the account's places for homes.
    look fn home(&self, account: AccountId, username: &Username) -> HomeSeen;
    /// Builds the home aside and puts it in place whole. Taken: anything at `/home/<username>`.
    change fn add_home(&self, home: &HomePlan) -> ();
    /// Gives the home itself the permission bits 0711.
    change fn mend_home(&self, username: &Username, uid: Uid) -> ();
    /// Takes the account's home out of its place, if it is owned by `uid`, and deletes it and whatever was left half built or half deleted.
    change fn remove_home(&self, account: AccountId, username: &Username, uid: Uid) -> ();

    /// The account's directory of logs.
    look fn logs(&self, account: AccountId, username: &Username) -> LogsSeen;
    /// Makes the directory of logs with its mark. Taken: anything in its place.
    change fn add_logs(&self, account: AccountId, username: &Username, uid: Uid) -> ();
    /// Removes the directory of logs, if it bears the account's mark.
    change fn remove_logs(&self, account: AccountId, username: &Username) -> ();

    /// What `sites/<site>` is.
    look fn site(&self, site: &DomainName) -> Option<SiteSeen>;
    /// Puts an entry in place and links the site to it. Taken: anything at `sites/<site>` that is not the account's.
    change fn put_site(&self, entry: &EntryPlan) -> ();
    /// Whether the account has a directory of entries, or one that is being built.
    look fn has_entries(&self, account: AccountId) -> bool;
    /// Unlinks the account's site and removes all its entries.
    change fn remove_site(&self, account: AccountId, site: &DomainName) -> ();

    /// The pool, as phpd knows it.
    look fn pool(&self, account: AccountId, pool: &PoolName) -> Option<PoolSeen>;
    /// Opens a pool, or replaces it.
    change fn put_pool(&self, pool: &PoolSpec) -> ();
    /// Closes a pool and ends its processes.
    change fn remove_pool(&self, account: AccountId, pool: &PoolName) -> ();

    /// The zone of this name.
    look fn zone(&self, domain: &DomainName) -> Option<ZoneSeen>;
    /// Makes a zone in one transaction. Taken: a zone of this name.
    change fn add_zone(&self, zone: &ZonePlan) -> ();
    /// Gives a zone the plan's records.
    change fn mend_zone(&self, zone: &ZonePlan) -> ();
    /// Removes a zone, if it bears the account's mark.
    change fn remove_zone(&self, account: AccountId, domain: &DomainName) -> ();

    /// Whether nginx accepts connections.
    look fn web_server(&self) -> ();
    /// What the site's PHP-FPM answers to its ping through nginx.
    look fn ping(&self, site: &DomainName) -> String;
    /// Asks the DNS server for the name's SOA (its first name server is returned) over UDP and TCP.
    look fn ask_soa(&self, domain: &DomainName) -> String;
    /// Asks the DNS server for the name's addresses over UDP and TCP.
    look fn ask_a(&self, domain: &DomainName) -> BTreeSet<Ipv4Addr>;

    /// Announces an operation: its journal exists, with this first line, and survives a power cut.
    change fn begin_journal(&self, operation: OperationId, line: &str) -> ();
    /// Adds a line to an operation's journal; it survives a power cut.
    change fn append_journal(&self, operation: OperationId, line: &str) -> ();
    /// Every operation's journal, unreadable ones included, as text.
    look fn journals(&self) -> Vec<(OperationId, String)>;
    /// Forgets an operation.
    change fn remove_journal(&self, operation: OperationId) -> ();
    /// Writes what is committed of an account; it survives a power cut, and one of the two versions is always there whole.
    change fn write_account(&self, account: AccountId, json: &str) -> ();
    /// Everything committed, as text.
    look fn accounts(&self) -> Vec<(AccountId, String)>;
    /// Whether the machine went down without the Agent's farewell since it last ran. True at most once a boot.
    change fn was_cut_off(&self) -> bool;

    /// How the services are.
    look fn parts(&self) -> Vec<PartHealth>;
    /// Which limits this server enforces.
    look fn enforcement(&self) -> Vec<Enforcement>;
}
