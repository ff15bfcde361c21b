//! Gives every server its tasks.

use std::sync::Arc;

use super::supervisor::{Failure, Name, Next, Task, supervise};
use super::{acknowledge, ask_servers, learn_usage, note_heads, resync_at_start};
use crate::core::Core;
use crate::store::server::{self, Server};

/// Begins the tasks of servers that have none yet.
pub(super) struct StartTasks;

impl Task for StartTasks {
    async fn turn(&mut self, core: &Arc<Core>) -> Result<Next, Failure> {
        for server in server::list(core.store.read(), &core.owner).await? {
            let id = server.id;
            let name = |what| Name::of_server(what, &server);
            supervise(core, name(ask_servers::NAME), ask_servers::AskServer::new(id));
            supervise(core, name("usage"), learn_usage::LearnUsage { server: id });
            supervise(core, name("heads of the Activity"), note_heads::NoteHeads::new(id));
            supervise(core, name(acknowledge::NAME), acknowledge::Acknowledge::new(core, id));
            // It ends when it is done, and is done once.
            if core.fleet.begin_resync(id) {
                supervise(core, name("resync"), resync_at_start::ResyncAtStart::new(core, id));
            }
        }
        Ok(Next::After(core.seams.timing.health_every))
    }
}

/// The row of a server as it is now; nothing if there is none any more.
pub(super) async fn row(core: &Core, id: opterius_model::ServerId) -> Result<Option<Server>, Failure> {
    Ok(server::list(core.store.read(), &core.owner).await?.into_iter().find(|server| server.id == id))
}
