//! Panel → Agent.
//!
//! An operation id has exactly one outcome, decided and fsynced by the Agent and kept until the Panel acknowledges it. Sending the same
//! id again returns the outcome, or that it is running, and never starts again.

use std::time::Duration;

use http::Method;
use opterius_model::{AccountId, Generation, OperationId, Pages, PhpChoice, PhpVersion, PoolName, RequestId, Spec, State, Uid, Username};
use serde::{Deserialize, Serialize};

use crate::phpd::{CgroupLevel, PoolFailure, PoolState};
use crate::{Call, Micros};

/// Where the Agent listens.
pub const SOCKET: &str = "/run/opterius/agent.sock";

/// Operations of one kind that an Agent works on at the same time. Each starts a PHP and several processes; more of them at once finish no sooner.
pub const AT_ONCE: usize = 8;

/// `POST /accounts/create`: makes an account that is not on the server, or leaves nothing of it.
///
/// The Spec is `active`, and has no uid: the Agent chooses one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CreateAccount(pub Change);

/// `POST /accounts/apply`: converges an account to a newer Spec. Every later change of an account is this call: suspend and unsuspend, other
/// limits or another password, repair (the same Spec), terminate (`absent`, with [`Spec::kept_until`] if a restore is to be possible) and
/// restore (`active` or `suspended` again, perhaps under other names, while it is kept).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApplySpec(pub Change);

/// What every changing call carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The operation, chosen by the Panel. The same id is never begun twice.
    pub operation_id: OperationId,
    /// The request that asked for it, for the journal.
    pub request_id: RequestId,
    /// For Agents of the version before alone.
    #[serde(default)]
    pub not_after: NoLimit,
    /// How long the answer may wait for the outcome, in milliseconds, at most 60,000. The work goes on whatever the caller does.
    pub wait_ms: u32,
    /// The whole desired state.
    pub spec: Spec,
    /// What the Panel wants to find again with the account, should it be restored from a backup that does not know it. The Agent keeps it
    /// with the account once the operation is committed, and reads none of it. Nothing: what it keeps stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<serde_json::Value>,
}

/// A moment after which an Agent of the version before refuses a change, by its own clock: one that never comes. An Agent of this version takes a
/// change whenever it arrives, and whatever this says: what must not begin any more is told to it by [`NeverOperation`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoLimit;

impl Serialize for NoLimit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(i64::MAX)
    }
}

impl<'de> Deserialize<'de> for NoLimit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl Call for CreateAccount {
    type Reply = OperationReport;
    const METHOD: Method = Method::POST;
    const ROUTE: &'static str = "/accounts/create";
}

impl Call for ApplySpec {
    type Reply = OperationReport;
    const METHOD: Method = Method::POST;
    const ROUTE: &'static str = "/accounts/apply";
}

/// `POST /accounts/plan`: what converging to this Spec would change, without touching anything.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanAccount {
    /// The state to compare with.
    pub spec: Spec,
}

impl Call for PlanAccount {
    type Reply = Plan;
    const METHOD: Method = Method::POST;
    const ROUTE: &'static str = "/accounts/plan";
}

/// What would change, in the order in which it would.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// One sentence a change; empty if everything is as the Spec says.
    pub changes: Vec<PlannedChange>,
    /// What is in the way, if anything is.
    pub conflicts: Vec<Failure>,
    /// What is needed and is not there: services that do not answer, and what could not be looked at for another reason.
    #[serde(default)]
    pub missing: Vec<Failure>,
}

impl Plan {
    /// Whether everything is as the Spec says.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.conflicts.is_empty() && self.missing.is_empty()
    }
}

/// One change of a [`Plan`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedChange {
    /// The resource, as in [`StepReport::name`].
    pub resource: String,
    /// What would be done, in a sentence.
    pub change: String,
}

/// `GET /accounts`: what this server knows, page by page, ordered by id.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListAccounts {
    /// Continue behind this id.
    pub after: Option<AccountId>,
    /// At most so many, 1 to 1,000.
    pub limit: u16,
}

impl Call for ListAccounts {
    type Reply = AccountPage;
    const METHOD: Method = Method::GET;
    const ROUTE: &'static str = "/accounts";

