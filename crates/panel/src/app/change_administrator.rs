//! What the host's people may do, and who is one of them no more.

use std::sync::Arc;

use opterius_model::RequestId;
use sqlx::SqliteConnection;

use super::{AppError, Caller, CallerKind, Code, Confirmed, Refusal, record};
use crate::core::Core;
use crate::store::administrator::{self, Administrator, Role};
use crate::store::{self, StoreError};

/// One of the host's people.
pub(crate) async fn person(core: &Core, caller: &Caller, name: &str) -> Result<Administrator, AppError> {
    let found = administrator::by_name(core.store.read(), &caller.owner, name).await?;
    found.ok_or_else(|| Refusal::not_found("administrator", name).into())
}

/// Changes what somebody who is seen with the role `seen` may do.
pub(crate) async fn set_role(
    core: &Arc<Core>,
    by: &Confirmed,
    name: &str,
    role: Role,
    seen: Role,
    request: &RequestId,
) -> Result<(), AppError> {
    let caller = by.caller();
    let mut write = core.store.write().await?;
    let now = administrator::by_name(&mut *write, &caller.owner, name).await?;
    let now = now.ok_or_else(|| Refusal::not_found("administrator", name))?;
    if now.role != seen {
        let detail = format!("{name} was given the role {} meanwhile, so nothing was changed.", now.role.as_str());
        return Err(Refusal::new(Code::ChangedMeanwhile, detail).hint("Look at it as it is now, and choose again.").into());
    }
    if now.role == Role::Administrator && role != Role::Administrator && is_last(&mut write, caller).await? {
        return Err(last(name).into());
    }
    administrator::set_role(&mut write, &caller.owner, name, role).await?;
    let detail = format!("{name} has the role {} now.", role.as_str());
    record::done(&mut write, core, caller, "administrator.role", request, detail).await?;
    Ok(store::commit(write).await?)
}

/// Forgets one of the host's people; not oneself, and not the last who may do everything.
pub(crate) async fn delete_administrator(core: &Arc<Core>, by: &Confirmed, name: &str, request: &RequestId) -> Result<(), AppError> {
    let caller = by.caller();
    if caller.kind == CallerKind::Administrator && caller.name == name {
        return Err(Refusal::new(Code::Forbidden, "Nobody deletes themselves.").hint("Ask another administrator.").into());
    }
    let mut write = core.store.write().await?;
    let now = administrator::by_name(&mut *write, &caller.owner, name).await?;
    let now = now.ok_or_else(|| Refusal::not_found("administrator", name))?;
    if now.role == Role::Administrator && is_last(&mut write, caller).await? {
        return Err(last(name).into());
    }
    administrator::delete(&mut write, &caller.owner, name).await?;
    record::done(&mut write, core, caller, "administrator.delete", request, format!("{name} was deleted.")).await?;
    Ok(store::commit(write).await?)
}

async fn is_last(db: &mut SqliteConnection, caller: &Caller) -> Result<bool, StoreError> {
    let all = administrator::list(db, &caller.owner).await?;
    Ok(all.iter().filter(|one| one.role == Role::Administrator).count() < 2)
}

fn last(name: &str) -> Refusal {
    Refusal::new(Code::Forbidden, format!("{name} is the last administrator: nobody would be left who may do everything."))
        .hint("Make somebody else an administrator first.")
}
