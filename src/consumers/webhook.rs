//! Delivery by signed requests. What is answered is not read beyond its status, and neither body nor URL is
//! logged: bodies are people's messages, and a URL may hold a password.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, StatusCode, Url, redirect};

use super::entry::Entry;
use super::signature::signatures;
use super::{DeliveryError, SharedSecrets};
use crate::http_client;
use crate::telemetry::cause::Causes;

/// Where requests go, and how they are signed.
pub struct WebhookWay {
    consumer: String,
    url: Url,
    client: Client,
    secrets: SharedSecrets,
    /// Whether the body is an array, however many changes there are.
    is_batched: bool,
}

/// What is needed to send.
pub struct WebhookOptions {
    /// Whose secrets sign.
    pub consumer: String,
    /// `http://` or `https://`.
    pub url: Url,
    /// How long a request may take.
    pub timeout: Duration,
    /// Secrets of all consumers.
    pub secrets: SharedSecrets,
    /// Whether the body is an array.
    pub is_batched: bool,
    /// Certificates (PEM) of the private authority that is trusted instead of those of this machine.
    pub ca_pem: Option<String>,
}

impl WebhookWay {
    /// Makes the client. An error: this machine trusts nobody's certificates, or those of `ca_pem` can't be used.
    pub fn new(options: WebhookOptions) -> reqwest::Result<Self> {
        let WebhookOptions { consumer, url, timeout, secrets, is_batched, ca_pem } = options;
        let client = match (url.scheme(), ca_pem) {
            ("http", _) => http_client::plain(),
            (_, Some(pem)) => {
                http_client::builder().tls_certs_only(Certificate::from_pem_bundle(pem.as_bytes())?)
            }
            (_, None) => http_client::builder(),
        };
        // A redirect would lead what is signed for one receiver to another one.
        let client = client.redirect(redirect::Policy::none()).timeout(timeout);
        Ok(Self { consumer, url, client: client.build()?, secrets, is_batched })
    }

    /// Sends changes in one request; `at_s`: now, in seconds since 1970.
    pub(super) async fn deliver(&self, entries: &[Entry], at_s: i64) -> Result<(), DeliveryError> {
        let Some(last) = entries.last() else { return Ok(()) };
        let body = self.body(entries);
        let signature =
            signatures(&self.secrets.of(&self.consumer), &last.id, at_s, body.as_bytes());
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/json");
        // The last, because a batch that is tried again may have others behind it: receivers leave out an id they
        // know. Whoever takes batches compares positions.
        let request = request.header("webhook-id", &last.id);
        let request = request.header("webhook-timestamp", at_s);
        let request = request.header("webhook-signature", signature).body(body);
        let answer = request
            .send()
            .await
            .map_err(|error| DeliveryError::Failed(Causes(&error.without_url()).to_string()))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            StatusCode::GONE => Err(DeliveryError::Unwanted),
            status if leads_elsewhere(status) => Err(DeliveryError::Failed(format!(
                "the receiver answered {status}: redirects are not followed, configure where it leads"
            ))),
            status => Err(DeliveryError::Failed(format!("the receiver answered {status}"))),
        }
    }

    fn body(&self, entries: &[Entry]) -> String {
        match entries {
            [entry] if !self.is_batched => entry.json.clone(),
            entries => {
                let each = entries.iter().map(|entry| entry.json.as_str());
                format!("[{}]", each.collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// Of the others of 300 and above (such as 304) nothing leads anywhere.
fn leads_elsewhere(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
