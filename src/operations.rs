//! What people and applications see and do: the same for the command line, the admin API and consumers.
//!
//! `store/operations` reads and writes the rows, `replay` publishes; here is what stands between them and
//! people: what an action on dead letters would do, what the normalizer says now, dead letters and webhooks of
//! the ledger as lines, what waits for its next attempt, and what those who follow the feed are told.

mod body_text;
mod change_report;
mod consumer_report;
mod dry_run;
mod edit;
mod letter_detail;
mod letter_list;
mod preview;
mod retries;
mod transfer;
mod webhook_detail;

pub use body_text::indented;
pub use change_report::ChangeReport;
pub use consumer_report::{ConsumerReport, SkipReport, SkippedChange};
pub use dry_run::DryRun;
pub use edit::{EditError, edit, judge_edit};
pub use letter_detail::{LetterDetail, ReplayReport};
pub use letter_list::{ListedLetter, list_letters};
pub use preview::{Preview, Prospect, forecast};
pub use retries::{
    RetryFilter, RetryGroup, RetryNowError, RetryPage, WaitingWebhook, retry_now, retrying,
};
pub use transfer::{
    ArchivePage, ExportedWebhooks, LineError, Part, Transferred, archive_page, export_letters,
    export_letters_part, export_webhooks, import_letters, import_webhooks, next_webhooks,
};
pub use webhook_detail::WebhookDetail;
