//! Compares what the Panel and a server know of every account, says what only one of them knows, and takes over what the Panel forgot: after
//! it was restored from a backup, its servers know better.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use opterius_model::{AccountId, Generation, ServerId, Spec, State, Username};
use opterius_protocol::WireCode;
use opterius_protocol::agent::{AccountDetail, AccountSummary, GetAccount, ListAccounts, spec_hash};
use opterius_protocol::client::{CallError, chain};

use super::adopt_account::{Adopted, PANEL, adopt_account};
use super::{AppError, Caller, Refusal};
use crate::core::Core;
use crate::fleet::{ACCOUNTS, Reading};
use crate::store::account::{self, Account, Status};
use crate::store::server::{self, Server};

/// How many accounts one question to a server asks for.
const PAGE: u16 = 1000;

/// How long a hash of a Spec is, in characters.
const HASH: usize = 64;

const TIMEOUT: Duration = Duration::from_secs(30);

/// What only one side knows of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference {
    /// There, and unknown here.
    OnlyAgent,
    /// Here, and unknown or absent there.
    OnlyPanel,
    /// The server has a newer state.
    NewerOnAgent,
    /// The Panel has a newer state.
    NewerOnPanel,
    /// The same generation, and not the same state.
    Different,
    /// It is being changed now.
    Busy,
    /// The server has it, and does not say what it is.
    Unclear,
}

/// One account that the two sides do not say the same of.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) account_id: AccountId,
    pub(crate) username: String,
    pub(crate) domain: String,
    pub(crate) server: String,
    /// The generation that was last committed here.
    pub(crate) panel_generation: Option<Generation>,
    /// The generation that the server has.
    pub(crate) agent_generation: Option<Generation>,
    pub(crate) difference: Difference,
    /// What the two sides have, in a sentence.
    pub(crate) detail: String,
    /// What came of taking it over, if that was tried.
    pub(crate) adoption: Option<Adoption>,
}

/// What came of taking an account over.
#[derive(Debug)]
pub(crate) enum Adoption {
    Done(String),
    /// Why not.
    Refused(String),
}

/// What a comparison found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// How many accounts both sides say the same of.
    pub(crate) same: u64,
    pub(crate) findings: Vec<Finding>,
}

/// Compares, and changes nothing.
pub(crate) async fn compare(core: &Arc<Core>) -> Result<Report, AppError> {
    run(core, None).await
}

/// Compares, and takes over what only the servers know.
pub(crate) async fn resync(core: &Arc<Core>, caller: &Caller) -> Result<Report, AppError> {
    run(core, Some(&caller.actor())).await
}

/// Compares one server, and takes over what only it knows.
pub(crate) async fn take_over_all(core: &Arc<Core>, server: &Server) -> Result<Report, AppError> {
    let mut report = Report::default();
    compare_server(core, server, Some(PANEL), &mut report).await?;
    Ok(report)
}

async fn run(core: &Arc<Core>, adopting: Option<&str>) -> Result<Report, AppError> {
    let mut report = Report::default();
    for server in server::list(core.store.read(), &core.owner).await? {
        compare_server(core, &server, adopting, &mut report).await?;
    }
    Ok(report)
}

