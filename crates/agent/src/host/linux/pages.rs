//! The host's own pages: kept by the Agent, with the page of suspended sites where nginx reads it.

use std::path::PathBuf;

use opterius_model::{DomainName, Pages};
use opterius_protocol::bounded;
use serde::{Deserialize, Serialize};

use super::{Paths, disk};
use crate::host::HostError;

/// The version of the file's form.
const VERSION: u32 = 1;

/// The longest file, in bytes: the texts are bounded by their types.
const LONGEST: u64 = bounded::MIB;

/// The file's form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    pages: Pages,
}

fn file(paths: &Paths) -> PathBuf {
    paths.state.join("pages.json")
}

pub(super) fn see(paths: &Paths) -> Result<Option<Pages>, HostError> {
    let doing = "read the host's pages";
    let text = match bounded::text(file(paths), LONGEST) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(HostError::failed(doing)(error)),
    };
    let kept: Kept = serde_json::from_str(&text).map_err(HostError::failed(doing))?;
    if kept.version == VERSION { Ok(Some(kept.pages)) } else { Err(HostError::failed(doing)("they are of another version")) }
}

/// The page first: whoever asks what there is must not hear of a page that is not served yet.
pub(super) fn put(paths: &Paths, pages: &Pages) -> Result<(), HostError> {
    let served = paths.web.join("pages/suspended.html");
    disk::replace_for_all(&served, &pages.suspension_html()).map_err(HostError::failed("put the page of suspended sites in place"))?;
    let kept = Kept { version: VERSION, pages: pages.clone() };
    let json = serde_json::to_string(&kept).map_err(HostError::failed("write the host's pages"))?;
    disk::replace(&file(paths), &json).map_err(HostError::failed("keep the host's pages"))
}

/// What stands in `index.php` of a new site. A page that cannot be read keeps no account from being made.
pub(super) fn welcome(paths: &Paths, domain: &DomainName) -> String {
    let pages = see(paths).unwrap_or_else(|error| {
        tracing::warn!("a new site gets the built-in page: {}", opterius_protocol::client::chain(&error));
        None
    });
    pages.unwrap_or_default().welcome_php(domain).into_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn pages_are_served_and_kept_and_a_broken_file_keeps_no_account_from_its_page() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let paths = Paths { web: dir.path().join("web"), state: dir.path().join("state"), ..Paths::default() };
        std::fs::create_dir_all(paths.web.join("pages")).expect("a directory");
        std::fs::create_dir(&paths.state).expect("a directory");
        let domain = DomainName::parse("example.com").expect("a domain");
        assert_eq!(see(&paths).expect("a look"), None);
        assert!(welcome(&paths, &domain).starts_with("<?php"));
        let text = r#"{"suspension":{"title":"Closed","message":"m"},"welcome":{"title":"{domain}","message":"m"}}"#;
        let pages: Pages = serde_json::from_str(text).expect("pages");
        put(&paths, &pages).expect("kept");
        assert_eq!(see(&paths).expect("a look").as_ref(), Some(&pages));
        let served = paths.web.join("pages/suspended.html");
        assert_eq!(bounded::text(&served, LONGEST).expect("the page"), pages.suspension_html());
        assert_eq!(served.metadata().expect("the page").permissions().mode() & 0o777, 0o644);
        assert!(welcome(&paths, &domain).contains("<h1>example.com</h1>"));
        std::fs::write(file(&paths), "{").expect("written");
        assert!(see(&paths).is_err());
        assert!(welcome(&paths, &domain).starts_with("<?php"));
        put(&paths, &Pages::default()).expect("kept");
        assert!(bounded::text(&served, LONGEST).expect("the page").contains("This site is suspended"));
    }
}
