//! Packages.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use opterius_model::{PackageId, PackageName};
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, Id, List, data, whole};
use super::texts;
use crate::app::{self, Code};
use crate::core::Core;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::{Body, OptionalBody, QueryFields};
use crate::store::package::{self, Package};

/// A named set of limits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Package)]
pub(crate) struct PackageView {
    /// Stays when the name changes.
    id: String,
    name: String,
    /// 0 means unlimited.
    limits: BTreeMap<String, u64>,
    /// How many accounts have it.
    accounts: i64,
    created_at: i64,
    /// Whether accounts keep it and no other gets it.
    retired: bool,
    retired_at: Option<i64>,
}

impl From<Package> for PackageView {
    fn from(package: Package) -> Self {
        Self {
            id: package.id.to_string(),
            name: package.name.to_string(),
            limits: package.limits.named().into_iter().map(|(name, limit)| (name.to_owned(), u64::from(limit))).collect(),
            accounts: package.accounts,
            created_at: package.created_at.0,
            retired: package.retired_at.is_some(),
            retired_at: package.retired_at.map(|at| at.0),
        }
    }
}

/// A package to make. Limits are whole numbers; 0 means unlimited.
#[derive(ToSchema)]
#[schema(as = CreatePackage)]
#[expect(dead_code, reason = "describes the body in the document")]
struct CreatePackageBody {
    /// 1 to 64 characters; unique, case included.
    name: texts::PackageName,
    /// MiB.
    disk_mib: Option<texts::Limit>,
    /// Files and directories.
    files: Option<texts::Limit>,
    /// GiB a month.
    bandwidth_gib: Option<texts::Limit>,
    /// PHP requests at the same time; 5 if nothing is said.
    php_workers: Option<texts::Limit>,
    /// MiB for one PHP request; 256 if nothing is said.
    php_memory_mib: Option<texts::Limit>,
    /// Percent of one core.
    cpu_percent: Option<texts::Limit>,
    /// MiB for all processes.
    memory_mib: Option<texts::Limit>,
    /// Processes at the same time.
    processes: Option<texts::Limit>,
    /// Sites beside the primary domain.
    sub_sites: Option<texts::Limit>,
    databases: Option<texts::Limit>,
    mailboxes: Option<texts::Limit>,
}

/// What of a package is to change; what is not given stays.
#[derive(ToSchema)]
#[schema(as = ChangePackage)]
#[expect(dead_code, reason = "describes the body in the document")]
struct ChangePackageBody {
    name: Option<texts::PackageName>,
    disk_mib: Option<texts::Limit>,
    files: Option<texts::Limit>,
    bandwidth_gib: Option<texts::Limit>,
    php_workers: Option<texts::Limit>,
    php_memory_mib: Option<texts::Limit>,
    cpu_percent: Option<texts::Limit>,
    memory_mib: Option<texts::Limit>,
    processes: Option<texts::Limit>,
    sub_sites: Option<texts::Limit>,
    databases: Option<texts::Limit>,
    mailboxes: Option<texts::Limit>,
}

/// Make a package
#[utoipa::path(
    post, path = "/api/packages", operation_id = "package.create", extensions(("x-refusals" = json!([Code::NameTaken]))), tag = "packages", security(("token" = ["packages.write"])),
    request_body = CreatePackageBody,
    responses((status = 201, description = "The package was made.", body = Data<PackageView>))
)]
pub(crate) async fn create(
    State(core): State<Arc<Core>>,
    call: Call,
    Body(mut fields): Body,
) -> Result<(StatusCode, Json<Data<PackageView>>), Problem> {
    let name = fields.required("name", PackageName::parse);
    let limits = fields.limits();
    let name = fields.finish(name)?;
    let package = app::create_package(&core, &call.caller, name, limits, &call.request_id).await?;
    Ok((StatusCode::CREATED, data(package.into())))
}

/// List packages
///
/// All of them, by name, the retired ones last.
#[utoipa::path(
    get, path = "/api/packages", operation_id = "package.list", tag = "packages", security(("token" = ["packages.read"])),
    responses((status = 200, description = "All packages.", body = List<PackageView>))
)]
pub(crate) async fn list(
    State(core): State<Arc<Core>>,
    call: Call,
    QueryFields(fields): QueryFields,
) -> Result<Json<List<PackageView>>, Problem> {
    let () = fields.finish(Some(()))?;
    let packages = package::list(core.store.read(), &call.caller.owner).await?;
    Ok(whole(packages.into_iter().map(PackageView::from).collect(), core.now().0))
}

