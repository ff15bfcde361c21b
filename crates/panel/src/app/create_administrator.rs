//! Makes administrators, and changes their passwords.

use std::sync::Arc;

use opterius_model::{Password, RequestId};

use super::authenticate::stored_password;
use super::{AdministratorName, AppError, Code, Confirmed, Refusal, record};
use crate::core::Core;
use crate::store::administrator::Role;
use crate::store::{self, administrator, session};

/// Makes an administrator.
pub(crate) async fn create_administrator(
    core: &Arc<Core>,
    by: &Confirmed,
    name: AdministratorName,
    role: Role,
    password: Password,
    request: &RequestId,
) -> Result<AdministratorName, AppError> {
    let caller = by.caller();
    let stored = stored_password(core, password).await?;
    let mut write = core.store.write().await?;
    match administrator::insert(&mut write, &caller.owner, name.as_str(), role, &stored, core.now()).await {
        Err(error) if error.is_unique_violation() => {
            return Err(Refusal::new(Code::NameTaken, format!("There is an administrator `{name}` already."))
                .hint("Change the password with PUT /api/administrators/{username}/password.")
                .into());
        }
        other => other?,
    }
    record::done(&mut write, core, caller, "administrator.create", request, format!("{name} was made, with the role {}.", role.as_str()))
        .await?;
    store::commit(write).await?;
    Ok(name)
}

/// Gives an administrator another password.
pub(crate) async fn change_administrator_password(
    core: &Arc<Core>,
    by: &Confirmed,
    name: AdministratorName,
    password: Password,
    request: &RequestId,
) -> Result<(), AppError> {
    let caller = by.caller();
    let stored = stored_password(core, password).await?;
    let mut write = core.store.write().await?;
    if !administrator::set_password_hash(&mut write, &caller.owner, name.as_str(), &stored).await? {
        return Err(Refusal::not_found("administrator", name.as_str()).into());
    }
    session::revoke_others(&mut write, &caller.owner, name.as_str(), "").await?;
    record::done(&mut write, core, caller, "administrator.password", request, format!("The administrator {name} has another password."))
        .await?;
    store::commit(write).await?;
    Ok(())
}
