//! `/activity`: who did what, when, from where, and what came of it.

use std::sync::Arc;

use askama::Template;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use futures::stream;
use http::{HeaderValue, StatusCode, header};
use opterius_model::{AccountId, OperationId, printable, printable_json};
use opterius_protocol::Micros;
use opterius_protocol::agent::{Direction, StepReport, StepState};
use serde::Deserialize;

use crate::app::{self, AppError, Caller, ExternalRef, Reference, Refusal, Scope};
use crate::core::Core;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::frame::{Asked, Frame, shown};
use crate::http::ui::kit::moment::Moment;
use crate::store::account;
use crate::store::activity::{self, Filter, Look, Outcome};
use crate::store::operation::Operation;

/// Rows on a page.
const A_PAGE: u32 = 50;

/// Rows that are read at once while they are exported.
const AT_ONCE: u32 = 500;

/// Actors whose names may hold what is looked for; of more, something more exact has to be said.
const ACTORS: u32 = 25;

/// What is looked for, as it was typed. Whatever cannot be read is as good as not said.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    action: String,
    #[serde(default)]
    outcome: String,
    /// An account's id, or its external_ref.
    #[serde(default)]
    account: String,
    #[serde(default)]
    actor: String,
    /// Only rows before this one.
    #[serde(default)]
    before: String,
    /// What the page shows that asks whether there is more: see [`ActivityPage::drawn`].
    #[serde(default)]
    seen: String,
    /// `csv` or `jsonl`, of an export.
    #[serde(default)]
    format: String,
}

impl Wanted {
    /// As the address of a page says it, without where the page begins.
    fn query(&self) -> String {
        let fields = [("action", &self.action), ("outcome", &self.outcome), ("account", &self.account), ("actor", &self.actor)];
        let said = fields.into_iter().filter(|(_, value)| !value.trim().is_empty());
        form_urlencoded::Serializer::new(String::new()).extend_pairs(said.map(|(name, value)| (name, value.trim()))).finish()
    }

    async fn look(&self, core: &Core, caller: &Caller) -> Result<Looked, AppError> {
        let ref_prefix = caller.ref_prefix.as_ref().map(|prefix| prefix.as_str().to_owned());
        let filter = Filter {
            account_id: None,
            action: Some(self.action.trim().to_owned()).filter(|action| !action.is_empty()),
            outcome: self.outcome.trim().parse::<Outcome>().ok(),
            ref_prefix,
        };
        let mut looked = Looked { look: Look { filter, actors: None }, nobody: false, too_many: false };
        let account = self.account.trim();
        if !account.is_empty() {
            let found = match AccountId::parse(account) {
                Ok(id) => Some(id),
                // Whoever has one in hand from the billing system.
                Err(_) => match ExternalRef::parse(account) {
                    Ok(text) => app::account(core, caller, &Reference::Ref(text)).await.ok().map(|account| account.id),
                    Err(_) => None,
                },
            };
            looked.nobody |= found.is_none();
            looked.look.filter.account_id = found;
        }
        let actor = self.actor.trim();
        if !actor.is_empty() {
            let mut actors = activity::actors(core.store.read(), &caller.owner, actor, ACTORS + 1).await?;
            looked.too_many = actors.len() > ACTORS as usize;
            actors.truncate(ACTORS as usize);
            looked.nobody |= actors.is_empty();
            looked.look.actors = Some(actors);
        }
        Ok(looked)
    }
}

/// What is looked for, as the store knows it.
struct Looked {
    look: Look,
    /// Whether there is nobody and nothing of that name, so that no row can be meant.
    nobody: bool,
    /// Whether so many actors have such names that not all of them are looked for.
    too_many: bool,
}

impl Looked {
    async fn rows(&self, core: &Core, caller: &Caller, before: Option<i64>, limit: u32) -> Result<Vec<activity::Row>, AppError> {
        if self.nobody {
            return Ok(Vec::new());
        }
        Ok(activity::look(core.store.read(), &caller.owner, &self.look, before, limit).await?)
    }
}

