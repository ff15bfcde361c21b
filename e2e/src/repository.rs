//! Where the repository is that these tests are of.

use std::path::PathBuf;

/// Its directory.
///
/// Asked for when a test runs and not when it is built: a build that several checkouts share may come from another one of them.
///
/// # Panics
/// When neither `cargo test` nor `cargo nextest` runs the test: they say where the package is.
pub fn path() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    PathBuf::from(package).parent().expect("e2e is below the repository").to_owned()
}
