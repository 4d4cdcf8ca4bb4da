//! Believes that a session works only if something witnesses it, and does what helps: WAHA says WORKING of sessions
//! that died, and of sessions whose webhooks reach nobody.
//!
//! Started by `lifecycle` beside a worker, for sources that have a `[sources.NAME.waha]`.
//!
//! Reading order: `evidence`, what is known of a session, and `probe`, how that is asked; `verdict`, what it means
//! (pure); `episode`, what follows from one verdict after the other (pure); `remedies`, what is done; `rounds`, when, and
//! `look`, one of them.
//!
//! Invariants: nothing is asked of WhatsApp; what was found once is no trouble yet, what is found twice in a row is;
//! that nothing is known changes no verdict; a session is started anew only if that is configured, it is dead, no
//! restart came shortly before, and no other session of its source is just starting; a WAHA that does not answer
//! holds up no other.

mod episode;
mod evidence;
mod look;
mod probe;
mod remedies;
mod rounds;
mod verdict;

use std::time::Duration;

pub use rounds::Watchdog;

/// What is done about a session in trouble, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remedies {
    /// It is compared with WAHA's own list of messages.
    pub reconcile: bool,
    /// It is told: log, metric, `status`, console.
    pub warn: bool,
    /// It is started anew, if it is dead.
    pub restart: bool,
}

/// How sessions are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchdogOptions {
    /// How often each is looked at.
    pub every: Duration,
    /// What is done.
    pub remedies: Remedies,
    /// For how long a session has to be dead before it is started anew.
    pub restart_after: Duration,
    /// The least time between two restarts of a session; it doubles with each further one, up to a day.
    pub restart_wait: Duration,
}
