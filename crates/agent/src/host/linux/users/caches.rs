//! Who keeps users and groups in memory is told that they changed, as the tools tell them: nscd(8), sssd(8). Most servers have neither.

use std::path::Path;
use std::time::Duration;

use opterius_protocol::client::chain;

use crate::host::linux::commands;

/// The programs that tell them.
const TOLD: [(&str, &[&str]); 3] =
    [("/usr/sbin/nscd", &["-i", "passwd"]), ("/usr/sbin/nscd", &["-i", "group"]), ("/usr/sbin/sss_cache", &["-U", "-G"])];

/// Nobody waits longer for one of them; it goes on by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells whoever is installed. That it does not run is no failure.
pub(super) async fn forget() {
    for (program, arguments) in TOLD {
        if Path::new(program).exists() {
            let telling = tokio::spawn(async move { commands::run(program, arguments).await });
            match tokio::time::timeout(PATIENCE, telling).await {
                Ok(Ok(Ok(ended))) if ended.code == Some(0) => {}
                // One that is installed and does not run remembers nothing.
                Ok(Ok(Ok(ended))) => tracing::debug!("{program} ended with {:?} and said: {}", ended.code, ended.said),
                Ok(Ok(Err(error))) => tracing::warn!("users and groups changed, and: {}", chain(&error)),
                Ok(Err(_)) | Err(_) => tracing::warn!(
                    "{program} has not ended after {} s; until it has, programs may see users that are gone",
                    PATIENCE.as_secs()
                ),
            }
        }
    }
}
