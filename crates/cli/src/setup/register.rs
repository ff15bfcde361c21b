//! The Panel's record of this server.

use serde_json::json;

use super::identity::{self, Identity};
use super::progress::Progress;
use super::services;
use crate::failure::Failure;
use crate::panel::Panel;
use crate::system::System;

/// Tells the Panel the server's name and addresses, unless it knows them, and waits until it reaches the server's Agent.
pub(super) async fn register(system: &System, panel: &Panel, identity: &Identity, progress: &mut Progress) -> Result<(), Failure> {
    let hint = "see `journalctl -u opterius-panel` and `journalctl -u opterius-agent`";
    let record = services::until(system, "the server's Agent, as the Panel asks it,", hint, async || {
        let record = identity::record(panel).await?;
        if record.reachable { Ok(record) } else { Err(Failure::new("the Panel does not reach it")) }
    })
    .await?;
    let wanted = json!({
        "hostname": identity.hostname,
        "ipv4": identity.ipv4,
        "ipv6": identity.ipv6,
        "nameservers": identity.nameservers,
    });
    let known = json!({ "hostname": record.hostname, "ipv4": record.ipv4, "ipv6": record.ipv6, "nameservers": record.nameservers });
    if known == wanted {
        progress.kept(format!("the Panel's record of {}", identity.hostname));
        return Ok(());
    }
    panel.put(&format!("/api/servers/{}", record.id), &wanted).await?;
    progress.done(format!("registered {} with the Panel", identity.hostname));
    Ok(())
}
