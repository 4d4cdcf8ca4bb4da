//! The command line: one file per subcommand, each with `Options` and `run`.
//!
//! Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage.

mod actor;
mod archived;
mod audit;
mod backup;
mod check;
mod completeness;
mod consumers;
mod dead_letters;
mod demo;
mod feed;
mod manual;
mod media;
mod migrate;
pub mod output;
mod period;
mod reconcile;
mod repair;
mod restore;
mod retention;
mod search;
mod serve;
mod sessions;
mod simulate;
mod sources;
mod spool;
mod status;
mod table;
mod time;
mod transfer;
mod version;
mod webhooks;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::Config;
use crate::telemetry;
use crate::trace::Traces;

/// Takes WAHA webhooks in, makes them durable, and turns them into rows.
#[derive(Parser)]
#[command(
    name = "waha-ingest",
    version,
    long_version = version::DESCRIPTION,
    propagate_version = true
)]
pub struct Cli {
    /// Configuration file; without it ./waha-ingest.toml if it is there.
    #[arg(long, global = true, env = "WAHA_INGEST_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Try everything in a temporary folder: signed webhooks over HTTP, rows, the equation.
    Demo(demo::Options),
    /// Run everything in one process.
    Up(serve::Options),
    /// Run the endpoint only.
    Serve(serve::Options),
    /// Run the consumers only.
    Work(serve::Options),
    /// Make, remove or list the tables.
    Migrate(migrate::Options),
    /// Be a WAHA: sign, repeat, shuffle and retry webhooks.
    Simulate(simulate::Options),
    /// Show whether every accepted webhook is accounted for.
    Status(status::Options),
    /// Look whether configuration, ports, disk, queue and database are usable, and if not, why.
    Check(check::Options),
    /// Inspect, replay or discard webhooks that could not be processed.
    DeadLetters(dead_letters::Options),
    /// See whom the feed is delivered to; pause, resume or rewind.
    Consumers(consumers::Options),
    /// See where the feed of what changed is; give it another epoch after a restore.
    Feed(feed::Options),
    /// See who replayed, discarded, edited or changed what.
    Audit(audit::Options),
    /// Look into the ledger, or read stored webhooks again with the present normalizer.
    Webhooks(webhooks::Options),
    /// See what the configured ages let go of, or let go of it at once.
    Retention(retention::Options),
    /// Switch the search in messages on or off; see how it stands.
    Search(search::Options),
    /// See which files of messages are kept, have others tried again, compare all with what was stored.
    Media(media::Options),
    /// See how our webhook stands in the sessions of WAHA; put it in, right, or out.
    Sources(sources::Options),
    /// Ask WAHA now for its sessions and their people: LIDs, names, groups and members.
    Sessions(sessions::Options),
    /// Compare a session with WAHA's own list of messages, and take over what webhooks never told.
    Reconcile(reconcile::Options),
    /// See which hours of which sessions are complete, what was found again, and what is not known.
    Completeness(completeness::Options),
    /// Show rows that lead nowhere or whose parent is gone; mend them.
    Repair(repair::Options),
    /// Empty a spool that a door has left.
    Spool(spool::Options),
    /// Copy queue and tables that are files, while they are in use, as they are at one instant.
    Backup(backup::Options),
    /// Put back what `backup` has copied.
    Restore(restore::Options),
    /// Print what a shell needs to complete commands and options.
    Completions(manual::CompletionOptions),
    /// Print the manual page.
    Man(manual::ManOptions),
}

impl Cli {
    /// Reads the arguments; where they are wrong the process ends with 2 and says why.
    pub fn read() -> Self {
        let matches = Self::command().get_matches();
        if let Err(problem) = period::check(&matches) {
            Self::command().error(ErrorKind::ValueValidation, problem).exit();
        }
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Runs the subcommand.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(self.dispatch())
    }

    async fn dispatch(self) -> anyhow::Result<ExitCode> {
        let file = self.config.as_deref();
        // These need no configuration, and are there to be used before there is one.
        match self.command {
            Command::Demo(options) => return demo::run(options).await,
            Command::Completions(options) => return manual::completions(&options),
            Command::Man(_) => return manual::man(),
            _ => {}
        }
        let config = Config::load(file)?;
        config.notes.iter().for_each(|note| output::errln!("{note}"));
        let _log = telemetry::start(&config.log_level, config.log_format);
        let traces = Traces::start(&config.traces)?;
        let ended = Self::run_command(self.command, Arc::new(config)).await;
        if let Some(traces) = traces {
            traces.stop().await;
        }
        ended
    }

    async fn run_command(command: Command, config: Arc<Config>) -> anyhow::Result<ExitCode> {
        match command {
            Command::Demo(_) | Command::Completions(_) | Command::Man(_) => Ok(ExitCode::SUCCESS),
            Command::Up(options) => serve::up(config, options).await,
            Command::Serve(options) => serve::serve(config, options).await,
            Command::Work(options) => serve::work(config, options).await,
            Command::Migrate(options) => migrate::run(&config, options).await,
            Command::Simulate(options) => simulate::run(&config, options).await,
            Command::Status(options) => status::run(&config, options).await,
            Command::Check(options) => check::run(&config, options).await,
            Command::DeadLetters(options) => dead_letters::run(&config, options).await,
            Command::Consumers(options) => consumers::run(&config, options).await,
            Command::Feed(options) => feed::run(&config, options).await,
            Command::Audit(options) => audit::run(&config, options).await,
            Command::Webhooks(options) => webhooks::run(&config, options).await,
            Command::Retention(options) => retention::run(&config, options).await,
            Command::Search(options) => search::run(&config, options).await,
            Command::Media(options) => media::run(&config, options).await,
            Command::Sources(options) => sources::run(&config, options).await,
            Command::Sessions(options) => sessions::run(&config, options).await,
            Command::Reconcile(options) => reconcile::run(&config, options).await,
            Command::Repair(options) => repair::run(&config, options).await,
            Command::Completeness(options) => completeness::run(&config, options).await,
            Command::Spool(options) => spool::run(&config, options).await,
            Command::Backup(options) => backup::run(&config, options).await,
            Command::Restore(options) => restore::run(&config, options).await,
        }
    }
}

/// Asks on the terminal unless `yes`.
fn confirm(question: &str, yes: bool) -> anyhow::Result<bool> {
    use std::io::{BufRead, IsTerminal, Write};
    if yes {
        return Ok(true);
    }
    anyhow::ensure!(std::io::stdin().is_terminal(), "not on a terminal: say --yes");
    write!(std::io::stderr(), "{} [y/N] ", output::plain(question))?;
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Shown on a terminal only.
fn progress_bar(rows: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} eta {eta} {msg}");
    ProgressBar::new(rows).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
