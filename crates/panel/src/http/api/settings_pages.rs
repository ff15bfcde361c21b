//! The pages that the host puts before visitors of suspended and of new sites.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use opterius_model::{PageLink, PageMessage, PageTitle, Pages, SuspensionPage, WelcomePage};
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, data};
use super::texts;
use crate::app::{self, PagesChange};
use crate::core::Core;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::{Body, Fields};

/// The host's own pages. What is null is as it is built in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pages)]
pub(crate) struct PagesView {
    /// Of suspended sites.
    suspension: Option<SuspensionView>,
    /// Of new sites, until their owners put pages of theirs in their place.
    welcome: Option<WelcomeView>,
}

/// What visitors of a suspended site read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SuspensionPage)]
struct SuspensionView {
    title: String,
    /// Plain text; empty lines part paragraphs.
    message: String,
    /// Where its owner may ask.
    contact: Option<String>,
}

/// What visitors of a new site read. `{domain}` stands for its domain.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WelcomePage)]
struct WelcomeView {
    title: String,
    /// Plain text; empty lines part paragraphs.
    message: String,
}

impl From<Pages> for PagesView {
    fn from(pages: Pages) -> Self {
        let suspension = |page: SuspensionPage| SuspensionView {
            title: page.title.to_string(),
            message: page.message.to_string(),
            contact: page.contact.map(|contact| contact.to_string()),
        };
        let welcome = |page: WelcomePage| WelcomeView { title: page.title.to_string(), message: page.message.to_string() };
        Self { suspension: pages.suspension.map(suspension), welcome: pages.welcome.map(welcome) }
    }
}

/// The pages as they are to be. Null is as it is built in.
#[derive(ToSchema)]
#[schema(as = ChangePages)]
#[expect(dead_code, reason = "describes the body in the document")]
struct ChangePagesBody {
    #[schema(required)]
    suspension: Option<ChangeSuspensionPage>,
    #[schema(required)]
    welcome: Option<ChangeWelcomePage>,
}

/// What visitors of a suspended site are to read.
#[derive(ToSchema)]
#[schema(as = ChangeSuspensionPage)]
#[expect(dead_code, reason = "describes the body in the document")]
struct ChangeSuspensionPage {
    title: texts::PageTitle,
    message: texts::PageMessage,
    contact: Option<texts::PageLink>,
}

/// What visitors of a new site are to read. `{domain}` stands for its domain.
#[derive(ToSchema)]
#[schema(as = ChangeWelcomePage)]
#[expect(dead_code, reason = "describes the body in the document")]
struct ChangeWelcomePage {
    title: texts::PageTitle,
    message: texts::PageMessage,
}

/// Look at the host's own pages
#[utoipa::path(
    get, path = "/api/settings/pages", operation_id = "settings.pages.read", tag = "settings", security(("token" = ["settings.read"])),
    responses((status = 200, description = "The pages.", body = Data<PagesView>))
)]
pub(crate) async fn get(State(core): State<Arc<Core>>, _call: Call) -> Result<Json<Data<PagesView>>, Problem> {
    Ok(data(app::pages(&core).await?.into()))
}

/// Set the host's own pages
///
/// The page of suspended sites shows at once on every server that can be reached, and on others when they answer again. The page of new sites is
/// that of accounts that are made from now on; a page that is in a home is never changed.
#[utoipa::path(
    put, path = "/api/settings/pages", operation_id = "settings.pages.change", tag = "settings", security(("token" = ["settings.write"])),
    request_body = ChangePagesBody,
    responses((status = 200, description = "The pages as they are now.", body = Data<PagesView>))
)]
pub(crate) async fn change(State(core): State<Arc<Core>>, call: Call, Body(mut fields): Body) -> Result<Json<Data<PagesView>>, Problem> {
    let suspension = fields.object_or_null("suspension", suspension);
    let welcome = fields.object_or_null("welcome", welcome);
    let (suspension, welcome) = fields.finish(suspension.zip(welcome))?;
    Ok(data(app::change_pages(&core, &call.caller, PagesChange { suspension, welcome }, None, &call.request_id).await?.into()))
}

/// The page of suspended sites from its fields.
pub(crate) fn suspension(fields: &mut Fields) -> Option<SuspensionPage> {
    let title = fields.required("title", PageTitle::parse);
    let message = fields.required("message", PageMessage::parse);
    let contact = fields.optional("contact", PageLink::parse);
    Some(SuspensionPage { title: title?, message: message?, contact })
}

/// The page of new sites from its fields.
pub(crate) fn welcome(fields: &mut Fields) -> Option<WelcomePage> {
    let title = fields.required("title", PageTitle::parse);
    let message = fields.required("message", PageMessage::parse);
    Some(WelcomePage { title: title?, message: message? })
}
