//! Asks every server now and then what its accounts use, so that nobody has to wait for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use opterius_model::AccountId;
use opterius_protocol::WireCode;
use opterius_protocol::agent::{ListUsage, UsageReport};
use opterius_protocol::client::{CallError, chain};

use crate::core::Core;
use crate::store::account_usage::{self, AccountUsage, Traffic};
use crate::store::server::{self, Server};
use crate::store::{self, StoreError};

/// How long the answer of a server with very many accounts may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// So many rows are written in one turn; orders that wait for the one writer come in between.
const A_TURN: usize = 500;

/// Runs until the Panel ends.
pub(crate) async fn keep_learning_usage(core: Arc<Core>) {
    loop {
        let pause = if learn_all(&core).await { core.seams.timing.usage_every } else { core.seams.timing.longest_pause };
        tokio::time::sleep(pause).await;
    }
}

/// Asks every server; says whether all of them said what there is to say.
async fn learn_all(core: &Core) -> bool {
    let servers = match server::list(core.store.read(), &core.owner).await {
        Ok(servers) => servers,
        Err(error) => {
            tracing::error!(error = %chain(&error), "could not list the servers");
            return false;
        }
    };
    let mut all = true;
    for server in servers {
        match core.fleet.agent(server.id).call(&ListUsage {}, TIMEOUT).await {
            Ok(report) => {
                if let Err(error) = learn(core, &server, report).await {
                    tracing::error!(server = %server.name, error = %chain(&error), "could not write down what accounts use");
                    all = false;
                }
            }
            // An Agent of an earlier version measures nothing by itself.
            Err(CallError::Refused(error)) if error.code == WireCode::NotFound => {}
            // One that does not answer at all is told of where its health is asked for.
            Err(CallError::NotSent { .. }) => all = false,
            Err(error) => {
                tracing::debug!(server = %server.name, error = %chain(&error), "could not ask what accounts use");
                all = false;
            }
        }
    }
    all
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
