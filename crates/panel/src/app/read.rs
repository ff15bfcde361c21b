//! Single things, as far as the caller may see them. What a caller may not see is not there.

use opterius_model::{AccountId, OperationId, PackageId};

use super::{AppError, Caller, Reference, Refusal, servers};
use crate::core::Core;
use crate::store;
use crate::store::account::{Account, Status};
use crate::store::operation::Operation;
use crate::store::package::Package;
use crate::store::server::Server;

/// One account that is there.
pub(crate) async fn account(core: &Core, caller: &Caller, reference: &Reference) -> Result<Account, AppError> {
    let account = any_account(core, caller, reference).await?;
    if account.status == Status::Terminated { Err(Refusal::account_gone(&account, core.now()).into()) } else { Ok(account) }
}

/// One account that is there or was there. Of those that had a ref, the live one, else the one that was terminated last.
pub(crate) async fn any_account(core: &Core, caller: &Caller, reference: &Reference) -> Result<Account, AppError> {
    let (read, owner) = (core.store.read(), &caller.owner);
    let found = match reference {
        Reference::Id(id) => store::account::by_id(read, owner, *id).await?,
        Reference::Ref(external_ref) => {
            let stored = caller.stored_ref(external_ref);
            match store::account::by_external_ref(read, owner, &stored).await? {
                Some(live) => Some(live),
                None => store::account::terminated_by_external_ref(read, owner, &stored).await?,
            }
        }
    };
    let found = found.filter(|account| account.status != Status::Failed && caller.sees(&account.owner, account.external_ref.as_deref()));
    found.ok_or_else(|| Refusal::not_found("account", &reference.to_string()).into())
}

/// An account that was read before, as it is now.
pub(super) async fn again(core: &Core, caller: &Caller, id: AccountId) -> Result<Account, AppError> {
    store::account::by_id(core.store.read(), &caller.owner, id).await?.ok_or(AppError::Broken("find an account that is there"))
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
