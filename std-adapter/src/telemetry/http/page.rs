//! The dashboard: one page, with its style and script inside.

use super::Shared;
use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Only this answer's own style and script, and only this server.
pub(super) async fn page(State(shared): State<Arc<Shared>>) -> Response {
    // Fresh random keys each time: nobody can guess it.
    let number = || RandomState::new().hash_one(0);
    let nonce = format!("{:016x}{:016x}", number(), number());
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let page = PAGE
        .replace("@NONCE@", &nonce)
        .replace("@TITLE@", &escaped(shared.feed.title()))
        .replace("@STYLE@", STYLE)
        .replace("@SCRIPT@", SCRIPT);
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CONTENT_SECURITY_POLICY, policy),
    ];
    (headers, page).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
