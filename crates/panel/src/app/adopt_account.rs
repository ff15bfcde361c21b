//! Takes over from a server what the Panel does not know of an account.

use std::sync::Arc;

use opterius_model::{Hold, PackageId, ServerId, Spec, State};
use opterius_protocol::agent::AccountDetail;

use super::names::check_names;
use super::sign_in::end_sessions;
use super::{AppError, Caller, Memo, Refusal};
use crate::core::Core;
use crate::store::account::{self, Account};
use crate::store::account_hold::AccountHold;
use crate::store::activity::{self, Entry};
use crate::store::{self, Write, claimed_name, package};

/// How the Activity names a Panel that does something of its own accord.
pub(crate) const PANEL: &str = "panel";

/// What came of it.
pub(super) enum Adopted {
    /// What was taken over, in a sentence.
    Done(String),
    /// The Panel knows as much by now, or is changing the account.
    Busy,
}

/// Makes the Panel's rows of an account say what its server has, with an Activity row; refused if that would give a name or a ref to two
/// accounts.
pub(super) async fn adopt_account(core: &Arc<Core>, server: ServerId, detail: &AccountDetail, actor: &str) -> Result<Adopted, AppError> {
    let mut write = core.store.write().await?;
    let here = account::by_id(&mut *write, &core.owner, detail.spec.account_id).await?;
    let open = here.as_ref().and_then(|account| account.operation).is_some_and(|operation| !operation.outcome.is_final());
    let known = here.as_ref().and_then(|account| account.spec.as_ref()).is_some_and(|spec| spec.generation >= detail.spec.generation);
    if open || known {
        return Ok(Adopted::Busy);
    }
    let what = take_over(&mut write, core, server, here.as_ref(), detail).await?;
    let entry = Entry {
        at: core.now(),
        actor,
        from: None,
        action: "account.adopt",
        account_id: Some(detail.spec.account_id),
        operation_id: None,
        request_id: None,
        outcome: activity::Outcome::Ok,
        detail: what.clone(),
    };
    activity::append(&mut write, &core.owner, entry).await?;
    store::commit(write).await?;
    if let Some(operation) = detail.summary.operation_id {
        core.acknowledger.acknowledge(&core.task_states, operation, server);
    }
    tracing::warn!(account.id = %detail.spec.account_id, account.username = %detail.spec.username, "{what}");
    Ok(Adopted::Done(what))
}

/// Makes the rows of one account say what its server has, in the caller's transaction; says what was taken over. A refusal has changed
/// nothing.
pub(super) async fn take_over(
    write: &mut Write,
    core: &Core,
    server: ServerId,
    here: Option<&Account>,
    detail: &AccountDetail,
) -> Result<String, AppError> {
    let spec = &Spec { uid: detail.spec.uid.or(detail.summary.uid), ..detail.spec.clone() };
    let id = spec.account_id;
    // A server speaks for the accounts that are on it, and answers for the one that it was asked about.
    let elsewhere = account::by_id(&mut **write, &core.owner, id).await?.is_some_and(|account| account.server.id != server);
    if elsewhere || detail.summary.id != id || here.is_some_and(|here| here.id != id) {
        return Err(Refusal::not_its_account(&spec.username).into());
    }
    let memo = detail.memo.as_ref().and_then(Memo::read);
    if spec.state != State::Absent {
        let administrator = Caller::local_administrator();
        let known = here.map_or(memo.as_ref().and_then(|memo| memo.external_ref.as_deref()), |here| here.external_ref.as_deref());
        if let Some(external_ref) = known
            && let Some(other) = account::by_external_ref(&mut **write, &core.owner, external_ref).await?
            && other.id != id
        {
            return Err(Refusal::external_ref_taken(&administrator, &other).into());
        }
        check_names(write, &administrator, id, &spec.username, spec.sites[0].primary()).await?;
    }
    // From here on nothing is refused, so that a refusal has changed nothing.
    claimed_name::free(write, id).await?;
    if here.is_none() {
        let new = account::New {
            spec,
            external_ref: memo.as_ref().and_then(|memo| memo.external_ref.as_deref()),
            email: memo.as_ref().and_then(|memo| memo.email.as_deref()),
            client: &memo.as_ref().map(|memo| memo.client.clone()).unwrap_or_default(),
            package_id: None,
            server_id: server,
            operation_id: None,
            // Lists show what was made before now. The server's clock, or that of the Panel that made the account, may be ahead of this one.
            now: memo.as_ref().map_or(detail.summary.committed_at, |memo| memo.created_at).min(core.now()),
        };
        account::insert(write, &new).await?;
    }
    account::set_spec(write, spec, core.now()).await?;
    let password_before = here.and_then(|here| here.spec.as_ref()).map(|spec| &spec.password_hash);
    if spec.state == State::Absent || password_before != Some(&spec.password_hash) {
        end_sessions(write, id).await?;
    }
    // Whoever read the account before now does not change it before they have read it again.
    account::forget_operation(write, id).await?;
    let memo = match (memo, account::by_id(&mut **write, &core.owner, id).await?) {
        (Some(memo), _) => Some(Memo { package_id: known_package(write, core, &memo).await?, ..memo }),
        (None, account) => account.as_ref().map(Memo::of),
    };
    if let Some(mut memo) = memo {
        if spec.state != State::Absent {
            memo.holds = holds(spec, &memo.holds, detail);
        }
        memo.put_down(write, id).await?;
    }
    if spec.state != State::Absent {
        claimed_name::claim(write, id, &spec.username, spec.sites[0].primary()).await?;
    }
    let (username, domain, generation) = (&spec.username, spec.sites[0].primary(), spec.generation);
    Ok(match (here, spec.state) {
        (None, _) => format!("The account {username} ({domain}), which only its server knew, was taken over (generation {generation})."),
        (Some(_), State::Absent) => {
            format!("The account {username} ({domain}) is terminated on its server, and now here (generation {generation}).")
        }
        (Some(_), _) => format!("The account {username} ({domain}) is newer on its server, and was taken over (generation {generation})."),
    })
}

/// The holds that the Spec has, with what is known of each.
fn holds(spec: &Spec, known: &[AccountHold], detail: &AccountDetail) -> Vec<AccountHold> {
    let of = |hold: &Hold| {
        known.iter().find(|known| known.hold == *hold).cloned().unwrap_or_else(|| AccountHold {
            hold: *hold,
            reason: "taken over from the server, which knows no reason".to_owned(),
            since: detail.summary.committed_at,
            by: PANEL.to_owned(),
        })
    };
    spec.holds.iter().map(of).collect()
}

/// The package that the memo means: by its id, or by its name if the id is of another installation or time.
async fn known_package(write: &mut Write, core: &Core, memo: &Memo) -> Result<Option<PackageId>, AppError> {
    if let Some(id) = memo.package_id
        && package::resolve_id(&mut **write, &core.owner, id).await?.is_some()
    {
        return Ok(Some(id));
    }
    let Some(name) = &memo.package_name else { return Ok(None) };
    Ok(package::resolve_name(&mut **write, &core.owner, name).await?.map(|package| package.id))
}
