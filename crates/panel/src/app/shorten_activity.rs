//! Removes the oldest rows of the Activity, step by step, once they are older than the host keeps them or more than it keeps. What is removed leaves a
//! signed row behind that says which rows they were and what the next one continues, so that the rest stays provable.

use std::sync::Arc;
use std::time::Duration;

use opterius_protocol::Micros;

use super::{ActivityDays, AppError, Settings, settings};
use crate::core::{Core, compute};
use crate::store;
use crate::store::activity::{self, Entry, GENESIS, Row};
use crate::store::activity_removal::{self, ACTION, Removal};

/// Rows that are removed at once: some milliseconds of the one writer.
const A_STEP: u32 = 500;

const A_DAY: Duration = Duration::from_hours(24);

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

/// Removes at most [`A_STEP`] rows; says whether there may be more to remove now.
pub(crate) async fn shorten_activity(core: &Arc<Core>) -> Result<bool, NotShortened> {
    let (kept, now) = (settings(core).await?, core.now());
    let before = activity_removal::last(core.store.read()).await?;
    let (after, hash) = before.map_or_else(|| (0, GENESIS.to_owned()), |removal| (removal.last_row, removal.hash));
    let Some((head, _)) = activity::head(core.store.read()).await? else { return Ok(false) };
    let rows = activity::chained(core.store.read(), after, head, A_STEP).await?;
    let chosen = compute("look at the oldest rows of the Activity", move || choose(rows, after, hash, head, &kept, now)).await??;
    let Some((last_row, hash)) = chosen else { return Ok(false) };
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
    let before = |age: Duration| Micros(now.0.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX)));
    let old = before(kept.activity_days.duration());
    let young = before(ActivityDays::shortest());
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
