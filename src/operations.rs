//! What an operator does with dead letters: the same for the command line and the admin API.
//!
//! `store/operations/dead_letter` reads and writes the rows, `replay` publishes; here is what stands between
//! them and people: what an action would do, what the normalizer says now, and dead letters and
//! webhooks of the ledger as lines.

mod dry_run;
mod edit;
mod preview;
mod transfer;

pub use dry_run::DryRun;
pub use edit::{EditError, edit};
pub use preview::{Preview, Prospect, forecast};
pub use transfer::{
    ExportedWebhooks, LineError, Part, Transferred, export_letters, export_letters_part,
    export_webhooks, import_letters, import_webhooks,
};
