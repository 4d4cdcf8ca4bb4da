//! What a WAHA says of itself: its release, its worker, and the webhook of its environment.
//!
//! `GET /api/server/version` and `GET /api/server/environment`. The second needs an administrator's key, and answers
//! with all that WAHA was started with, keys among it: only addresses of webhooks are kept of it.

use super::session_state::read;
use super::{Patience, WahaApi, WahaError};
use crate::waha::json::Node;

/// Variables that name addresses of webhooks: `WHATSAPP_HOOK_URL`, and what later releases may add.
const HOOK: &str = "HOOK";
const URL_END: &str = "_URL";

/// A WAHA, as it tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerVersion {
    /// `YYYY.M.N`.
    pub version: Option<String>,
    /// The worker that this process is, where several share one database.
    pub worker: Option<String>,
}

impl WahaApi {
    /// Its release and its worker. Any key may ask.
    pub async fn server_version(&self) -> Result<ServerVersion, WahaError> {
        let body = self.get(Patience::Light, "", &["api", "server", "version"], &[]).await?;
        read(&body.unwrap_or_default(), version_of)
    }

    /// Where the webhook of WAHA's environment goes, if there is one; it comes on top of those of each session.
    pub async fn global_webhook_urls(&self) -> Result<Vec<String>, WahaError> {
        let body = self.get(Patience::Light, "", &["api", "server", "environment"], &[]).await?;
        read(&body.unwrap_or_default(), urls_of)
    }
}

fn version_of(node: Node<'_>) -> ServerVersion {
    ServerVersion { version: node.at("version").text(), worker: node.at("worker").at("id").text() }
}

fn urls_of(node: Node<'_>) -> Vec<String> {
    let is_address = |name: &str| name.contains(HOOK) && name.ends_with(URL_END);
    let texts =
        node.fields().filter(|name| is_address(name)).filter_map(|name| node.at(name).str());
    let urls = texts.flat_map(|text| text.split(',').map(str::trim));
    urls.filter(|url| !url.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_environment_only_addresses_of_webhooks_are_kept() {
        let text = r#"{"WHATSAPP_HOOK_URL":"http://a:1/x, http://b/y","WAHA_API_KEY":"secret",
            "WHATSAPP_HOOK_HMAC_KEY":"secret","WAHA_BASE_URL":"http://waha","WHATSAPP_HOOK_EVENTS":"*"}"#;
        let urls = read(text.as_bytes(), urls_of).unwrap();
        assert_eq!(urls, ["http://a:1/x", "http://b/y"]);
        assert_eq!(read(b"{}", urls_of).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_single_process_has_no_worker() {
        let of = |text: &str| read(text.as_bytes(), version_of).unwrap();
        assert_eq!(of(r#"{"version":"2026.8.2","worker":{"id":null}}"#).worker, None);
        assert_eq!(of(r#"{"worker":{"id":""}}"#).worker, None);
        let told = of(r#"{"version":"2026.8.2","worker":{"id":"waha-0"}}"#);
        assert_eq!(
            (told.version.as_deref(), told.worker.as_deref()),
            (Some("2026.8.2"), Some("waha-0"))
        );
    }
}