    fn target(&self) -> String {
        match self.after {
            Some(after) => format!("/accounts?limit={}&after={after}", self.limit),
            None => format!("/accounts?limit={}", self.limit),
        }
    }
}

/// One page of accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountPage {
    /// The accounts, tombstones (`absent`) included.
    pub accounts: Vec<AccountSummary>,
    /// How many there are in all.
    pub total: u64,
}

/// What the Agent knows of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSummary {
    /// The account.
    pub id: AccountId,
    /// Its Linux user.
    pub username: Username,
    /// The generation of its committed Spec.
    pub generation: Generation,
    /// [`spec_hash`] of the committed Spec.
    pub spec_hash: String,
    /// What it was committed to be.
    pub state: State,
    /// Its uid.
    pub uid: Option<Uid>,
    /// When the Spec was committed.
    pub committed_at: Micros,
    /// The operation that committed it.
    #[serde(default)]
    pub operation_id: Option<OperationId>,
    /// Until when it can be restored, if it is absent.
    #[serde(default)]
    pub kept_until: Option<Micros>,
}

/// SHA-256 of a Spec's JSON in hexadecimal. Fields are written in the order of the type, so equal Specs have equal hashes.
pub fn spec_hash(spec: &Spec) -> String {
    json_hash(spec)
}

/// SHA-256 of the JSON of a host's pages in hexadecimal.
pub fn pages_hash(pages: &Pages) -> String {
    json_hash(pages)
}

fn json_hash(value: &impl Serialize) -> String {
    use sha2::Digest;
    use std::fmt::Write;
    let json = serde_json::to_vec(value).expect("our types hold nothing that JSON cannot");
    sha2::Sha256::digest(json).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// `GET /accounts/{id}`: the committed Spec of one account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GetAccount {
    /// The account.
    pub id: AccountId,
}

impl Call for GetAccount {
    type Reply = AccountDetail;
    const METHOD: Method = Method::GET;
    const ROUTE: &'static str = "/accounts/{id}";

    fn target(&self) -> String {
        format!("/accounts/{}", self.id)
    }
}

/// One account whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountDetail {
    /// The summary.
    pub summary: AccountSummary,
    /// The committed Spec.
    pub spec: Spec,
    /// What came with it as [`Change::memo`].
    #[serde(default)]
    pub memo: Option<serde_json::Value>,
}

/// `GET /accounts/{id}/usage`: what an account uses now. Answers within half a minute: of a home that takes longer to read it tells what was
/// counted (`at_least`) or what was last measured, and 503 where nothing was yet.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct GetUsage {
    /// The account.
    pub id: AccountId,
}

impl Call for GetUsage {
    type Reply = Usage;
    const METHOD: Method = Method::GET;
    const ROUTE: &'static str = "/accounts/{id}/usage";

    fn target(&self) -> String {
        format!("/accounts/{}/usage", self.id)
    }
}

/// What an account uses, of what the Agent can measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// When it was measured.
    pub measured_at: Micros,
    /// Disk space of the home, in bytes, as blocks taken.
    pub disk_bytes: u64,
    /// Files, directories and links in the home.
    pub files: u64,
    /// Whether the home may hold more than these numbers say, because not all of the home could be counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
    /// Traffic of this calendar month (UTC), in bytes, in and out.
    pub traffic_bytes: u64,
    /// Processes now.
    pub processes: u64,
}

/// `GET /accounts/{id}/php`: what the PHP of an account does now.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct GetPhp {
    /// The account.
    pub id: AccountId,
}

impl Call for GetPhp {
    type Reply = Php;
    const METHOD: Method = Method::GET;
    const ROUTE: &'static str = "/accounts/{id}/php";

    fn target(&self) -> String {
        format!("/accounts/{}/php", self.id)
    }
}

/// The PHP of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Php {
    /// One entry a pool of the committed Spec, in its order.
    pub pools: Vec<PhpPool>,
}

