//! Takes over what a server knows better, once, as soon as it is ready.

use std::sync::Arc;
use std::time::Duration;

use opterius_model::ServerId;
use opterius_protocol::agent::GetHealth;
use opterius_protocol::client::chain;

use super::servers;
use super::supervisor::{Failure, Next, Task};
use crate::app::{Adoption, AppError, take_over_all};
use crate::core::Core;

const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct ResyncAtStart {
    server: ServerId,
    pause: Duration,
}

impl ResyncAtStart {
    pub(super) fn new(core: &Core, server: ServerId) -> Self {
        Self { server, pause: core.seams.timing.first_pause }
    }

    fn again(&mut self, core: &Core) -> Next {
        let pause = self.pause;
        self.pause = (pause * 2).min(core.seams.timing.longest_pause);
        Next::After(pause)
    }
}

impl Task for ResyncAtStart {
    // Each account that differs is asked for by itself.
    const LIMIT: Option<Duration> = Some(Duration::from_hours(1));

    async fn turn(&mut self, core: &Arc<Core>) -> Result<Next, Failure> {
        let Some(server) = servers::row(core, self.server).await? else { return Ok(Next::Done) };
        let health = core.fleet.agent(server.id).call(&GetHealth {}, TIMEOUT).await;
        if !health.is_ok_and(|health| health.ready) {
            return Ok(self.again(core));
        }
        match take_over_all(core, &server).await {
            Ok(report) => {
                let adopted = report.findings.iter().filter(|one| matches!(one.adoption, Some(Adoption::Done(_)))).count();
                let differ = report.findings.len() - adopted;
                if adopted + differ > 0 {
                    tracing::warn!(server = %server.name, adopted, differ, same = report.same, "compared the accounts with their server; see `opterius resync`");
                }
                Ok(Next::Done)
            }
            // The server stopped answering in between.
            Err(AppError::Refused(refusal)) => {
                tracing::warn!(server = %server.name, error = %chain(&AppError::Refused(refusal)), "could not compare the accounts with their server yet");
                Ok(self.again(core))
            }
            Err(error) => Err(error.into()),
        }
    }
}
