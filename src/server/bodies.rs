//! The memory of all bodies: a share for small ones that large ones cannot touch, and the rest.
//!
//! `pool` shares it out by address, `read` collects a body within it. Used by `receive`. What must stay
//! true: memory follows what was received, never what was announced.

mod pool;
mod read;

use std::sync::Arc;

use super::address::ClientAddress;
use pool::{BodyPool, PoolFull};

pub(super) use pool::BodyLease;
pub(super) use read::{BodyLimits, read_body};

/// Nearly all bodies of WAHA have less; up to this size they have a pool of their own.
pub const SMALL_BODY_BYTES: usize = 64 * 1024;
/// The share of the memory that small bodies have for themselves.
const SMALL_SHARE: usize = 4;

/// The memory of all bodies.
pub(super) struct BodyMemory {
    small: Arc<BodyPool>,
    large: Arc<BodyPool>,
}

impl BodyMemory {
    pub(super) fn new(bytes_max: usize) -> Self {
        let small = bytes_max - large_bytes(bytes_max);
        let large = large_bytes(bytes_max);
        Self { small: BodyPool::new(small), large: BodyPool::new(large) }
    }

    /// Where a body of so many bytes belongs; one of an unknown length is small until it has grown.
    fn pool_for(&self, bytes: usize) -> &Arc<BodyPool> {
        if bytes <= SMALL_BODY_BYTES { &self.small } else { &self.large }
    }

    /// A lease without memory.
    fn lease(&self, address: ClientAddress, announced: Option<usize>) -> BodyLease {
        BodyLease::new(Arc::clone(self.pool_for(announced.unwrap_or_default())), address)
    }

    /// Makes sure that `lease` covers `bytes`, if need be by going over to the pool of large ones.
    fn cover(&self, lease: &mut BodyLease, bytes: usize) -> Result<(), PoolFull> {
        if bytes > SMALL_BODY_BYTES && lease.is_of(&self.small) {
            let mut large = lease.in_pool(Arc::clone(&self.large));
            large.cover(bytes)?;
            *lease = large;
            return Ok(());
        }
        lease.cover(bytes)
    }
}

/// How much of the memory of all bodies large ones may have: no body can be larger.
pub fn large_bytes(bytes_max: usize) -> usize {
    bytes_max - bytes_max / SMALL_SHARE
}