/// One pool of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhpPool {
    /// Its name within the account.
    pub name: PoolName,
    /// The PHP that it is to run.
    pub php_version: PhpChoice,
    /// The PHP that answers ([`crate::phpd::PoolStatus::runs`]); nothing if none does, or from an Agent of an earlier version.
    #[serde(default)]
    pub runs: Option<PhpVersion>,
    /// What it does; nothing if phpd has no such pool, as while the account is suspended.
    pub state: Option<PoolState>,
    /// The last start that failed, if it was not followed by one that worked. Its text ends with what the tenant's PHP wrote last.
    pub last_failure: Option<PoolFailure>,
}

/// `GET /usage`: what every live account used when it was last measured, and its traffic of this month. Measures nothing: the Agent does so by
/// itself on a slow timer, and a [`GetUsage`] counts, too.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ListUsage {}

impl Call for ListUsage {
    type Reply = UsageReport;
    const METHOD: Method = Method::GET;
    const ROUTE: &'static str = "/usage";
}

/// What the accounts of a server use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageReport {
    /// The calendar month (UTC) whose traffic is told: `2026-10`.
    pub month: String,
    /// One entry a live account, ordered by id.
    pub accounts: Vec<AccountUsage>,
}

/// What one account uses, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountUsage {
    /// The account.
    pub account_id: AccountId,
    /// Traffic of the report's month, in bytes, in and out.
    pub traffic_bytes: u64,
    /// Its disk when it was last measured; nothing if this Agent has not measured it since it started. What was told before still holds then.
    #[serde(default)]
    pub disk: Option<DiskUsage>,
}

/// What an account uses on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskUsage {
    /// When it was measured.
    pub measured_at: Micros,
    /// Disk space of the home, in bytes, as blocks taken.
    pub bytes: u64,
    /// Files, directories and links in the home.
    pub files: u64,
    /// Whether the home may hold more than these numbers say, because not all of the home could be counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
}

/// `GET /drift`: what the last look at every account found. The Agent looks by itself on a slow timer, and mends only if it is set to.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct GetDrift {}

impl Call for GetDrift {
    type Reply = DriftReport;
    const METHOD: Method = Method::GET;
    const ROUTE: &'static str = "/drift";
}

/// The accounts that are not as they were committed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftReport {
    /// When the last whole look ended; nothing before the first.
    pub looked_at: Option<Micros>,
    /// Whether the Agent mends what it finds by itself.
    pub mends: bool,
    /// One entry an account with drift, ordered by id.
    pub accounts: Vec<Drift>,
}

/// The drift of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The account.
    pub account_id: AccountId,
    /// Its Linux user.
    pub username: Username,
    /// When it was found.
    pub found_at: Micros,
    /// What a repair would change, and what is in its way.
    pub plan: Plan,
    /// Whether the Agent has mended it by itself since.
    pub mended: bool,
}

/// `POST /operations/{id}/retry`: tries an operation that needs attention again at once. One that does not is answered as it stands.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct RetryOperation {
    /// The operation.
    pub id: OperationId,
}

impl Call for RetryOperation {
    type Reply = OperationReport;
    const METHOD: Method = Method::POST;
    const ROUTE: &'static str = "/operations/{id}/retry";

    fn target(&self) -> String {
        format!("/operations/{}/retry", self.id)
    }
}

/// `POST /operations/{id}/abandon`: ends an operation that needs attention where it stands, by a person's decision. It is decided in its
/// direction: one that goes back is rolled back, one that goes on is committed, and [`OperationReport::left`] goes on saying what is not as
/// it should be, which a later plan shows and a repair mends. Refused (`conflict`) while it does not need attention.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct AbandonOperation {
    /// The operation.
    pub id: OperationId,
}

impl Call for AbandonOperation {
    type Reply = OperationReport;
    const METHOD: Method = Method::POST;
    const ROUTE: &'static str = "/operations/{id}/abandon";

    fn target(&self) -> String {
        format!("/operations/{}/abandon", self.id)
    }
}

/// `GET /operations/{id}?seen=&wait_ms=`: an operation, at once or as soon as there is more to say.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetOperation {
    /// The operation.
    pub id: OperationId,
    /// The `revision` that the caller has; with `wait_ms` the answer waits for a later one.
    pub seen: u64,
    /// How long to wait for more, in milliseconds, at most 60,000.
    pub wait_ms: u32,
}

impl Call for GetOperation {
    type Reply = OperationReport;
    const METHOD: Method = Method::GET;
    const ROUTE: &'static str = "/operations/{id}";

