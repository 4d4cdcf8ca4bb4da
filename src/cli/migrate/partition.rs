//! `migrate partition`: keeps the ledger in a part for each month, which is let go of at once.

use std::process::ExitCode;

use clap::Args;

use crate::cli::output::{errln, outln};
use crate::cli::{confirm, time};
use crate::figures::grouped;
use crate::store::Store;
use crate::store::operations::partition::{DivisionPlan, DivisionState, TableDivision};
use crate::store::operations::retention::month::Month;

/// Options of `migrate partition`.
#[derive(Args)]
pub(super) struct PartitionOptions {
    /// Only say what it would do.
    #[arg(long)]
    dry_run: bool,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
}

/// What it costs, on either server.
const COST: &str = "No row is copied by it, and everybody goes on writing, but for moments:\n\
    - PostgreSQL builds two more unique indexes beside the traffic (each reads the whole table, and takes\n  \
      the room of an index until it replaces one), reads the table once more to check it, and then locks it\n  \
      for milliseconds. It waits two seconds at most for that lock, and tries again.\n\
    - MySQL and MariaDB rebuild the table in place beside the traffic, to change its keys (room for a second\n  \
      table, and as long as reading and writing it once), then put it aside while its rows are exchanged into\n  \
      the first part. They check each row for that: about a minute for fifty million. Meanwhile workers hold\n  \
      what they have, as in an outage of the database; nothing is lost.\n\
    Cut off anywhere, the same command goes on. It is not taken back by `migrate down`. From then on releases\n\
    before this one can't write the tables, and workers need the right to make and drop parts\n\
    (deploy/RIGHTS.md).";

/// Runs it.
pub(super) async fn run(store: &Store, options: &PartitionOptions) -> anyhow::Result<ExitCode> {
    let plan = store.plan_division().await?;
    if plan.tables.is_empty() {
        outln!("not needed: SQLite keeps its tables whole, and lets go of rows some at a time");
        return Ok(ExitCode::SUCCESS);
    }
    show(store, &plan);
    if plan.is_done() {
        let missing = store.ensure_months().await?;
        outln!("all tables are divided by month; {missing} parts were made ahead");
        return Ok(ExitCode::SUCCESS);
    }
    errln!("\n{COST}");
    if is_forbidden(&plan) {
        return Ok(ExitCode::FAILURE);
    }
    if options.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let question = format!("Divide these tables by month in {}?", store.places().join(", "));
    if !confirm(&question, options.yes)? {
        return Ok(ExitCode::FAILURE);
    }
    divide(store, &plan).await
}

async fn divide(store: &Store, plan: &DivisionPlan) -> anyhow::Result<ExitCode> {
    for it in plan.tables.iter().filter(|it| it.state != DivisionState::Divided) {
        // It may have been started meanwhile: building takes hours.
        let now = store.plan_division().await?;
        if is_forbidden(&now) {
            return Ok(ExitCode::FAILURE);
        }
        errln!("{}: dividing", it.table.name());
        store.divide(it.table).await?;
        outln!("{}: divided", it.table.name());
    }
    Ok(ExitCode::SUCCESS)
}

fn show(store: &Store, plan: &DivisionPlan) {
    outln!("{}", store.places().join(", "));
    for TableDivision { table, state, rows_about, bytes } in &plan.tables {
        let state = match state {
            DivisionState::Whole => "whole",
            DivisionState::Begun => "begun",
            DivisionState::Divided => "divided",
        };
        let [rows, bytes] = [rows_about, bytes].map(|it| grouped(it.unsigned_abs()));
        outln!("{:<20}{state:<9}about {rows} rows, {bytes} bytes", table.name());
    }
    if !plan.is_done() {
        let last = Month::from(plan.last_month);
        outln!("all that is there, and what comes up to {last}, becomes the first part");
    }
}

/// Says what forbids it.
fn is_forbidden(plan: &DivisionPlan) -> bool {
    for process in &plan.older {
        errln!(
            "refused: {} runs release {}, which could not write any more (last heard of {}). Stop it; one that \
             ended without a word is forgotten after a day",
            process.host,
            process.version,
            time::exact(process.seen_at)
        );
    }
    for what in &plan.foreign {
        errln!(
            "refused: {what} would be left behind. Drop it, and make it anew afterwards if it can be"
        );
    }
    !plan.older.is_empty() || !plan.foreign.is_empty()
}