#[derive(Template)]
#[template(path = "activity.html")]
struct ActivityPage {
    frame: Frame,
    wanted: Wanted,
    actions: Vec<String>,
    outcomes: Vec<(&'static str, String)>,
    rows: Vec<Row>,
    /// The filters, for the addresses of other pages.
    query: String,
    /// Whether this is the newest page, which follows what happens.
    newest: bool,
    /// Whether anything is looked for.
    narrowed: bool,
    too_many: bool,
    /// The newest row and the minute: while they stay, the page would look the same.
    drawn: String,
    /// The last row of this page, if there are older ones.
    older: Option<i64>,
}

/// One row, as it is shown.
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) at: Moment,
    pub(crate) actor: String,
    pub(crate) address: Option<String>,
    pub(crate) action: String,
    pub(crate) account: Option<Whose>,
    pub(crate) detail: String,
    pub(crate) outcome: String,
    pub(crate) class: &'static str,
    pub(crate) request: String,
}

/// The account of a row.
pub(crate) struct Whose {
    id: String,
    username: String,
    /// Whether it has a page.
    page: bool,
}

impl Row {
    /// Rows with the names of their accounts.
    async fn all(core: &Core, asked: &Asked, frame: &Frame, rows: Vec<activity::Row>) -> Result<Vec<Self>, AppError> {
        let ids = rows.iter().filter_map(|row| row.account_id.as_deref());
        let names = account::names(core.store.read(), &asked.caller.owner, ids).await?;
        let may = asked.caller.may(Scope::AccountsRead);
        let whose = |id: String| names.get(&id).map(|(username, page)| Whose { username: username.clone(), page: *page && may, id });
        Ok(rows
            .into_iter()
            .map(|mut row| {
                let account = row.account_id.take().and_then(whose);
                Self::new(frame, row, account)
            })
            .collect())
    }

    fn new(frame: &Frame, row: activity::Row, account: Option<Whose>) -> Self {
        let class = match row.outcome.as_str() {
            "ok" => "bg-green text-green-fg",
            "refused" => "bg-yellow text-yellow-fg",
            _ => "bg-red text-red-fg",
        };
        Self {
            id: row.id,
            at: frame.moment(Micros(row.at)),
            actor: row.actor,
            address: row.address,
            action: row.action,
            account,
            detail: row.detail,
            outcome: said(frame, &row.outcome),
            class,
            request: row.request_id.unwrap_or_default(),
        }
    }
}

fn said(frame: &Frame, outcome: &str) -> String {
    frame.texts.say(&format!("activity-{outcome}"))
}

pub(crate) async fn list(State(core): State<Arc<Core>>, asked: Asked, wanted: Result<Query<Wanted>, QueryRejection>) -> Response {
    let wanted = wanted.map(|Query(wanted)| wanted).unwrap_or_default();
    let view = async {
        let looked = wanted.look(&core, &asked.caller).await?;
        let before = wanted.before.parse::<i64>().ok();
        let mut rows = looked.rows(&core, &asked.caller, before, A_PAGE + 1).await?;
        let drawn = format!("{}.{}", rows.first().map_or(0, |row| row.id), core.now().0 / 60_000_000);
        if asked.part && wanted.seen == drawn {
            return Ok(None);
        }
        let frame = asked.frame(&core).await?;
        let more = rows.len() > A_PAGE as usize;
        rows.truncate(A_PAGE as usize);
        let query = wanted.query();
        Ok::<_, AppError>(Some(ActivityPage {
            drawn,
            older: rows.last().filter(|_| more).map(|row| row.id),
            rows: Row::all(&core, &asked, &frame, rows).await?,
            actions: activity::actions(core.store.read(), &asked.caller.owner).await?,
            outcomes: Outcome::ALL.iter().map(|one| (one.as_str(), said(&frame, one.as_str()))).collect(),
            newest: before.is_none(),
            narrowed: !query.is_empty(),
            too_many: looked.too_many,
            query,
            wanted,
            frame,
        }))
    };
    match view.await {
        Ok(Some(view)) => shown(StatusCode::OK, &view),
        // Nothing is drawn anew under people's hands.
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => asked.failed(&core, error).await,
    }
}

#[derive(Template)]
#[template(path = "story.html")]
struct StoryPage {
    frame: Frame,
    row: Row,
    rows: Vec<Row>,
    operation: Option<Done>,
    /// What tells the Agent's side, to be typed on the server.
    command: Option<String>,
}

/// An operation with its steps.
struct Done {
    id: String,
    what: String,
    outcome: String,
    whose: String,
    steps: Vec<Step>,
    /// The longest step, in microseconds, as the measure of all.
    longest: u64,
    error: Option<String>,
}

