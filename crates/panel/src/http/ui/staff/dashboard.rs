//! `/`: how the host is doing today.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use opterius_protocol::Micros;
use serde_json::{Value, json};

use super::activity::milliseconds;
use super::servers::{self, View};
use crate::app::{AppError, Scope};
use crate::core::Core;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::frame::{Asked, Frame, shown};
use crate::http::ui::kit::moment::Moment;
use crate::store::operation::{self, Operation, Outcome};
use crate::store::pace::{self, Pace};

const HOUR: i64 = 3_600_000_000;

/// Operations that need attention and are shown here.
const WAITING: u32 = 10;

/// Creates whose steps the chart is made of.
const SAMPLE: u32 = 500;

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Dashboard {
    frame: Frame,
    states: Vec<(String, i64, &'static str)>,
    total: i64,
    today: Today,
    waiting: Vec<Waiting>,
    servers: Vec<View>,
    /// Whether anything was made since yesterday's midnight.
    lively: bool,
    /// What the charts show, as JSON in which nothing ends the element that it stands in.
    creates: String,
    steps: String,
}

/// The creates since midnight.
struct Today {
    done: usize,
    failed: usize,
    running: usize,
    p50: String,
    p95: String,
}

/// An operation that waits for a person.
struct Waiting {
    id: String,
    what: String,
    whose: String,
    since: Moment,
    why: String,
}

impl Today {
    fn new(paces: &[Pace], midnight: Micros) -> Self {
        let today = || paces.iter().filter(|pace| pace.started_at >= midnight);
        let count = |outcomes: &[Outcome]| today().filter(|pace| outcomes.contains(&pace.outcome)).count();
        let done = today().filter(|pace| pace.outcome == Outcome::Committed);
        let mut times: Vec<u64> = done.filter_map(|pace| u64::try_from(pace.finished_at?.0 - pace.started_at.0).ok()).collect();
        times.sort_unstable();
        let said = |percent| percentile(&times, percent).map_or_else(|| "–".to_owned(), milliseconds);
        Self {
            done: count(&[Outcome::Committed]),
            failed: count(&[Outcome::RolledBack, Outcome::NotSent]),
            running: count(&[Outcome::Running, Outcome::NeedsAttention]),
            p50: said(50),
            p95: said(95),
        }
    }
}

/// The least of `sorted` that so many percent do not exceed.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let at = (sorted.len() * percent).div_ceil(100);
    sorted.get(at.max(1) - 1).copied()
}

pub(crate) async fn show(State(core): State<Arc<Core>>, asked: Asked) -> Response {
    match view(&core, &asked).await {
        Ok(view) => shown(StatusCode::OK, &view),
        Err(error) => asked.failed(&core, error).await,
    }
}

async fn view(core: &Core, asked: &Asked) -> Result<Dashboard, AppError> {
    let (read, owner) = (core.store.read(), &asked.caller.owner);
    let prefix = asked.caller.ref_prefix.as_ref().map(|prefix| prefix.as_str().to_owned());
    let now = core.now().0;
    let frame = asked.frame(core).await?;
    // The charts begin yesterday, so that they show something in the morning, too.
    let (today, Micros(first)) = frame.zone.midnights(Micros(now));
    let paces = pace::creates(read, owner, prefix.as_deref(), Micros(first)).await?;
    let states = pace::states(read, owner, prefix.as_deref()).await?;
    let filter = operation::Filter { ref_prefix: prefix.clone(), outcome: Some(Outcome::NeedsAttention), ..operation::Filter::default() };
    let waiting =
        if asked.caller.may(Scope::OperationsRead) { operation::list(read, owner, &filter, None, WAITING).await? } else { Vec::new() };
    let samples = pace::steps(read, owner, prefix.as_deref(), Micros(first), SAMPLE).await?;
    let hours: Vec<i64> = (0..=(now - first) / HOUR).map(|hour| first + hour * HOUR).collect();
    let hour_of = |at: Micros| usize::try_from((at.0 - first).div_euclid(HOUR)).ok().filter(|hour| *hour < hours.len());
    Ok(Dashboard {
        total: states.iter().map(|(_, number)| number).sum(),
        today: Today::new(&paces, today),
        waiting: waiting.into_iter().map(|one| Waiting::new(&frame, one)).collect(),
        servers: servers::views(core, asked, &frame).await?,
        lively: paces.iter().any(|pace| hour_of(pace.started_at).is_some()),
        creates: creates_chart(&frame, &hours, &paces, hour_of),
        steps: steps_chart(&frame, &hours, &samples, hour_of),
        states: states
            .into_iter()
            .map(|(status, number)| (frame.texts.say(&format!("status-{status}")), number, colour(&status)))
            .collect(),
        frame,
    })
}

