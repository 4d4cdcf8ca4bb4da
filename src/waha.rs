//! WAHA's language: JSON, ids, times, acks and engines as they come over the wire. No policy.
//!
//! Used by `normalize`, and by `waha_api` for what answers tell. Nothing here fails: a field of an unexpected kind reads as absent, and
//! text is made storable. Facts are from WAHA's source of 2026.4.1 where no other is named.

pub mod ack;
pub mod file_hash;
pub mod jid;
pub mod json;
pub mod message_id;
pub mod raw_object;
pub mod session_config;
pub mod time;