struct Step {
    name: String,
    /// Whether it was taken to undo something.
    back: bool,
    state: String,
    micros: u64,
    time: String,
    detail: Option<String>,
    failed: bool,
}

impl Step {
    fn new(frame: &Frame, step: StepReport) -> Self {
        let micros = step.duration_us.unwrap_or_default();
        let state = match step.state {
            StepState::Running => "step-running",
            StepState::Done => "step-done",
            StepState::Unchanged => "step-unchanged",
            StepState::Failed => "step-failed",
        };
        Self {
            back: step.direction != Direction::Forward,
            failed: step.state == StepState::Failed,
            state: frame.texts.say(state),
            time: step.duration_us.map(milliseconds).unwrap_or_default(),
            name: step.name,
            detail: step.detail,
            micros,
        }
    }
}

/// `12.3 ms`.
pub(crate) fn milliseconds(micros: u64) -> String {
    format!("{}.{} ms", micros / 1000, micros % 1000 / 100)
}

impl Done {
    fn new(frame: &Frame, operation: Operation) -> Self {
        let steps: Vec<Step> = operation.steps.into_iter().map(|step| Step::new(frame, step)).collect();
        Self {
            id: operation.id.to_string(),
            what: frame.texts.say(&format!("kind-{}", operation.kind.as_str())),
            outcome: frame.texts.say(&format!("outcome-{}", operation.outcome.as_str())),
            whose: format!("{} ({})", operation.username, operation.domain),
            longest: steps.iter().map(|step| step.micros).max().unwrap_or_default().max(1),
            error: operation.error.map(|error| error.detail),
            steps,
        }
    }
}

pub(crate) async fn story(State(core): State<Arc<Core>>, asked: Asked, Path(id): Path<String>) -> Response {
    let view = async {
        let (read, owner) = (core.store.read(), &asked.caller.owner);
        let prefix = asked.caller.ref_prefix.as_ref().map(app::RefPrefix::as_str);
        let found = match id.parse::<i64>() {
            Ok(number) => activity::by_id(read, owner, number, prefix).await?,
            Err(_) => None,
        };
        let row = found.ok_or_else(|| Refusal::not_found("entry of the Activity", &id))?;
        let rows = activity::story(read, owner, row.request_id.as_deref(), row.id, prefix).await?;
        let operation = rows.iter().find_map(|one| one.operation_id.as_deref()).and_then(|id| OperationId::parse(id).ok());
        let operation = match operation.filter(|_| asked.caller.may(Scope::OperationsRead)) {
            Some(id) => app::operation(&core, &asked.caller, id).await.ok(),
            None => None,
        };
        let frame = asked.frame(&core).await?;
        let command = row.request_id.as_deref().map(|request| {
            // From before the request, in a zone that the server need not be in.
            let began = rows.iter().map(|one| one.at).min().unwrap_or(row.at) - 60_000_000;
            let from =
                jiff::Timestamp::from_microsecond(began).map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()).unwrap_or_default();
            format!("journalctl -u opterius-agent -u opterius-panel --since '{from}' REQUEST_ID={}", quoted(request))
        });
        let mut told = Row::all(&core, &asked, &frame, std::iter::once(row).chain(rows).collect()).await?.into_iter();
        Ok::<_, AppError>(StoryPage {
            row: told.next().ok_or(AppError::Broken("tell a row"))?,
            rows: told.collect(),
            operation: operation.map(|operation| Done::new(&frame, operation)),
            command,
            frame,
        })
    };
    match view.await {
        Ok(view) => shown(StatusCode::OK, &view),
        Err(error) => asked.failed(&core, error).await,
    }
}

/// A request's id as a shell takes it: callers may send one of their own.
fn quoted(text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':')) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// How rows are written to a file.
#[derive(Debug, Clone, Copy)]
enum Format {
    Csv,
    JsonLines,
}

const COLUMNS: &str = "id,at,actor,action,outcome,account_id,operation_id,request_id,detail,address\r\n";

