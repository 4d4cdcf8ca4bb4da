//! How a simulated WAHA is.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;

use super::oddity::Oddities;
use crate::simulate::Plan;
use crate::simulate::session::Engine;

/// WAHA's default of how long it keeps a file.
const MEDIA_LIFETIME: Duration = Duration::from_secs(180);

/// Which time it is for the simulated WAHA: files expire and sessions start by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// That of this machine.
    Real,
    /// It stands still, from the start of the history on, until it is advanced.
    Manual,
    /// That of the last webhook that was taken from the history.
    History,
}

/// How a simulated WAHA is. `Options::of(plan)` is an honest one with GOWS' manners for GOWS sessions and so on.
#[derive(Clone, Debug)]
pub struct Options {
    /// What happens on it. Its files are those of the API, which knows where they are: `plan.files` says only
    /// how large.
    pub plan: Plan,
    /// Where to listen; port 0 for any.
    pub address: SocketAddr,
    /// What `X-Api-Key` must say; without it everybody may ask, as with `WAHA_NO_API_KEY`.
    pub api_key: Option<SecretString>,
    /// Whose time it goes by.
    pub time: Time,
    /// How long a file stays; zero: for ever.
    pub media_lifetime: Duration,
    /// Whose manners all sessions have; without it each has those of its engine.
    pub manner: Option<Engine>,
    /// What is odd besides.
    pub oddities: Oddities,
    /// Where its webhooks go, for the configuration of its sessions.
    pub webhook_url: Option<String>,
    /// The key that they are signed with, which WAHA tells whoever asks for a session.
    pub webhook_key: Option<SecretString>,
    /// Where the webhook of its environment goes, which no session's configuration shows.
    pub global_webhook_url: Option<String>,
    /// Whether the key is one of a session that may only read: changes are answered 403, and so is the environment.
    pub is_read_only: bool,
    /// Share of the webhooks that are never sent, from 0 to 1.
    pub lose: f64,
    /// How much later webhooks come than messages can be read, in the time of the history.
    pub delay: Duration,
    /// Webhooks that are in memory, and lost, when it restarts.
    pub lost_per_restart: u64,
    /// After so many webhooks it sends nothing any more, though its sessions work.
    pub silent_after: Option<u64>,
    /// How long requests wait for a session that does not work; WAHA waits up to 15 s.
    pub patience: Duration,
}

impl Options {
    /// An honest WAHA on any port, whose time is advanced by hand.
    pub fn of(plan: Plan) -> Self {
        Self {
            plan,
            address: ([127, 0, 0, 1], 0).into(),
            api_key: None,
            time: Time::Manual,
            media_lifetime: MEDIA_LIFETIME,
            manner: None,
            oddities: Oddities::NONE,
            webhook_url: None,
            webhook_key: None,
            global_webhook_url: None,
            is_read_only: false,
            lose: 0.0,
            delay: Duration::ZERO,
            lost_per_restart: 0,
            silent_after: None,
            patience: Duration::ZERO,
        }
    }
}
