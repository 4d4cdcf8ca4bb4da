//! `dead-letters discard` and `dead-letters restore`.

use std::process::ExitCode;

use clap::Args;

use super::Context;
use super::scope::Scope;
use crate::cli::actor::actor;
use crate::cli::output::{json_line, outln};
use crate::cli::progress_bar;
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::dead_letter::DeadLetterResolution;

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
    run(context, options, "discarded", DeadLetterState::Pending).await
}

pub(super) async fn restore(context: &Context<'_>, options: Options) -> anyhow::Result<ExitCode> {
    run(context, options, "restored", DeadLetterState::Discarded).await
}

async fn run(
    context: &Context<'_>,
    options: Options,
    verb: &str,
    from: DeadLetterState,
) -> anyhow::Result<ExitCode> {
    let Some(agreed) = options.scope.ask(context, verb, &[from]).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let bar = progress_bar(agreed.extent.count);
    let actor = actor();
    let resolution = DeadLetterResolution {
        filter: &agreed.filter,
        actor: &actor,
        note: &options.note,
        gives_up: from == DeadLetterState::Pending,
        last_id: agreed.extent.last_id,
    };
    let count = context.store.resolve_letters(&resolution, |more| bar.inc(more)).await?;
    bar.finish_and_clear();
    if agreed.json {
        json_line(&serde_json::json!({ "count": count }));
    } else {
        outln!("{verb} {count}");
    }
    Ok(ExitCode::SUCCESS)
}