    fn target(&self) -> String {
        format!("/operations/{}?seen={}&wait_ms={}", self.id, self.seen, self.wait_ms)
    }
}

/// `POST /operations/{id}/never`: an operation that the Agent does not know is never to begin, however late a copy of its request arrives. The Panel
/// asks this before it gives an operation up of which a request may still be under way, since no clock says when that is over.
///
/// A promise is on the disk before it is answered, survives every restart, and is kept until it is acknowledged like an outcome
/// ([`AcknowledgeOperation`]) and a day longer. Until then the id is refused (`never_begins`). Asking again is answered the same. Any refusal of
/// this call promises nothing; an Agent of the version before knows no such call (`not_found`).
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct NeverOperation {
    /// The operation.
    pub id: OperationId,
}

impl Call for NeverOperation {
    type Reply = NeverAnswer;
    const METHOD: Method = Method::POST;
    const ROUTE: &'static str = "/operations/{id}/never";

    fn target(&self) -> String {
        format!("/operations/{}/never", self.id)
    }
}

/// The answer to [`NeverOperation`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeverAnswer {
    /// The Agent did not know the operation, and it never begins from here on.
    NeverBegins,
    /// The Agent knows the operation, which stands so. Its outcome decides.
    Known(Box<OperationReport>),
}

/// `POST /operations/{id}/acknowledge`: the Panel has recorded the outcome, or that the operation never begins, so the Agent may forget the
/// operation in time.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct AcknowledgeOperation {
    /// The operation.
    pub id: OperationId,
}

impl Call for AcknowledgeOperation {
    type Reply = Acknowledged;
    const METHOD: Method = Method::POST;
    const ROUTE: &'static str = "/operations/{id}/acknowledge";

    fn target(&self) -> String {
        format!("/operations/{}/acknowledge", self.id)
    }
}

/// The answer to [`AcknowledgeOperation`]; the same when repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {}

/// `PUT /pages`: the pages of the host that this server is to show: that of suspended sites from now on, and that of new accounts in those that
/// are made from now on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutPages {
    /// All of them.
    pub pages: Pages,
}

impl Call for PutPages {
    type Reply = PagesKept;
    const METHOD: Method = Method::PUT;
    const ROUTE: &'static str = "/pages";
}

/// The answer to [`PutPages`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PagesKept {
    /// [`pages_hash`] of what the server has now.
    pub hash: String,
}

/// `POST /activity/heads`: has the Agent remember how far the Panel's Activity had come, where the Panel cannot take it back. One that says the
/// same as the last is answered with that, and not written again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NoteHead(pub ActivityHead);

impl Call for NoteHead {
    type Reply = NotedHead;
    const METHOD: Method = Method::POST;
    const ROUTE: &'static str = "/activity/heads";
}

/// The last row of the Activity at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityHead {
    /// Its number, from 1.
    pub row: u64,
    /// Its hash: SHA-256, 64 lower-case hexadecimal digits.
    pub hash: String,
    /// How many rows there were.
    pub rows: u64,
    /// The public key that the Panel signs removals with: Ed25519, 64 lower-case hexadecimal digits. Not there from Panels of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The last row that was removed from the beginning, if any was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<u64>,
}

/// A head as an Agent has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedHead {
    /// Counts the heads that this Agent was ever told, from 1.
    pub number: u64,
    /// When that was, by the Agent's clock.
    pub noted_at: Micros,
    /// The head.
    #[serde(flatten)]
    pub head: ActivityHead,
}

/// `GET /activity/heads?after=&limit=`: every head that the Agent has, page by page, in the order in which it was told them.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListHeads {
    /// Continue behind this [`NotedHead::number`]; 0 for the first page.
    pub after: u64,
    /// At most so many, 1 to 1,000.
    pub limit: u16,
}

impl Call for ListHeads {
    type Reply = HeadPage;
    const METHOD: Method = Method::GET;
    const ROUTE: &'static str = "/activity/heads";

    fn target(&self) -> String {
        format!("/activity/heads?after={}&limit={}", self.after, self.limit)
    }
}

