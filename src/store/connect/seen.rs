//! Which server the connections lead to, so that what is remembered of its rows is forgotten when it is
//! another one: a failover may lose rows, and give their ids to others.
//!
//! Told by each new connection, also where one name leads to several servers in turn (a proxy, a service
//! of Kubernetes), and by `primary` when it takes another pool. Invariant: an epoch is one
//! server with one history; whoever writes with ids of one epoch commits in it or not at all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sqlx::{self, MySqlConnection, PgConnection};
use tokio::sync::watch;

use super::server::{self, ServerIdentity};

/// Servers behind one name that are told apart. A balancer in front of equal ones must not look like a
/// failover for ever.
const KNOWN_MAX: usize = 32;

/// What the pools of a store have seen. A clone belongs to one pool, the one of its generation.
#[derive(Clone)]
pub(in crate::store) struct SeenServers {
    shared: Arc<Shared>,
    generation: u64,
}

struct Shared {
    seen: Mutex<Seen>,
    switches: watch::Sender<Switch>,
}

#[derive(Default)]
struct Seen {
    /// The pool that is used; what others see does not count.
    generation: u64,
    known: Vec<ServerIdentity>,
}

/// The last time that it became another server.
#[derive(Clone, Copy)]
struct Switch {
    epoch: u64,
    at: Instant,
}

impl SeenServers {
    /// Nothing was seen yet.
    pub(in crate::store) fn nothing() -> Self {
        let switches = watch::Sender::new(Switch { epoch: 0, at: Instant::now() });
        Self { shared: Arc::new(Shared { seen: Mutex::default(), switches }), generation: 0 }
    }

    /// Grows whenever it is another server.
    pub(in crate::store) fn epoch(&self) -> u64 {
        self.shared.switches.borrow().epoch
    }

    /// Returns when it is another server than now.
    pub(in crate::store) async fn switched(&self) {
        let mut switches = self.shared.switches.subscribe();
        // The sender lives as long as this.
        let _ = switches.changed().await;
    }

    /// The server that was seen last for the first time.
    pub(in crate::store) fn newest(&self) -> Option<ServerIdentity> {
        self.lock().known.last().cloned()
    }

    /// For a pool that is to take this one's place, and is not used yet.
    pub(in crate::store) fn for_next_pool(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), generation: self.lock().generation + 1 }
    }

    /// Its pool is used from now on, and leads to this server. The same one with the same history, as
    /// when a password was changed, is no switch.
    pub(in crate::store) fn take_place(&self, identity: Option<ServerIdentity>) {
        let mut seen = self.lock();
        let is_same = identity.is_some() && identity.as_ref() == seen.known.last();
        seen.generation = self.generation;
        seen.known = identity.into_iter().collect();
        if !is_same {
            self.switch();
        }
    }

    /// A server answered.
    pub(in crate::store) fn saw(&self, identity: Option<ServerIdentity>) {
        let mut seen = self.lock();
        let Some(identity) = identity.filter(|it| !seen.known.contains(it)) else { return };
        if seen.generation != self.generation {
            return;
        }
        let is_first = seen.known.is_empty();
        if seen.known.len() >= KNOWN_MAX {
            seen.known.clear();
        }
        seen.known.push(identity);
        if !is_first {
            tracing::warn!("another database server answers: what was known of rows is forgotten");
            self.switch();
        }
    }

    /// Whether a connection of this age is of a former server, or of a pool that was replaced.
    pub(super) fn is_outdated(&self, age: Duration) -> bool {
        let switch = *self.shared.switches.borrow();
        let is_older = switch.epoch > 0 && age >= switch.at.elapsed();
        is_older || self.lock().generation > self.generation
    }

    /// Asks a new connection.
    pub(super) async fn identify_postgres(
        self,
        connection: &mut PgConnection,
    ) -> Result<(), sqlx::Error> {
        match server::of_postgres(connection).await {
            Ok(state) => self.saw(state.identity),
            // What only speaks like PostgreSQL may not know the questions.
            Err(sqlx::Error::Database(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The same.
    pub(super) async fn identify_mysql(
        self,
        connection: &mut MySqlConnection,
    ) -> Result<(), sqlx::Error> {
        self.saw(server::of_mysql(connection).await?.identity);
        Ok(())
    }

    fn switch(&self) {
        self.shared.switches.send_modify(|switch| {
            *switch = Switch { epoch: switch.epoch + 1, at: Instant::now() };
        });
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(place: &str, timeline: u32) -> ServerIdentity {
        ServerIdentity { place: place.to_owned(), timeline: Some(timeline) }
    }

    #[test]
    fn a_promotion_is_a_switch_and_equal_servers_are_one_each() {
        let seen = SeenServers::nothing();
        seen.saw(Some(server("a", 1)));
        seen.saw(None);
        assert_eq!(seen.epoch(), 0);
        for _ in 0..3 {
            seen.saw(Some(server("a", 2)));
            seen.saw(Some(server("a", 1)));
        }
        assert_eq!(seen.epoch(), 1, "a balancer comes back to servers that are known");
        assert_eq!(seen.newest(), Some(server("a", 2)));
    }

    #[test]
    fn a_pool_that_was_replaced_is_outdated_and_no_longer_heard() {
        let old = SeenServers::nothing();
        old.saw(Some(server("a", 1)));
        let new = old.for_next_pool();
        new.saw(Some(server("b", 1)));
        assert_eq!(old.epoch(), 0, "it is not used yet");
        new.take_place(Some(server("a", 1)));
        assert_eq!(new.epoch(), 0, "the same server");
        assert!(old.is_outdated(Duration::ZERO) && !new.is_outdated(Duration::ZERO));
        old.saw(Some(server("c", 1)));
        assert_eq!(new.epoch(), 0);
        let other = new.for_next_pool();
        other.take_place(Some(server("a", 2)));
        assert_eq!(old.epoch(), 1);
        assert!(other.is_outdated(Duration::from_secs(60)), "made before the switch");
    }
}
