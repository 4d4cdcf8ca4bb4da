//! `consumers list|show|pause|resume|rewind|skip|remove`: whom the feed is delivered to.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::actor::actor;
use super::confirm;
use super::output::{errln, json_line, outln, plain};
use super::table::{Table, kept, number, or_dash, spare, text};
use super::time;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lifecycle::open_existing_store;
use crate::operations::{ConsumerReport, SkipReport, SkippedChange};
use crate::store::Store;
use crate::store::audit::Actor;
use crate::store::operations::consumers::{ConsumerRefusal, ConsumerRow, Subscription};

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
    /// List them: how far each got, and what keeps it from getting more. One that is not in the configuration any
    /// more is `removed`.
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
    /// Forget one that is not in the configuration any more, and how far it got.
    Remove {
        /// Its name.
        name: String,
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
    let consumers = Consumers { configured: config.feed.subscriptions(), store, actor: actor() };
    consumers.act(options.action).await
}

/// Whom the feed is delivered to, and who handles them.
struct Consumers {
    store: Arc<Store>,
    actor: Actor,
    /// What those of the configuration get, by their names.
    configured: HashMap<String, Subscription>,
}

impl Consumers {
    async fn act(&self, action: Action) -> anyhow::Result<ExitCode> {
        let (store, actor) = (&self.store, &self.actor);
        match action {
            Action::List { json } => self.list(json).await?,
            Action::Show(Named { name, json }) => {
                let row = store.consumer(&name).await?;
                self.show(row.ok_or(ConsumerRefusal::Unknown(name))?, json).await?;
            }
            Action::Pause { named: Named { name, json }, note } => {
                let row = store.pause_consumer(&name, note.as_deref(), actor).await??;
                self.say(row, json, paused).await?;
            }
            Action::Resume(Named { name, json }) => {
                let row = store.resume_consumer(&name, actor).await??;
                self.say(row, json, delivered_again).await?;
            }
            Action::Rewind { named: Named { name, json }, to, yes } => {
                let question = format!("deliver to {name} again all after position {to}?");
                if !confirm(&question, yes)? {
                    return Ok(ExitCode::FAILURE);
                }
                let row = store.rewind_consumer(&name, to, actor).await??;
                self.say(row, json, delivered_again).await?;
            }
            Action::Skip { named, yes } => return self.skip(named, yes).await,
            Action::Remove { name, yes } => return self.remove(&name, yes).await,
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn skip(&self, Named { name, json }: Named, yes: bool) -> anyhow::Result<ExitCode> {
        let subscription = self.configured.get(&name).cloned().unwrap_or_default();
        let filter = self.store.change_filter(&subscription).await?;
        let next = self.store.next_change_of(&name, &filter).await??;
        let skipped = SkippedChange::from(&next.change);
        if let Some(error) = &next.consumer.last_error {
            errln!("{name} hangs: {}", plain(error));
        }
        if !confirm(&format!("leave out {skipped}, which {name} never gets?"), yes)? {
            return Ok(ExitCode::FAILURE);
        }
        let row = self.store.skip_change(&next, &self.actor).await??;
        let report = self.report(row).await?;
        if json {
            json_line(&serde_json::to_value(SkipReport { consumer: report, skipped })?);
        } else {
            outln!("left out {skipped}; {name} goes on behind it: {} to go", report.behind);
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn remove(&self, name: &str, yes: bool) -> anyhow::Result<ExitCode> {
        if self.configured.contains_key(name) {
            return Err(ConsumerRefusal::Configured(name.to_owned()).into());
        }
        let row = self.store.consumer(name).await?;
        let row = row.ok_or_else(|| ConsumerRefusal::Unknown(name.to_owned()))?;
        let question = format!(
            "forget {name}, which got to position {}? Configured again, it begins where the feed is then.",
            row.position
        );
        if !confirm(&question, yes)? {
            return Ok(ExitCode::FAILURE);
        }
        self.store.remove_consumer(&row, &self.actor).await??;
        outln!("{name} is forgotten");
        Ok(ExitCode::SUCCESS)
    }

    async fn report(&self, row: ConsumerRow) -> anyhow::Result<ConsumerReport> {
        let is_configured = self.configured.contains_key(&row.name);
        Ok(ConsumerReport::new(row, &self.store.feed_state().await?, is_configured))
    }

    /// Says what was done with it: to programs how it is, to people in a sentence.
    async fn say(
        &self,
        row: ConsumerRow,
        json: bool,
        sentence: impl Fn(&ConsumerReport) -> String,
    ) -> anyhow::Result<()> {
        let report = self.report(row).await?;
        if json {
            json_line(&serde_json::to_value(report)?);
        } else {
            outln!("{}", plain(&sentence(&report)));
        }
        Ok(())
    }

    async fn show(&self, row: ConsumerRow, json: bool) -> anyhow::Result<()> {
        let report = serde_json::to_value(self.report(row).await?)?;
        if json {
            json_line(&report);
            return Ok(());
        }
        for (name, value) in report.as_object().into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            outln!("{name:<14} {}", plain(&value));
        }
        Ok(())
    }

    async fn list(&self, json: bool) -> anyhow::Result<()> {
        let feed = self.store.feed_state().await?;
        let report = |row: ConsumerRow| {
            let is_configured = self.configured.contains_key(&row.name);
            ConsumerReport::new(row, &feed, is_configured)
        };
        let reports: Vec<_> = self.store.consumers().await?.into_iter().map(report).collect();
        if json {
            for report in &reports {
                json_line(&serde_json::to_value(report)?);
            }
        } else {
            print(reports);
        }
        Ok(())
    }
}

fn paused(it: &ConsumerReport) -> String {
    let ConsumerReport { name, position, behind, .. } = it;
    format!("{name} is paused at position {position}, {behind} behind, until it is resumed")
}

fn delivered_again(it: &ConsumerReport) -> String {
    let ConsumerReport { name, position, behind, state, .. } = it;
    let when = match state.as_str() {
        "active" => "",
        "removed" => " once it is configured",
        _ => " once it is resumed",
    };
    format!("{name} gets what came after position {position}{when}: {behind} to go")
}

fn print(reports: Vec<ConsumerReport>) {
    let mut table = Table::new(&[
        text("name"),
        spare("kind"),
        kept("state"),
        number("position"),
        number("behind"),
        spare("failing since"),
        text("why"),
    ]);
    for report in reports {
        table.row([
            report.name,
            report.kind,
            report.state,
            report.position.to_string(),
            report.behind.to_string(),
            or_dash(report.failing_since.map(time::short)),
            or_dash(report.reason.or(report.last_error)),
        ]);
    }
    table.print_or_none("consumers");
}