/// One page of heads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadPage {
    /// The heads.
    pub heads: Vec<NotedHead>,
    /// How many there are in all.
    pub total: u64,
    /// Lines of the Agent's file that are no heads, such as one that a power cut broke off.
    #[serde(default)]
    pub unreadable: u64,
}

/// `GET /health`: whether the parts that accounts need are there.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct GetHealth {}

impl Call for GetHealth {
    type Reply = Health;
    const METHOD: Method = Method::GET;
    const ROUTE: &'static str = "/health";
}

/// The state of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The Agent's version.
    pub version: String,
    /// [`crate::VERSION`].
    pub protocol: u32,
    /// Whether recovery after the start is over.
    pub ready: bool,
    /// Each part with what it says of itself.
    pub parts: Vec<PartHealth>,
    /// Which limits this server enforces, each decided by a probe.
    pub enforcement: Vec<Enforcement>,
    /// Operations without an outcome, or that need attention.
    pub open_operations: Vec<OperationId>,
    /// Accounts that are not absent.
    pub accounts: u64,
    /// Accounts that can still be restored: their homes wait in the trash.
    #[serde(default)]
    pub kept: u64,
    /// Accounts whose time in the trash is over, and of which not all is deleted yet.
    #[serde(default)]
    pub deleting: u64,
    /// Accounts that were not as committed at the last look.
    #[serde(default)]
    pub drifted: u64,
    /// How busy and how full the machine is; nothing if it cannot be told, as by an Agent of an earlier version.
    #[serde(default)]
    pub load: Option<Load>,
    /// [`pages_hash`] of the host's pages as this server has them, an empty text if it cannot read them; nothing from an Agent of an earlier
    /// version, which takes none.
    #[serde(default)]
    pub pages_hash: Option<String>,
    /// What the Agent does by itself again and again; empty from an Agent of an earlier version.
    #[serde(default)]
    pub jobs: Vec<JobHealth>,
    /// What was lost of the web server's access log before it was counted; nothing if nothing ever was, or if that is unknown.
    #[serde(default)]
    pub lines_lost: Option<LinesLost>,
    /// Whether it is unknown what was lost, since the state that says so cannot be read, or is not read yet.
    #[serde(default)]
    pub lines_lost_unknown: bool,
    /// The server's clock when it answered; nothing from an Agent of an earlier version.
    #[serde(default)]
    pub clock: Option<Micros>,
    /// What cgroups of the accounts can do on this server, as phpd says; nothing if phpd does not answer, or if the Agent or phpd is of an
    /// earlier version.
    #[serde(default)]
    pub cgroup_level: Option<CgroupLevel>,
    /// The versions of PHP that this server has, the newest first, at most [`crate::phpd::MOST_PHP_VERSIONS`]. Empty if it has none, or if its phpd
    /// does not answer. Nothing if phpd or the Agent is of an earlier version: such a server knows no choice but a version.
    #[serde(default)]
    pub php_versions: Option<Vec<PhpVersion>>,
}

/// By how much the clocks of two machines may differ before somebody is told.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5);

impl Health {
    /// How far the server's clock is ahead of that of whoever asked at `asked_at` and had the answer after `took`, in microseconds, negative if it
    /// is behind. Right to half of `took`. Nothing if the server does not say.
    pub fn ahead_by(&self, asked_at: Micros, took: Duration) -> Option<i64> {
        let answered_at = asked_at.plus(took / 2);
        self.clock.map(|clock| clock.0.saturating_sub(answered_at.0))
    }

    /// What is wrong with the server's clock, as a part of the server; nothing if it says the same as the asking machine's by a few seconds.
    pub fn wrong_clock(&self, asked_at: Micros, took: Duration) -> Option<PartHealth> {
        let ahead_by = self.ahead_by(asked_at, took)?;
        let off = Duration::from_micros(ahead_by.unsigned_abs()).saturating_sub(took / 2);
        (off > CLOCKS_DIFFER).then(|| PartHealth {
            name: "clock".to_owned(),
            ok: false,
            detail: format!("The server's clock is {} s {} the Panel's.", off.as_secs(), if ahead_by > 0 { "ahead of" } else { "behind" }),
            hint: Some(
                "Have a time service keep both clocks right: `timedatectl set-ntp true`. Orders do not depend on it; times in logs, what is kept until \
                 when, and the month of traffic do."
                    .to_owned(),
            ),
        })
    }
}

