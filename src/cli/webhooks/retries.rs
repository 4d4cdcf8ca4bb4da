//! `webhooks retrying` and `webhooks retry`.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Args;

use crate::cli::actor::actor;
use crate::cli::output::{errln, json_line, outln};
use crate::cli::table::{Table, kept, number, or_dash, spare, text};
use crate::cli::time;
use crate::clock::Clock;
use crate::config::{Backend, Config};
use crate::lifecycle::{inspect_queue, open_queue};
use crate::names::unknown;
use crate::operations::{RetryFilter, RetryPage, WaitingWebhook, retry_now, retrying};
use crate::queue::{Hastened, Queue};
use crate::store::Store;

/// Among so many a near name is looked for.
const NEAR_MAX: usize = 1000;

/// Options of `webhooks retrying`.
#[derive(Args)]
pub(super) struct ListOptions {
    #[command(flatten)]
    which: RetryFilter,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: u16,
    /// For programs: one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Options of `webhooks retry`.
#[derive(Args)]
pub(super) struct RetryOptions {
    /// At once, instead of when they are due.
    #[arg(long, required = true)]
    now: bool,
    #[command(flatten)]
    which: RetryFilter,
    /// All of them: needed where nothing else says which.
    #[arg(long)]
    all: bool,
    /// Why, for the audit log.
    #[arg(long)]
    note: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn list(
    config: &Config,
    clock: &Arc<dyn Clock>,
    options: &ListOptions,
) -> anyhow::Result<ExitCode> {
    let queue: Arc<dyn Queue> = match config.queue.backend {
        Backend::Embedded => Arc::new(inspect_queue(config, clock)?),
        Backend::Broker(_) => open_queue(config, clock)?,
    };
    let ListOptions { which, limit, json } = options;
    let page = retrying(&*queue, which, (*limit).into()).await.context("queue.url")?;
    if page.webhooks.is_empty() && which.is_named() {
        ensure_known(&*queue, which).await?;
    }
    if *json {
        for waiting in &page.webhooks {
            json_line(&serde_json::to_string(waiting)?);
        }
    } else {
        print(&page);
    }
    if page.more > 0 {
        errln!("{} more wait{}: --limit shows more", page.more, among(which));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the number of those that are not shown counts.
fn among(which: &RetryFilter) -> &'static str {
    if which.is_named() { ", of these or not looked at" } else { "" }
}

fn print(page: &RetryPage) {
    let mut table = Table::new(&[
        kept("id"),
        kept("due"),
        number("failed"),
        spare("session"),
        text("event"),
        kept("group"),
        text("error"),
    ]);
    for waiting in &page.webhooks {
        let WaitingWebhook { id, due_at, attempts, session, event_type, group, error, .. } =
            waiting;
        table.row([
            id.clone(),
            or_dash(due_at.map(time::short)),
            attempts.to_string(),
            session.clone(),
            event_type.clone(),
            group.clone(),
            error.clone(),
        ]);
    }
    table.print_or_none("webhooks wait for their next attempt");
}

pub(super) async fn retry(
    config: &Config,
    clock: &Arc<dyn Clock>,
    store: &Store,
    options: RetryOptions,
) -> anyhow::Result<ExitCode> {
    let RetryOptions { now: _, which, all, note, json } = options;
    ensure!(which.is_named() != all, "say which: --id, --group, or --all alone");
    let queue = open_queue(config, clock)?;
    let done = retry_now(&*queue, store, &which, &actor(), note.as_deref()).await?;
    if done.count == 0 && which.is_named() {
        ensure_known(&*queue, &which).await?;
    }
    tell(done, json);
    Ok(ExitCode::SUCCESS)
}

fn tell(done: Hastened, json: bool) {
    let Hastened { count, unseen } = done;
    if json {
        json_line(&serde_json::json!({ "count": count, "unseen": unseen }));
    } else {
        outln!("{count} are tried now");
    }
    if unseen > 0 {
        errln!("{unseen} more wait that were not looked at: once these are done, say it again");
    }
}

/// An error for the first name that nothing has which waits, if all that waits could be looked at.
async fn ensure_known(queue: &dyn Queue, which: &RetryFilter) -> anyhow::Result<()> {
    let all = retrying(queue, &RetryFilter::default(), NEAR_MAX).await?;
    if all.more > 0 {
        return Ok(());
    }
    let waiting = all.webhooks;
    let ids = || waiting.iter().map(|waiting| waiting.id.clone());
    let groups = || waiting.iter().map(|waiting| waiting.group.clone());
    if let Some(id) = which.ids.iter().find(|id| !ids().any(|it| it == **id)) {
        anyhow::bail!("{}", unknown("waiting webhook", id, ids()));
    }
    if let Some(group) = which.groups.iter().find(|group| !groups().any(|it| it == **group)) {
        anyhow::bail!("{}", unknown("group", group, groups()));
    }
    Ok(())
}
