//! `opterius operation abandon`.

use clap::Args;
use opterius_model::OperationId;

use super::decide::decide;
use crate::failure::Failure;
use crate::output::Format;
use crate::panel::Panel;

#[derive(Args)]
pub(crate) struct Options {
    /// The operation's id
    id: OperationId,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    decide(options.id, "abandon", panel, format).await
}
