//! The door attacked by somebody without a key, as a process of its own: one file per promise. The full
//! sieges, with figures, are `tests/bench attack`.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[expect(dead_code, reason = "the benchmark has more attacks")]
mod attacks;
mod client;
mod connections;
mod deadlines;
mod memory;
mod readers;
mod refusals;
mod server;
#[expect(dead_code, reason = "the benchmark prints the rest")]
mod siege;
#[path = "../it/wait.rs"]
mod wait;
