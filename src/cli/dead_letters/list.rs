//! `dead-letters list`.

use std::process::ExitCode;

use clap::Args;

use super::Context;
use super::known::ensure_known;
use crate::cli::output::{errln, is_read, json_line, limit};
use crate::cli::table::{Table, kept, number, spare, text};
use crate::cli::time;
use crate::operations::{ListedLetter, ReplayReport, list_letters};
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::dead_letter::DeadLetterFilter;
use crate::store::operations::page::RowPage;

/// Rows read at a time.
const PAGE: u64 = 500;

/// Options of `dead-letters list`.
#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    which: DeadLetterFilter,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = limit())]
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
        let letters = list_letters(&context.store, &filter, page).await?;
        let Some(last) = letters.last() else {
            if is_first {
                ensure_known(context, &filter).await?;
            }
            if is_first && !options.json {
                print_page(&[]);
            }
            return Ok(ExitCode::SUCCESS);
        };
        is_first = false;
        after_id = last.letter.id;
        left -= letters.len() as u64;
        if options.json {
            for listed in &letters {
                json_line(&serde_json::to_string(listed)?);
            }
        } else {
            print_page(&letters);
        }
    }
    if !options.json {
        errln!("there may be more: --after {after_id}, or a higher --limit");
    }
    Ok(ExitCode::SUCCESS)
}

fn print_page(letters: &[ListedLetter]) {
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
    for ListedLetter { letter, last_replay } in letters {
        table.row([
            letter.id.to_string(),
            letter.state.name().to_owned(),
            letter.reason.clone(),
            letter.event_type.clone(),
            letter.session.clone(),
            letter.attempts.to_string(),
            time::short(letter.last_failed_at),
            replayed(letter.replays, last_replay.as_ref()),
            letter.note.clone().unwrap_or_default(),
        ]);
    }
    table.print_or_none("dead letters");
}

/// How often, and how the last time ended.
fn replayed(count: i32, last: Option<&ReplayReport>) -> String {
    match last {
        None if count == 0 => "-".to_owned(),
        None => count.to_string(),
        Some(replay) => format!("{count}, {}", ending(replay)),
    }
}

/// How a replay ended.
pub(super) fn ending(replay: &ReplayReport) -> String {
    match (&replay.outcome, &replay.reason) {
        (None, _) => "on its way".to_owned(),
        (Some(outcome), None) => outcome.clone(),
        (Some(outcome), Some(reason)) => format!("{outcome} ({reason})"),
    }
}
