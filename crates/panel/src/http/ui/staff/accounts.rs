//! `/accounts`: the accounts that staff may see: searched, filtered, sorted, page by page.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as Of};
use axum::response::Response;
use form_urlencoded::Serializer;
use http::StatusCode;
use opterius_model::DomainName;
use serde::Deserialize;

use crate::app::{AppError, Scope};
use crate::core::Core;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::frame::{Asked, Frame, shown};
use crate::http::ui::kit::moment::Moment;
use crate::http::ui::kit::state::State;
use crate::store::account::Status;
use crate::store::account_list::{self, Filter, Page, Sort};
use crate::store::operation::Outcome;
use crate::store::{package, server};

/// Accounts on one page.
const A_PAGE: u32 = 50;

/// The longest text that is searched for: longer than any domain.
const LONGEST: usize = 253;

/// The states that a list can be of.
const STATES: [Status; 5] = [Status::Active, Status::Suspended, Status::Provisioning, Status::NeedsAttention, Status::Terminated];

/// What is asked of the list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    q: String,
    state: String,
    package: String,
    server: String,
    sort: String,
    down: String,
    page: String,
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    frame: Frame,
    /// Whether whoever looks may order an account.
    may_create: bool,
    wanted: Wanted,
    /// Whether something is left out of the list.
    narrowed: bool,
    states: Vec<(&'static str, String)>,
    packages: Vec<(String, String)>,
    servers: Vec<(String, String)>,
    columns: Vec<Column>,
    total: i64,
    /// The numbers of the first and the last line of the page.
    from: u32,
    to: u32,
    rows: Vec<Row>,
    previous: Option<String>,
    next: Option<String>,
}

/// A column that a list can be sorted by.
struct Column {
    text: String,
    href: String,
    /// As `aria-sort` has it, if it is sorted by this one.
    sorted: Option<&'static str>,
}

struct Row {
    id: String,
    username: String,
    domain: String,
    external_ref: Option<String>,
    email: Option<String>,
    package: Option<String>,
    server: String,
    state: State,
    /// Whether its last operation waits for somebody.
    waits: bool,
    created: Moment,
}

pub(crate) async fn list(Of(core): Of<Arc<Core>>, asked: Asked, wanted: Result<Query<Wanted>, QueryRejection>) -> Response {
    let wanted = wanted.map_or_else(|_| Wanted::default(), |Query(wanted)| wanted);
    match view(&core, &asked, wanted).await {
        Ok(view) => shown(StatusCode::OK, &view),
        Err(error) => asked.failed(&core, error).await,
    }
}

async fn view(core: &Core, asked: &Asked, mut wanted: Wanted) -> Result<AccountsPage, AppError> {
    wanted.q = wanted.q.trim().chars().take(LONGEST).collect();
    let (read, caller) = (core.store.read(), &asked.caller);
    let frame = asked.frame(core).await?;
    let filter = filter(asked, &wanted);
    let sort = wanted.sort.parse().unwrap_or(Sort::Created);
    // The newest first, names from A on, unless it is said otherwise.
    let descending = if wanted.down.is_empty() { sort == Sort::Created } else { wanted.down == "1" };
    let total = account_list::count(read, &caller.owner, &filter).await?;
    let pages = u32::try_from(total).unwrap_or(u32::MAX).div_ceil(A_PAGE).max(1);
    let page = wanted.page.parse::<u32>().unwrap_or(1).clamp(1, pages);
    let offset = (page - 1) * A_PAGE;
    let rows = account_list::list(read, &caller.owner, &filter, Page { sort, descending, limit: A_PAGE, offset }).await?;
    let row = |row: account_list::Row| Row {
        id: row.id.to_string(),
        external_ref: caller.shown_ref(row.external_ref.as_deref()),
        state: State::of_account(frame.texts, row.status),
        waits: row.outcome == Some(Outcome::NeedsAttention) && row.status != Status::NeedsAttention,
        created: frame.moment(row.created_at),
        username: row.username,
        domain: row.domain,
        email: row.email,
        package: row.package,
        server: row.server,
    };
    let column = |by: Sort, text: &str| {
        let sorted = (by == sort).then_some(if descending { "descending" } else { "ascending" });
        let down = if by == sort { !descending } else { by == Sort::Created };
        Column { text: frame.texts.say(text), href: wanted.href(by, down, 1), sorted }
    };
    let columns =
        vec![column(Sort::Username, "account-username"), column(Sort::Domain, "account-domain"), column(Sort::Created, "account-created")];
    let packages = package::names(read, &caller.owner).await?;
    let servers = server::list(read, &caller.owner).await?;
    Ok(AccountsPage {
        may_create: caller.may(Scope::AccountsCreate),
        narrowed: filter.search.is_some() || filter.status.is_some() || filter.package.is_some() || filter.server.is_some(),
        states: STATES.iter().map(|state| (state.as_str(), frame.texts.say(&format!("status-{}", state.as_str())))).collect(),
        packages: packages.into_iter().map(|package| (package.id.to_string(), package.name.to_string())).collect(),
        servers: servers.into_iter().map(|server| (server.id.to_string(), server.name)).collect(),
        columns,
        total,
        from: if rows.is_empty() { 0 } else { offset + 1 },
        to: offset + u32::try_from(rows.len()).unwrap_or_default(),
        rows: rows.into_iter().map(row).collect(),
        previous: (page > 1).then(|| wanted.href(sort, descending, page - 1)),
        next: (page < pages).then(|| wanted.href(sort, descending, page + 1)),
        frame,
        wanted,
    })
}

/// What is not known here is as if it had not been asked for.
fn filter(asked: &Asked, wanted: &Wanted) -> Filter {
    // Names are kept as A-labels; a whole one may be typed as it is read.
    let search = DomainName::parse(&wanted.q).map_or_else(|_| wanted.q.to_lowercase(), |domain| domain.to_string());
    Filter {
        ref_prefix: asked.caller.ref_prefix.as_ref().map(|prefix| prefix.as_str().to_owned()),
        status: wanted.state.parse().ok().filter(|state| STATES.contains(state)),
        package: wanted.package.parse().ok(),
        server: wanted.server.parse().ok(),
        search: Some(search).filter(|search| !search.is_empty()),
    }
}

impl Wanted {
    /// The same list in this order, at this page.
    fn href(&self, sort: Sort, down: bool, page: u32) -> String {
        let mut query = Serializer::new(String::new());
        for (name, value) in [("q", &self.q), ("state", &self.state), ("package", &self.package), ("server", &self.server)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.append_pair("sort", sort.as_str()).append_pair("down", if down { "1" } else { "0" });
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        format!("/accounts?{}", query.finish())
    }
}
