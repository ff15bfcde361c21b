//! Asks a server now and then what its accounts use, so that nobody has to wait for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use opterius_model::{AccountId, ServerId};
use opterius_protocol::WireCode;
use opterius_protocol::agent::{ListUsage, UsageReport};
use opterius_protocol::client::{CallError, chain};

use super::servers;
use super::supervisor::{Failure, Next, Task};
use crate::core::Core;
use crate::store::account_usage::{self, AccountUsage, Traffic};
use crate::store::server::Server;
use crate::store::{self, StoreError};

/// How long the answer of a server with very many accounts may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// So many rows are written in one turn; orders that wait for the one writer come in between.
const A_TURN: usize = 500;

pub(super) struct LearnUsage {
    pub(super) server: ServerId,
}

impl Task for LearnUsage {
    async fn turn(&mut self, core: &Arc<Core>) -> Result<Next, Failure> {
        let Some(server) = servers::row(core, self.server).await? else { return Ok(Next::Done) };
        match core.fleet.agent(server.id).call(&ListUsage {}, TIMEOUT).await {
            Ok(report) => learn(core, &server, report).await?,
            // An Agent of an earlier version measures nothing by itself.
            Err(CallError::Refused(error)) if error.code == WireCode::NotFound => {}
            // One that does not answer is told of where its health is asked for.
            Err(error) => {
                tracing::debug!(server = %server.name, error = %chain(&error), "could not ask what accounts use");
                return Ok(Next::After(core.seams.timing.longest_pause));
            }
        }
        Ok(Next::After(core.seams.timing.usage_every))
    }
}

async fn learn(core: &Core, server: &Server, report: UsageReport) -> Result<(), StoreError> {
    let known: HashMap<AccountId, AccountUsage> = account_usage::on_server(core.store.read(), server.id).await?.into_iter().collect();
    let mut news = Vec::new();
    for one in report.accounts {
        // What only the server knows is for `opterius resync`.
        let Some(before) = known.get(&one.account_id) else { continue };
        let usage = AccountUsage {
            // An Agent that was just started has measured nothing yet; what it said before still holds.
            disk: one.disk.or(before.disk),
            traffic: Some(Traffic { month: report.month.clone(), bytes: one.traffic_bytes }),
        };
        if usage != *before {
            news.push((one.account_id, usage));
        }
    }
    for turn in news.chunks(A_TURN) {
        let mut write = core.store.write().await?;
        for (account, usage) in turn {
            account_usage::put(&mut write, *account, usage).await?;
        }
        store::commit(write).await?;
    }
    Ok(())
}
