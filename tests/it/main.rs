//! The tests that need real databases.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

mod lid_merge;
