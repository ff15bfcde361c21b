//! What the Agent can see and do, as one trait.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use async_trait::async_trait;
use opterius_model::{AccountId, DomainName, Generation, OperationId, Pages, PasswordHash, PhpVersion, PoolName, Uid, Username};
use opterius_protocol::Micros;
use opterius_protocol::agent::{Direction, Enforcement, Load, PartHealth};
use opterius_protocol::phpd::{CgroupLevel, PoolSpec, PoolStatus};

/// Whether somebody waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// Somebody does.
    Waited,
    /// Nobody does: whatever else wants the processor or the disk goes first.
    Leisurely,
}

/// What disk space an announcement may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// What is free.
    Ordinary,
    /// On a full disk also what is kept for operations that close or remove an account: these must be possible then.
    Spare,
}

/// A file of the Agent's own, or why it could not be read. One that cannot be read keeps no other from being read.
pub type Stored = Result<Vec<u8>, String>;

/// Before or after something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Nothing of it has happened.
    Before,
    /// Some of it has happened. Only the fake host has this moment.
    During,
    /// All of it has happened, and the caller does not know yet.
    After,
}

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

/// The Linux user of an account. Its group has the same name and number, its home is `/home/<username>`, its shell refuses logins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPlan {
    /// The name.
    pub username: Username,
    /// The number.
    pub uid: Uid,
    /// The account, for the mark in GECOS and gshadow.
    pub account: AccountId,
}

/// The second field of a line of shadow(5), which prints nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct ShadowField(String);

impl ShadowField {
    /// The text, for whoever compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ShadowField {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::fmt::Debug for ShadowField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShadowField(…)")
    }
}

/// A user or group that bears an account's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSeen {
    /// The uid, if there is an entry in passwd.
    pub uid: Option<u32>,
    /// The account whose mark the GECOS field bears; without an entry in passwd, that whose mark the group bears in gshadow.
    pub account: Option<AccountId>,
    /// The gid of the group of the same name, if there is one. Another's may stand beside lines of ours.
    pub group: Option<u32>,
    /// The field of shadow, if there is an entry: a hash, or `!` while the user is locked.
    pub shadow: Option<ShadowField>,
    /// Whether the user has expired: PAM then lets nobody in by any service, whatever the password.
    pub expired: bool,
    /// Whether its primary group, home directory, shell and the group's members are as they were made.
    pub as_made: bool,
}

/// The home of an account.
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a place that is looked at by itself")]
pub struct HomeSeen {
    /// Who owns `/home/<username>`, if anything is there; links are not followed.
    pub owner: Option<u32>,
    /// Whether it is the account's: its uid owns it, or a directory that the home was made with.
    pub ours: bool,
    /// What of the account's home is not as it was made and keeps its sites from working, a clause each.
    pub flaws: Vec<String>,
    /// Whether a home of the account is being built or was left half built.
    pub staged: bool,
    /// Whether the account's home is kept in the trash.
    pub kept: bool,
    /// Whether the account has a place in the trash, if only with the room that is set aside for it, or something was left half deleted.
    pub trashed: bool,
}

/// What a home takes on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiskSeen {
    /// Bytes, as blocks taken.
    pub bytes: u64,
    /// Files, directories and links.
    pub files: u64,
    /// Whether something was not counted, so that there may be more.
    pub at_least: bool,
}

/// What is kept in the trash beside the home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeepsakeSeen {
    /// The Spec, which is written last: without it nothing is kept.
    pub whole: bool,
    /// The zone.
    pub zone: bool,
    /// Whether anything is kept or half deleted, the home included. Room that is set aside is nothing.
    pub any: bool,
}

/// The processes of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcessesSeen {
    /// Those in the account's sandbox: its PHP, and what that started.
    pub sandboxed: u64,
    /// All others: logins, cron jobs.
    pub sessions: u64,
}

/// What is at an account's places for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a place that is looked at by itself")]
pub struct LogsSeen {
    /// Whether anything is at `/var/log/opterius/accounts/<username>`.
    pub there: bool,
    /// The account whose mark it bears.
    pub account: Option<AccountId>,
    /// Whether a directory of the account is being made, or was left half made or half deleted.
    pub staged: bool,
    /// Whether the account's logs are kept for a restore.
    pub kept: bool,
    /// Whether the account's directory has another owner or other permissions than it was made with.
    pub flawed: bool,
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
    /// Whether it holds the file that makes nginx answer 503.
    pub suspended: bool,
}

