//! `retention plan|run`: what the configured ages let go of, and letting go of it at once.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::actor::actor;
use super::output::{errln, json_line, outln};
use super::{confirm, time};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::figures::grouped;
use crate::lifecycle::{open_archive, open_existing_store, open_queue};
use crate::retention::{Cleaner, FoundAgain, PlannedRetention, RetentionKind};
use crate::store::audit::{AuditAction, AuditEntry};
use crate::store::months::MonthTable;
use crate::store::operations::retention::{OfSources, RemovableRows};

/// Of the first column.
const WIDTH_LEAST: usize = 14;

/// Options of `retention`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest retention plan\n  waha-ingest retention run --yes"
)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show how many rows and bytes would go now, of each kind. Reads whole tables.
    Plan {
        /// For programs: one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Let go of them now, some at a time, beside the traffic; a worker does so by itself.
    Run {
        /// Don't ask.
        #[arg(long)]
        yes: bool,
        /// For programs: one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let cleaner = cleaner(config, clock).await?;
    let planned = cleaner.plan(&config.retention).await?;
    let parts = whole_parts(&cleaner, &planned).await?;
    let (yes, json) = match options.action {
        Action::Plan { json } => {
            show(&planned, &parts, cleaner.archive_place(), json);
            return Ok(ExitCode::SUCCESS);
        }
        Action::Run { yes, json } => (yes, json),
    };
    let rows: i64 = planned.iter().map(|kind| kind.removable.rows).sum();
    if !json {
        show(&planned, &parts, cleaner.archive_place(), false);
    }
    let question = format!("let go of these {rows} rows in {}?", cleaner.store.places().join(", "));
    if rows > 0 && !confirm(&question, yes)? {
        return Ok(ExitCode::FAILURE);
    }
    let gone = let_go_of_all(config, &cleaner, rows).await?;
    if json {
        json_line(&gone.to_string());
    } else {
        errln!("let go of {} rows", gone.as_object().map_or(0, total));
    }
    Ok(ExitCode::SUCCESS)
}

/// Parts of the ledger that would go at once, with those of its repetitions and bodies.
async fn whole_parts(
    cleaner: &Cleaner,
    planned: &[PlannedRetention],
) -> anyhow::Result<Vec<String>> {
    let ledger = planned.iter().find(|it| it.kind == RetentionKind::Ledger);
    let Some(before) = ledger.and_then(|it| it.before) else { return Ok(Vec::new()) };
    let due = cleaner.store.due_parts(before).await?.into_iter();
    let due = due.filter(|due| due.table == MonthTable::Ledger);
    Ok(due.map(|due| due.part.name).collect())
}

/// The queue is looked at only for the ledger, of which nothing goes that waits.
async fn cleaner(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Cleaner> {
    let store = open_existing_store(config, &clock).await?;
    let needs_queue = config.retention.ledger_age_max.is_some();
    let queue = if needs_queue { Some(open_queue(config, &clock)?) } else { None };
    let archive = open_archive(config)?;
    let rows_per_second = Some(config.retention.rows_per_second);
    Ok(Cleaner { store, clock, queue, archive, rows_per_second })
}

/// Writes down first that it is done, and at the end how much it was.
async fn let_go_of_all(
    config: &Config,
    cleaner: &Cleaner,
    planned_rows: i64,
) -> anyhow::Result<Value> {
    let actor = actor();
    let entry = AuditEntry {
        new_values: Some(json!({ "planned": planned_rows })),
        ..AuditEntry::new(AuditAction::Retain, &actor)
    };
    let log = cleaner.store.record(&entry).await?;
    let mut gone = Map::new();
    for kind in RetentionKind::ALL {
        for age in config.retention.ages(kind) {
            let Some(age_max) = age.age_max else { continue };
            let rows = cleaner.let_go_of(kind, age.sources, age_max).await?;
            cleaner.store.record_more(log, rows).await?;
            let before = gone.get(kind.name()).and_then(Value::as_u64).unwrap_or_default();
            gone.insert(kind.name().to_owned(), (before + rows).into());
        }
    }
    Ok(gone.into())
}

fn total(gone: &Map<String, Value>) -> u64 {
    gone.values().filter_map(Value::as_u64).sum()
}

/// What becomes of what goes.
fn after_it_went(archive: Option<&str>) -> String {
    let Some(place) = archive else {
        return "goes for good: archive.url is not set".to_owned();
    };
    let named = |found: FoundAgain| {
        let kinds = RetentionKind::ALL.into_iter().filter(|kind| kind.found_again() == found);
        kinds.map(RetentionKind::name).collect::<Vec<_>>().join(", ")
    };
    format!(
        "kept first, in {place}: {}\ncomes back from its webhooks (renormalize), in the ledger or the archive: {}\n\
         goes for good: {}",
        named(FoundAgain::InArchive),
        named(FoundAgain::FromWebhooks),
        named(FoundAgain::Nowhere)
    )
}

fn show(planned: &[PlannedRetention], parts: &[String], archive: Option<&str>, json: bool) {
    if json {
        let kinds: Vec<Value> = planned.iter().map(|it| as_json(it, archive)).collect();
        json_line(&json!({ "kinds": kinds, "parts": parts, "archive": archive }).to_string());
        return;
    }
    let width = planned.iter().map(|it| label(it).chars().count() + 1).max().unwrap_or_default();
    let width = width.max(WIDTH_LEAST);
    outln!(
        "{:<width$}{:<28}{:>14}{:>18}{:>14}  data of persons",
        "kind",
        "goes if older than",
        "rows",
        "bytes",
        "kept"
    );
    for it in planned {
        show_planned(it, width);
    }
    if !parts.is_empty() {
        outln!("at once, but for what stays of them: {}", parts.join(", "));
    }
    outln!("{}", after_it_went(archive));
}

fn show_planned(planned: &PlannedRetention, width: usize) {
    let label = label(planned);
    let Some(before) = planned.before else {
        outln!("{label:<width$}kept: {} = 0", planned.setting);
        return;
    };
    let RemovableRows { rows, bytes, kept } = planned.removable;
    let [rows, bytes, kept] = [rows, bytes, kept].map(|it| grouped(it.unsigned_abs()));
    let (before, personal) = (time::exact(before), planned.kind.personal().join(", "));
    outln!("{label:<width$}{before:<28}{rows:>14}{bytes:>18}{kept:>14}  {personal}");
}

/// What of which sources: one that has an age of its own stands below the others.
fn label(planned: &PlannedRetention) -> String {
    match &planned.sources {
        OfSources::All | OfSources::Without(_) => planned.kind.name().to_owned(),
        OfSources::Only(source) => format!("  of {source}"),
    }
}

/// `source`: null of all sources but those that have objects of their own.
fn as_json(planned: &PlannedRetention, archive: Option<&str>) -> Value {
    let PlannedRetention { kind, sources, setting, before, removable } = planned;
    let source = match sources {
        OfSources::All | OfSources::Without(_) => None,
        OfSources::Only(source) => Some(source),
    };
    json!({
        "kind": kind.name(), "source": source, "setting": setting, "before": before,
        "rows": removable.rows, "bytes": removable.bytes, "kept": removable.kept,
        "personal": kind.personal(),
        "found_again": archive.and(kind.found_again().name()),
    })
}
