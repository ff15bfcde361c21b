//! `GET /api/accounts`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use opterius_model::{AccountId, DomainName, Username};

use super::view::AccountView;
use crate::app::{Caller, ClientRef, ExternalRef};
use crate::core::Core;
use crate::http::api::shape::{List, Page};
use crate::http::api::texts;
use crate::http::cursor::Cursor;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::{Fields, QueryFields};
use crate::store::account::{self, Account, Filter, Status};

/// List accounts
///
/// Accounts that are there or are being made, in the order in which they were made.
#[utoipa::path(
    get, path = "/api/accounts", operation_id = "account.list", tag = "accounts", security(("token" = ["accounts.read"])),
    params(
        ("username" = inline(Option<texts::Username>), Query, description = "Only this one."),
        ("domain" = inline(Option<texts::Domain>), Query, description = "Only this one."),
        ("external_ref" = inline(Option<texts::ExternalRef>), Query, description = "Only this one, as the caller knows it."),
        ("client_ref" = inline(Option<texts::ExternalRef>), Query, description = "Only those of this client, as the caller knows it."),
        ("status" = inline(Option<texts::ListedStatus>), Query, description = "Only accounts with this status; `terminated` is only listed when asked for."),
        ("cursor" = inline(Option<texts::AccountCursor>), Query, description = "`next` of the page before."),
        ("limit" = inline(Option<texts::PageSize>), Query, description = "At most so many, 1 to 500; 100 if nothing is said."),
    ),
    responses((status = 200, description = "One page.", body = List<AccountView>))
)]
pub(crate) async fn list(
    State(core): State<Arc<Core>>,
    call: Call,
    QueryFields(fields): QueryFields,
) -> Result<Json<List<AccountView>>, Problem> {
    let (filter, after, limit) = asked(&core, &call.caller, fields)?;
    let owner = &call.caller.owner;
    let total = account::count(core.store.read(), owner, &filter).await?;
    let mut rows = account::list(core.store.read(), owner, &filter, after, limit + 1).await?;
    let next = Cursor::cut(&mut rows, limit, filter.snapshot, |row| row.id).map(|cursor| cursor.to_string());
    let mut enforcement = BTreeMap::new();
    let view = |row: Account| {
        let known = enforcement.entry(row.server.id).or_insert_with(|| core.fleet.enforcement(row.server.id)).clone();
        AccountView::with(&core, &call.caller, row, known)
    };
    let data = rows.into_iter().map(view).collect();
    Ok(Json(List { data, page: Page { next, total, snapshot: filter.snapshot.0.to_string() } }))
}

fn asked(core: &Core, caller: &Caller, mut fields: Fields) -> Result<(Filter, Option<AccountId>, u32), Problem> {
    let username = fields.optional("username", Username::parse);
    let domain = fields.optional("domain", DomainName::parse);
    let external_ref = fields.optional("external_ref", ExternalRef::parse);
    let client_ref = fields.optional("client_ref", ClientRef::parse);
    let status = fields.optional("status", |text| match text.parse::<Status>() {
        Ok(Status::Failed) => Err("an account whose create failed is in no list: look at its operation".to_owned()),
        Ok(status) => Ok(status),
        Err(error) => Err(error.to_string()),
    });
    let cursor = fields.optional("cursor", Cursor::parse);
    let limit = fields.page_size(500).unwrap_or(100);
    let filter = Filter {
        username: username.map(|name| name.to_string()),
        domain: domain.map(|name| name.to_string()),
        external_ref: external_ref.map(|external_ref| caller.stored_ref(&external_ref)),
        client_ref: client_ref.map(|client_ref| caller.stored_client_ref(&client_ref)),
        ref_prefix: caller.ref_prefix.as_ref().map(|prefix| prefix.as_str().to_owned()),
        status,
        snapshot: cursor.map_or_else(|| core.now(), |cursor| cursor.snapshot),
    };
    fields.finish(Some((filter, cursor.map(|cursor| cursor.after), limit)))
}
