//! Writes down what was refused and only counted, so that guessing and flooding are seen, without letting it slow anybody's orders down.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use opterius_protocol::client::chain;

use super::supervisor::{Failure, Next, Task};
use crate::app::{Code, News, in_ranges, minute_of, moment_of};
use crate::core::Core;
use crate::store::activity::{self, Entry};
use crate::store::{self, StoreError, Write, refused_caller, refused_request};

/// Rows of an earlier version's table that are taken away at once: some milliseconds of the one writer.
const A_STEP: u32 = 1000;

/// How long the end of a Panel waits for what was counted to be written down.
const AT_THE_END: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct CountRefused {
    /// Whether the table of an earlier version is empty: nothing is added to it any more.
    taken_over: bool,
}

impl Task for CountRefused {
    async fn turn(&mut self, core: &Arc<Core>) -> Result<Next, Failure> {
        if !self.taken_over {
            if refused_caller::is_any(core.store.read()).await? {
                take_over(core).await?;
            } else {
                self.taken_over = true;
            }
        }
        let now = core.now();
        let news = core.refused.news(now);
        // Without news there is nothing to write, and the one writer is left alone.
        if !news.times.is_empty() || refused_request::is_before(core.store.read(), news.now).await? {
            let mut write = core.store.write().await?;
            add(&mut write, &news).await?;
            close_before(&mut write, core, news.now).await?;
            store::commit(write).await?;
        }
        core.refused.settle(&news);
        Ok(Next::After(core.seams.timing.count_refused_every))
    }
}

/// Writes down what was counted up to now, of the present minute, too: there is no later.
pub(crate) async fn write_down(core: &Core) {
    let news = core.refused.news(core.now());
    let work = async {
        let next = minute_of(core.now()).max(news.minute) + 1;
        if news.times.is_empty() && !refused_request::is_before(core.store.read(), next).await? {
            return Ok(());
        }
        let mut write = core.store.write().await?;
        add(&mut write, &news).await?;
        close_before(&mut write, core, next).await?;
        store::commit(write).await
    };
    match tokio::time::timeout(AT_THE_END, work).await {
        Ok(Ok(())) => {}
        Ok(Err::<(), StoreError>(error)) => {
            tracing::error!(error = %chain(&error), refused = ?news.times, "could not write down what was refused lately");
        }
        Err(_) => tracing::error!(refused = ?news.times, "could not write down in time what was refused lately"),
    }
}

/// Adds what was counted to what is written down of its minute.
async fn add(write: &mut Write, news: &News) -> Result<(), StoreError> {
    for (actor, code, times) in &news.times {
        refused_request::add(write, news.minute, actor, &code.word(), *times).await?;
    }
    Ok(())
}

/// Makes the minutes before this one rows of the Activity: one for each minute and whoever was refused in it.
async fn close_before(write: &mut Write, core: &Core, minute: i64) -> Result<(), StoreError> {
    let mut closed: BTreeMap<(i64, String), Vec<(i64, String)>> = BTreeMap::new();
    for (minute, actor, code, times) in refused_request::take_before(write, minute).await? {
        closed.entry((minute, actor)).or_default().push((times, code));
    }
    for ((minute, actor), mut codes) in closed {
        codes.sort_unstable_by(|one, other| other.cmp(one));
        let total: i64 = codes.iter().map(|(times, _)| times).sum();
        let list: Vec<String> = codes.iter().map(|(times, code)| format!("{times} {code}")).collect();
        let address = actor.strip_prefix("address:");
        let further = if address.is_some() { "" } else { "further " };
        let entry = Entry {
            at: moment_of(minute),
            actor: &actor,
            from: address.and_then(|address| address.parse().ok()),
            action: "caller.refused",
            account_id: None,
            operation_id: None,
            request_id: None,
            outcome: activity::Outcome::Refused,
            detail: format!("{total} {further}requests were refused in this minute: {}.", list.join(", ")),
        };
        activity::append(write, &core.owner, entry).await?;
    }
    Ok(())
}

/// Empties the table of an earlier version, step by step. What is not yet in the Activity is counted as it would be today.
async fn take_over(core: &Core) -> Result<(), StoreError> {
    let mut write = core.store.write().await?;
    let rows = refused_caller::take(&mut write, A_STEP).await?;
    let code = |row: &refused_caller::Bucket| match row.status {
        429 => Code::TooManyRequests,
        403 => Code::Forbidden,
        _ => Code::Unauthorized,
    };
    // `2001:db8::/64`, `203.0.113.7`, `local` or `many`.
    let (many, some): (Vec<_>, Vec<_>) = rows.into_iter().filter(|row| row.recorded == 0).partition(|row| row.address == "many");
    let some = some.iter().map(|row| (row.minute, row.address.split('/').next().and_then(|text| text.parse().ok()), code(row), row.times));
    let many = many.iter().map(|row| (row.minute, "address:others".to_owned(), code(row), row.times));
    for (minute, actor, code, times) in in_ranges(some).into_iter().chain(many) {
        refused_request::add(&mut write, minute, &actor, &code.word(), times).await?;
    }
    store::commit(write).await
}
