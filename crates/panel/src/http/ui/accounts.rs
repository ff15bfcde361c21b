//! `/accounts`: the accounts that staff see, page by page.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use opterius_model::DomainName;
use serde::Deserialize;

use super::account::{Word, status};
use super::gate::Visitor;
use super::message::Message;
use super::page::page;
use super::style;
use crate::app::{self, AppError, Caller};
use crate::core::Core;
use crate::http::cursor::Cursor;
use crate::store::account::{self, Account, Filter};

/// Accounts on a page.
const A_PAGE: u32 = 50;

/// The longest text that is searched for: no domain is longer.
const LONGEST: usize = 253;

/// What is asked for. Whatever cannot be read is as good as not said.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    cursor: String,
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    staff: bool,
    /// What is searched for, as it was typed.
    q: String,
    total: i64,
    rows: Vec<Row>,
    /// Whether this is not the first page.
    later: bool,
    /// The cursor of the next page.
    next: Option<String>,
}

struct Row {
    id: String,
    username: String,
    domain: String,
    package: String,
    status: Word,
}

impl From<Account> for Row {
    fn from(account: Account) -> Self {
        Self {
            id: account.id.to_string(),
            username: account.username.to_string(),
            domain: account.domain.to_string(),
            package: account.package.map(|package| package.name).unwrap_or_default(),
            status: status(account.status),
        }
    }
}

pub(super) async fn list(
    State(core): State<Arc<Core>>,
    Visitor(visitor): Visitor,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let app::Visitor::Staff(caller) = visitor else { return Message::nothing_here().into_response() };
    let asked = asked.map_or_else(|_| Asked::default(), |Query(asked)| asked);
    match view(&core, &caller, asked).await {
        Ok(view) => page(StatusCode::OK, &view),
        Err(error) => Message::of(error).into_response(),
    }
}

async fn view(core: &Core, caller: &Caller, asked: Asked) -> Result<AccountsPage, AppError> {
    let q: String = asked.q.trim().chars().take(LONGEST).collect();
    let cursor = Cursor::parse(&asked.cursor).ok();
    // Names are kept as A-labels; a whole one may be typed as it is read.
    let search = DomainName::parse(&q).map_or_else(|_| q.to_lowercase(), |domain| domain.to_string());
    let filter = Filter {
        username: None,
        domain: None,
        external_ref: None,
        client_ref: None,
        ref_prefix: caller.ref_prefix.as_ref().map(|prefix| prefix.as_str().to_owned()),
        status: None,
        search: Some(search).filter(|search| !search.is_empty()),
        snapshot: cursor.map_or_else(|| core.now(), |cursor| cursor.snapshot),
    };
    let total = account::count(core.store.read(), &caller.owner, &filter).await?;
    let mut rows = account::list(core.store.read(), &caller.owner, &filter, cursor.map(|cursor| cursor.after), A_PAGE + 1).await?;
    let next = Cursor::cut(&mut rows, A_PAGE, filter.snapshot, |row| row.id).map(|cursor| cursor.to_string());
    Ok(AccountsPage { staff: true, q, total, rows: rows.into_iter().map(Row::from).collect(), later: cursor.is_some(), next })
}
