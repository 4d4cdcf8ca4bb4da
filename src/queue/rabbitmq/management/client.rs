//! Requests to the management API: JSON over HTTP, one URL after the other until one answers.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::super::error::BrokerError;
use super::answer::Refusal;
use super::error::ManagementError;

/// How long one URL may take to answer; longer than the broker waits for a queue's new member.
const ANSWER_MAX: Duration = Duration::from_secs(25);

/// Answers that are longer are not read: ours have some 20 kB.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// Where an API answers, and who asks.
struct Endpoint {
    base: Url,
    authorization: HeaderValue,
}

/// Asks the API.
pub(super) struct ManagementClient {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoints: Vec<Endpoint>,
}

impl ManagementClient {
    /// `user` is `USER:PASSWORD` for URLs that have none.
    pub(super) fn new(
        urls: &[SecretString],
        user: &SecretString,
        ca_pem: Option<&str>,
    ) -> Result<Self, ManagementError> {
        let endpoints = urls.iter().map(|url| Endpoint::parse(url, user));
        let endpoints: Result<Vec<Endpoint>, _> = endpoints.collect();
        let connector = connector(ca_pem)?;
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, endpoints: endpoints? })
    }

    /// Reads what is at a path below `/api`.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, ManagementError> {
        let answer = self.ask(&Method::GET, path, query, Bytes::new()).await?;
        serde_json::from_slice(&answer).map_err(ManagementError::Unreadable)
    }

    /// Posts to a path below `/api`; what is answered does not matter.
    pub(super) async fn post(&self, path: &[&str], body: &Value) -> Result<(), ManagementError> {
        let asked = self.ask(&Method::POST, path, &[], Bytes::from(body.to_string())).await;
        match asked {
            // A release that does not know the path takes it for another's, which can't be posted to.
            Err(ManagementError::Answered { status: 404 | 405, .. }) => {
                Err(ManagementError::Unsupported)
            }
            asked => asked.map(drop),
        }
    }

    /// The first URL that can answer does so for all: they are nodes of one cluster.
    async fn ask(
        &self,
        method: &Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Bytes, ManagementError> {
        let mut last = ManagementError::Settings("empty");
        for endpoint in &self.endpoints {
            let request = endpoint.request(method, path, query, body.clone());
            let asked = timeout(ANSWER_MAX, self.send(request)).await;
            match asked.unwrap_or(Err(ManagementError::Silent(ANSWER_MAX.as_secs()))) {
                Err(error) if error.is_of_node() => last = error,
                answered => return answered,
            }
        }
        Err(last)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Bytes, ManagementError> {
        let unreachable = |error: hyper_util::client::legacy::Error| {
            ManagementError::Unreachable(Box::new(error))
        };
        let answer = self.http.request(request).await.map_err(unreachable)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(ManagementError::Unreachable)?.to_bytes();
        match status {
            _ if status.is_success() => Ok(body),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(ManagementError::Refused(reason(&body)))
            }
            _ => Err(ManagementError::Answered { status: status.as_u16(), reason: reason(&body) }),
        }
    }
}

impl Endpoint {
    /// Reads a URL; its text is secret and in no error.
    fn parse(url: &SecretString, user: &SecretString) -> Result<Self, ManagementError> {
        let problem = ManagementError::Settings("must be like http://USER:PASSWORD@HOST:15672");
        let Ok(mut base) = Url::parse(url.expose_secret()) else { return Err(problem) };
        if !matches!(base.scheme(), "http" | "https") {
            return Err(problem);
        }
        let text = |encoded: &str| percent_decode_str(encoded).decode_utf8_lossy().into_owned();
        let user = match (base.username(), base.password().unwrap_or_default()) {
            ("", "") => user.expose_secret().to_owned(),
            (user, password) => format!("{}:{}", text(user), text(password)),
        };
        let value = format!("Basic {}", BASE64_STANDARD.encode(user));
        let mut authorization = HeaderValue::from_str(&value).expect("base64 fits a header");
        authorization.set_sensitive(true);
        // They can't fail: the URL has a host.
        let _ = base.set_username("").and_then(|()| base.set_password(None));
        Ok(Self { base, authorization })
    }

    fn request(
        &self,
        method: &Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Bytes,
    ) -> Request<Full<Bytes>> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("an http URL has a path")
            .pop_if_empty()
            .push("api")
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(AUTHORIZATION, &self.authorization)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .expect("a URL is a URI")
    }
}

/// For http and https; with certificates of a private authority, only those are trusted.
fn connector(ca_pem: Option<&str>) -> Result<HttpsConnector<HttpConnector>, ManagementError> {
    let no_roots = |error: std::io::Error| ManagementError::Unreachable(Box::new(error));
    let builder = HttpsConnectorBuilder::new();
    let builder = match ca_pem {
        Some(pem) => builder.with_tls_config(trusting(pem).map_err(ManagementError::Certificates)?),
        None => builder.with_native_roots().map_err(no_roots)?,
    };
    Ok(builder.https_or_http().enable_http1().build())
}

fn trusting(pem: &str) -> Result<ClientConfig, BrokerError> {
    let unusable = |error: &dyn std::fmt::Display| BrokerError::Settings(error.to_string());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| unusable(&error))?;
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// What the broker says beside the status.
fn reason(body: &[u8]) -> String {
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    match refusal.reason {
        Value::String(reason) => reason,
        Value::Null => "it says no more".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str) -> Result<(String, String), ManagementError> {
        let endpoint = Endpoint::parse(&url.into(), &"broker's:own".into())?;
        let path = ["queues", "/", "a b"];
        let request = endpoint.request(&Method::GET, &path, &[("name", "^a\\.")], Bytes::new());
        let user = BASE64_STANDARD.decode(&endpoint.authorization.as_bytes()[6..]).unwrap();
        Ok((request.uri().to_string(), String::from_utf8(user).unwrap()))
    }

    #[test]
    fn paths_and_users_are_encoded_and_decoded() {
        let (uri, user) = request("http://us%40er:p%3Aw@host:15672").unwrap();
        assert_eq!(uri, "http://host:15672/api/queues/%2F/a%20b?name=%5Ea%5C.");
        assert_eq!(user, "us@er:p:w");
        let (uri, user) = request("https://host/behind/proxy/").unwrap();
        assert_eq!(uri, "https://host/behind/proxy/api/queues/%2F/a%20b?name=%5Ea%5C.");
        assert_eq!(user, "broker's:own");
    }

    #[test]
    fn no_error_shows_a_secret() {
        for url in ["amqp://user:secret@host", "http://:secret@", "secret"] {
            let error = request(url).unwrap_err();
            assert!(
                !format!("{error:?}").contains("secret")
                    && matches!(error, ManagementError::Settings(_))
            );
        }
    }
}
