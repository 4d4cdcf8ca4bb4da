//! The HTTP client that the storage on S3 uses: ours, with the one provider of cryptography and no proxy.

use std::time::Duration;

use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector};
use reqwest::redirect;

use crate::http_client;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long nothing may come: a whole file may take longer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes the client.
#[derive(Debug)]
pub(super) struct OurClient {
    /// Whether it is for plain HTTP.
    pub(super) is_plain: bool,
}

impl HttpConnector for OurClient {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let builder = if self.is_plain { http_client::plain() } else { http_client::builder() };
        let builder = builder.redirect(redirect::Policy::none());
        let builder = builder.connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT);
        let client = builder.build().map_err(|error| object_store::Error::Generic {
            store: "S3",
            source: Box::new(error),
        })?;
        Ok(HttpClient::new(client))
    }
}
