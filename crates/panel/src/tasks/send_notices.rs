//! Sends what is queued: several notices in one mail, again and again until a mail server takes them or a day is over.

use std::sync::Arc;
use std::time::Duration;

use opterius_protocol::Micros;

use super::supervisor::{Failure, Next, Task};
use crate::app::{self, AppError};
use crate::core::Core;
use crate::http::Texts;
use crate::notices::{hand_over, mail, subject};
use crate::store::activity::{self, Entry};
use crate::store::notice::{self, Notice};
use crate::store::{self, mail_server};

/// The most that one mail tells of, though not of all in detail.
const MOST: u32 = 1000;

/// The least time between two mails, so that what happens in a row is told together.
const BETWEEN: Duration = Duration::from_mins(1);

/// The pause after the first try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_mins(1);

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// For how long it is tried.
const TRIED: Duration = Duration::from_hours(24);

/// For how long it is remembered what was sent.
const REMEMBERED: Duration = Duration::from_hours(90 * 24);

#[derive(Default)]
pub(super) struct SendNotices {
    last: Option<Micros>,
}

impl Task for SendNotices {
    async fn turn(&mut self, core: &Arc<Core>) -> Result<Next, Failure> {
        let now = core.now();
        if self.last.is_none_or(|last| now.since(last) >= BETWEEN) && send_due(core).await? {
            self.last = Some(now);
        }
        Ok(Next::After(core.seams.timing.notices_every))
    }
}

/// Says whether there was anything to send.
async fn send_due(core: &Core) -> Result<bool, AppError> {
    let due = notice::due(core.store.read(), &core.owner, core.now(), MOST).await?;
    let Some(server) = mail_server::get(core.store.read(), &core.owner).await?.filter(|_| !due.is_empty()) else { return Ok(false) };
    let zone = app::time_zone(core).await?;
    let taken = hand_over(core, &server, &mail(core, &zone, &due)).await;
    let now = core.now();
    let mut write = core.store.write().await?;
    match &taken {
        Ok(refused) => {
            if let Some(refused) = refused {
                tracing::warn!(notices = due.len(), error = refused, "the mail server took notices for some recipients only");
            }
            for one in &due {
                notice::set_sent(&mut write, &one.id, refused.as_deref(), now).await?;
            }
            notice::try_again(&mut write, &core.owner, now).await?;
            notice::forget_old(&mut write, &core.owner, Micros(now.0 - micros(REMEMBERED))).await?;
        }
        Err(error) => {
            tracing::warn!(notices = due.len(), error, "the mail server did not take notices; will try again");
            for one in &due {
                let again = now.plus(pause(one.tries));
                let over = now.since(one.queued_at) >= TRIED;
                notice::set_refused(&mut write, &one.id, error, (!over).then_some(again), now).await?;
                if over {
                    activity::append(&mut write, &core.owner, given_up(one, error, now)).await?;
                }
            }
        }
    }
    store::commit(write).await?;
    Ok(true)
}

fn given_up(notice: &Notice, error: &str, now: Micros) -> Entry<'static> {
    let what = subject(Texts::english(), &notice.facts);
    Entry {
        at: now,
        actor: app::PANEL,
        from: None,
        action: "notice.given_up",
        account_id: None,
        operation_id: None,
        request_id: None,
        outcome: activity::Outcome::Failed,
        detail: format!("Staff could not be told for a day: {what}. The mail server: {error}"),
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The pause after so many tries before this one.
fn pause(tries: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2u32.saturating_pow(tries)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour() {
        let minutes: Vec<u64> = [0, 1, 2, 5, 6, 7, 40].map(|tries| pause(tries).as_secs() / 60).to_vec();
        assert_eq!(minutes, [1, 2, 4, 32, 60, 60, 60]);
    }
}
