//! The Panel's database, keys and service.

use std::time::Duration;

use serde::Deserialize;

use super::progress::Progress;
use super::services::{self, News};
use crate::failure::Failure;
use crate::panel::{self, Panel};
use crate::system::{Owner, System};

const PROGRAM: &str = "/usr/sbin/opterius-panel";
const OWNER: Owner = Owner { user: "opterius", group: "opterius" };

/// By what a caller knows the Panel's TLS keys: base64 SHA-256 of the SubjectPublicKeyInfo.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Pins {
    pub(super) tls_pin: String,
    pub(super) tls_backup_pin: String,
}

/// Whether a Panel was set up here before.
pub(super) fn is_there(system: &System) -> bool {
    system.has("/var/lib/opterius-panel/panel.db")
}

/// The Panel of this server, as its administrator talks to it.
pub(super) fn client(system: &System) -> Panel {
    Panel::new(system.path(panel::SOCKET))
}

/// Makes the Panel's database and TLS keys where they are not there yet.
pub(super) async fn init(system: &System, progress: &mut Progress) -> Result<Pins, Failure> {
    let was_there = is_there(system);
    let said = system.run_as(Some(OWNER), PROGRAM, &["init"], Duration::from_mins(2)).await.map_err(|failure| match failure.hint {
        Some(_) => failure,
        None => failure.hint("install the Panel: `apt install opterius-panel`"),
    })?;
    if !said.ok {
        return Err(Failure::new(format!("`opterius-panel init` failed: {}", said.complaint))
            .hint("see that /var/lib/opterius-panel belongs to opterius with mode 0700, and that its disk is not full"));
    }
    let pins: Pins = serde_json::from_str(said.out.trim()).map_err(|error| {
        Failure::because("`opterius-panel init` did not print the pins", &error)
            .hint("install opterius and opterius-panel of the same version")
    })?;
    let what = "the Panel's database and TLS keys in /var/lib/opterius-panel";
    if was_there {
        progress.kept(what);
    } else {
        progress.done(format!("made {what}"));
    }
    Ok(pins)
}

/// Starts the Panel and waits until it answers.
pub(super) async fn start(system: &System, changed: bool, progress: &mut Progress) -> Result<Panel, Failure> {
    // The socket is never restarted: it refuses nobody while the Panel itself is away.
    services::start(system, "opterius-panel.socket", News::None, progress).await?;
    services::start(system, "opterius-panel.service", News::restart_if(changed), progress).await?;
    let panel = client(system);
    services::until(system, "the Panel", "see `journalctl -u opterius-panel`", async || panel.get("/api/health").await).await?;
    progress.done("the Panel answers");
    Ok(panel)
}
