//! Where the repository is that these tests are of.

use std::path::PathBuf;

/// Its directory.
pub(crate) fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e is below the repository").to_owned()
}
