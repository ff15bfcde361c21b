//! Removes the oldest rows of the Activity, step by step, once they are older than the host keeps them or more than it keeps. What is removed leaves a
//! signed row behind that says which rows they were and what the next one continues, so that the rest stays provable.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opterius_protocol::Micros;
use tokio::time::Instant;

use super::{ActivityDays, AppError, Settings, settings};
use crate::core::{Core, compute};
use crate::store;
use crate::store::activity::{self, Entry, GENESIS, Row};
use crate::store::activity_removal::{self, ACTION, Removal};

/// Rows that are removed at once: some milliseconds of the one writer.
const A_STEP: u32 = 500;

const A_DAY: Duration = Duration::from_hours(24);

/// Longer than this nothing is written down only where nobody is, or where the clock is ahead.
const A_WEEK: Duration = Duration::from_hours(7 * 24);

/// Why nothing is removed that should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotShortened {
    /// A row is not what was written.
    #[error(
        "the row {0} of the Activity is not what was written, and nothing is removed before somebody has looked: run `opterius activity verify`"
    )]
    Tampered(i64),
    /// There are too many rows, and all are young.
    #[error(
        "the Activity has {rows} rows, more than the {most} that the host keeps, and none of them is older than {} days: look there for what is done again and again, or let it keep more (`opterius settings set activity-rows`)",
        ActivityDays::LEAST
    )]
    AllYoung {
        /// How many there are.
        rows: i64,
        /// How many are kept.
        most: u32,
    },
    /// The clock may be ahead, and would have everything removed.
    #[error(
        "the clock says {now:.0}, and the Activity has nothing of the week before: in case that the clock is ahead (`timedatectl` says whether it is set from the network), nothing is removed before the Panel has run for a day"
    )]
    ClockAhead {
        /// What it says.
        now: jiff::Timestamp,
    },
    /// There is no key to sign with.
    #[error("{0}")]
    NoKey(String),
    /// The Panel failed.
    #[error(transparent)]
    App(#[from] AppError),
}

impl From<store::StoreError> for NotShortened {
    fn from(error: store::StoreError) -> Self {
        Self::App(error.into())
    }
}

impl NotShortened {
    /// Whether it is right that nothing is removed, and nothing has failed: how things are has to change, and not the Panel.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self, Self::AllYoung { .. } | Self::ClockAhead { .. })
    }
}

/// Since when the clock has gone on as time does: what it said then, and the same moment by what nobody can set.
#[derive(Debug)]
pub(crate) struct SteadyClock(Mutex<(Micros, Instant)>);

impl SteadyClock {
    pub(crate) fn new(now: Micros) -> Self {
        Self(Mutex::new((now, Instant::now())))
    }

    /// For how long it has. Where it jumped it begins again.
    fn steady_for(&self, now: Micros, instant: Instant) -> Duration {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = instant.saturating_duration_since(since.1);
        if Duration::from_micros(since.0.plus(passed).0.abs_diff(now.0)) > A_DAY {
            *since = (now, instant);
            return Duration::ZERO;
        }
        passed
    }
}

fn before(now: Micros, age: Duration) -> Micros {
    Micros(now.0.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX)))
}

/// Removes at most [`A_STEP`] rows; says whether there may be more to remove now. Nothing while somebody checks the Activity, whose beginning it would
/// take away under them.
pub(crate) async fn shorten_activity(core: &Arc<Core>) -> Result<bool, NotShortened> {
    let Ok(_turn) = core.verifying.try_lock() else { return Ok(true) };
    let (kept, now) = (settings(core).await?, core.now());
    let last = activity_removal::last(core.store.read()).await?;
    let (after, hash) = last.map_or_else(|| (0, GENESIS.to_owned()), |removal| (removal.last_row, removal.hash));
    let Some((head, _)) = activity::head(core.store.read()).await? else { return Ok(false) };
    let rows = activity::chained(core.store.read(), after, head, A_STEP).await?;
    let chosen = compute("look at the oldest rows of the Activity", move || choose(rows, after, hash, head, &kept, now)).await??;
    let steady = core.steady_clock.steady_for(now, Instant::now());
    let Some((last_row, hash)) = chosen else { return Ok(false) };
    if steady < core.seams.timing.clock_believed_after {
        // What was written within the last day may be of a clock that is ahead since then.
        let newest = activity::newest_before(core.store.read(), before(now, A_DAY)).await?;
        if newest.is_none_or(|at| at < before(now, A_WEEK)) {
            return Err(NotShortened::ClockAhead { now: jiff::Timestamp::from_microsecond(now.0).unwrap_or_default() });
        }
    }
    let key = core.activity_key.as_ref().map_err(|why| NotShortened::NoKey(why.clone()))?;
    let mut write = core.store.write().await?;
    let mut removal =
        Removal { first_row: after + 1, last_row, hash, at: now.0, key: key.public(), signature: String::new(), activity_row: 0 };
    removal.signature = key.sign(&removal.sentence());
    let entry = Entry {
        at: now,
        actor: super::PANEL,
        from: None,
        action: ACTION,
        account_id: None,
        operation_id: None,
        request_id: None,
        outcome: activity::Outcome::Ok,
        detail: removal.detail(),
    };
    activity::append(&mut write, &core.owner, entry).await?;
    removal.activity_row = activity::head(&mut *write).await?.map_or(0, |(row, _)| row);
    activity::remove_until(&mut write, last_row).await?;
    activity_removal::replace(&mut write, &removal).await?;
    store::commit(write).await?;
    tracing::info!(activity.row = last_row, "removed the oldest rows of the Activity, up to the row {last_row}");
    Ok(true)
}

