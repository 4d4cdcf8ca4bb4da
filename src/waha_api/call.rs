//! How anything is asked: within the budget, while the circuit is closed, with a bound for time and bytes.

use std::time::{Duration, Instant};

use reqwest::{RequestBuilder, Response, StatusCode, Url};
use secrecy::ExposeSecret;
use tokio::sync::SemaphorePermit;

use super::WahaApi;
use super::answer::error_of;
use super::error::WahaError;
use crate::telemetry::cause::Causes;

/// WAHA's header for the key.
const KEY_HEADER: &str = "X-Api-Key";
/// Largest answer that is read: a message with the engine's own form, thumbnails included.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Largest answer that is read to know why something failed.
const ERROR_BYTES_MAX: usize = 64 << 10;
/// How long `/ping` may take: Node answers it without anybody else.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// What WAHA answers it with, in JSON.
const PONG: &[u8] = b"pong";
/// Largest answer to it that is read.
const PONG_BYTES_MAX: usize = 4 << 10;
/// Whom a wrong key is told to is not asked for so long; every WAHA makes up a key that nobody set.
const KEY_REST: Duration = Duration::from_mins(1);
/// Sessions whose budgets are kept before those are let go that are full again.
const BUDGETS_MAX: usize = 1_000;
/// How often a call is tried whose connection was lost: WAHA closes them all when it stops.
const TRIES_MAX: u32 = 2;

/// How long an answer is waited for, by what WAHA does for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// It answers without an engine, or from the little that one has at hand.
    Light,
    /// It answers from what it has: browsers list large chats for minutes.
    Reading,
    /// It loads a file from WhatsApp: up to five tries with pauses.
    Loading,
}

impl Patience {
    /// The whole answer has come by then.
    pub(super) const fn limit(self) -> Duration {
        match self {
            Self::Light => Duration::from_secs(30),
            Self::Reading => Duration::from_secs(120),
            Self::Loading => Duration::from_secs(180),
        }
    }
}

impl WahaApi {
    /// Asks something; none if WAHA answers nothing, which is its null. `session` is whose budget it is; of what is
    /// about none, an empty one.
    pub(super) async fn get(
        &self,
        patience: Patience,
        session: &str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Option<Vec<u8>>, WahaError> {
        let (url, timeout) = (self.url(path, query), patience.limit());
        let mut tries = 1;
        loop {
            self.take_budget(session).await;
            let request = self.calls.get(url.clone()).timeout(timeout);
            let begun = Instant::now();
            let ended = self.send_and_read(request).await;
            // What took all its time was no connection that WAHA closed: another try would take as long again.
            let was_closed = begun.elapsed() < timeout;
            match ended {
                Err(WahaError::Away(_) | WahaError::Broken(_))
                    if was_closed && tries < TRIES_MAX =>
                {
                    tries += 1;
                }
                ended => return ended,
            }
        }
    }

    /// Asks for what WAHA tells without its key. That it refuses says nothing of the API, so it is not asked less.
    pub(super) async fn get_open(&self, path: &[&str]) -> Result<Vec<u8>, WahaError> {
        self.breaker.permit().map_err(WahaError::Resting)?;
        let request = self.calls.get(self.url(path, &[])).timeout(Patience::Light.limit());
        let answer = checked(request.send().await).await?;
        read(answer, ANSWER_BYTES_MAX).await?.ok_or(WahaError::TooLong)
    }

    /// The body of a success; none if it is empty, which is WAHA's null.
    pub(super) async fn send_and_read(
        &self,
        request: RequestBuilder,
    ) -> Result<Option<Vec<u8>>, WahaError> {
        self.send_and_read_up_to(request, ANSWER_BYTES_MAX).await
    }

    /// The same for an answer that may be longer than others.
    pub(super) async fn send_and_read_up_to(
        &self,
        request: RequestBuilder,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, WahaError> {
        let _permit = self.permit().await?;
        let answer = self.send(self.with_key(request)).await?;
        let body = read(answer, bytes_max).await?.ok_or(WahaError::TooLong)?;
        Ok(Some(body).filter(|body| !body.is_empty()))
    }

    /// Sends a request and looks at the status.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, WahaError> {
        self.see_key();
        self.breaker.permit().map_err(WahaError::Resting)?;
        let ended = match checked(request.send().await).await {
            Err(WahaError::Away(cause)) if self.is_there().await => Err(WahaError::Broken(cause)),
            ended => ended,
        };
        self.note(ended.as_ref().err());
        ended
    }

    /// Waits until there are not too many calls at a time.
    async fn permit(&self) -> Result<SemaphorePermit<'_>, WahaError> {
        let permit = self.in_flight.acquire().await;
        permit.map_err(|_| WahaError::Away("this process stops".to_owned()))
    }

