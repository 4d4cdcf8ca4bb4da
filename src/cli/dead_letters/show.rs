//! `dead-letters show`: one whole.

use std::process::ExitCode;

use anyhow::Context as _;
use chrono::DateTime;
use clap::Args;
use serde_json::{Value, json};

use super::Context;
use super::list::{ending, replay_json};
use crate::cli::actor::log_reading;
use crate::cli::output::{bytes, json_line, outln};
use crate::cli::time;
use crate::cli::webhooks::show::pretty;
use crate::normalize::NORMALIZER_VERSION;
use crate::operations::DryRun;
use crate::store::operations::dead_letter::{DeadLetter, DeadLetterEdit, DeadLetterReplay};

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

/// What is shown.
struct Shown {
    letter: DeadLetter,
    replays: Vec<DeadLetterReplay>,
    edits: Vec<DeadLetterEdit>,
    reading: DryRun,
}

pub(super) async fn run(context: &Context<'_>, options: Options) -> anyhow::Result<ExitCode> {
    let mut shown = read(context, options.id).await?;
    log_reading(&context.store, json!({ "dead_letter": options.id })).await;
    if options.original
        && let Some(first) = shown.edits.first()
        && let Some(body) = context.store.body_before(first.id).await?
    {
        shown.letter.row.body = body;
        shown.reading = DryRun::of(&shown.letter.webhook(), &context.config.rules);
    }
    if options.raw {
        bytes(&shown.letter.row.body)?;
    } else if options.json {
        json_line(&to_json(&shown));
    } else {
        print(&shown);
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(context: &Context<'_>, id: i64) -> anyhow::Result<Shown> {
    let letters = context.store.whole_letters(&[id]).await?;
    let letter = letters.into_iter().next();
    let letter = letter.with_context(|| format!("there is no dead letter {id}"))?;
    let replays = context.store.replays_of(&[id]).await?.remove(&id).unwrap_or_default();
    let edits = context.store.edits_of(id).await?;
    let reading = DryRun::of(&letter.webhook(), &context.config.rules);
    Ok(Shown { letter, replays, edits, reading })
}

fn print(shown: &Shown) {
    let row = &shown.letter.row;
    let letter = &shown.letter;
    let line = |name: &str, text: String| outln!("{name:<13}{text}");
    line("id", row.id.to_string());
    line("state", row.state.clone());
    line(
        "webhook",
        format!("{} {} {} {}", row.source, row.session, row.event_type, row.webhook_id),
    );
    line("received", time::short(row.received_at));
    line("group", format!("{} ({})", row.fingerprint, row.reason));
    for (number, failure) in letter.failures.iter().enumerate() {
        let at = DateTime::from_timestamp_millis(failure.at_ms).unwrap_or_default();
        line("attempt", format!("{}  {}  {}", number + 1, time::short(at), failure.error));
    }
    for replay in &shown.replays {
        let at = time::short(replay.replayed_at);
        line("replay", format!("{at}  {}, job {}", ending(replay), replay.job_id));
    }
    for edit in &shown.edits {
        line("edited", format!("{}  by {}", time::short(edit.edited_at), edit.edited_by));
    }
    if let Some(by) = &row.resolved_by {
        line("last by", by.clone());
    }
    if let Some(note) = &row.note {
        line("note", note.clone());
    }
    for (name, value) in &letter.headers {
        line("header", format!("{name}: {value}"));
    }
    line("body", format!("{} bytes", row.body.len()));
    line("now", format!("{} (normalizer {NORMALIZER_VERSION})", shown.reading));
    outln!("\n{}", pretty(&row.body));
}

fn to_json(shown: &Shown) -> Value {
    let row = &shown.letter.row;
    let letter = &shown.letter;
    let failure = |failure: &crate::queue::Failure| {
        let at = DateTime::from_timestamp_millis(failure.at_ms).unwrap_or_default();
        json!({ "at": at, "error": failure.error })
    };
    let edit =
        |edit: &DeadLetterEdit| json!({ "edited_at": edit.edited_at, "edited_by": edit.edited_by });
    json!({
        "id": row.id, "state": row.state, "source": row.source, "session": row.session,
        "event_type": row.event_type, "webhook_id": row.webhook_id, "group": row.fingerprint,
        "reason": row.reason, "error": row.error, "attempts": row.attempts,
        "webhook_at": row.webhook_at, "received_at": row.received_at,
        "failures": letter.failures.iter().map(failure).collect::<Vec<_>>(),
        "replays": shown.replays.iter().map(replay_json).collect::<Vec<_>>(),
        "edits": shown.edits.iter().map(edit).collect::<Vec<_>>(),
        "resolved_at": row.resolved_at,
        "resolved_by": row.resolved_by, "note": row.note, "headers": letter.headers,
        "now": shown.reading, "body_bytes": row.body.len(),
        "body": String::from_utf8_lossy(&row.body),
    })
}