/// What `sites/<site>` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteSeen {
    /// The entry behind the link, if it is one of ours and whole.
    pub entry: Option<EntryPlan>,
    /// The account in whose directory of entries the link points, if it does.
    pub account: Option<AccountId>,
}

/// How a server is: one look at its services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Each service, and the disks.
    pub parts: Vec<PartHealth>,
    /// Which limits it enforces.
    pub enforcement: Vec<Enforcement>,
    /// What cgroups can do, if phpd says so.
    pub cgroup_level: Option<CgroupLevel>,
    /// The versions of PHP, the newest first: none while phpd does not answer, and nothing from a phpd of before there were choices.
    pub php_versions: Option<Vec<PhpVersion>>,
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

impl ZonePlan {
    /// Whether a set of records leads one of the plan's names somewhere else: another address beside its addresses, or a CNAME and anything
    /// else of one name.
    pub fn contradicts(&self, set: &RecordSet) -> bool {
        let leads = |kind: &str| matches!(kind, "A" | "AAAA");
        let excludes = |planned: &RecordSet| planned.kind == "CNAME" || set.kind == "CNAME" || (leads(planned.kind) && leads(set.kind));
        !self.records.contains(set) && self.records.iter().any(|planned| planned.name == set.name && excludes(planned))
    }
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

            /// A step of an operation begins (`Before`) or is done (`After`). Nothing happens here but in tests, which stop or fail the
            /// Agent between two steps.
            async fn pass_step(&self, _step: &str, _direction: Direction, _moment: Moment) -> Result<(), HostError> {
                Ok(())
            }

            /// Ends the Agent at once, so that it is started again: what it was doing is in no state to go on.
            fn end_process(&self);
        }

        #[cfg(any(test, feature = "failpoints"))]
        #[async_trait]
        impl<H: Host> Host for super::Watched<H> {
            $(async fn $name(&self $(, $arg: $ty)*) -> Result<$ret, HostError> {
                let changes = stringify!($kind) == "change";
                self.reach(stringify!($name), changes, Moment::Before).await?;
                let result = self.inner.$name($($arg),*).await;
                self.reach(stringify!($name), changes, Moment::After).await?;
                result
            })*

            async fn pass_step(&self, step: &str, direction: Direction, moment: Moment) -> Result<(), HostError> {
                let way = if direction == Direction::Forward { "forward" } else { "back" };
                self.reach(&format!("step.{way}.{}", step.replace(' ', "_")), false, moment).await
            }

            fn end_process(&self) {
                self.inner.end_process();
            }
        }
    };
}