fn colour(status: &str) -> &'static str {
    match status {
        "active" => "bg-green text-green-fg",
        "needs_attention" => "bg-red text-red-fg",
        "suspended" => "bg-yellow text-yellow-fg",
        _ => "bg-blue text-blue-fg",
    }
}

impl Waiting {
    fn new(frame: &Frame, operation: Operation) -> Self {
        Self {
            id: operation.id.to_string(),
            what: frame.texts.say(&format!("kind-{}", operation.kind.as_str())),
            whose: format!("{} ({})", operation.username, operation.domain),
            since: frame.moment(operation.started_at),
            why: operation.error.map(|error| error.detail).unwrap_or_default(),
        }
    }
}

/// JSON for an element of a page: nothing in it can end the element.
fn harmless(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn chart(frame: &Frame, hours: &[i64], series: &[(String, Vec<Value>)], unit: &str) -> String {
    let series: Vec<Value> = series.iter().map(|(label, values)| json!({ "label": label, "values": values })).collect();
    let x: Vec<i64> = hours.iter().map(|at| at / 1_000_000).collect();
    harmless(&json!({ "x": x, "series": series, "unit": unit, "zone": frame.zone.name() }))
}

fn creates_chart(frame: &Frame, hours: &[i64], paces: &[Pace], hour_of: impl Fn(Micros) -> Option<usize>) -> String {
    let count = |outcomes: &[Outcome]| {
        let mut numbers = vec![0u64; hours.len()];
        for pace in paces.iter().filter(|pace| outcomes.contains(&pace.outcome)) {
            if let Some(hour) = hour_of(pace.started_at) {
                numbers[hour] += 1;
            }
        }
        numbers.into_iter().map(Value::from).collect::<Vec<_>>()
    };
    let done = (frame.texts.say("dashboard-done"), count(&[Outcome::Committed]));
    let failed = (frame.texts.say("dashboard-failed"), count(&[Outcome::RolledBack, Outcome::NotSent]));
    chart(frame, hours, &[done, failed], "")
}

/// What each step took on average, in milliseconds, hour by hour; nothing for an hour in which it was not taken.
fn steps_chart(
    frame: &Frame,
    hours: &[i64],
    samples: &[(Micros, Vec<opterius_protocol::agent::StepReport>)],
    hour_of: impl Fn(Micros) -> Option<usize>,
) -> String {
    let mut sums: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for (at, steps) in samples {
        let Some(hour) = hour_of(*at) else { continue };
        for step in steps {
            let Some(micros) = step.duration_us else { continue };
            let sum = &mut sums.entry(&step.name).or_insert_with(|| vec![(0, 0); hours.len()])[hour];
            *sum = (sum.0 + micros, sum.1 + 1);
        }
    }
    let tenths = |(sum, number): (u64, u64)| u32::try_from(sum.checked_div(number)? / 100).ok();
    let mean = |hour| tenths(hour).map_or(Value::Null, |tenths| json!(f64::from(tenths) / 10.0));
    let series: Vec<(String, Vec<Value>)> =
        sums.into_iter().map(|(name, sums)| (name.to_owned(), sums.into_iter().map(mean).collect())).collect();
    chart(frame, hours, &series, " ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_there_is() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[7], 95), Some(7));
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!((percentile(&hundred, 50), percentile(&hundred, 95)), (Some(50), Some(95)));
    }

    #[test]
    fn no_data_ends_the_element_it_stands_in() {
        let text = harmless(&json!({ "label": "</script><script>alert(1)</script><!--" }));
        assert!(!text.contains('<') && !text.contains('>'), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["label"], "</script><script>alert(1)</script><!--");
    }
}