async fn compare_server(core: &Arc<Core>, server: &Server, adopting: Option<&str>, report: &mut Report) -> Result<(), AppError> {
    let there = accounts_of(core, server).await?;
    let here: BTreeMap<AccountId, Account> =
        account::all_on_server(core.store.read(), server.id).await?.into_iter().map(|account| (account.id, account)).collect();
    let ids: BTreeSet<AccountId> = there.keys().chain(here.keys()).copied().collect();
    for id in ids {
        let seen = difference(here.get(&id), there.get(&id));
        match seen {
            Compared::Same => report.same += 1,
            Compared::Nothing => {}
            // The two lists are not of the same moment, so whatever differs is looked at again by itself.
            Compared::Differ(_) => {
                let (compared, account, detail) = match look_again(core, server, id).await? {
                    Seen::As(compared, account, detail) => (compared, account, detail),
                    Seen::Unclear(account, why) => {
                        let mut finding = finding(server, id, Difference::Unclear, account.as_ref(), None);
                        if let (None, Some(there)) = (&account, there.get(&id)) {
                            finding.username = there.username.to_string();
                        }
                        finding.agent_generation = there.get(&id).map(|there| there.generation);
                        finding.detail = format!("The server does not say what it is: {why}");
                        report.findings.push(finding);
                        continue;
                    }
                };
                match compared {
                    Compared::Same => report.same += 1,
                    Compared::Nothing => {}
                    Compared::Differ(difference) => {
                        let mut finding = finding(server, id, difference, account.as_ref(), detail.as_deref());
                        let adopts = matches!(difference, Difference::OnlyAgent | Difference::NewerOnAgent);
                        if let (Some(actor), Some(detail), true) = (adopting, &detail, adopts) {
                            finding.adoption = Some(adopt(core, server.id, detail, actor).await?);
                        }
                        report.findings.push(finding);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Every account that the server knows.
async fn accounts_of(core: &Core, server: &Server) -> Result<BTreeMap<AccountId, There>, AppError> {
    let mut all = BTreeMap::new();
    let mut reading = Reading::new(PAGE, ACCOUNTS);
    loop {
        let page = core.fleet.agent(server.id).call(&ListAccounts { after: reading.last(), limit: PAGE }, TIMEOUT).await;
        let page = page.map_err(|error| unreachable(server, &error))?;
        let more = reading.take(page.accounts.iter().map(|summary| summary.id));
        if !more.map_err(|error| Refusal::server_unreachable(&server.name, &error.to_string()))? {
            return Ok(all);
        }
        all.extend(page.accounts.iter().map(|summary| (summary.id, There::from(summary))));
    }
}

fn unreachable(server: &Server, error: &CallError) -> Refusal {
    Refusal::server_unreachable(&server.name, &chain(error))
}

/// What a server says of an account.
struct There {
    username: Username,
    generation: Generation,
    state: State,
    /// Nothing, if what it says is no hash.
    hash: Option<String>,
}

impl From<&AccountSummary> for There {
    fn from(summary: &AccountSummary) -> Self {
        let hash = Some(&summary.spec_hash).filter(|hash| hash.len() == HASH).cloned();
        Self { username: summary.username.clone(), generation: summary.generation, state: summary.state, hash }
    }
}

enum Compared {
    /// Neither has it.
    Nothing,
    Same,
    Differ(Difference),
}

fn difference(here: Option<&Account>, there: Option<&There>) -> Compared {
    let open = here.and_then(|account| account.operation).is_some_and(|operation| !operation.outcome.is_final());
    if open {
        return Compared::Differ(Difference::Busy);
    }
    let spec = here.filter(|account| account.status != Status::Failed).and_then(|account| account.spec.as_ref());
    let live = |spec: &Spec| spec.state != State::Absent;
    match (spec, there) {
        // What is gone on the server, and was never or is no longer known here.
        (None, Some(there)) if there.state == State::Absent => Compared::Nothing,
        (None, Some(_)) => Compared::Differ(Difference::OnlyAgent),
        (Some(spec), None) if live(spec) => Compared::Differ(Difference::OnlyPanel),
        // A server forgets in time what is gone.
        (None | Some(_), None) => Compared::Nothing,
        (Some(spec), Some(there)) if there.generation > spec.generation => Compared::Differ(Difference::NewerOnAgent),
        (Some(spec), Some(there)) if there.state == State::Absent => {
            if live(spec) {
                Compared::Differ(Difference::OnlyPanel)
            } else {
                Compared::Same
            }
        }
        (Some(spec), Some(there)) if there.generation < spec.generation => Compared::Differ(Difference::NewerOnPanel),
        (Some(spec), Some(there)) if there.hash.as_deref() != Some(spec_hash(spec).as_str()) => Compared::Differ(Difference::Different),
        (Some(_), Some(_)) => Compared::Same,
    }
}

/// What another look at one account came to.
enum Seen {
    /// How the two sides differ, and what they have.
    As(Compared, Option<Account>, Option<Box<AccountDetail>>),
    /// The server answers, and not with the account; what is here, and why.
    Unclear(Option<Account>, String),
}

async fn look_again(core: &Core, server: &Server, id: AccountId) -> Result<Seen, AppError> {
    let before = account::by_id(core.store.read(), &core.owner, id).await?;
    let detail = match core.fleet.agent(server.id).call(&GetAccount { id }, TIMEOUT).await {
        Ok(detail) => Some(Box::new(detail)),
        Err(CallError::Refused(error)) if error.code == WireCode::NotFound => None,
        Err(error @ (CallError::NotSent { .. } | CallError::NoReply { .. })) => return Err(unreachable(server, &error).into()),
        // It answers, and of others it may have more to say.
        Err(error) => return Ok(Seen::Unclear(before, chain(&error))),
    };
    let account = account::by_id(core.store.read(), &core.owner, id).await?;
    // Known here, and on another server: this one has nothing to say of it, and a person should know that it does.
    if account.as_ref().is_some_and(|account| account.server.id != server.id) {
        return Ok(Seen::As(Compared::Differ(Difference::Different), account, detail));
    }
    let generation = |account: &Option<Account>| account.as_ref().map(|account| account.generation);
    if generation(&before) != generation(&account) {
        return Ok(Seen::As(Compared::Differ(Difference::Busy), account, detail));
    }
    let open = account.as_ref().and_then(|account| account.operation).is_some_and(|operation| !operation.outcome.is_final());
    if !open && same_but_for_the_generation(account.as_ref(), detail.as_deref()) {
        return Ok(Seen::As(Compared::Same, account, detail));
    }
    let there = detail.as_ref().map(|detail| There::from(&detail.summary));
    Ok(Seen::As(difference(account.as_ref(), there.as_ref()), account, detail))
}

/// A change that came to nothing leaves the state as it was, and on the server under the number of the change.
fn same_but_for_the_generation(here: Option<&Account>, there: Option<&AccountDetail>) -> bool {
    let (Some(here), Some(there)) = (here.and_then(|account| account.spec.as_ref()), there.map(|detail| &detail.spec)) else {
        return false;
    };
    // Of what is gone each side forgets the password hash in its own time.
    let gone = here.state == State::Absent && there.state == State::Absent && here.kept_until == there.kept_until;
    here.generation < there.generation && (gone || Spec { generation: there.generation, ..here.clone() } == *there)
}

fn finding(server: &Server, id: AccountId, difference: Difference, here: Option<&Account>, there: Option<&AccountDetail>) -> Finding {
    let panel = here.and_then(|account| account.spec.as_ref());
    let agent = there.map(|detail| &detail.spec);
    let says = |spec: Option<&Spec>| spec.map_or("unknown", |spec| Status::of(spec.state).as_str());
    let names = here.map(|account| (account.username.to_string(), account.domain.to_string()));
    let (username, domain) =
        names.or_else(|| agent.map(|spec| (spec.username.to_string(), spec.sites[0].primary().to_string()))).unwrap_or_default();
    Finding {
        account_id: id,
        username,
        domain,
        server: server.name.clone(),
        panel_generation: panel.map(|spec| spec.generation),
        agent_generation: agent.map(|spec| spec.generation),
        difference,
        detail: format!("On the server it is {}, here it is {}.", says(agent), says(panel)),
        adoption: None,
    }
}

async fn adopt(core: &Arc<Core>, server: ServerId, detail: &AccountDetail, actor: &str) -> Result<Adoption, AppError> {
    match adopt_account(core, server, detail, actor).await {
        Ok(Adopted::Done(what)) => Ok(Adoption::Done(what)),
        Ok(Adopted::Busy) => Ok(Adoption::Refused("It was changed in the meantime.".to_owned())),
        Err(AppError::Refused(refusal)) => Ok(Adoption::Refused(refusal.detail)),
        Err(error) => Err(error),
    }
}
