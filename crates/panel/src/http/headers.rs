//! What every reply tells a browser, and what every request says once.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// No HSTS: it would be ignored for the self-signed certificate that a new Panel has, and would lock people out of every other service
/// on the host name once the Panel has a certificate of a public authority and those services have not.
const SECURITY: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// What a request says once. Given twice, one reader takes the first and another the last. Two `Authorization` headers are refused as none.
static ONCE: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::HOST,
    header::ORIGIN,
    HeaderName::from_static("opterius-caller"),
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("x-request-id"),
];

/// A header that is there twice and must not be.
pub(crate) fn twice(headers: &HeaderMap) -> Option<&'static str> {
    ONCE.iter().find(|name| headers.get_all(*name).iter().nth(1).is_some()).map(HeaderName::as_str)
}

/// Adds what the reply does not say itself.
pub(crate) fn secure(headers: &mut HeaderMap) {
    for (name, value) in SECURITY {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
