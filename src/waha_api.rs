//! The client of WAHA's REST API, one for each source that has a `url`.
//!
//! Used by `media`, `reconcile`, `directory`, `registrar` and `watchdog`. Reading order: `call`, how anything is asked; `answer` and `error`,
//! what comes of it; `link`, which addresses of files are followed; `file`, `message`, `messages`, `chats`, `people`, `sessions`,
//! `session_state`, `server` and `counters`, what is asked; `session_config`, what is changed; `forms`, how engines differ.
//!
//! Invariants: the key goes to the configured server and to nobody else; no redirect is followed. Neither
//! bodies nor URLs reach logs or errors: WAHA's errors repeat the whole request and hold keys, links hold
//! signatures. What is read of an answer has a bound.

mod answer;
mod call;
mod chats;
mod counters;
mod error;
mod file;
mod forms;
mod key;
mod link;
mod message;
mod messages;
mod people;
mod server;
mod session_config;
mod session_state;
mod sessions;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use reqwest::{Client, Url, redirect};
use tokio::sync::Semaphore;

use crate::circuit_breaker::CircuitBreaker;
use crate::http_client;

pub use call::Patience;
pub use chats::{ListedChat, WAHA_CHATS_MAX};
pub use counters::{EmittedCount, EmittedMessages};
pub use error::{Missing, Verdict, WahaError};
pub use file::FileStream;
pub use key::ApiKey;
pub use link::{FileLink, LinkProblem};
pub use message::{FileError, MessageAddress, MessageFile};
pub use messages::{ALL_CHATS, MessagePage, MessageQuery};
pub use people::{PeoplePage, WAHA_CONTACTS_MAX, WAHA_GROUPS_MAX, WAHA_LIDS_MAX};
pub use server::ServerVersion;
pub use session_config::ConfiguredSession;
pub use session_state::{EngineState, SessionState};
pub use sessions::ListedSession;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Node closes a connection that is idle for 5 s; one that is used in that instant fails.
const IDLE_MAX: Duration = Duration::from_secs(3);
/// How long nothing may come while an answer is read.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How a WAHA is asked.
#[derive(Clone)]
pub struct WahaApiOptions {
    /// Its source.
    pub source: String,
    /// `http://` or `https://`, with the path under which a proxy has it, if any.
    pub url: Url,
    /// The plain key; none where WAHA asks for none.
    pub api_key: ApiKey,
    /// Calls about one session within a minute; files do not count.
    pub requests_per_minute: NonZeroU32,
    /// Calls at a time; files do not count.
    pub concurrency: usize,
    /// Origins (`https://host:port`) of S3 servers that presigned links may lead to.
    pub s3_origins: Vec<String>,
}

/// A WAHA. Whoever asks the same WAHA in a process has a clone of one: budget and circuit breaker are common.
#[derive(Clone)]
pub struct WahaApi {
    options: WahaApiOptions,
    /// For calls: an answer may take long to begin.
    calls: Client,
    /// For files: bytes must keep coming.
    files: Client,
    breaker: Arc<CircuitBreaker>,
    /// How often the key had been replaced when it was used last.
    key_used: Arc<AtomicU64>,
    /// By session.
    budget: Arc<DefaultKeyedRateLimiter<String>>,
    /// For calls; files have places of their own, or a few large ones would keep all else waiting.
    in_flight: Arc<Semaphore>,
}

impl WahaApi {
    /// Makes the clients; asks nothing. An error: this machine trusts nobody's certificates.
    pub fn new(options: WahaApiOptions) -> reqwest::Result<Self> {
        let needs_tls = std::iter::once(options.url.as_str())
            .chain(options.s3_origins.iter().map(String::as_str))
            .any(|url| url.starts_with("https:"));
        let quota = Quota::per_minute(options.requests_per_minute);
        Ok(Self {
            calls: client(needs_tls).build()?,
            files: client(needs_tls).read_timeout(READ_TIMEOUT).build()?,
            breaker: Arc::new(CircuitBreaker::new()),
            key_used: Arc::new(AtomicU64::new(0)),
            budget: Arc::new(RateLimiter::keyed(quota)),
            in_flight: Arc::new(Semaphore::new(options.concurrency)),
            options,
        })
    }

    /// Its source.
    pub fn source(&self) -> &str {
        &self.options.source
    }

    /// Where it is.
    pub fn base_url(&self) -> &Url {
        &self.options.url
    }

    /// How long it is not asked, because it did not answer or refuses the key; none if it is.
    pub fn rest(&self) -> Option<Duration> {
        self.see_key();
        self.breaker.rest()
    }

    /// With another key, what the former one was answered counts no more.
    fn see_key(&self) {
        let replaced = self.options.api_key.replaced();
        if self.key_used.swap(replaced, Ordering::SeqCst) != replaced {
            self.breaker.succeeded();
        }
    }
}

fn client(needs_tls: bool) -> reqwest::ClientBuilder {
    let builder = if needs_tls { http_client::builder() } else { http_client::plain() };
    // A redirect would lead the key to somebody else.
    let builder = builder.redirect(redirect::Policy::none());
    builder.connect_timeout(CONNECT_TIMEOUT).pool_idle_timeout(IDLE_MAX)
}
