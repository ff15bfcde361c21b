//! Packages: made, changed, deleted.

use std::sync::Arc;

use opterius_model::{Limit, Limits, PackageId, PackageName, RequestId};

use super::{AppError, Caller, Code, PackageChoice, Refusal, Version, read, record, still};
use crate::core::Core;
use crate::store;
use crate::store::package::{self, Package, Resolved};

/// Limits that were given, by their field name.
#[derive(Debug, Clone, Default)]
pub(crate) struct LimitChanges(pub(crate) Vec<(&'static str, Limit)>);

impl LimitChanges {
    fn apply(&self, limits: Limits) -> Limits {
        self.0.iter().fold(limits, |limits, (name, limit)| with_limit(limits, name, *limit))
    }
}

/// The limits with the one of this name replaced. A name that no limit has changes nothing.
pub(super) fn with_limit(mut limits: Limits, name: &str, limit: Limit) -> Limits {
    let field = match name {
        "disk_mib" => &mut limits.disk_mib,
        "files" => &mut limits.files,
        "bandwidth_gib" => &mut limits.bandwidth_gib,
        "php_workers" => &mut limits.php_workers,
        "php_memory_mib" => &mut limits.php_memory_mib,
        "cpu_percent" => &mut limits.cpu_percent,
        "memory_mib" => &mut limits.memory_mib,
        "processes" => &mut limits.processes,
        "sub_sites" => &mut limits.sub_sites,
        "databases" => &mut limits.databases,
        "mailboxes" => &mut limits.mailboxes,
        _ => return limits,
    };
    *field = limit;
    limits
}

/// The package that a caller means.
pub(super) async fn resolve_package(
    db: impl sqlx::SqliteExecutor<'_>,
    caller: &Caller,
    choice: &PackageChoice,
) -> Result<Resolved, AppError> {
    let found = match choice {
        PackageChoice::Id(id) => package::resolve_id(db, &caller.owner, *id).await?,
        PackageChoice::Name(name) => package::resolve_name(db, &caller.owner, name.as_str()).await?,
    };
    found.ok_or_else(|| Refusal::package_not_found(&choice.to_string()).into())
}

/// The package that a caller means, for an account that does not have it yet.
pub(super) async fn offered_package(
    db: impl sqlx::SqliteExecutor<'_>,
    caller: &Caller,
    choice: &PackageChoice,
) -> Result<Resolved, AppError> {
    let package = resolve_package(db, caller, choice).await?;
    if package.retired { Err(Refusal::package_retired(&package.name, choice).into()) } else { Ok(package) }
}

fn name_taken(name: &PackageName) -> Refusal {
    Refusal::new(Code::NameTaken, format!("There is a package `{name}` already.")).hint("Choose another name, or change that package.")
}

/// The limits that a change leads to.
pub(crate) fn with_changes(limits: Limits, changes: &LimitChanges) -> Limits {
    changes.apply(limits)
}

/// Makes a package.
pub(crate) async fn create_package(
    core: &Arc<Core>,
    caller: &Caller,
    name: PackageName,
    limits: LimitChanges,
    request: &RequestId,
) -> Result<Package, AppError> {
    let limits = limits.apply(Limits::DEFAULT);
    let package = Package { id: PackageId::generate(), name, limits, accounts: 0, created_at: core.now(), retired_at: None };
    let mut write = core.store.write().await?;
    match package::insert(&mut write, &caller.owner, &package).await {
        Err(error) if error.is_unique_violation() => return Err(name_taken(&package.name).into()),
        other => other?,
    }
    record::done(&mut write, core, caller, "package.create", request, format!("The package {} was made.", package.name)).await?;
    store::commit(write).await?;
    Ok(package)
}

/// What a form shows of a package.
pub(crate) fn package_version(package: &Package) -> Version {
    Version::of(&(package.name.as_str(), package.limits))
}

/// Changes what was given. Accounts that have the package keep the limits they have.
pub(crate) async fn change_package(
    core: &Arc<Core>,
    caller: &Caller,
    id: PackageId,
    name: Option<PackageName>,
    limits: LimitChanges,
    seen: Option<&Version>,
    request: &RequestId,
) -> Result<Package, AppError> {
    let mut write = core.store.write().await?;
    let before = package::by_id(&mut *write, &caller.owner, id).await?.ok_or_else(|| read::no_package(id))?;
    still(&format!("The package `{}`", before.name), seen, &package_version(&before))?;
    let package = Package { name: name.unwrap_or_else(|| before.name.clone()), limits: limits.apply(before.limits), ..before.clone() };
    match package::update(&mut write, &caller.owner, &package).await {
        Err(error) if error.is_unique_violation() => return Err(name_taken(&package.name).into()),
        other => other?,
    }
    let detail = if before.name == package.name {
        format!("The package {} was changed.", package.name)
    } else {
        format!("The package {} was changed and is now {}.", before.name, package.name)
    };
    record::done(&mut write, core, caller, "package.change", request, detail).await?;
    store::commit(write).await?;
    Ok(package)
}

/// Has accounts keep a package and no other get it, or has them get it again. One that is as wanted already is left alone.
pub(crate) async fn retire_package(
    core: &Arc<Core>,
    caller: &Caller,
    id: PackageId,
    retired: bool,
    request: &RequestId,
) -> Result<Package, AppError> {
    let mut write = core.store.write().await?;
    let before = package::by_id(&mut *write, &caller.owner, id).await?.ok_or_else(|| read::no_package(id))?;
    if before.retired_at.is_some() == retired {
        return Ok(before);
    }
    let package = Package { retired_at: retired.then(|| core.now()), ..before };
    package::retire(&mut write, &caller.owner, id, package.retired_at).await?;
    let (action, detail) = if retired {
        (
            "package.retire",
            format!("The package {} was retired: {} accounts keep it, and no other gets it.", package.name, package.accounts),
        )
    } else {
        ("package.return", format!("The package {} can be had again.", package.name))
    };
    record::done(&mut write, core, caller, action, request, detail).await?;
    store::commit(write).await?;
    Ok(package)
}

/// Deletes a package that no account has.
pub(crate) async fn delete_package(core: &Arc<Core>, caller: &Caller, id: PackageId, request: &RequestId) -> Result<(), AppError> {
    let mut write = core.store.write().await?;
    let package = package::by_id(&mut *write, &caller.owner, id).await?.ok_or_else(|| read::no_package(id))?;
    match package::delete(&mut write, &caller.owner, id).await {
        Err(error) if error.is_in_use() => {
            let accounts = package.accounts;
            return Err(Refusal::new(Code::PackageInUse, format!("The package `{}` is in use by {accounts} accounts.", package.name))
                .hint("Give those accounts another package first.")
                .into());
        }
        other => other?,
    }
    record::done(&mut write, core, caller, "package.delete", request, format!("The package {} was deleted.", package.name)).await?;
    store::commit(write).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_given() {
        for (name, before) in Limits::DEFAULT.named() {
            let given = Limit::try_from(77).unwrap();
            let after = LimitChanges(vec![(name, given)]).apply(Limits::DEFAULT);
            for (other, limit) in after.named() {
                let expected = if other == name { given } else { Limits::DEFAULT.named().iter().find(|(n, _)| *n == other).unwrap().1 };
                assert_eq!(limit, expected, "{other} after {name} was changed from {before:?}");
            }
        }
    }
}
