//! Requests to the management API: JSON over HTTP, one URL after the other until one answers.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use percent_encoding::percent_decode_str;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Body, Certificate, Client, Method, Request, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::answer::Refusal;
use super::error::ManagementError;
use crate::http_client;

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
    http: Client,
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
        Ok(Self { http: client(ca_pem)?, endpoints: endpoints? })
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

    async fn send(&self, request: Request) -> Result<Bytes, ManagementError> {
        let answer = self.http.execute(request).await.map_err(unreachable)?;
        let status = answer.status();
        let body = Limited::new(Body::from(answer), ANSWER_BYTES_MAX).collect().await;
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
    ) -> Request {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("an http URL has a path")
            .pop_if_empty()
            .push("api")
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = Request::new(method.clone(), url);
        request.headers_mut().insert(AUTHORIZATION, self.authorization.clone());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(body.into());
        request
    }
}

/// For http and https; with certificates of a private authority, only those are trusted.
fn client(ca_pem: Option<&str>) -> Result<Client, ManagementError> {
    let builder = http_client::builder().redirect(Policy::none());
    let Some(pem) = ca_pem else { return builder.build().map_err(unreachable) };
    let trusted = Certificate::from_pem_bundle(pem.as_bytes());
    let built = trusted.and_then(|trusted| builder.tls_certs_only(trusted).build());
    built.map_err(ManagementError::Certificates)
}

/// A URL may hold a password.
fn unreachable(error: reqwest::Error) -> ManagementError {
    ManagementError::Unreachable(Box::new(error.without_url()))
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
        Ok((request.url().to_string(), String::from_utf8(user).unwrap()))
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
