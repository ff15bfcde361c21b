//! Keeps the Activity as long as the host wants it, and no longer.

use std::sync::Arc;
use std::time::Duration;

use super::supervisor::{Failure, Next, Task};
use crate::app::shorten_activity;
use crate::core::Core;

/// The pause between two steps, in which everybody else writes.
const BETWEEN: Duration = Duration::from_millis(100);

pub(super) struct ShortenActivity;

impl Task for ShortenActivity {
    async fn turn(&mut self, core: &Arc<Core>) -> Result<Next, Failure> {
        let pause = core.seams.timing.shorten_every;
        match shorten_activity(core).await {
            Ok(more) => Ok(Next::After(if more { BETWEEN } else { pause })),
            Err(why) if why.is_held() => Ok(Next::Held(pause, why.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}
