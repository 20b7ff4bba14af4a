//! Style, script and icon: part of the program, served under an address that changes with them, so that browsers keep
//! them for ever.

use std::{fmt::Write as _, sync::LazyLock};

use axum::{
    extract::Path,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use sha2::{Digest as _, Sha256};

/// Name, media type and content.
const FILES: [(&str, &str, &str); 3] = [
    ("admin.css", "text/css; charset=utf-8", include_str!("assets/admin.css")),
    ("admin.js", "text/javascript; charset=utf-8", include_str!("assets/admin.js")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

/// The beginning of the hash of all of them.
static HASH: LazyLock<String> = LazyLock::new(|| {
    let all =
        FILES.iter().fold(Sha256::new(), |hash, (name, _, content)| hash.chain_update(name).chain_update(content));
    all.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        // A string takes any text.
        let _ = write!(text, "{byte:02x}");
        text
    })
});

/// Where a file is, below the admin's own address.
pub(super) fn address(root: &str, name: &str) -> String {
    format!("{root}/assets/{}/{name}", *HASH)
}

/// A file. One of another version is not there: kept for ever under this address, it would be the wrong one.
pub(super) async fn serve(Path((hash, name)): Path<(String, String)>) -> Response {
    let file = FILES.iter().find(|(known, ..)| *known == name).filter(|_| hash == *HASH);
    let Some((_, media_type, content)) = file else { return StatusCode::NOT_FOUND.into_response() };
    let mut response = Response::new((*content).into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}
