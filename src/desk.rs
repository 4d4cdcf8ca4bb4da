//! What an operator does with dead letters: the same for the command line and the admin API.
//!
//! `store/dead_letter` reads and writes the rows, `replay` publishes; here is what stands between
//! them and people: what an action would do, what the normalizer says now, and dead letters and
//! webhooks of the ledger as lines.

mod carry;
mod edit;
mod forecast;
mod ledger_lines;
mod reading;

pub use carry::{Carried, LineError, Part, export, export_part, import};
pub use edit::{EditError, edit};
pub use forecast::{Forecast, Prospect, forecast};
pub use ledger_lines::{ExportedWebhooks, ImportedWebhooks, export_webhooks, import_webhooks};
pub use reading::Reading;
