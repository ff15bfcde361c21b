//! The Panel's record of this server.

use serde_json::json;

use super::identity::Identity;
use super::progress::Progress;
use crate::api::Server;
use crate::failure::Failure;
use crate::panel::Panel;

/// Tells the Panel the server's name and addresses, unless it knows them.
pub(super) async fn register(panel: &Panel, record: &Server, identity: &Identity, progress: &mut Progress) -> Result<(), Failure> {
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
