//! `dead-letters discard` and `dead-letters restore`.

use std::process::ExitCode;

use clap::Args;

use super::Context;
use super::scope::Scope;
use crate::cli::actor::actor;
use crate::cli::output::{json_line, outln};
use crate::cli::progress_bar;
use crate::store::dead_letter::{Resolution, State};

/// Options of both.
#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    scope: Scope,
    /// Why.
    #[arg(long)]
    note: String,
}

pub(super) async fn discard(context: &Context<'_>, options: Options) -> anyhow::Result<ExitCode> {
    run(context, options, "discarded", State::Pending).await
}

pub(super) async fn restore(context: &Context<'_>, options: Options) -> anyhow::Result<ExitCode> {
    run(context, options, "restored", State::Discarded).await
}

async fn run(
    context: &Context<'_>,
    options: Options,
    verb: &str,
    from: State,
) -> anyhow::Result<ExitCode> {
    let Some(agreed) = options.scope.ask(context, verb, &[from]).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let bar = progress_bar(agreed.extent.count);
    let actor = actor();
    let resolution = Resolution {
        filter: &agreed.filter,
        actor: &actor,
        note: &options.note,
        gives_up: from == State::Pending,
        last_id: agreed.extent.last_id,
    };
    let count = context.store.resolve_letters(&resolution, |more| bar.inc(more)).await?;
    bar.finish_and_clear();
    if agreed.json {
        json_line(&serde_json::json!({ verb: count }));
    } else {
        outln!("{verb} {count}");
    }
    Ok(ExitCode::SUCCESS)
}
