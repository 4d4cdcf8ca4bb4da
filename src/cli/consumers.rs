//! `consumers list|show|pause|resume|rewind|skip`: whom the feed is delivered to.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::actor::actor;
use super::confirm;
use super::output::{json_line, outln, plain};
use super::table::{Table, kept, number, spare, text};
use super::time;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lifecycle::open_existing_store;
use crate::store::Store;
use crate::store::operations::consumers::{ConsumerRefusal, ConsumerRow};
use crate::store::operations::feed::{ChangeFilter, FeedState};

/// Options of `consumers`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest consumers list\n  waha-ingest consumers pause crm --note \"moving\"\n  waha-ingest consumers rewind crm --to 18000 --yes"
)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List them: how far each got, and what keeps it from getting more.
    List {
        /// For programs: one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Show one.
    Show(Named),
    /// Deliver nothing to it until it is resumed; it loses nothing while the feed reaches back.
    Pause {
        #[command(flatten)]
        named: Named,
        /// Why; shown with it.
        #[arg(long)]
        note: Option<String>,
    },
    /// Deliver again, at once.
    Resume(Named),
    /// Deliver once more what came after a position, under new ids.
    Rewind {
        #[command(flatten)]
        named: Named,
        /// The last position that it keeps; 0 for all that the feed has.
        #[arg(long, value_name = "POSITION")]
        to: i64,
        /// Don't ask.
        #[arg(long)]
        yes: bool,
    },
    /// Leave out the change that it hangs on: the application never gets it.
    Skip {
        #[command(flatten)]
        named: Named,
        /// Don't ask.
        #[arg(long)]
        yes: bool,
    },
}

/// Which, and for whom it is printed.
#[derive(Args)]
struct Named {
    /// Its name.
    name: String,
    /// For programs: one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = open_existing_store(config, &clock).await?;
    let actor = actor();
    match options.action {
        Action::List { json } => list(&store, json).await,
        Action::Show(named) => {
            let row = store.consumer(&named.name).await?;
            let row = row.ok_or_else(|| ConsumerRefusal::Unknown(named.name.clone()))?;
            show(&store, &row, named.json).await
        }
        Action::Pause { named, note } => {
            let row = store.pause_consumer(&named.name, note.as_deref(), &actor).await??;
            show(&store, &row, named.json).await
        }
        Action::Resume(named) => {
            let row = store.resume_consumer(&named.name, &actor).await??;
            show(&store, &row, named.json).await
        }
        Action::Rewind { named, to, yes } => {
            let question = format!("deliver to {} again all after position {to}?", named.name);
            if !confirm(&question, yes)? {
                return Ok(ExitCode::FAILURE);
            }
            let row = store.rewind_consumer(&named.name, to, &actor).await??;
            show(&store, &row, named.json).await
        }
        Action::Skip { named, yes } => {
            if !confirm(&format!("leave out a change that {} never gets?", named.name), yes)? {
                return Ok(ExitCode::FAILURE);
            }
            let filter = filter(config, &store, &named.name).await?;
            let row = store.skip_change(&named.name, &filter, &actor).await??;
            show(&store, &row, named.json).await
        }
    }
}

/// What passes to a consumer, as configured; of one that is not, and of the exchange: all.
async fn filter(config: &Config, store: &Store, name: &str) -> anyhow::Result<ChangeFilter> {
    let configured = config.feed.consumers.iter().find(|it| it.name == name);
    let Some(configured) = configured else { return Ok(ChangeFilter::default()) };
    Ok(store.change_filter(&configured.kinds, &configured.sessions).await?)
}

async fn list(store: &Store, json: bool) -> anyhow::Result<ExitCode> {
    let feed = store.feed_state().await?;
    let rows = store.consumers().await?;
    if json {
        for row in &rows {
            json_line(&to_json(row, &feed));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&[
        text("name"),
        spare("kind"),
        kept("state"),
        number("position"),
        number("behind"),
        spare("failing since"),
        text("why"),
    ]);
    for row in &rows {
        let why = row.reason.as_ref().or(row.last_error.as_ref());
        table.row([
            row.name.clone(),
            row.kind.clone(),
            row.state.clone(),
            row.position.to_string(),
            behind(row, &feed).to_string(),
            row.failing_since.map_or_else(|| "-".to_owned(), time::short),
            why.cloned().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table.print_or_none("consumers");
    Ok(ExitCode::SUCCESS)
}

async fn show(store: &Store, row: &ConsumerRow, json: bool) -> anyhow::Result<ExitCode> {
    let told = to_json(row, &store.feed_state().await?);
    if json {
        json_line(&told);
        return Ok(ExitCode::SUCCESS);
    }
    for (name, value) in told.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        outln!("{name:<14} {}", plain(&value));
    }
    Ok(ExitCode::SUCCESS)
}

/// Positions that it was not told.
fn behind(row: &ConsumerRow, feed: &FeedState) -> i64 {
    (feed.position - row.position).max(0)
}

fn to_json(row: &ConsumerRow, feed: &FeedState) -> Value {
    json!({
        "name": row.name, "kind": row.kind, "state": row.state, "reason": row.reason,
        "position": row.position, "newest": feed.position, "behind": behind(row, feed),
        "epoch": row.epoch, "generation": row.generation,
        "delivered_at": row.delivered_at, "failing_since": row.failing_since,
        "next_try_at": row.next_try_at, "last_error": row.last_error,
    })
}
