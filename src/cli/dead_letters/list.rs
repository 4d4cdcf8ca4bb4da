//! `dead-letters list`.

use std::process::ExitCode;

use clap::Args;

use super::Context;
use super::known::ensure_known;
use crate::cli::output::{errln, is_read, json_line};
use crate::cli::table::{Table, kept, number, spare, text};
use crate::cli::time;
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::dead_letter::{
    DeadLetterFilter, DeadLetterReplay, DeadLetterSummary,
};
use crate::store::operations::page::RowPage;

/// Rows read at a time.
const PAGE: u64 = 500;

/// Options of `dead-letters list`.
#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    which: DeadLetterFilter,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: u64,
    /// Only numbers above this one: the next page.
    #[arg(long, default_value_t = 0, value_name = "ID")]
    after: i64,
    /// For programs: one JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(context: &Context<'_>, options: Options) -> anyhow::Result<ExitCode> {
    let filter = options.which.or_states(&[DeadLetterState::Pending]);
    let (mut left, mut after_id) = (options.limit, options.after);
    let mut is_first = true;
    while left > 0 && is_read() {
        let page = RowPage { after_id, ..RowPage::first(left.min(PAGE)) };
        let letters = context.store.dead_letters(&filter, page).await?;
        let Some(last) = letters.last() else {
            if is_first {
                ensure_known(context, &filter).await?;
            }
            if is_first && !options.json {
                print_page(&[], |_| &[]);
            }
            return Ok(ExitCode::SUCCESS);
        };
        is_first = false;
        after_id = last.id;
        left -= letters.len() as u64;
        let ids: Vec<i64> = letters.iter().map(|letter| letter.id).collect();
        let replays = context.store.replays_of(&ids).await?;
        let replays =
            |letter: &DeadLetterSummary| replays.get(&letter.id).map_or(&[][..], Vec::as_slice);
        if options.json {
            for letter in &letters {
                json_line(&to_json(letter, replays(letter)));
            }
        } else {
            print_page(&letters, replays);
        }
    }
    if !options.json {
        errln!("there may be more: --after {after_id}, or a higher --limit");
    }
    Ok(ExitCode::SUCCESS)
}

fn print_page<'a>(
    letters: &[DeadLetterSummary],
    replays: impl Fn(&DeadLetterSummary) -> &'a [DeadLetterReplay],
) {
    let mut table = Table::new(&[
        number("id"),
        kept("state"),
        kept("reason"),
        text("event"),
        text("session"),
        spare("tries"),
        kept("last failure"),
        spare("replays"),
        spare("note"),
    ]);
    for letter in letters {
        table.row([
            letter.id.to_string(),
            letter.state.name().to_owned(),
            letter.reason.clone(),
            letter.event_type.clone(),
            letter.session.clone(),
            letter.attempts.to_string(),
            time::short(letter.last_failed_at),
            replayed(letter.replays, replays(letter)),
            letter.note.clone().unwrap_or_default(),
        ]);
    }
    table.print_or_none("dead letters");
}

/// How often, and how the last time ended.
pub(super) fn replayed(count: i32, replays: &[DeadLetterReplay]) -> String {
    match replays.last() {
        None if count == 0 => "-".to_owned(),
        None => count.to_string(),
        Some(replay) => format!("{count}, {}", ending(replay)),
    }
}

/// How a replay ended.
pub(super) fn ending(replay: &DeadLetterReplay) -> String {
    match (&replay.outcome, &replay.reason) {
        (None, _) => "on its way".to_owned(),
        (Some(outcome), None) => outcome.clone(),
        (Some(outcome), Some(reason)) => format!("{outcome} ({reason})"),
    }
}

fn to_json(letter: &DeadLetterSummary, replays: &[DeadLetterReplay]) -> serde_json::Value {
    serde_json::json!({
        "id": letter.id, "state": letter.state, "reason": letter.reason, "error": letter.error,
        "group": letter.fingerprint, "source": letter.source, "session": letter.session,
        "event_type": letter.event_type, "webhook_id": letter.webhook_id,
        "attempts": letter.attempts, "received_at": letter.received_at,
        "first_failed_at": letter.first_failed_at, "last_failed_at": letter.last_failed_at,
        "body_bytes": letter.body_bytes,
        "replays": letter.replays,
        "last_replay": replays.last().map(replay_json),
        "resolved_at": letter.resolved_at,
        "resolved_by": letter.resolved_by, "note": letter.note,
    })
}

/// A replay for programs.
pub(super) fn replay_json(replay: &DeadLetterReplay) -> serde_json::Value {
    serde_json::json!({
        "job": replay.job_id, "replayed_at": replay.replayed_at,
        "ended_at": replay.ended_at, "outcome": replay.outcome, "reason": replay.reason,
    })
}
