//! What the Panel does by itself, again and again, or waits for. All of it is kept going by one [`supervisor`]: a panic or an error is logged,
//! counted and shown, and the task starts again after a pause. Each server has tasks of its own, so that a silent one delays no other.

mod acknowledge;
mod ask_servers;
mod count_refused;
mod forget_hashes;
mod learn_usage;
mod note_heads;
mod pages;
mod resync_at_start;
mod send_notices;
mod servers;
mod shorten_activity;
mod supervisor;

use std::sync::Arc;

use crate::core::Core;

pub(crate) use acknowledge::Acknowledger;
pub(crate) use count_refused::write_down as write_refused_down;
pub(crate) use supervisor::{Failure, Name, Next, Task, TaskState, TaskStates, message, run_supervised};

use supervisor::supervise;

/// Begins all of it.
pub(crate) fn start(core: &Arc<Core>) {
    supervise(core, Name::of("servers"), servers::StartTasks);
    supervise(core, Name::of("refused requests"), count_refused::CountRefused::default());
    supervise(core, Name::of("password hashes"), forget_hashes::ForgetHashes);
    supervise(core, Name::of("old Activity"), shorten_activity::ShortenActivity);
    supervise(core, Name::of("notices"), send_notices::SendNotices::default());
}

/// Has every server asked now how it is, and sent the host's pages if it has others.
pub(crate) fn ask_servers_now(core: &Core) {
    core.task_states.wake(ask_servers::NAME, None);
}
