//! What an operator does with dead letters: the same for the command line and the admin API.
//!
//! `store/operations/dead_letter` reads and writes the rows, `replay` publishes; here is what stands between
//! them and people: what an action would do, what the normalizer says now, and dead letters and
//! webhooks of the ledger as lines.

mod carry;
mod edit;
mod forecast;
mod reading;

pub use carry::{
    Carried, ExportedWebhooks, LineError, Part, export_letters, export_letters_part,
    export_webhooks, import_letters, import_webhooks,
};
pub use edit::{EditError, edit};
pub use forecast::{Forecast, Prospect, forecast};
pub use reading::Reading;
