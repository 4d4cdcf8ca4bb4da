//! `search enable|disable|status`: whether messages can be searched.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::actor::actor;
use super::output::{errln, json_line, outln};
use super::{confirm, progress_bar};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lifecycle::open_existing_store;
use crate::store::Store;
use crate::store::operations::search::{SearchState, SearchStatus, SearchStep};

/// How long it is waited for another process that fills, too.
const PAUSE: Duration = Duration::from_millis(200);

/// Options of `search`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest search enable\n  waha-ingest search status --json\n\nMessages are searched by GET /api/v1/messages?q=, or by SQL: see entity/README.md, \"Search\"."
)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Fill in the words of all messages, beside running workers. Interrupted, it goes on when it is run again,
    /// and so do workers with search.enabled = true.
    Enable,
    /// Take the words of all messages away, and give their space back.
    Disable {
        /// Don't ask.
        #[arg(long)]
        yes: bool,
    },
    /// Show how the search stands. Exit code 1: it is not as search.enabled says.
    Status {
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
        Action::Enable => enable(&store, config.searches).await,
        Action::Disable { yes } => disable(&store, config.searches, yes).await,
        Action::Status { json } => status(&store, config.searches, json).await,
    }
}

async fn enable(store: &Store, is_configured: bool) -> anyhow::Result<ExitCode> {
    store.enable_search(&actor()).await??;
    fill(store).await?;
    outln!("all messages can be searched");
    if !is_configured {
        errln!(
            "search.enabled is false: set it to true (WAHA_INGEST__SEARCH__ENABLED=true) and restart `up` or \
             `work`, or new messages will not be found"
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Until all messages that were there are filled in.
async fn fill(store: &Store) -> anyhow::Result<()> {
    let newest = store.newest_message_id().await?;
    let bar = progress_bar(u64::try_from(newest).unwrap_or_default());
    loop {
        let step = store.search_step().await?;
        let status = store.search_status().await?;
        bar.set_position(u64::try_from(status.filled_to.min(newest)).unwrap_or_default());
        match (status.state, step) {
            (SearchState::On, SearchStep::Idle) => break,
            (SearchState::Off | SearchState::Clearing, _) | (_, SearchStep::NotOurs) => {
                anyhow::bail!("somebody switched the search off meanwhile");
            }
            (_, SearchStep::Moved) => {}
            (_, SearchStep::Idle | SearchStep::Overtaken) => tokio::time::sleep(PAUSE).await,
        }
    }
    bar.finish_and_clear();
    Ok(())
}

async fn disable(store: &Store, is_configured: bool, yes: bool) -> anyhow::Result<ExitCode> {
    if store.search_status().await?.state == SearchState::Off {
        outln!("the search is off");
        return Ok(ExitCode::SUCCESS);
    }
    if !confirm("take the words of all messages away (waha_message_words)?", yes)? {
        return Ok(ExitCode::FAILURE);
    }
    store.disable_search(&actor()).await??;
    outln!("the search is off");
    if is_configured {
        errln!("search.enabled is true: set it to false and restart `up` or `work`");
    }
    Ok(ExitCode::SUCCESS)
}

async fn status(store: &Store, is_configured: bool, json: bool) -> anyhow::Result<ExitCode> {
    let status = store.search_status().await?;
    let problem = problem(&status, is_configured);
    if json {
        json_line(&json!({
            "state": status.state.name(), "configured": is_configured, "behind": status.behind,
            "filled_to": status.filled_to, "newest": store.newest_message_id().await?,
            "problem": problem,
        }));
    } else {
        outln!("{}", words(store, &status).await?);
        if let Some(problem) = problem {
            outln!("{problem}");
        }
    }
    Ok(if problem.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// How it stands, in words.
pub(super) async fn words(store: &Store, status: &SearchStatus) -> anyhow::Result<String> {
    let behind = match status.behind {
        0 => String::new(),
        behind => format!(", {behind} changes behind the feed"),
    };
    Ok(match status.state {
        SearchState::Off => "off: messages can't be searched".to_owned(),
        SearchState::Clearing => "being switched off".to_owned(),
        SearchState::On => format!("on: all messages can be searched{behind}"),
        SearchState::Filling => {
            let newest = store.newest_message_id().await?;
            format!("filling: up to message {} of {newest}{behind}", status.filled_to)
        }
    })
}

/// What does not agree with the configuration, and what helps.
pub(super) fn problem(status: &SearchStatus, is_configured: bool) -> Option<&'static str> {
    if status.is_newer && status.state.has_words() {
        return Some(
            "a newer release keeps the words: messages written by others only are found by it",
        );
    }
    match (status.state, is_configured) {
        (SearchState::Off, true) => {
            Some("search.enabled is true, but there are no words: run `waha-ingest search enable`")
        }
        (SearchState::Clearing, _) => {
            Some("switching it off was interrupted: run `waha-ingest search disable` again")
        }
        (SearchState::On | SearchState::Filling, false) => Some(
            "search.enabled is false, so nobody keeps the words up to date: set it to true, or run \
             `waha-ingest search disable`",
        ),
        (SearchState::Off, false) | (SearchState::On | SearchState::Filling, true) => None,
    }
}
