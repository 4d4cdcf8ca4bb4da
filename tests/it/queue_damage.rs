//! A queue file on a bad disk: whatever is damaged, the rest goes on, and what is gone is told.
//!
//! Each case damages a copy of one file with 1,200 webhooks and works it off. The sum must come out:
//! what was applied, what was set aside and what is said to be missing are all that were accepted.

pub mod file;
mod log;
mod pages;
mod seeds;
mod while_running;