/// How a job of the Agent is: something that it does by itself again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobHealth {
    /// Its name: `drift`, `logs`, `operations`, `recovery`, `spare journals`, `trash`, `usage`.
    pub name: String,
    /// How often it was begun since the Agent started.
    pub runs: u64,
    /// How often it failed since the Agent started. It is begun again after each failure.
    pub failures: u64,
    /// Whether the last time that it came to an end was a failure.
    pub failing: bool,
    /// Why it failed last, in one line of at most 500 characters; nothing if it never did.
    pub last_failure: Option<String>,
    /// When that was.
    pub last_failure_at: Option<Micros>,
}

/// Lines of the access log that were lost before they were split and counted: traffic is too low by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinesLost {
    /// How often some were.
    pub times: u64,
    /// Bytes of the log that are known to be lost; there may be more.
    pub bytes: u64,
    /// When it was last noticed.
    pub last: Micros,
}

/// How busy and how full a machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// The load average of the last minute, in hundredths.
    pub average_hundredths: u64,
    /// Processors.
    pub processors: u64,
    /// All memory, in bytes.
    pub memory_bytes: u64,
    /// Memory that programs could have, in bytes.
    pub memory_available_bytes: u64,
    /// The size of the file system of the homes, in bytes.
    pub disk_bytes: u64,
    /// What is free there, in bytes.
    pub disk_available_bytes: u64,
}

/// Whether the server makes a limit true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enforcement {
    /// The limit's field name, as in [`opterius_model::Limits::named`].
    pub limit: String,
    /// Whether it is enforced.
    pub enforced: bool,
    /// What the probe saw, in a sentence.
    pub detail: String,
}

/// One part of the server: `nginx`, `PowerDNS`, `phpd`, `disk`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartHealth {
    /// Its name.
    pub name: String,
    /// Whether it does its work.
    pub ok: bool,
    /// What was seen, in a sentence.
    pub detail: String,
    /// What to do about it, unless it is well.
    pub hint: Option<String>,
}

/// Where an operation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationReport {
    /// The operation.
    pub operation_id: OperationId,
    /// The account it changes.
    pub account_id: AccountId,
    /// Grows with everything that happens to the operation.
    pub revision: u64,
    /// The outcome, or that there is none yet.
    pub outcome: Outcome,
    /// Which way it goes.
    pub direction: Direction,
    /// When the Agent took it on.
    pub started_at: Micros,
    /// When the outcome was decided.
    pub finished_at: Option<Micros>,
    /// Every step so far, in the order in which they began.
    pub steps: Vec<StepReport>,
    /// Why it turned back, if it did.
    pub failure: Option<Failure>,
    /// What is not as it should be; empty unless attention is needed, or it was abandoned.
    pub left: Vec<String>,
    /// Whether a person ended it where it stood.
    #[serde(default)]
    pub abandoned: bool,
    /// The account's uid, once chosen.
    pub uid: Option<Uid>,
}

/// Whether an operation is decided, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not decided yet.
    Running,
    /// The account is as the Spec says, and was seen to answer.
    Committed,
    /// The account is as it was before.
    RolledBack,
    /// Neither could be reached; the Agent goes on trying, and a person should look.
    NeedsAttention,
}

/// Which way an operation goes. It turns at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the new Spec.
    Forward,
    /// Back to the one before.
    Back,
}

