//! What the pages are drawn with, built into the program.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::store::activity::hex;

/// One file: its name, its type, its content, and the content compressed.
struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static [u8],
    compressed: &'static [u8],
}

macro_rules! asset {
    ($name:literal, $kind:literal, $path:expr) => {
        Asset { name: $name, kind: $kind, content: include_bytes!($path), compressed: &[] }
    };
    ($name:literal, $kind:literal) => {
        Asset {
            name: $name,
            kind: $kind,
            content: include_bytes!(concat!("../../../../assets/built/", $name)),
            compressed: include_bytes!(concat!("../../../../assets/built/", $name, ".gz")),
        }
    };
}

static ASSETS: &[Asset] = &[
    asset!("tabler.css", "text/css; charset=utf-8"),
    asset!("tabler.js", "text/javascript; charset=utf-8"),
    asset!("htmx.js", "text/javascript; charset=utf-8"),
    asset!("htmx-sse.js", "text/javascript; charset=utf-8"),
    asset!("uplot.css", "text/css; charset=utf-8"),
    asset!("uplot.js", "text/javascript; charset=utf-8"),
    asset!("icons.svg", "image/svg+xml"),
    asset!("panel.css", "text/css; charset=utf-8", "panel.css"),
    asset!("panel.js", "text/javascript; charset=utf-8", "panel.js"),
    asset!("favicon.svg", "image/svg+xml", "favicon.svg"),
];

/// Another one for every set of assets, so that browsers may keep them.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for asset in ASSETS {
        hash.update(asset.content);
    }
    hex(&hash.finalize())[..12].to_owned()
});

/// The address of an asset, for the pages.
pub(crate) fn href(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// A drawing, for the pages: its colour is that of the text around it, and it says nothing to who cannot see it.
pub(crate) fn icon(name: &str) -> String {
    format!(r#"<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{name}"/></svg>"#, href("icons.svg"))
}

pub(crate) async fn get(Path((version, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name && version == *VERSION) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let accepts = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let compressed = !asset.compressed.is_empty() && accepts.split(',').any(|coding| coding.trim().split(';').next() == Some("gzip"));
    let mut response = Bytes::from_static(if compressed { asset.compressed } else { asset.content }).into_response();
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if compressed {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