/// The last row that is to be removed, with its hash, of the oldest ones: those behind `after`, whose hash is `hash`. Nothing that is younger than a
/// host must keep, and nothing that is not what was written.
fn choose(
    rows: Vec<(i64, Option<Row>)>,
    after: i64,
    hash: String,
    head: i64,
    kept: &Settings,
    now: Micros,
) -> Result<Option<(i64, String)>, NotShortened> {
    let old = before(now, kept.activity_days.duration());
    let young = before(now, ActivityDays::shortest());
    let (there, most) = (head - after, kept.activity_rows.get());
    let beyond = there - i64::from(most);
    let full = rows.len() >= A_STEP as usize;
    let (mut chosen, mut prev, mut waits) = (None, hash, true);
    for (expected, (id, row)) in (after + 1..).zip(rows) {
        let row = row
            .filter(|row| id == expected && row.prev == prev && row.computed_hash() == row.hash)
            .ok_or(NotShortened::Tampered(expected))?;
        let at = Micros(row.at);
        prev = row.hash;
        // A row of a clock that was ahead says nothing of its age; those behind it do.
        if at > now {
            continue;
        }
        let too_many = id - after <= beyond && at < young;
        if !too_many && at >= old {
            break;
        }
        // A few rows that have just become old wait for more: each removal leaves a row.
        waits &= !too_many && at.plus(A_DAY) > old;
        chosen = Some((id, prev.clone()));
    }
    if chosen.is_none() && beyond > 0 {
        return Err(NotShortened::AllYoung { rows: there, most });
    }
    Ok(chosen.filter(|(last, _)| !waits || (full && last - after >= i64::from(A_STEP))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{ActivityRows, KeptDays, TimeZone};
    use crate::config::Config;
    use crate::core::Seams;

    const DAY: i64 = 86_400_000_000;
    const NOW: Micros = Micros(20_000 * DAY);

    fn kept(days: u64, rows: u64) -> Settings {
        Settings {
            kept: KeptDays::stored(7),
            time_zone: TimeZone::UTC,
            activity_days: ActivityDays::new(days).unwrap(),
            activity_rows: ActivityRows::stored(u32::try_from(rows).unwrap()),
        }
    }

    /// Rows behind the row 10, each of which is so many half days old.
    fn rows(ages: &[i64]) -> Vec<(i64, Option<Row>)> {
        let mut prev = "x".to_owned();
        let mut all = Vec::new();
        for (id, age) in (11..).zip(ages) {
            let mut row = Row {
                account_id: None,
                action: "a".to_owned(),
                actor: "b".to_owned(),
                address: None,
                at: NOW.0 - age * DAY / 2,
                detail: String::new(),
                hash: String::new(),
                id,
                operation_id: None,
                outcome: "ok".to_owned(),
                owner: "host".to_owned(),
                prev: prev.clone(),
                request_id: None,
            };
            row.hash = row.computed_hash();
            prev.clone_from(&row.hash);
            all.push((id, Some(row)));
        }
        all
    }

    fn chosen(ages: &[i64], head: i64, kept: &Settings) -> Result<Option<i64>, String> {
        let chosen = choose(rows(ages), 10, "x".to_owned(), head, kept, NOW).map_err(|error| error.to_string())?;
        Ok(chosen.map(|(row, _)| row))
    }

    #[test]
    fn rows_go_by_their_age_from_the_oldest_on_and_none_behind_a_younger_one() {
        let kept = kept(100, 1_000_000);
        assert_eq!(chosen(&[600, 400, 204, 198, 600], 15, &kept), Ok(Some(13)));
        assert_eq!(chosen(&[198, 600], 12, &kept), Ok(None));
        assert_eq!(chosen(&[], 10, &kept), Ok(None));
        assert_eq!(chosen(&[201, 201, 100], 13, &kept), Ok(None), "a few that have just become old wait for more");
        assert_eq!(
            chosen(&[600, -10, 400, -10, 2], 15, &kept),
            Ok(Some(13)),
            "what a clock that was ahead wrote goes with what is around it"
        );
    }

    #[test]
    fn rows_beyond_the_number_go_unless_they_are_younger_than_a_host_must_keep() {
        let kept = kept(700, 100_000);
        assert_eq!(chosen(&[120, 120, 120, 120], 10 + 100_002, &kept), Ok(Some(12)), "so many as are too many");
        assert_eq!(chosen(&[120, 58, 120], 10 + 100_002, &kept), Ok(Some(11)));
        let told = chosen(&[58, 120], 10 + 100_002, &kept).unwrap_err();
        assert!(told.contains("100002 rows") && told.contains("30 days"), "{told}");
    }

    /// A Panel whose Activity has rows of these ages in days.
    async fn panel(directory: &tempfile::TempDir, ages: &[i64], believed_after: Duration) -> Arc<Core> {
        let path = directory.path().to_owned();
        let config = Config::new("panel.hoster.example".parse().unwrap(), path.clone(), path.join("agent.sock"));
        let mut seams = Seams { now: Arc::new(|| NOW), ..Seams::default() };
        seams.timing.clock_believed_after = believed_after;
        let core = Core::open(config, seams).await.unwrap();
        let mut write = core.store.write().await.unwrap();
        for age in ages {
            let entry = Entry {
                at: Micros(NOW.0 - age * DAY),
                actor: "a",
                from: None,
                action: "b",
                account_id: None,
                operation_id: None,
                request_id: None,
                outcome: activity::Outcome::Ok,
                detail: String::new(),
            };
            activity::append(&mut write, &core.owner, entry).await.unwrap();
        }
        store::commit(write).await.unwrap();
        core
    }

    async fn rows_of(core: &Core) -> i64 {
        activity::rows_until(core.store.read(), i64::MAX).await.unwrap()
    }

    #[tokio::test]
    async fn nothing_is_removed_while_somebody_checks_the_activity() {
        let directory = tempfile::tempdir().unwrap();
        let core = panel(&directory, &[900, 800, 3], A_DAY).await;
        let checks = core.verifying.lock().await;
        assert!(shorten_activity(&core).await.unwrap(), "there may be something to remove");
        assert_eq!(rows_of(&core).await, 3);
        drop(checks);
        assert!(shorten_activity(&core).await.unwrap());
        assert_eq!(rows_of(&core).await, 2, "the young one, and that the others were removed");
    }

    #[tokio::test]
    async fn a_clock_that_may_be_ahead_removes_nothing_before_a_day() {
        // What was written since the clock is ahead proves nothing.
        for ages in [&[900, 800, 740][..], &[900, 800, 8], &[900, 800, 0], &[900, -2, 0]] {
            let directory = tempfile::tempdir().unwrap();
            let core = panel(&directory, ages, A_DAY).await;
            let told = shorten_activity(&core).await.unwrap_err();
            assert!(told.is_held() && told.to_string().contains("in case that the clock is ahead"), "{told}");
            assert_eq!(rows_of(&core).await, i64::try_from(ages.len()).unwrap());
        }
        let directory = tempfile::tempdir().unwrap();
        let core = panel(&directory, &[900, 800, 8], Duration::ZERO).await;
        assert!(shorten_activity(&core).await.unwrap(), "it has run for long enough");
        assert_eq!(rows_of(&core).await, 2);
    }

    #[test]
    fn a_clock_that_jumps_is_steady_from_then_on_only() {
        let (clock, start) = (SteadyClock::new(NOW), Instant::now());
        let hours = |hours: u64| Duration::from_hours(hours);
        let known = |ahead: u64, ran: u64| clock.steady_for(NOW.plus(hours(ahead + ran)), start + hours(ran));
        assert!(known(0, 30) >= hours(29), "it goes on as time does");
        assert!(known(2, 31) >= hours(30), "it was a little behind");
        assert_eq!(known(10 * 365 * 24, 32), hours(0), "it is in another year");
        assert_eq!(known(10 * 365 * 24, 40), hours(8));
        assert_eq!(known(0, 41), hours(0), "it is back");
        assert_eq!(known(0, 66), hours(25));
    }

    #[test]
    fn nothing_is_removed_that_is_not_what_was_written() {
        let kept = kept(100, 1_000_000);
        let broken = |change: fn(&mut Vec<(i64, Option<Row>)>)| {
            let mut rows = rows(&[600, 600, 600]);
            change(&mut rows);
            choose(rows, 10, "x".to_owned(), 13, &kept, NOW).map_err(|error| error.to_string()).unwrap_err()
        };
        assert!(broken(|rows| rows[1].1.as_mut().unwrap().detail.push('!')).contains("row 12 "));
        assert!(broken(|rows| rows[1].1 = None).contains("row 12 "));
        assert!(broken(|rows| drop(rows.remove(0))).contains("row 11 "));
        assert!(broken(|rows| rows[0].1.as_mut().unwrap().prev.push('y')).contains("row 11 "));
    }
}
