//! `migrate up|down|status`: the schema.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand};
use secrecy::ExposeSecret;

use super::confirm;
use crate::clock::SystemClock;
use crate::config::Config;
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
    /// Remove the newest steps, with all rows in their tables.
    Down {
        /// How many steps; all without it.
        #[arg(long)]
        steps: Option<u32>,
        /// Don't ask.
        #[arg(long)]
        yes: bool,
    },
    /// List the steps.
    Status,
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    if config.is_database_embedded() {
        std::fs::create_dir_all(&config.data_dir)?;
    }
    let url = config.database_url.expose_secret().to_owned();
    let options_store = StoreOptions {
        url,
        connections_max: 2,
        keeps_bodies: config.keeps_bodies,
        keeps_ephemeral_bodies: config.keeps_ephemeral_bodies,
    };
    let store = Store::open(&options_store, Arc::new(SystemClock)).await.context("database.url")?;
    let db = store.connection();
    match options.step {
        Step::Up => migration::up(db).await?,
        Step::Down { steps, yes } => {
            if !confirm("This removes tables with all their rows. Go on?", yes)? {
                return Ok(ExitCode::FAILURE);
            }
            migration::down(db, steps).await?;
        }
        Step::Status => {}
    }
    let schema = migration::status(db).await?;
    for (name, is_applied) in schema.steps {
        println!("{}  {name}", if is_applied { "applied" } else { "missing" });
    }
    for name in schema.newer {
        println!("newer    {name}");
    }
    Ok(ExitCode::SUCCESS)
}
