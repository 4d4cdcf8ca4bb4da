//! A pool of memory for bodies, shared by all threads of the door.
//!
//! While there is room nobody is asked who he is. In a full pool a body gets room at the cost of the
//! address that holds most: of its bodies the one that has been arriving for longest is given up. So no
//! address can keep others out, and among the bodies of one address those that come quickly win.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;

use super::super::address::ClientAddress;
use super::super::holdings::Holdings;

/// A body of the same address has to give way only after it has been arriving for so long.
const ARRIVES_QUICKLY: Duration = Duration::from_secs(1);

/// The pool is full, and nobody has to give way for this body.
#[derive(Debug)]
pub(super) struct PoolFull;

/// Memory for bodies.
pub(super) struct BodyPool {
    bytes_max: usize,
    inner: Mutex<PoolState>,
}

#[derive(Default)]
struct PoolState {
    held: Holdings,
    arriving: HashMap<ClientAddress, BTreeMap<u64, Arriving>>,
    next_number: u64,
}

/// A body of which more may come.
struct Arriving {
    bytes: usize,
    since: Instant,
    signal: Arc<GiveUp>,
}

/// Tells who reads a body that it has lost its memory to another.
#[derive(Default)]
pub(super) struct GiveUp {
    is_given_up: AtomicBool,
    pub(super) reader: AtomicWaker,
}

impl GiveUp {
    pub(super) fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::SeqCst)
    }
}

/// The memory that a body holds until its request is answered.
pub struct BodyLease {
    pool: Arc<BodyPool>,
    address: ClientAddress,
    bytes: usize,
    /// Its number among those that arrive, and how it is told to give up.
    arriving: Option<u64>,
    signal: Arc<GiveUp>,
    since: Instant,
}

impl BodyPool {
    pub(super) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, inner: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PoolState {
    /// Frees memory until `wanted` more bytes fit; an error if that would be unfair.
    fn make_room(
        &mut self,
        bytes_max: usize,
        wanted: usize,
        lease: &BodyLease,
    ) -> Result<(), PoolFull> {
        while self.held.total() + wanted > bytes_max {
            let largest = self.held.largest().ok_or(PoolFull)?;
            let would_hold = self.held.of(lease.address) + wanted;
            let is_fair = largest != lease.address && would_hold <= self.held.of(largest);
            let address = if is_fair { largest } else { lease.address };
            self.give_up_oldest(address, lease, is_fair)?;
        }
        Ok(())
    }

    fn give_up_oldest(
        &mut self,
        address: ClientAddress,
        asking: &BodyLease,
        is_fair: bool,
    ) -> Result<(), PoolFull> {
        let bodies = self.arriving.get_mut(&address).ok_or(PoolFull)?;
        let oldest = bodies.iter().find(|(number, _)| Some(**number) != asking.arriving);
        let (number, oldest) = oldest.ok_or(PoolFull)?;
        if !is_fair && oldest.since.elapsed() < ARRIVES_QUICKLY {
            return Err(PoolFull);
        }
        let number = *number;
        let bytes = oldest.bytes;
        oldest.signal.is_given_up.store(true, Ordering::SeqCst);
        oldest.signal.reader.wake();
        bodies.remove(&number);
        if bodies.is_empty() {
            self.arriving.remove(&address);
        }
        self.held.remove(address, bytes);
        Ok(())
    }

    fn note_arriving(&mut self, lease: &mut BodyLease) {
        let number = *lease.arriving.get_or_insert_with(|| {
            self.next_number += 1;
            self.next_number
        });
        let arriving =
            Arriving { bytes: lease.bytes, since: lease.since, signal: Arc::clone(&lease.signal) };
        self.arriving.entry(lease.address).or_default().insert(number, arriving);
    }

    fn forget_arriving(&mut self, lease: &mut BodyLease) {
        let Some(number) = lease.arriving.take() else { return };
        if let Some(bodies) = self.arriving.get_mut(&lease.address) {
            bodies.remove(&number);
            if bodies.is_empty() {
                self.arriving.remove(&lease.address);
            }
        }
    }
}

impl BodyLease {
    pub(super) fn new(pool: Arc<BodyPool>, address: ClientAddress) -> Self {
        let (signal, since) = (Arc::default(), Instant::now());
        Self { pool, address, bytes: 0, arriving: None, signal, since }
    }

