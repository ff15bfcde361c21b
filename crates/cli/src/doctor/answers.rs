//! What the parts of this server say of themselves.

use std::time::{Duration, Instant};

use opterius_protocol::client::Client;
use opterius_protocol::{Micros, agent, phpd};
use serde::Deserialize;

use crate::failure::Failure;
use crate::panel::{self, Panel};
use crate::system::System;

/// What the parts say of themselves, or why they do not.
pub(super) struct Answers {
    pub(super) agent: Result<agent::Health, String>,
    /// Only asked for if there is drift.
    pub(super) drift: Option<agent::DriftReport>,
    pub(super) phpd: Result<phpd::Health, String>,
    pub(super) panel: Result<Myself, Failure>,
}

/// What the Panel says of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Myself {
    pub(super) version: String,
}

pub(super) async fn ask(system: &System, panel: &Panel) -> Answers {
    const PATIENCE: Duration = Duration::from_secs(10);
    let (asked_at, asked) = (Micros::now(), Instant::now());
    let mut agent = Client::new(system.path(agent::SOCKET))
        .call(&agent::GetHealth {}, PATIENCE)
        .await
        .map_err(|error| Failure::network(&error, &error).detail);
    if let Ok(health) = &mut agent {
        let wrong = health.wrong_clock(asked_at, asked.elapsed());
        health.parts.extend(wrong);
    }
    let drift = match &agent {
        // How many there are is known already; without this they only stay without a name.
        Ok(health) if health.drifted > 0 => Client::new(system.path(agent::SOCKET)).call(&agent::GetDrift {}, PATIENCE).await.ok(),
        _ => None,
    };
    let phpd = Client::new(system.path(phpd::SOCKET))
        .call(&phpd::GetHealth {}, PATIENCE)
        .await
        .map_err(|error| Failure::network(&error, &error).detail);
    let panel = panel.get("/api/self").await.and_then(|data| panel::read(&data));
    Answers { agent, drift, phpd, panel }
}