/// Look at a package
#[utoipa::path(
    get, path = "/api/packages/{id}", operation_id = "package.read", extensions(("x-refusals" = json!([Code::PackageNotFound]))), tag = "packages", security(("token" = ["packages.read"])),
    params(("id" = inline(texts::Id), Path, description = "The package's id.")),
    responses((status = 200, description = "The package.", body = Data<PackageView>))
)]
pub(crate) async fn get(State(core): State<Arc<Core>>, call: Call, Id(id): Id<PackageId>) -> Result<Json<Data<PackageView>>, Problem> {
    Ok(data(app::package(&core, &call.caller, id).await?.into()))
}

/// Change a package
///
/// What is given changes. Accounts that have the package keep the limits they were made with.
#[utoipa::path(
    put, path = "/api/packages/{id}", operation_id = "package.change", extensions(("x-refusals" = json!([Code::NameTaken, Code::PackageNotFound]))), tag = "packages", security(("token" = ["packages.write"])),
    params(("id" = inline(texts::Id), Path, description = "The package's id.")),
    request_body = ChangePackageBody,
    responses((status = 200, description = "The package as it is now.", body = Data<PackageView>))
)]
pub(crate) async fn change(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<PackageId>,
    Body(mut fields): Body,
) -> Result<Json<Data<PackageView>>, Problem> {
    let name = fields.optional("name", PackageName::parse);
    let limits = fields.limits();
    let () = fields.finish(Some(()))?;
    Ok(data(app::change_package(&core, &call.caller, id, name, limits, None, &call.request_id).await?.into()))
}

/// Retire a package
///
/// Accounts that have it keep it, and can be restored with it; no other account gets it (`package_retired`). One that is retired already stays as it is.
#[utoipa::path(
    post, path = "/api/packages/{id}/retire", operation_id = "package.retire", extensions(("x-refusals" = json!([Code::PackageNotFound]))), tag = "packages", security(("token" = ["packages.write"])),
    params(("id" = inline(texts::Id), Path, description = "The package's id.")),
    responses((status = 200, description = "The package as it is now.", body = Data<PackageView>))
)]
pub(crate) async fn retire(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<PackageId>,
    OptionalBody(fields): OptionalBody,
) -> Result<Json<Data<PackageView>>, Problem> {
    let () = fields.finish(Some(()))?;
    Ok(data(app::retire_package(&core, &call.caller, id, true, &call.request_id).await?.into()))
}

/// Take a retired package back
///
/// Accounts can get it again. One that is not retired stays as it is.
#[utoipa::path(
    post, path = "/api/packages/{id}/return", operation_id = "package.return", extensions(("x-refusals" = json!([Code::PackageNotFound]))), tag = "packages", security(("token" = ["packages.write"])),
    params(("id" = inline(texts::Id), Path, description = "The package's id.")),
    responses((status = 200, description = "The package as it is now.", body = Data<PackageView>))
)]
pub(crate) async fn take_back(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<PackageId>,
    OptionalBody(fields): OptionalBody,
) -> Result<Json<Data<PackageView>>, Problem> {
    let () = fields.finish(Some(()))?;
    Ok(data(app::retire_package(&core, &call.caller, id, false, &call.request_id).await?.into()))
}

/// Delete a package
///
/// Only one that no account has.
#[utoipa::path(
    delete, path = "/api/packages/{id}", operation_id = "package.delete", extensions(("x-refusals" = json!([Code::PackageInUse, Code::PackageNotFound]))), tag = "packages", security(("token" = ["packages.write"])),
    params(("id" = inline(texts::Id), Path, description = "The package's id.")),
    responses((status = 204, description = "It is gone."))
)]
pub(crate) async fn delete(State(core): State<Arc<Core>>, call: Call, Id(id): Id<PackageId>) -> Result<StatusCode, Problem> {
    app::delete_package(&core, &call.caller, id, &call.request_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