    pub(super) fn is_of(&self, pool: &Arc<BodyPool>) -> bool {
        Arc::ptr_eq(&self.pool, pool)
    }

    /// A lease for the same body in another pool.
    pub(super) fn in_pool(&self, pool: Arc<BodyPool>) -> Self {
        let mut lease = Self::new(pool, self.address);
        lease.since = self.since;
        lease
    }

    /// How it is told to give up.
    pub(super) fn signal(&self) -> &Arc<GiveUp> {
        &self.signal
    }

    /// Takes memory until there are so many bytes of it.
    pub(super) fn cover(&mut self, bytes: usize) -> Result<(), PoolFull> {
        let wanted = bytes.saturating_sub(self.bytes);
        let pool = Arc::clone(&self.pool);
        let mut inner = pool.lock();
        if self.signal.is_given_up() {
            return Err(PoolFull);
        }
        inner.make_room(pool.bytes_max, wanted, self)?;
        inner.held.add(self.address, wanted);
        self.bytes += wanted;
        if self.arriving.is_some() {
            inner.note_arriving(self);
        }
        Ok(())
    }

    /// More of the body is to come: until it is whole it may have to give way.
    pub(super) fn arrives(&mut self) {
        if self.arriving.is_some() {
            return;
        }
        let pool = Arc::clone(&self.pool);
        let mut inner = pool.lock();
        inner.note_arriving(self);
    }

    /// The body is whole: it keeps its memory until it is dropped. An error if it was given up before.
    pub(super) fn complete(&mut self) -> Result<(), PoolFull> {
        if self.arriving.is_none() {
            return Ok(());
        }
        let pool = Arc::clone(&self.pool);
        let mut inner = pool.lock();
        if self.signal.is_given_up() {
            return Err(PoolFull);
        }
        inner.forget_arriving(self);
        Ok(())
    }
}

impl Drop for BodyLease {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let pool = Arc::clone(&self.pool);
        let mut inner = pool.lock();
        // What was given up is not held any more.
        if !self.signal.is_given_up() {
            inner.forget_arriving(self);
            inner.held.remove(self.address, self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn address(text: &str) -> ClientAddress {
        text.parse::<IpAddr>().unwrap().into()
    }

    fn arriving(pool: &Arc<BodyPool>, from: &str, bytes: usize) -> BodyLease {
        let mut lease = BodyLease::new(Arc::clone(pool), address(from));
        lease.cover(bytes).unwrap();
        lease.arrives();
        lease
    }

    #[test]
    fn a_share_binds_only_while_the_pool_is_full() {
        let pool = BodyPool::new(100);
        let [first, second] = [50, 50].map(|bytes| arriving(&pool, "127.0.0.1", bytes));
        let other = arriving(&pool, "127.0.0.2", 40);
        assert!(first.signal.is_given_up(), "the one that has been arriving for longest");
        assert!(!second.signal.is_given_up());
        // 50 of the one and 40 of the other: a third of either would be more than its share.
        let mut greedy = BodyLease::new(Arc::clone(&pool), address("127.0.0.2"));
        assert!(greedy.cover(30).is_err());
        drop((other, second));
        assert!(greedy.cover(100).is_ok(), "there is room again");
    }

    #[test]
    fn a_slow_body_gives_way_to_the_next_of_its_own_address() {
        let pool = BodyPool::new(100);
        let mut slow = BodyLease::new(Arc::clone(&pool), address("127.0.0.1"));
        slow.since = Instant::now().checked_sub(ARRIVES_QUICKLY).unwrap();
        slow.cover(100).unwrap();
        slow.arrives();
        let quick = arriving(&pool, "127.0.0.1", 60);
        assert!(slow.signal.is_given_up());
        let mut next = BodyLease::new(Arc::clone(&pool), address("127.0.0.1"));
        assert!(next.cover(60).is_err(), "a body that comes quickly is not given up");
        drop(quick);
        assert!(next.cover(60).is_ok());
        assert!(slow.complete().is_err());
    }

    #[test]
    fn a_whole_body_keeps_its_memory() {
        let pool = BodyPool::new(100);
        let mut whole = arriving(&pool, "127.0.0.1", 100);
        whole.complete().unwrap();
        let mut other = BodyLease::new(Arc::clone(&pool), address("127.0.0.2"));
        assert!(other.cover(1).is_err());
        drop(whole);
        assert!(other.cover(100).is_ok());
    }
}
