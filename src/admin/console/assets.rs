//! Style, scripts and icon: in the binary, under names that hold their hash, so that browsers keep them.
//!
//! `htmx.min.js` is htmx 2.0.11 (0BSD) as its package on npm has it.

use std::sync::LazyLock;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use sha2::{Digest, Sha256};

use super::error::PageError;
use crate::admin::api::ApiError;

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("console", "css", "text/css; charset=utf-8", include_bytes!("assets/console.css"))
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("htmx", "js", "text/javascript; charset=utf-8", include_bytes!("assets/htmx.min.js"))
});
static LIVE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("live", "js", "text/javascript; charset=utf-8", include_bytes!("assets/live.js"))
});
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_bytes!("assets/icon.svg")));

struct Asset {
    path: String,
    content_type: &'static str,
    bytes: &'static [u8],
}

impl Asset {
    fn new(name: &str, ending: &str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        let hash = hex::encode(&Sha256::digest(bytes)[..8]);
        Self { path: format!("/assets/{name}.{hash}.{ending}"), content_type, bytes }
    }
}

pub(super) fn style_path() -> &'static str {
    &STYLE.path
}

pub(super) fn script_path() -> &'static str {
    &SCRIPT.path
}

pub(super) fn live_path() -> &'static str {
    &LIVE.path
}

pub(super) fn icon_path() -> &'static str {
    &ICON.path
}

/// One of them; a name of another release is not found.
pub(super) async fn serve(name: web::Path<String>) -> Result<HttpResponse, PageError> {
    let path = format!("/assets/{name}");
    let all = [&STYLE, &SCRIPT, &LIVE, &ICON];
    let asset = all.into_iter().find(|asset| asset.path == path);
    let asset = asset.ok_or(ApiError::NotFound("file"))?;
    Ok(HttpResponse::Ok()
        .content_type(asset.content_type)
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(asset.bytes))
}
