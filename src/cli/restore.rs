//! `restore`: puts back what `backup` has copied.
//!
//! Invariant: what is in the way is moved aside, not removed.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use tempfile::TempDir;

use super::actor::actor;
use super::backup::on_the_way;
use super::confirm;
use super::output::{errln, outln};
use crate::backup::{Bucket, Files, Manifest, Replaced, put_back};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lifecycle::{claim_unused, installed_files, open_store};

/// Options of `restore`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest restore /backups/20261128T030000Z\n  waha-ingest restore /backups/20261128T030000Z --tables-only --yes\n\nNo process may use them meanwhile. What is there is moved into the folder replaced-TIME beside it, which is laid out as a data folder: `webhooks export` reads there what was applied since the backup, for `webhooks import` here.\n\nWith both, all is as it was at the instant of the backup, and nothing counts what came since. With --tables-only the queue goes on: it has what waits, and `status` says how many of those that it has accepted are missing in the tables."
)]
pub struct Options {
    /// What `backup` has printed: a folder, or one of a bucket (`s3://BUCKET/FOLDER/TIME`).
    #[arg(value_name = "PLACE")]
    place: String,
    /// Leave the queue as it is.
    #[arg(long)]
    tables_only: bool,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (folder, _brought) = backup_in(config, &options.place).await?;
    let manifest = Manifest::read(&folder)?;
    let files = wanted(installed_files(config), &options);
    let _unused = claim_unused(config)?;
    errln!("{}", manifest.summary());
    let question = format!("put this in the place of {}?", places(&files));
    if !confirm(&question, options.yes)? {
        return Ok(ExitCode::FAILURE);
    }
    let aside = format!("replaced-{}", clock.now().format("%Y%m%dT%H%M%SZ"));
    let wanted = files.clone();
    let replaced =
        tokio::task::spawn_blocking(move || put_back(&folder, &wanted, &aside)).await??;
    tell(&replaced);
    renew(config, &files, &replaced, &clock).await?;
    Ok(ExitCode::SUCCESS)
}

/// Where the backup is; brought from a bucket it is gone with the folder that it was brought into.
async fn backup_in(config: &Config, place: &str) -> anyhow::Result<(PathBuf, Option<TempDir>)> {
    let Some(bucket) = Bucket::named(place, &config.backup_s3)? else {
        return Ok((place.into(), None));
    };
    let brought = on_the_way(config)?;
    bucket.bring(brought.path()).await?;
    Ok((brought.path().to_owned(), Some(brought)))
}

fn wanted(files: Files, options: &Options) -> Files {
    if options.tables_only { Files { queue: None, key: None, ..files } } else { files }
}

fn places(files: &Files) -> String {
    let paths = [&files.queue, &files.tables].into_iter().flatten();
    paths.map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ")
}

fn tell(Replaced { put, aside }: &Replaced) {
    for path in put {
        outln!("restored {}", path.display());
    }
    for path in aside {
        outln!("kept     {}", path.display());
    }
}

/// Positions of the feed are given out anew from here on, which those who follow it have to know. An earlier
/// release's tables are migrated by that.
async fn renew(
    config: &Config,
    files: &Files,
    replaced: &Replaced,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<()> {
    if !files.tables.as_ref().is_some_and(|tables| replaced.put.contains(tables)) {
        return Ok(());
    }
    let store = open_store(config, clock).await?;
    let renewed = store.renew_feed(&actor()).await;
    renewed.context("all is restored, but the feed has its old epoch: run `feed renew`")?;
    Ok(())
}
