//! Administrators: people who may look at the API with a name and a password.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, Id, data};
use super::texts;
use crate::app::{self, AdministratorName, Code};
use crate::core::Core;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::Body;
use crate::store::administrator::Role;

/// An administrator.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Administrator)]
pub(crate) struct AdministratorView {
    username: String,
}

/// An administrator to make.
#[derive(ToSchema)]
#[schema(as = CreateAdministrator)]
#[expect(dead_code, reason = "describes the body in the document")]
struct CreateAdministratorBody {
    username: texts::AdministratorName,
    password: texts::Password,
    /// `administrator`, `support` or `read_only`; `administrator` if nothing is said.
    role: Option<texts::RoleWord>,
}

/// Another password.
#[derive(ToSchema)]
#[schema(as = ChangePassword)]
#[expect(dead_code, reason = "describes the body in the document")]
struct ChangePasswordBody {
    password: texts::Password,
}

/// Make an administrator
///
/// Only over the Unix socket, by root on the Panel's own machine.
#[utoipa::path(
    post, path = "/api/administrators", operation_id = "administrator.create", extensions(("x-refusals" = json!([Code::NameTaken]))), tag = "administrators", security(("token" = ["administrators.write"])),
    request_body = CreateAdministratorBody,
    responses((status = 201, description = "The administrator was made.", body = Data<AdministratorView>))
)]
pub(crate) async fn create(
    State(core): State<Arc<Core>>,
    call: Call,
    Body(mut fields): Body,
) -> Result<(StatusCode, Json<Data<AdministratorView>>), Problem> {
    let name = fields.required("username", AdministratorName::parse);
    let password = fields.password("password");
    let role = fields.optional("role", str::parse::<Role>).unwrap_or(Role::Administrator);
    let (name, password) = fields.finish(name.zip(password))?;
    let by = app::confirm(&core, &call.caller, None).await?;
    let name = app::create_administrator(&core, &by, name, role, password, &call.request_id).await?;
    Ok((StatusCode::CREATED, data(AdministratorView { username: name.to_string() })))
}

/// Change an administrator's password
///
/// Only over the Unix socket, by root on the Panel's own machine.
#[utoipa::path(
    put, path = "/api/administrators/{username}/password", operation_id = "administrator.password", tag = "administrators", security(("token" = ["administrators.write"])),
    params(("username" = inline(texts::AdministratorName), Path, description = "The administrator's name.")),
    request_body = ChangePasswordBody,
    responses((status = 204, description = "It is changed."))
)]
pub(crate) async fn change_password(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(name): Id<AdministratorName>,
    Body(mut fields): Body,
) -> Result<StatusCode, Problem> {
    let password = fields.password("password");
    let password = fields.finish(password)?;
    let by = app::confirm(&core, &call.caller, None).await?;
    app::change_administrator_password(&core, &by, name, password, &call.request_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take an administrator's second factor away
///
/// Only over the Unix socket, by root on the Panel's own machine: for somebody who has lost app and recovery codes. Every session of theirs ends.
#[utoipa::path(
    delete, path = "/api/administrators/{username}/second-factor", operation_id = "administrator.second_factor", tag = "administrators", security(("token" = ["administrators.write"])),
    params(("username" = inline(texts::AdministratorName), Path, description = "The administrator's name.")),
    responses((status = 204, description = "From now on the password is enough."))
)]
pub(crate) async fn remove_second_factor(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(name): Id<AdministratorName>,
) -> Result<StatusCode, Problem> {
    let by = app::confirm(&core, &call.caller, None).await?;
    app::remove_second_factor(&core, &by, name.as_str(), &call.request_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
