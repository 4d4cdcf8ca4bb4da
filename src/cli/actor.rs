//! Who uses the command line, for the rows that remember it.

use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;

use crate::store::audit::{Actor, Channel};

/// The user of the operating system (not what the environment says), host and terminal.
pub(super) fn actor() -> Actor {
    Actor { name: user(), channel: Channel::Cli, place: place() }
}

fn user() -> String {
    // In a container the number may have no name.
    whoami::username().unwrap_or_else(|_| {
        let uid = std::fs::metadata("/proc/self").map(|process| process.uid());
        uid.map_or_else(|_| "unknown".to_owned(), |uid| format!("uid {uid}"))
    })
}

fn place() -> String {
    let host = whoami::hostname().unwrap_or_else(|_| "unknown".to_owned());
    let terminal = std::io::stdin()
        .is_terminal()
        .then(|| std::fs::read_link("/proc/self/fd/0").ok())
        .flatten();
    terminal.map_or(host.clone(), |terminal| format!("{host} {}", terminal.display()))
}
