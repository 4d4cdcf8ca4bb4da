//! `repair`: rows that lead nowhere or whose parent is gone, and mending them.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::actor::actor;
use super::confirm;
use super::output::{errln, json_line, outln};
use super::table::{Table, kept, number, spare, text};
use crate::chat_moves;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lifecycle::open_existing_store;
use crate::store::Store;
use crate::store::audit::{AuditAction, AuditEntry};
use crate::store::operations::repair::{Fault, Remedy, RepairFinding, RepairedRows};

/// Options of `repair`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest repair\n  waha-ingest repair --write --yes\n\nWithout --write nothing is changed. What a person wrote is not deleted either way."
)]
pub struct Options {
    /// Mend what can be mended, some rows at a time, beside the traffic; in the audit log.
    #[arg(long)]
    write: bool,
    /// Don't ask.
    #[arg(long, requires = "write")]
    yes: bool,
    /// For programs: one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs it. Exit code 1: somebody said no.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = open_existing_store(config, &clock).await?;
    let found = store.repair_findings().await?;
    let is_mended = |finding: &&RepairFinding| finding.remedy != Remedy::Leave;
    let rows: u64 = found.iter().filter(is_mended).map(|it| it.rows).sum();
    let is_asked = options.write && rows > 0;
    if !options.json {
        print(&found, rows, options.write);
    }
    if is_asked && !confirm(&question(&store, rows), options.yes)? {
        return Ok(ExitCode::FAILURE);
    }
    let mended = if is_asked { mend(&store, rows).await? } else { Vec::new() };
    if options.json {
        json_line(&to_json(&found, &mended));
    } else {
        for RepairedRows { place, rows } in &mended {
            outln!("mended {rows} of {place}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn question(store: &Store, rows: u64) -> String {
    format!("mend these {rows} rows in {}?", store.places().join(", "))
}

async fn mend(store: &Store, planned: u64) -> anyhow::Result<Vec<RepairedRows>> {
    let actor = actor();
    let entry = AuditEntry {
        new_values: Some(json!({ "planned": planned })),
        ..AuditEntry::new(AuditAction::Repair, &actor)
    };
    let log = store.record(&entry).await?;
    let mut mended = store.repair(log).await?;
    let rows = chat_moves::move_all(store).await?;
    if rows > 0 {
        mended.push(RepairedRows { place: "waha_messages.chat_id".to_owned(), rows });
    }
    Ok(mended)
}

fn print(found: &[RepairFinding], rows: u64, writes: bool) {
    let mut table = Table::new(&[
        kept("where"),
        text("what"),
        number("rows"),
        text("what becomes of them"),
        spare("such as"),
    ]);
    for RepairFinding { place, fault, remedy, rows, examples } in found {
        let examples = examples.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
        let words = remedy.words().to_owned();
        table.row([place.clone(), said(*fault).to_owned(), rows.to_string(), words, examples]);
    }
    table.print_or_none("rows that lead nowhere");
    if rows > 0 && !writes {
        errln!("nothing was changed: --write mends {rows} rows");
    }
}

/// For people.
fn said(fault: Fault) -> &'static str {
    match fault {
        Fault::Circle => "leads back to itself",
        Fault::Nothing => "leads to no row",
        Fault::Pointer => "leads to a row that leads on",
        Fault::NoParent => "its parent is gone",
        Fault::Merged => "its chat is another one",
    }
}

fn to_json(found: &[RepairFinding], mended: &[RepairedRows]) -> serde_json::Value {
    let found = found.iter().map(|it| {
        json!({
            "where": it.place, "fault": it.fault.name(), "remedy": it.remedy.name(),
            "rows": it.rows, "examples": it.examples,
        })
    });
    let mended = mended.iter().map(|it| json!({ "where": it.place, "rows": it.rows }));
    json!({ "found": found.collect::<Vec<_>>(), "mended": mended.collect::<Vec<_>>() })
}
