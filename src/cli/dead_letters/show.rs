//! `dead-letters show`: one whole.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::Context;
use super::list::ending;
use crate::cli::actor::log_reading;
use crate::cli::output::{bytes, json_line, outln};
use crate::cli::time;
use crate::cli::webhooks::show::pretty;
use crate::normalize::NORMALIZER_VERSION;
use crate::operations::{DryRun, LetterDetail};

/// Options of `dead-letters show`.
#[derive(Args)]
pub(super) struct Options {
    /// Number in the list.
    id: i64,
    /// Only the body, byte for byte.
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// The body as WAHA signed it, if it was edited since.
    #[arg(long)]
    original: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(context: &Context<'_>, options: Options) -> anyhow::Result<ExitCode> {
    let Options { id, raw, original, json } = options;
    let (store, rules) = (&context.store, &context.config.rules);
    let found = LetterDetail::find(store, rules, id).await?;
    let (mut detail, mut letter) =
        found.with_context(|| format!("there is no dead letter {id}"))?;
    log_reading(store, json!({ "dead_letter": id })).await;
    if original
        && let Some(first) = detail.edits.first()
        && let Some(body) = store.body_before(first.id).await?
    {
        letter.row.body = body;
        detail.now = DryRun::of(&letter.webhook(), rules);
    }
    if raw {
        bytes(&letter.row.body)?;
    } else if json {
        json_line(&serde_json::to_string(&detail.with_body(&letter.row.body))?);
    } else {
        print(&detail, &letter.row.body);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(detail: &LetterDetail, body: &[u8]) {
    let LetterDetail { dead_letter: row, failures, replays, edits, headers, now, .. } = detail;
    let line = |name: &str, text: String| outln!("{name:<13}{text}");
    line("id", row.id.to_string());
    line("state", row.state.name().to_owned());
    line(
        "webhook",
        format!("{} {} {} {}", row.source, row.session, row.event_type, row.webhook_id),
    );
    line("received", time::short(row.received_at));
    line("group", format!("{} ({})", row.fingerprint, row.reason));
    for (number, failure) in failures.iter().enumerate() {
        let at = time::short(failure.at);
        line("attempt", format!("{}  {at}  {}", number + 1, failure.error));
    }
    for replay in replays {
        let at = time::short(replay.replayed_at);
        line("replay", format!("{at}  {}, job {}", ending(replay), replay.job));
    }
    for edit in edits {
        line("edited", format!("{}  by {}", time::short(edit.edited_at), edit.edited_by));
    }
    if let Some(by) = &row.resolved_by {
        line("last by", by.clone());
    }
    if let Some(note) = &row.note {
        line("note", note.clone());
    }
    for (name, value) in headers {
        line("header", format!("{name}: {value}"));
    }
    line("body", format!("{} bytes", body.len()));
    line("now", format!("{now} (normalizer {NORMALIZER_VERSION})"));
    outln!("\n{}", pretty(body));
}
