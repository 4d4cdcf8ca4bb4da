//! `audit list`: who did what, when and from where.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::table::{Table, kept, number, or_dash, spare, text};
use super::time;
use crate::admin::AuditLogReport;
use crate::cli::output::{json_line, limit, listed, tell_of_more};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lifecycle::open_existing_store;
use crate::store::audit::{AuditAction, AuditLogRow};

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
        /// Only this.
        #[arg(long, value_enum)]
        action: Option<AuditAction>,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_parser = limit())]
        limit: u64,
        /// Only entries below this number, to go on.
        #[arg(long, value_name = "ID")]
        before: Option<i64>,
        /// For programs: one JSON object a line.
        #[arg(long)]
        json: bool,
    },
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = open_existing_store(config, &clock).await?;
    let Action::List { action, limit, before, json } = options.action;
    let logs = listed(store.audit_logs(action.map(AuditAction::name), before, limit)).await?;
    let ids: Vec<i64> = logs.iter().map(|log| log.id).collect();
    if json {
        for log in logs {
            json_line(&serde_json::to_string(&AuditLogReport::from(log))?);
        }
    } else {
        print_table(&logs);
    }
    tell_of_more("--before", &ids, limit);
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
            or_dash(log.note.as_ref()),
            or_dash(log.filter.as_ref()),
        ]);
    }
    table.print_or_none("entries in the audit log");
}