/// One step of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// `preflight`, a resource (`linux user`, `password`, `home`, `logs`, `php pool`, `site`, `dns zone`, `trash`), `login`, `sessions`, or
    /// `verify site`, `verify dns`.
    pub name: String,
    /// The direction it was taken in.
    pub direction: Direction,
    /// How it went.
    pub state: StepState,
    /// When it began.
    pub started_at: Micros,
    /// How long it took, in microseconds; nothing while it runs.
    pub duration_us: Option<u64>,
    /// What it did, or why it failed, in a sentence.
    pub detail: Option<String>,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// It is being done.
    Running,
    /// It changed something.
    Done,
    /// It found everything as it should be.
    Unchanged,
    /// It failed.
    Failed,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The step, as in [`StepReport::name`].
    pub step: String,
    /// What kind of failure, for programs.
    pub kind: FailureKind,
    /// What went wrong, in a sentence for staff, causes included.
    pub detail: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// The failures that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// A user, group or home of this name is there and is not the account's.
    UsernameTaken,
    /// A site or zone of this name is there and is not the account's.
    DomainTaken,
    /// A service that is needed does not answer.
    Unavailable,
    /// What is to be restored is not kept any more.
    NotKept,
    /// Anything else.
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_taken_with_any_moment_or_none_and_sent_with_one_that_never_comes() {
        let spec: serde_json::Value = serde_json::from_str(include_str!("../../model/fixtures/spec-v1.json")).expect("JSON");
        let mut change = serde_json::json!({
            "operation_id": OperationId::generate(), "request_id": RequestId::generate(), "wait_ms": 0, "spec": spec,
        });
        let read = |change: &serde_json::Value| serde_json::from_value::<Change>(change.clone()).expect("a change");
        let without = read(&change);
        for not_after in [1, i64::MAX] {
            change["not_after"] = not_after.into();
            assert_eq!(read(&change), without);
        }
        // An Agent of the version before has no such field without a default, and compares it with its clock.
        assert_eq!(serde_json::to_value(&without).expect("JSON")["not_after"], i64::MAX);
    }

    #[test]
    fn the_health_of_an_earlier_version_says_nothing_of_cgroups_and_is_read() {
        let text = r#"{"version":"1","protocol":1,"ready":true,"parts":[],"enforcement":[],"open_operations":[],"accounts":0}"#;
        let health: Health = serde_json::from_str(text).expect("health");
        assert_eq!(health.cgroup_level, None);
        let text = r#"{"version":"1","pools":0,"running":0,"backing_off":[],"cgroups":"yes"}"#;
        let health: crate::phpd::Health = serde_json::from_str(text).expect("health");
        assert_eq!(health.cgroup_level, None);
        for level in [CgroupLevel::None, CgroupLevel::Tree, CgroupLevel::Full] {
            assert_eq!(serde_json::to_value(level).expect("JSON"), level.to_string());
        }
    }

    #[test]
    fn nothing_but_the_promise_reads_as_one() {
        let promise = serde_json::to_string(&NeverAnswer::NeverBegins).expect("JSON");
        assert_eq!((promise.as_str(), serde_json::from_str(&promise).ok()), ("\"never_begins\"", Some(NeverAnswer::NeverBegins)));
        for other in ["{}", "null", "true", "\"\"", "{\"known\":null}", "[]"] {
            assert!(serde_json::from_str::<NeverAnswer>(other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_clock_that_is_far_off_is_told_and_a_slow_answer_is_no_wrong_clock() {
        let health = |clock: Option<i64>| {
            let text = r#"{"version":"1","protocol":1,"ready":true,"parts":[],"enforcement":[],"open_operations":[],"accounts":0}"#;
            Health { clock: clock.map(Micros), ..serde_json::from_str(text).expect("health") }
        };
        let second = 1_000_000;
        let wrong = |clock, took| health(clock).wrong_clock(Micros(100 * second), Duration::from_secs(took)).map(|part| part.detail);
        assert_eq!(wrong(None, 0), None, "an Agent of an earlier version does not say");
        assert_eq!((wrong(Some(104 * second), 0), wrong(Some(96 * second), 0)), (None, None));
        assert!(wrong(Some(121 * second), 0).expect("a finding").contains("21 s ahead"));
        assert!(wrong(Some(-3500 * second), 0).expect("a finding").contains("3600 s behind"));
        assert_eq!((wrong(Some(100 * second), 10), wrong(Some(110 * second), 10)), (None, None), "it answered at any moment between");
        assert!(wrong(Some(i64::MAX), 0).is_some() && wrong(Some(i64::MIN), 0).is_some());
    }

    #[test]
    fn a_spec_of_an_earlier_build_has_the_hash_that_it_had() {
        let spec: Spec = serde_json::from_str(include_str!("../../model/fixtures/spec-v1.json")).expect("the fixture is a Spec");
        assert_eq!(spec_hash(&spec), "e0d6a7cc52a8cd3fb3c8a8971d7cf0731bb7e3b9437bd3360460717958efa15b");
    }
}
