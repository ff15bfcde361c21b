//! The mail server through which staff are told what they must not miss.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, data};
use super::texts;
use crate::app::{self, Code, MailAddress, MailHost, MailServerChange, MailUsername, Refusal};
use crate::core::Core;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::Body;
use crate::store::mail_server::{Encryption, MailPassword, MailServer};

/// The mail server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MailServer)]
pub(crate) struct MailServerView {
    host: String,
    port: u16,
    /// `tls`, `starttls` or `none`.
    encryption: &'static str,
    /// What the Panel signs in to it with.
    username: Option<String>,
    /// Whether a password is set. It is never told.
    has_password: bool,
    sender: String,
    recipients: Vec<String>,
}

impl From<MailServer> for MailServerView {
    fn from(server: MailServer) -> Self {
        Self {
            has_password: server.password.is_some(),
            encryption: server.encryption.as_str(),
            host: server.host,
            port: server.port,
            username: server.username,
            sender: server.sender,
            recipients: server.recipients,
        }
    }
}

/// The mail server as it is to be.
#[derive(ToSchema)]
#[schema(as = ChangeMailServer)]
#[expect(dead_code, reason = "describes the body in the document")]
struct ChangeMailServerBody {
    host: texts::MailHost,
    port: texts::Port,
    encryption: texts::EncryptionWord,
    /// Left out if the server asks for no sign-in.
    username: Option<texts::MailUsername>,
    /// 1 to 512 characters. Left out, the one that is set stays; null removes it.
    password: Option<texts::MailPassword>,
    /// The address that notices come from.
    sender: texts::MailAddress,
    /// 1 to 20 addresses.
    #[schema(min_items = 1, max_items = 20)]
    recipients: Vec<texts::MailAddress>,
}

/// Look at the mail server for notices
#[utoipa::path(
    get, path = "/api/settings/mail", operation_id = "mail_server.read", extensions(("x-refusals" = json!([Code::NotFound]))), tag = "settings", security(("token" = ["settings.read"])),
    responses(
        (status = 200, description = "The mail server.", body = Data<MailServerView>),
    )
)]
pub(crate) async fn get(State(core): State<Arc<Core>>, call: Call) -> Result<Json<Data<MailServerView>>, Problem> {
    match app::mail_server(&core, &call.caller).await? {
        Some(server) => Ok(data(server.into())),
        None => Err(Refusal::new(Code::NotFound, "There is no mail server yet, so nobody is told of anything by mail.").into()),
    }
}

/// Set the mail server for notices
#[utoipa::path(
    put, path = "/api/settings/mail", operation_id = "mail_server.change", tag = "settings", security(("token" = ["settings.write"])),
    request_body = ChangeMailServerBody,
    responses((status = 200, description = "The mail server as it is now.", body = Data<MailServerView>))
)]
pub(crate) async fn change(
    State(core): State<Arc<Core>>,
    call: Call,
    Body(mut fields): Body,
) -> Result<Json<Data<MailServerView>>, Problem> {
    let host = fields.required("host", MailHost::parse);
    let port = fields.required_number("port", app::mail_port);
    let encryption = fields.required("encryption", str::parse::<Encryption>);
    let username = fields.optional("username", MailUsername::parse);
    let password = fields.edit("password", MailPassword::parse);
    let sender = fields.required("sender", MailAddress::parse);
    let recipients = fields.required_list("recipients", MailAddress::parse);
    let change = fields.finish(MailServerChange::of(host, port, encryption, username, password, sender, recipients))?;
    Ok(data(app::change_mail_server(&core, &call.caller, change, None, &call.request_id).await?.into()))
}

/// Remove the mail server for notices
///
/// Nobody is told of anything any more, and what waits to be sent is given up.
#[utoipa::path(
    delete, path = "/api/settings/mail", operation_id = "mail_server.remove", extensions(("x-refusals" = json!([Code::NotFound]))), tag = "settings", security(("token" = ["settings.write"])),
    responses((status = 204, description = "There is none any more."))
)]
pub(crate) async fn remove(State(core): State<Arc<Core>>, call: Call) -> Result<StatusCode, Problem> {
    app::remove_mail_server(&core, &call.caller, None, &call.request_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
