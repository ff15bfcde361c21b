//! The points at which a fault test stops a Panel. Without the feature `failpoints` none of them does anything.

/// The account's names are reserved, and nothing was sent.
pub(crate) const RESERVED: &str = "reserved";
/// The Agent was asked, and its answer was not looked at.
pub(crate) const SENT: &str = "sent";
/// The outcome is known, and not recorded.
pub(crate) const DECIDED: &str = "decided";
/// The outcome is recorded, and not acknowledged.
pub(crate) const RECORDED: &str = "recorded";

/// Goes no further, for ever, where a test asks for it: what a Panel that is killed at this point does.
pub(crate) async fn point(name: &'static str) {
    if stops_at(name) {
        std::future::pending::<()>().await;
    }
}

fn stops_at(name: &'static str) -> bool {
    // Told apart from stopping, so that a test knows when the Panel has come this far.
    fail::fail_point!(&format!("{name} reached"));
    fail::fail_point!(name, |_| true);
    // Without the feature nothing above is left.
    let _ = name;
    false
}
