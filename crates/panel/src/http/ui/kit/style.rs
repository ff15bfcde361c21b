//! The one style sheet.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use sha2::{Digest, Sha256};

use crate::store::activity::hex;

const SHEET: &str = include_str!("style.css");

/// The sheet's address, another one for every sheet, so that browsers may keep it.
static HREF: LazyLock<String> = LazyLock::new(|| format!("/style.css?{}", &hex(&Sha256::digest(SHEET))[..12]));

/// For the pages' heads.
pub(crate) fn href() -> &'static str {
    &HREF
}

pub(crate) async fn sheet() -> Response {
    let mut response = SHEET.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}
