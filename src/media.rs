//! Keeps the files of messages, which WAHA deletes after three minutes: fetches each, and stores it in a folder
//! or on S3.
//!
//! Started by `lifecycle` beside a worker, if configured; `admin` serves what is stored, `cli` looks at it.
//!
//! Reading order: `fetcher`, which file is next; `attempt`, how one is fetched, and `asking`, that WAHA
//! is asked about one of a session at a time; `incoming`, what is looked at
//! while it comes; `problem`, what becomes of one that could not be had; `storage`, where files are; `verify`;
//! `removal`, what is let go of.
//!
//! Invariants: a row says `stored` only after the file is durable. Every try writes under a key of its own, so
//! one that was frozen replaces nothing. What a stranger wrote is no part of a key. What WAHA announces of a
//! file reserves nothing: bytes are counted as they come.

mod asking;
mod attempt;
mod fetcher;
mod incoming;
mod problem;
pub mod removal;
pub mod storage;
pub mod verify;

pub use fetcher::{FetchLimits, Fetcher};
