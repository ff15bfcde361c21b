//! stub
use crate::{failure::Failure, output::Format};
#[derive(clap::Args)]
pub(crate) struct Options {}
pub(crate) async fn run(_o: &Options, _format: Format) -> Result<(), Failure> {
    let _ = crate::secret::key();
    Ok(())
}
