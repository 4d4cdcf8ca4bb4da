//! All connections of a listener, by the address that they come from.
//!
//! Shared by all threads of the listener. Above the limit a new connection is let in for one of the
//! address that holds most, never simply for the oldest: under attack the old ones are the honest ones.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;

use super::super::address::ClientAddress;
use super::super::holdings::Holdings;

/// How many connections of the address that holds most are compared when one has to give way.
const COMPARED_MAX: usize = 256;
/// How many addresses are looked at if all connections of the first are busy.
const ADDRESSES_MAX: usize = 16;

/// How a connection stands when one has to give way: later ones are kept longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Standing {
    /// Waits for a request.
    Idle,
    /// Sends the head of a request.
    SendsHead,
    /// Sends a body.
    SendsBody,
    /// Has a request in hand: is never closed for another.
    Busy,
}

impl Standing {
    const ALL: [Self; 4] = [Self::Idle, Self::SendsHead, Self::SendsBody, Self::Busy];
}

/// What all threads may know of a connection.
pub(super) struct ConnectionEntry {
    registry: Arc<ConnectionRegistry>,
    address: ClientAddress,
    /// Where it stands in the list of its address.
    place: AtomicUsize,
    standing: AtomicU8,
    /// Milliseconds since the registry began.
    since_ms: AtomicU64,
    was_served: AtomicBool,
    gives_way: AtomicBool,
    /// Who watches over the connection.
    pub(super) watcher: AtomicWaker,
    number: u64,
}

/// The connections of a listener.
pub(super) struct ConnectionRegistry {
    connections_max: usize,
    began: Instant,
    is_stopping: AtomicBool,
    next_number: AtomicU64,
    inner: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    /// Those that are to stay.
    staying: Holdings,
    by_address: HashMap<ClientAddress, Vec<Arc<ConnectionEntry>>>,
    /// Where the next comparison begins.
    cursor: usize,
}

