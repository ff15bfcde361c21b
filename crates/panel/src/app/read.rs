//! Single things, as far as the caller may see them. What a caller may not see is not there.

use opterius_model::{AccountId, OperationId, PackageId};

use super::{AppError, Caller, Code, Refusal, servers};
use crate::core::Core;
use crate::store;
use crate::store::account::{Account, Status};
use crate::store::operation::Operation;
use crate::store::package::Package;
use crate::store::server::Server;

/// One account that is there.
pub(crate) async fn account(core: &Core, caller: &Caller, id: AccountId) -> Result<Account, AppError> {
    let found = store::account::by_id(core.store.read(), &caller.owner, id).await?;
    let found = found.filter(|account| account.status != Status::Failed && caller.sees(&account.owner, account.external_ref.as_deref()));
    let account = found.ok_or_else(|| Refusal::not_found("account", &id.to_string()))?;
    if account.status == Status::Terminated {
        let at = account.terminated_at.map_or(0, |at| at.0);
        return Err(
            Refusal::new(Code::AccountGone, format!("The account `{}` was terminated (at {at} µs since 1970).", account.username)).into()
        );
    }
    Ok(account)
}

/// One operation.
pub(crate) async fn operation(core: &Core, caller: &Caller, id: OperationId) -> Result<Operation, AppError> {
    let found = store::operation::by_id(core.store.read(), &caller.owner, id).await?;
    let found = found.filter(|operation| caller.sees(&operation.owner, operation.external_ref.as_deref()));
    found.ok_or_else(|| Refusal::not_found("operation", &id.to_string()).into())
}

/// One package.
pub(crate) async fn package(core: &Core, caller: &Caller, id: PackageId) -> Result<Package, AppError> {
    store::package::by_id(core.store.read(), &caller.owner, id).await?.ok_or_else(|| no_package(id).into())
}

pub(super) fn no_package(id: PackageId) -> Refusal {
    Refusal::package_not_found(&id.to_string())
}

/// One server, by its id or its name.
pub(crate) async fn server(core: &Core, caller: &Caller, choice: &str) -> Result<Server, AppError> {
    servers::find(store::server::list_counted(core.store.read(), &caller.owner).await?, choice)
}
