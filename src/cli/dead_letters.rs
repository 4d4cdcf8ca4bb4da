//! `dead-letters list|show|replay|discard`: webhooks that could not be processed.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};

use super::{confirm, operator};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lifecycle::{open_queue, open_store};
use crate::replay::replay;
use crate::store::Store;
use crate::store::dead_letter::{DeadLetter, Filter, State};

/// Rows read at a time.
const PAGE: u64 = 200;

/// Options of `dead-letters`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest dead-letters list\n  waha-ingest dead-letters show 12\n  waha-ingest dead-letters replay --reason missing_field --yes"
)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List them, oldest first.
    List {
        #[command(flatten)]
        which: Which,
        /// For programs: one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Show one whole, with its body.
    Show {
        /// Number in the list.
        id: i64,
    },
    /// Publish them again under the same ids.
    Replay {
        #[command(flatten)]
        which: Which,
        /// Count them, change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Don't ask.
        #[arg(long)]
        yes: bool,
    },
    /// Give them up; they stay as rows.
    Discard {
        #[command(flatten)]
        which: Which,
        /// Why.
        #[arg(long)]
        note: String,
        /// Count them, change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Don't ask.
        #[arg(long)]
        yes: bool,
    },
}

/// Which dead letters.
#[derive(Args, Clone)]
struct Which {
    /// Only these numbers.
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<i64>,
    /// Only with this reason.
    #[arg(long)]
    reason: Option<String>,
    /// Only in this state; pending without it.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// All of them: needed where nothing else says which.
    #[arg(long)]
    all: bool,
}

impl Which {
    fn filter(&self) -> Filter {
        Filter {
            ids: self.ids.clone(),
            state: Some(self.state.unwrap_or(State::Pending)),
            reason: self.reason.clone(),
            after_id: 0,
            limit: PAGE,
        }
    }

    fn ensure_named(&self) -> anyhow::Result<()> {
        let is_named = self.all || !self.ids.is_empty() || self.reason.is_some();
        ensure!(is_named, "say which: --id, --reason, or --all");
        Ok(())
    }
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = open_store(config, &clock).await?;
    match options.action {
        Action::List { which, json } => list(&store, which, json).await,
        Action::Show { id } => show(&store, id).await,
        Action::Replay { which, dry_run, yes } => {
            which.ensure_named()?;
            let letters = collect(&store, which.filter()).await?;
            if !goes_on("replayed", letters.len(), dry_run, yes)? {
                return Ok(ExitCode::SUCCESS);
            }
            let queue = open_queue(config, &clock, false)?;
            let mut replayed = 0;
            for letter in &letters {
                replayed += u64::from(replay(letter, &store, &*queue, &operator()).await?);
            }
            println!("replayed {replayed}");
            Ok(ExitCode::SUCCESS)
        }
        Action::Discard { which, note, dry_run, yes } => {
            which.ensure_named()?;
            let letters = collect(&store, which.filter()).await?;
            if !goes_on("discarded", letters.len(), dry_run, yes)? {
                return Ok(ExitCode::SUCCESS);
            }
            let mut discarded = 0;
            for letter in &letters {
                let id = letter.row.id;
                discarded += u64::from(store.discard(id, &operator(), &note).await?);
            }
            println!("discarded {discarded}");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn goes_on(what: &str, count: usize, dry_run: bool, yes: bool) -> anyhow::Result<bool> {
    println!("{count} dead letters would be {what}");
    Ok(!dry_run && count > 0 && confirm("Go on?", yes)?)
}

async fn collect(store: &Store, mut filter: Filter) -> anyhow::Result<Vec<DeadLetter>> {
    let mut all = Vec::new();
    loop {
        let page = store.dead_letters(&filter).await?;
        let Some(last) = page.last() else { return Ok(all) };
        filter.after_id = last.row.id;
        all.extend(page);
    }
}

async fn list(store: &Store, which: Which, json: bool) -> anyhow::Result<ExitCode> {
    let mut filter = which.filter();
    if !json {
        println!(
            "{:<8}{:<11}{:<20}{:<24}{:<16}{:>9}  last failure",
            "id", "state", "reason", "event", "session", "attempts"
        );
    }
    loop {
        let page = store.dead_letters(&filter).await?;
        let Some(last) = page.last() else { return Ok(ExitCode::SUCCESS) };
        filter.after_id = last.row.id;
        let print = if json { print_json } else { print_line };
        page.iter().for_each(print);
    }
}

fn print_line(letter: &DeadLetter) {
    let row = &letter.row;
    let last = row.last_failed_at.format("%Y-%m-%d %H:%M:%S");
    println!(
        "{:<8}{:<11}{:<20}{:<24}{:<16}{:>9}  {last}",
        row.id, row.state, row.reason, row.event_type, row.session, row.attempts
    );
}

fn print_json(letter: &DeadLetter) {
    let row = &letter.row;
    println!(
        "{}",
        serde_json::json!({
            "id": row.id, "state": row.state, "reason": row.reason, "error": row.error,
            "fingerprint": row.fingerprint, "source": row.source, "session": row.session,
            "event_type": row.event_type, "webhook_id": row.webhook_id, "attempts": row.attempts,
            "replays": row.replays, "first_failed_at": row.first_failed_at.to_rfc3339(),
            "last_failed_at": row.last_failed_at.to_rfc3339(), "note": row.note,
        })
    );
}

async fn show(store: &Store, id: i64) -> anyhow::Result<ExitCode> {
    let filter = Filter { ids: vec![id], limit: 1, ..Filter::default() };
    let letters = store.dead_letters(&filter).await?;
    let letter = letters.first().with_context(|| format!("there is no dead letter {id}"))?;
    let row = &letter.row;
    println!("id           {}", row.id);
    println!("state        {} (replayed {} times)", row.state, row.replays);
    println!("webhook      {} {} {} {}", row.source, row.session, row.event_type, row.webhook_id);
    println!("received     {}", row.received_at.to_rfc3339());
    println!("reason       {} (group {})", row.reason, row.fingerprint);
    for failure in &letter.failures {
        let at = chrono::DateTime::from_timestamp_millis(failure.at_ms).unwrap_or_default();
        println!("failed       {}  {}", at.to_rfc3339(), failure.error);
    }
    for (name, value) in &letter.headers {
        println!("header       {name}: {value}");
    }
    println!("\n{}", String::from_utf8_lossy(&row.body));
    Ok(ExitCode::SUCCESS)
}
