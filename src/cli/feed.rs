//! `feed show|renew`: where the feed of what changed is, and another epoch after a restore.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use super::actor::actor;
use super::confirm;
use super::output::{json_line, outln};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lifecycle::open_existing_store;
use crate::store::operations::feed::FeedState;

/// Options of `feed`.
#[derive(Args)]
#[command(after_help = "Examples:\n  waha-ingest feed show\n  waha-ingest feed renew --yes")]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show its epoch, its newest and its oldest position.
    Show {
        /// For programs: one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Give it another epoch: needed once the database was restored from a backup. Applications that had read
    /// further than the backup are told to read the tables again; our own consumers go on where they are.
    Renew {
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
    let store = open_existing_store(config, &clock).await?;
    match options.action {
        Action::Show { json } => show(&store.feed_state().await?, json),
        Action::Renew { yes, json } => {
            if !confirm(
                "give the feed another epoch, so that all who follow it read the tables again?",
                yes,
            )? {
                return Ok(ExitCode::FAILURE);
            }
            show(&store.renew_feed(&actor()).await?, json);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(state: &FeedState, json: bool) {
    let FeedState { epoch, position, oldest_position } = state;
    if json {
        json_line(
            &json!({ "epoch": epoch, "position": position, "oldest_position": oldest_position }),
        );
        return;
    }
    outln!("epoch            {epoch}");
    outln!("position         {position}");
    outln!("oldest position  {oldest_position}");
}
