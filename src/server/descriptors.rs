//! How many connections the descriptors of this process allow, and how many the kernel lets wait.
//!
//! Used when a listener starts, and by `check`.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for files, database, broker, and the admin listener.
const RESERVED: usize = 256;
/// Most new connections that wait to be accepted; the kernel may allow fewer.
pub const BACKLOG: u32 = 20_000;
/// Where Linux tells how many it allows.
const SOMAXCONN: &str = "/proc/sys/net/core/somaxconn";

/// Below this a process is no door: what it opens for itself leaves nothing for those who knock, and what its
/// threads can't open ends them.
const FEWEST: usize = 128;

/// Raises the limit of this process, or says what is too low.
pub fn ensure_enough() -> io::Result<()> {
    let allowed = raise_limit();
    if allowed >= FEWEST {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "this process may open {allowed} files, and needs {FEWEST} at least, 4096 or more to serve many: \
         raise the limit (ulimit -n, LimitNOFILE=, nofile)"
    )))
}

/// Raises the limit of this process as far as it may, and tells it.
pub fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum {
        // Where it is refused, the process works with the limit that it has.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    }
    let current = getrlimit(Resource::Nofile).current;
    current.and_then(|current| usize::try_from(current).ok()).unwrap_or(usize::MAX)
}

/// How many connections fit into so many descriptors, with an eighth to spare: a connection that gives
/// way to a new one is closed a moment after that one came.
pub fn connections_within(descriptors: usize) -> usize {
    let free = descriptors.saturating_sub(RESERVED).max(descriptors / 4);
    (free - free / 8).max(1)
}

/// How many new connections wait to be accepted before they wait a second for the next try; none where
/// the kernel does not tell.
pub fn backlog_allowed() -> Option<u32> {
    std::fs::read_to_string(SOMAXCONN).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_kept_for_all_else() {
        assert_eq!(connections_within(1024), 672);
        assert_eq!(connections_within(256), 56);
        assert!(connections_within(20_000) < 20_000 - RESERVED);
        assert!(raise_limit() > 0);
    }
}