door! {
    /// The user and group of this name.
    look fn user(&self, username: &Username) -> Option<UserSeen>;
    /// The account and the number of the user of this name, by its line in passwd, if that bears an account's mark.
    look fn owner(&self, username: &Username) -> Option<(AccountId, u32)>;
    /// Whether a user, a group or a process has this number.
    look fn uid_in_use(&self, uid: Uid) -> bool;
    /// Makes a user and its group, with its password, expired or not. Taken: a user or group of this name.
    change fn add_user(&self, user: &UserPlan, hash: &PasswordHash, expired: bool) -> ();
    /// Sets the field in shadow. Taken: a user that is not the account's.
    change fn set_password(&self, user: &UserPlan, hash: &PasswordHash) -> ();
    /// Gives a user back its primary group, home directory and shell, and its group no members, and makes it expired or not. Taken: a user
    /// that is not the account's.
    change fn mend_user(&self, user: &UserPlan, expired: bool) -> ();
    /// Removes the user and its group, what a removal or creation that was cut short left of either, and what other files have of its name.
    /// Nothing of a user or group that is not the account's.
    change fn remove_user(&self, user: &UserPlan) -> ();
    /// The processes of this uid, and those in the account's cgroup.
    look fn processes(&self, account: AccountId, uid: Uid) -> ProcessesSeen;
    /// Ends all of these; none is left.
    change fn end_processes(&self, account: AccountId, uid: Uid) -> ();
    /// Ends those of these that are not in the account's sandbox; none is left.
    change fn end_sessions(&self, account: AccountId, uid: Uid) -> ();

    /// What is at the account's places for homes.
    look fn home(&self, home: &HomePlan) -> HomeSeen;
    /// Builds the home aside and puts it in place whole. Taken: anything at `/home/<username>`.
    change fn add_home(&self, home: &HomePlan) -> ();
    /// Mends the flaws of the account's home. Taken: a home that is not the account's.
    change fn mend_home(&self, home: &HomePlan) -> ();
    /// Moves the account's home into the trash. Not one that is somebody else's.
    change fn keep_home(&self, home: &HomePlan) -> ();
    /// Takes the account's home out of its place to be deleted, and keeps nothing of it. Not one that is somebody else's. Needs no room.
    change fn discard_home(&self, home: &HomePlan) -> ();
    /// Moves the account's home from the trash into its place; under another domain than before it gets a document root of that name, which
    /// leads to the old one. Taken: anything at `/home/<username>`.
    change fn restore_home(&self, home: &HomePlan, domain_before: &DomainName) -> ();
    /// Takes the account's home out of its place, and deletes it, what was left half built or half deleted, and all that the trash has of the
    /// account.
    change fn remove_home(&self, home: &HomePlan) -> ();
    /// What an account's home takes on the disk.
    look fn disk_usage(&self, username: &Username, uid: Uid, haste: Haste) -> DiskSeen;

    /// What is kept in the trash of the account.
    look fn keepsake(&self, account: AccountId) -> KeepsakeSeen;
    /// Writes the Spec, as JSON, and the account's zone of this name, if it has one, into the trash.
    change fn write_keepsake(&self, account: AccountId, spec: &str, domain: &DomainName) -> ();
    /// Deletes everything that the trash has of the account, and sets room aside in it for the next time.
    change fn remove_keepsake(&self, account: AccountId) -> ();
    /// Sets room aside in the trash, so that the account can be terminated on a full disk. A new home has it already.
    change fn reserve_keepsake(&self, account: AccountId) -> ();

    /// The account's directory of logs.
    look fn logs(&self, account: AccountId, username: &Username) -> LogsSeen;
    /// Makes the directory of logs with its mark. Taken: anything in its place.
    change fn add_logs(&self, account: AccountId, username: &Username, uid: Uid) -> ();
    /// Gives the directory of logs back its owner and permissions. Taken: one that does not bear the account's mark.
    change fn mend_logs(&self, account: AccountId, username: &Username, uid: Uid) -> ();
    /// Puts the directory of logs aside, if it bears the account's mark.
    change fn keep_logs(&self, account: AccountId, username: &Username) -> ();
    /// Puts the directory of logs back that was put aside. Taken: anything in its place.
    change fn restore_logs(&self, account: AccountId, username: &Username, uid: Uid) -> ();
    /// Removes the directory of logs, if it bears the account's mark, in its place or put aside.
    change fn remove_logs(&self, account: AccountId, username: &Username) -> ();

    /// What `sites/<site>` is.
    look fn site(&self, site: &DomainName) -> Option<SiteSeen>;
    /// Puts an entry in place and links the site to it. Taken: anything at `sites/<site>` that is not the account's.
    change fn put_site(&self, entry: &EntryPlan) -> ();
    /// Makes the site's entry suspended, or not suspended any more, as the plan says, and nothing else of it. Taken: an entry that is not
    /// the plan's.
    change fn hold_site(&self, entry: &EntryPlan) -> ();
    /// Whether the account has a directory of entries, or one that is being built.
    look fn has_entries(&self, account: AccountId) -> bool;
    /// Unlinks the account's site and removes all its entries.
    change fn remove_site(&self, account: AccountId, site: &DomainName) -> ();

    /// The pool, as phpd knows it.
    look fn pool(&self, account: AccountId, pool: &PoolName) -> Option<PoolSeen>;
    /// The versions of PHP that the server has, the newest first; nothing if its phpd does not say.
    look fn php_versions(&self) -> Option<Vec<PhpVersion>>;
    /// Opens a pool, or replaces it.
    change fn put_pool(&self, pool: &PoolSpec) -> ();
    /// Closes a pool and ends its processes.
    change fn remove_pool(&self, account: AccountId, pool: &PoolName) -> ();

    /// The zone of this name.
    look fn zone(&self, domain: &DomainName) -> Option<ZoneSeen>;
    /// Makes a zone in one transaction. Taken: a zone of this name.
    change fn add_zone(&self, zone: &ZonePlan) -> ();
    /// Makes a zone with the records that are kept of it in the trash. Taken: a zone of this name.
    change fn restore_zone(&self, zone: &ZonePlan) -> ();
    /// Gives a zone the plan's records, and takes away what contradicts them; others stay.
    change fn mend_zone(&self, zone: &ZonePlan) -> ();
    /// Removes a zone, if it bears the account's mark.
    change fn remove_zone(&self, account: AccountId, domain: &DomainName) -> ();

    /// Whether nginx accepts connections.
    look fn web_server(&self) -> ();
    /// What the site's PHP-FPM answers to its ping through nginx.
    look fn ping(&self, site: &DomainName) -> String;
    /// The status with which nginx answers a visitor of the site's front page.
    look fn visit(&self, site: &DomainName) -> u16;
    /// Asks the DNS server for the name's SOA (its first name server is returned) over UDP and TCP.
    look fn ask_soa(&self, domain: &DomainName) -> String;
    /// Asks the DNS server for the name's addresses over UDP and TCP.
    look fn ask_a(&self, domain: &DomainName) -> BTreeSet<Ipv4Addr>;

    /// Announces an operation: its journal exists, with this first line, and survives a power cut. Taken: a journal of the same operation,
    /// which stays as it is. Any other failure leaves none.
    change fn begin_journal(&self, operation: OperationId, line: &str, room: Room) -> ();
    /// Adds a line to an operation's journal, in the place of one that was only written in part; it survives a power cut.
    change fn append_journal(&self, operation: OperationId, line: &str) -> ();
    /// Every operation's journal, at a start. Each was announced, whatever is left of it.
    look fn journals(&self) -> Vec<(OperationId, Stored)>;
    /// Makes room for announcements on a full disk, as far as there is any.
    change fn keep_spare_journals(&self) -> ();
    /// Forgets an operation.
    change fn remove_journal(&self, operation: OperationId) -> ();
    /// Writes down that an operation never begins; it survives a power cut. The same where that was written down already and not acknowledged.
    /// Needs no room on a full disk, as long as there is a place for one more name in the directory.
    change fn add_never(&self, operation: OperationId) -> ();
    /// Adds to that when the Panel acknowledged it.
    change fn acknowledge_never(&self, operation: OperationId, at: Micros) -> ();
    /// Every operation that never begins, at a start, and when that was acknowledged.
    look fn nevers(&self) -> Vec<(OperationId, Option<Micros>)>;
    /// Forgets that an operation never begins.
    change fn remove_never(&self, operation: OperationId) -> ();
    /// Writes what is committed of an account; it survives a power cut, and one of the two versions is always there whole.
    change fn write_account(&self, account: AccountId, json: &str) -> ();
    /// What is committed of one account, as text.
    look fn account(&self, account: AccountId) -> Option<String>;
    /// Everything committed.
    look fn accounts(&self) -> Vec<(AccountId, Stored)>;
    /// The owners of the homes in the trash.
    look fn kept_uids(&self) -> BTreeSet<u32>;
    /// Adds a line to the heads of the Panel's Activity; it survives a power cut.
    change fn append_head(&self, line: &str) -> ();
    /// Puts this text in the place of all heads; one of the two is always there whole.
    change fn replace_heads(&self, text: &str) -> ();
    /// Every head, a line each; one that a power cut broke off included.
    look fn heads(&self) -> String;
    /// Whether the machine went down without the Agent's farewell since it last ran. True at most once a boot.
    change fn was_cut_off(&self) -> bool;

    /// The host's own pages; nothing if it never gave any.
    look fn pages(&self) -> Option<Pages>;
    /// Keeps the host's own pages: visitors of suspended sites see theirs from now on, and new homes get theirs. Survives a power cut.
    change fn put_pages(&self, pages: &Pages) -> ();

    /// This calendar month (UTC), as `2026-10`, and the traffic in it of the sites of every account that had any, or of this one, in bytes, in
    /// and out.
    look fn traffic_this_month(&self, only: Option<AccountId>) -> (String, BTreeMap<AccountId, u64>);
    /// How the services are, and what this server can do.
    look fn condition(&self) -> Condition;
    /// How busy and how full the machine is, if that can be told.
    look fn load(&self) -> Option<Load>;
}
