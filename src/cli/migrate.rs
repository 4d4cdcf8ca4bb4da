//! `migrate up|down|status|partition`: the schema.

mod partition;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand};
use migration::DownPlan;
use secrecy::ExposeSecret;

use super::confirm;
use crate::cli::output::{errln, outln};
use crate::clock::SystemClock;
use crate::config::{Config, without_password};
use crate::lifecycle::{ensure_tables, make_data_dir, store_options};
use crate::store::{Store, StoreOptions};

/// Options of `migrate`.
#[derive(Args)]
#[command(
    after_help = "Example:\n  WAHA_INGEST__DATABASE__URL=postgres://… waha-ingest migrate up"
)]
pub struct Options {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Make what is missing. Several at once are safe, and so is an older release on a newer schema.
    Up,
    /// Take the newest step back, with all rows in its tables; says which and how many, and asks.
    Down {
        /// How many steps.
        #[arg(long, value_name = "NUMBER", default_value_t = 1, conflicts_with = "all")]
        steps: u32,
        /// All steps.
        #[arg(long)]
        all: bool,
        /// Don't ask.
        #[arg(long)]
        yes: bool,
    },
    /// List the steps.
    Status,
    /// Keep the ledger, its repetitions and its bodies in a part for each month, which retention then drops whole.
    /// Says what it costs, and asks. Makes the parts of the next months where that was done.
    Partition(partition::PartitionOptions),
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let store = open(config, &options.step).await?;
    let db = &store.connection();
    match options.step {
        Step::Up => migration::up(db).await?,
        Step::Down { steps, all, yes } => {
            let steps = (!all).then_some(steps);
            let plan = migration::plan_down(db, steps).await?;
            errln!("{}", would_remove(config, &plan).trim_end());
            if plan.steps.is_empty() || !confirm("Go on?", yes)? {
                return Ok(ExitCode::FAILURE);
            }
            // Of the steps that were shown, whatever was applied meanwhile.
            migration::down(db, Some(u32::try_from(plan.steps.len())?)).await?;
        }
        Step::Status => {}
        Step::Partition(options) => return partition::run(&store, &options).await,
    }
    let schema = migration::status(db).await?;
    for (name, is_applied) in schema.steps {
        outln!("{}  {name}", if is_applied { "applied" } else { "missing" });
    }
    for name in schema.newer {
        outln!("newer    {name}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Only `up` makes the file of an SQLite database.
async fn open(config: &Config, step: &Step) -> anyhow::Result<Store> {
    let options = StoreOptions { connections_max: 2, ..store_options(config) };
    let clock = Arc::new(SystemClock);
    let opened = match step {
        Step::Up => {
            if config.is_database_embedded() {
                make_data_dir(config)?;
            }
            Store::open(&options, clock).await
        }
        Step::Down { .. } | Step::Status | Step::Partition(_) => {
            ensure_tables(config)?;
            Store::open_existing(&options, clock).await
        }
    };
    opened.context("database.url")
}

/// What taking steps back removes, and from where.
fn would_remove(config: &Config, plan: &DownPlan) -> String {
    let place = without_password(config.database_url.expose_secret());
    let mut text = format!("{place}\n");
    if plan.steps.is_empty() {
        return format!("{text}no step is applied: there is nothing to take back\n");
    }
    text += "takes back, with all columns and indexes that they added:\n";
    for step in &plan.steps {
        text += &format!("  {step}\n");
    }
    let tables = if plan.tables.is_empty() { "drops no table\n" } else { "drops for good:\n" };
    text += tables;
    for (table, rows) in &plan.tables {
        text += &format!("  {table} with {rows} rows\n");
    }
    text
}