    /// Whether WAHA answers at all, so that what did not come is no outage: nothing else is kept waiting for it.
    /// `GET /ping` says only that its process answers, and needs no key.
    async fn is_there(&self) -> bool {
        let ping = self.calls.get(self.url(&["ping"], &[])).timeout(PING_TIMEOUT);
        let Ok(answer) = checked(ping.send().await).await else { return false };
        let body = read(answer, PONG_BYTES_MAX).await;
        matches!(body, Ok(Some(body)) if body.windows(PONG.len()).any(|word| word == PONG))
    }

    /// The request with the key, which nobody but the configured server may get.
    pub(super) fn with_key(&self, request: RequestBuilder) -> RequestBuilder {
        match self.options.api_key.get() {
            Some(key) => request.header(KEY_HEADER, key.expose_secret()),
            None => request,
        }
    }

    /// A path below the configured one; what is special in a segment is encoded.
    pub(super) fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.options.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.iter().map(|segment| one_segment(segment)));
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Waits until the session may be asked about again.
    pub(super) async fn take_budget(&self, session: &str) {
        if self.budget.len() > BUDGETS_MAX {
            self.budget.retain_recent();
        }
        self.budget.until_key_ready(&session.to_owned()).await;
    }

    /// Remembers how it went: any answer of WAHA itself shows that it is there.
    fn note(&self, error: Option<&WahaError>) {
        let is_news = match error {
            Some(WahaError::Unauthorized) => self.breaker.open_for(KEY_REST),
            Some(WahaError::Away(_)) => self.breaker.failed(),
            Some(_) | None => {
                self.breaker.succeeded();
                false
            }
        };
        if let (true, Some(error)) = (is_news, error) {
            tracing::warn!(webhook.source = self.source(), error = %error, "WAHA can't be asked");
        }
    }
}

/// A segment that stays one. Strangers choose ids of messages, and `.`, `..` and nothing at all would lead to another
/// endpoint, however they are written: those are asked for under names that nothing has.
fn one_segment(segment: &str) -> &str {
    match segment {
        "" => "%",
        "." => "%2E",
        ".." => "%2E%2E",
        _ => segment,
    }
}

/// An answer that is a success, or what it means.
async fn checked(sent: reqwest::Result<Response>) -> Result<Response, WahaError> {
    let answer = sent.map_err(away)?;
    if [StatusCode::OK, StatusCode::CREATED].contains(&answer.status()) {
        return Ok(answer);
    }
    let status = answer.status().as_u16();
    let body = read(answer, ERROR_BYTES_MAX).await.ok().flatten().unwrap_or_default();
    Err(error_of(status, &body))
}

/// The body; none if it is longer than that.
async fn read(mut answer: Response, bytes_max: usize) -> Result<Option<Vec<u8>>, WahaError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(away)? {
        if body.len() + chunk.len() > bytes_max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// What became of a connection, without the address: a presigned link opens a file.
pub(super) fn away(error: reqwest::Error) -> WahaError {
    WahaError::Away(Causes(&error.without_url()).to_string())
}

/// The same of a connection to somebody else than WAHA.
pub(super) fn broken(error: reqwest::Error) -> WahaError {
    WahaError::Broken(Causes(&error.without_url()).to_string())
}

#[cfg(test)]
mod tests {
    use super::one_segment;

    /// What WHATWG's rules make of a path that strangers have a part in.
    #[test]
    fn no_segment_leads_to_another_endpoint() {
        for (segment, expected) in [
            ("..", "/api/s/chats/%252E%252E/x"),
            (".", "/api/s/chats/%252E/x"),
            ("", "/api/s/chats/%25/x"),
            ("a/../b", "/api/s/chats/a%2F..%2Fb/x"),
            ("%2e%2e", "/api/s/chats/%252e%252e/x"),
            ("a?b#c", "/api/s/chats/a%3Fb%23c/x"),
            ("günther", "/api/s/chats/g%C3%BCnther/x"),
        ] {
            let mut url = reqwest::Url::parse("http://waha:3000").unwrap();
            let path = ["api", "s", "chats", segment, "x"];
            url.path_segments_mut().unwrap().extend(path.map(one_segment));
            assert_eq!(url.path(), expected, "{segment}");
        }
    }
}