impl ConnectionRegistry {
    pub(super) fn new(connections_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections_max,
            began: Instant::now(),
            is_stopping: AtomicBool::new(false),
            next_number: AtomicU64::new(0),
            inner: Mutex::default(),
        })
    }

    /// Takes a connection in; none if there are too many and none may give way.
    pub(super) fn enter(self: &Arc<Self>, address: ClientAddress) -> Option<Arc<ConnectionEntry>> {
        let mut inner = self.lock();
        if inner.staying.total() >= self.connections_max {
            inner.make_room(address)?;
        }
        inner.staying.add(address, 1);
        let list = inner.by_address.entry(address).or_default();
        let entry = Arc::new(ConnectionEntry {
            registry: Arc::clone(self),
            address,
            place: AtomicUsize::new(list.len()),
            standing: AtomicU8::new(Standing::Idle as u8),
            since_ms: AtomicU64::new(milliseconds(self.began.elapsed())),
            was_served: AtomicBool::new(false),
            gives_way: AtomicBool::new(false),
            watcher: AtomicWaker::new(),
            number: self.next_number.fetch_add(1, Ordering::Relaxed),
        });
        list.push(Arc::clone(&entry));
        Some(entry)
    }

    /// From now on idle connections end, and each answer is the last of its connection.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        for entry in self.lock().by_address.values().flatten() {
            entry.watcher.wake();
        }
    }

    fn leave(&self, entry: &ConnectionEntry) {
        let mut inner = self.lock();
        let place = entry.place.load(Ordering::Relaxed);
        if let Some(list) = inner.by_address.get_mut(&entry.address) {
            list.swap_remove(place);
            if let Some(moved) = list.get(place) {
                moved.place.store(place, Ordering::Relaxed);
            }
            if list.is_empty() {
                inner.by_address.remove(&entry.address);
            }
        }
        if !entry.gives_way() {
            inner.staying.remove(entry.address, 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// Closes a connection of an address that holds at least as many as the newcomer's, of the largest
    /// first; none if all that are looked at are busy.
    fn make_room(&mut self, newcomer: ClientAddress) -> Option<()> {
        let held = self.staying.of(newcomer);
        let mut larger =
            self.staying.descending().take(ADDRESSES_MAX).take_while(|(it, _)| *it >= held);
        let found = larger.find_map(|(_, address)| Some((address, self.least(address)?)));
        drop(larger);
        let (address, victim) = found?;
        victim.gives_way.store(true, Ordering::SeqCst);
        victim.watcher.wake();
        self.cursor = self.cursor.wrapping_add(COMPARED_MAX);
        self.staying.remove(address, 1);
        Some(())
    }

    /// Which connection of an address would be missed least, of some of them.
    fn least(&self, address: ClientAddress) -> Option<Arc<ConnectionEntry>> {
        let list = self.by_address.get(&address)?;
        let compared = list.len().min(COMPARED_MAX);
        let candidates =
            (0..compared).map(|step| &list[self.cursor.wrapping_add(step) % list.len()]);
        candidates
            .filter(|entry| !entry.gives_way() && entry.standing() != Standing::Busy)
            .min_by_key(|entry| entry.worth())
            .cloned()
    }
}

impl ConnectionEntry {
    /// What the connection does now.
    pub(super) fn stand(&self, standing: Standing, since: Instant) {
        let since = since.saturating_duration_since(self.registry.began);
        self.since_ms.store(milliseconds(since), Ordering::Relaxed);
        self.standing.store(standing as u8, Ordering::Relaxed);
    }

    fn standing(&self) -> Standing {
        Standing::ALL[usize::from(self.standing.load(Ordering::Relaxed))]
    }

    /// The least is closed first: strangers before those that were served, then who waits before who
    /// sends, then who does so for longest.
    fn worth(&self) -> (bool, Standing, u64) {
        (self.was_served(), self.standing(), self.since_ms.load(Ordering::Relaxed))
    }

    /// A request of this connection was answered well.
    pub(super) fn serve(&self) {
        self.was_served.store(true, Ordering::Relaxed);
    }

    pub(super) fn was_served(&self) -> bool {
        self.was_served.load(Ordering::Relaxed)
    }

    /// It has to end for another one.
    pub(super) fn gives_way(&self) -> bool {
        self.gives_way.load(Ordering::SeqCst)
    }

    /// The process stops.
    pub(super) fn is_stopping(&self) -> bool {
        self.registry.is_stopping.load(Ordering::SeqCst)
    }

    pub(super) fn must_end(&self) -> bool {
        self.gives_way() || self.is_stopping()
    }

    /// From 0.75 to 1, spread over the connections.
    pub(super) fn jitter(&self) -> f64 {
        // The golden ratio spreads consecutive numbers evenly.
        #[expect(clippy::cast_precision_loss, reason = "a spread")]
        let spread = (self.number as f64 * 0.618_033_988_749_895).fract();
        1.0 - spread / 4.0
    }

    /// Leaves the registry.
    pub(super) fn leave(&self) {
        self.registry.leave(self);
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn address(text: &str) -> ClientAddress {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn an_idle_connection_of_who_holds_most_gives_way() {
        let registry = ConnectionRegistry::new(3);
        let honest = registry.enter(address("127.0.0.2")).unwrap();
        let [busy, idle] = [(); 2].map(|()| registry.enter(address("127.0.0.1")).unwrap());
        busy.stand(Standing::Busy, Instant::now());
        let _newcomer = registry.enter(address("127.0.0.3")).unwrap();
        assert!(idle.gives_way() && !busy.gives_way() && !honest.gives_way());
    }

    #[test]
    fn who_was_served_is_kept_before_strangers_of_the_same_address() {
        let registry = ConnectionRegistry::new(2);
        let [served, stranger] = [(); 2].map(|()| registry.enter(address("127.0.0.1")).unwrap());
        served.serve();
        stranger.stand(Standing::SendsBody, Instant::now());
        let _newcomer = registry.enter(address("127.0.0.1")).unwrap();
        assert!(stranger.gives_way() && !served.gives_way());
    }

    #[test]
    fn where_all_are_busy_nobody_comes_in_until_one_leaves() {
        let registry = ConnectionRegistry::new(1);
        let busy = registry.enter(address("127.0.0.1")).unwrap();
        busy.stand(Standing::Busy, Instant::now());
        assert!(registry.enter(address("127.0.0.2")).is_none());
        busy.leave();
        assert!(registry.enter(address("127.0.0.2")).is_some());
    }
}
