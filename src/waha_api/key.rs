//! The key of a WAHA, which may change while the process runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use secrecy::SecretString;

/// WAHA's plain key; none where it asks for none. Clones are one key: who replaces it, does so for all clients
/// that were made from the same configuration.
#[derive(Clone, Default)]
pub struct ApiKey(Arc<Shared>);

#[derive(Default)]
struct Shared {
    key: RwLock<Option<SecretString>>,
    /// How often it was replaced.
    replaced: AtomicU64,
}

impl ApiKey {
    /// The key as it is now.
    pub fn get(&self) -> Option<SecretString> {
        self.0.key.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From the next request on it is another one.
    pub fn replace(&self, key: Option<SecretString>) {
        *self.0.key.write().unwrap_or_else(PoisonError::into_inner) = key;
        self.0.replaced.fetch_add(1, Ordering::SeqCst);
    }

    /// How often it was replaced: who was refused with another one may try again.
    pub(super) fn replaced(&self) -> u64 {
        self.0.replaced.load(Ordering::SeqCst)
    }
}

impl From<Option<SecretString>> for ApiKey {
    fn from(key: Option<SecretString>) -> Self {
        Self(Arc::new(Shared { key: RwLock::new(key), replaced: AtomicU64::new(0) }))
    }
}