pub(crate) async fn export(State(core): State<Arc<Core>>, asked: Asked, wanted: Result<Query<Wanted>, QueryRejection>) -> Response {
    let wanted = wanted.map(|Query(wanted)| wanted).unwrap_or_default();
    let looked = match wanted.look(&core, &asked.caller).await {
        Ok(looked) => looked,
        Err(error) => return asked.failed(&core, error).await,
    };
    let (format, kind, name) = match wanted.format.as_str() {
        "jsonl" => (Format::JsonLines, "application/jsonl", "attachment; filename=\"activity.jsonl\""),
        _ => (Format::Csv, "text/csv; charset=utf-8", "attachment; filename=\"activity.csv\""),
    };
    let begin = Export { core, caller: asked.caller, looked, format, before: None, begun: false };
    let chunks = stream::unfold(Some(begin), |export| async { export?.more().await });
    let mut response = Body::from_stream(chunks).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(name));
    response
}

/// An export on its way, from the newest row on.
struct Export {
    core: Arc<Core>,
    caller: Caller,
    looked: Looked,
    format: Format,
    before: Option<i64>,
    begun: bool,
}

/// A piece of an export, or that it breaks off there.
type Piece = Result<Bytes, AppError>;

impl Export {
    /// The next rows as text, and how it goes on. A failure breaks the file off, so that nobody takes it for whole.
    async fn more(mut self) -> Option<(Piece, Option<Self>)> {
        let rows = match self.looked.rows(&self.core, &self.caller, self.before, AT_ONCE).await {
            Ok(rows) => rows,
            Err(error) => return Some((Err(error), None)),
        };
        let mut text = String::new();
        if !self.begun && matches!(self.format, Format::Csv) {
            text.push_str(COLUMNS);
        }
        self.begun = true;
        for row in &rows {
            match self.format {
                Format::Csv => csv(&mut text, row),
                Format::JsonLines => json_line(&mut text, row),
            }
        }
        self.before = rows.last().map(|row| row.id);
        let goes_on = rows.len() == AT_ONCE as usize;
        if text.is_empty() {
            return None;
        }
        Some((Ok(Bytes::from(text)), goes_on.then_some(self)))
    }
}

fn csv(text: &mut String, row: &activity::Row) {
    let at = jiff::Timestamp::from_microsecond(row.at).map(|at| at.to_string()).unwrap_or_default();
    let optional = |field: &Option<String>| field.clone().unwrap_or_default();
    let id = row.id.to_string();
    let (account, operation, request) = (optional(&row.account_id), optional(&row.operation_id), optional(&row.request_id));
    let address = optional(&row.address);
    let cells = [&id, &at, &row.actor, &row.action, &row.outcome, &account, &operation, &request, &row.detail, &address];
    for (number, cell) in cells.into_iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        text.push_str(&csv_cell(cell));
    }
    text.push_str("\r\n");
}

/// A cell in quotes. What a spreadsheet would take for a formula gets an apostrophe in front, which makes it a text there.
fn csv_cell(text: &str) -> String {
    let formula =
        text.trim_start().starts_with(['=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠']) || text.starts_with(['\t', '\r', '\n']);
    let apostrophe = if formula { "'" } else { "" };
    // Rows from before texts were cleaned where they come in may hold what a terminal obeys.
    let lines: Vec<String> = text.split('\n').map(|line| printable(line.trim_end_matches('\r'))).collect();
    format!("\"{apostrophe}{}\"", lines.join("\n").replace('"', "\"\""))
}

fn json_line(text: &mut String, row: &activity::Row) {
    let Ok(mut json) = serde_json::to_value(row) else { return };
    json["hash"] = serde_json::Value::String(row.hash.clone());
    text.push_str(&printable_json(&json.to_string()));
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_ends_before_its_text() {
        for (text, cell) in [
            ("plain", "\"plain\""),
            ("a \"b\", c\r\nd", "\"a \"\"b\"\", c\nd\""),
            ("=1+1", "\"'=1+1\""),
            ("  @SUM(A1)", "\"'  @SUM(A1)\""),
            ("-2", "\"'-2\""),
            ("+2", "\"'+2\""),
            ("\t=x", "\"' =x\""),
            ("a\u{1b}[31mb\u{202e}", "\"a\u{fffd}[31mb\u{fffd}\""),
            ("|calc", "\"'|calc\""),
        ] {
            assert_eq!(csv_cell(text), cell);
        }
    }

    #[test]
    fn a_request_id_is_one_word_of_a_shell() {
        assert_eq!(quoted("0193a5e0-7c1e"), "0193a5e0-7c1e");
        assert_eq!(quoted("a'; rm -rf /"), r"'a'\''; rm -rf /'");
    }
}
