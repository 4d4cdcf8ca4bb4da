//! Steps that must not mix.
//!
//! Used by `confirms`, `ack_channel` and `consumer_buffer`.

use std::sync::{Mutex, PoisonError};

/// What only one at a time may change. Never held across an await.
#[derive(Default)]
pub(super) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(super) fn new(inner: T) -> Self {
        Self(Mutex::new(inner))
    }

    /// Does a step that must not mix with others.
    pub(super) fn with<R>(&self, step: impl FnOnce(&mut T) -> R) -> R {
        step(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
