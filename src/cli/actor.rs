//! Who uses the command line, for the rows that remember it.

use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;

use serde_json::Value;

use crate::cli::output::errln;
use crate::store::Store;
use crate::store::audit::{Actor, ActorChannel, AuditAction, AuditEntry};

/// The user of the operating system (not what the environment says), host and terminal.
pub(super) fn actor() -> Actor {
    Actor { name: user(), channel: ActorChannel::Cli, place: place() }
}

/// Writes down that bodies are read. Whoever has the database's password can read them without a line
/// anywhere, so a database that takes no writes does not stand in the way.
pub(super) async fn log_reading(store: &Store, which: Value) {
    let actor = actor();
    let entry = AuditEntry {
        filter: Some(which.to_string()),
        ..AuditEntry::new(AuditAction::Read, &actor)
    };
    if let Err(error) = store.record(&entry).await {
        errln!("not in the audit log: {}", error.detail());
    }
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
