//! `audit list`: who did what, when and from where.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::table::{Table, kept, number, spare, text};
use super::time;
use crate::cli::output::json_line;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lifecycle::open_existing_store;
use crate::store::audit::AuditLogRow;

/// Options of `audit`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest audit list\n  waha-ingest audit list --action discard --json"
)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List what was done, newest first.
    List {
        /// Only this: replay, cancel, discard, restore, edit, import, renormalize, keys, pause, resume, rewind, skip, enable, disable.
        #[arg(long)]
        action: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u64,
        /// For programs: one JSON object a line.
        #[arg(long)]
        json: bool,
    },
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = open_existing_store(config, &clock).await?;
    let Action::List { action, limit, json } = options.action;
    let logs = store.audit_logs(action.as_deref(), None, limit).await?;
    if json {
        for log in &logs {
            json_line(&to_json(log));
        }
    } else {
        print_table(&logs);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_table(logs: &[AuditLogRow]) {
    let mut table = Table::new(&[
        kept("when"),
        text("who"),
        spare("from"),
        kept("what"),
        number("count"),
        spare("note"),
        text("which"),
    ]);
    for log in logs {
        let from = format!("{} {}", log.channel, log.place);
        table.row([
            time::short(log.done_at),
            log.actor.clone(),
            from,
            log.action.clone(),
            log.affected.to_string(),
            log.note.clone().unwrap_or_else(|| "-".to_owned()),
            log.filter.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table.print_or_none("entries in the audit log");
}

fn to_json(log: &AuditLogRow) -> serde_json::Value {
    let parsed = |text: &Option<String>| -> Option<serde_json::Value> {
        text.as_deref().and_then(|text| serde_json::from_str(text).ok())
    };
    serde_json::json!({
        "id": log.id, "done_at": log.done_at, "actor": log.actor,
        "channel": log.channel, "place": log.place, "action": log.action,
        "filter": parsed(&log.filter), "affected": log.affected,
        "old_values": parsed(&log.old_values), "new_values": parsed(&log.new_values),
        "note": log.note,
    })
}
