//! `media list|retry|verify`: the files of messages.

mod verify;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::actor::actor;
use super::confirm;
use super::output::{json_line, limit, listed, outln, tell_of_more};
use super::table::{Table, kept, number, or_dash, spare, text};
use super::time;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lifecycle::open_existing_store;
use crate::store::Store;
use crate::store::operations::attachments::{
    AttachmentFilter, AttachmentReport, AttachmentRow, AttachmentState,
};
use crate::store::operations::page::RowPage;
use crate::store::operations::sessions::SessionReach;

/// Rows that are read at a time.
const PAGE: u64 = 500;

/// Options of `media`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest media list --state failed\n  waha-ingest media retry --state refused --reason link_foreign --yes\n  waha-ingest media verify"
)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List files and what became of them.
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_parser = limit())]
        limit: u64,
        /// Only files above this number, to go on.
        #[arg(long, value_name = "ID", default_value_t = 0, allow_negative_numbers = true,
              value_parser = clap::value_parser!(i64).range(0..))]
        after: i64,
        /// For programs: one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Have files tried again at once that wait, were refused or were given up.
    Retry {
        #[command(flatten)]
        filter: FilterArgs,
        /// Only these files.
        #[arg(value_name = "ID")]
        ids: Vec<i64>,
        /// Don't ask.
        #[arg(long)]
        yes: bool,
    },
    /// Read every stored file and compare it with what was stored; fails if one is damaged.
    Verify {
        #[command(flatten)]
        filter: FilterArgs,
        /// Have damaged and missing ones fetched again, which WAHA or WhatsApp may still have.
        #[arg(long)]
        retry: bool,
        /// For programs: one JSON object a line for each damaged file.
        #[arg(long)]
        json: bool,
    },
}

/// Which files.
#[derive(Args, Clone)]
struct FilterArgs {
    /// Only what became this of.
    #[arg(long, value_enum)]
    state: Option<AttachmentState>,
    /// Only for this reason, such as `expired`.
    #[arg(long)]
    reason: Option<String>,
    /// Only of this WAHA server.
    #[arg(long)]
    source: Option<String>,
    /// Only of this session.
    #[arg(long)]
    session: Option<String>,
}

impl FilterArgs {
    fn is_empty(&self) -> bool {
        let FilterArgs { state, reason, source, session } = self;
        state.is_none() && [reason, source, session].iter().all(|it| it.is_none())
    }

    fn read(self) -> AttachmentFilter {
        let FilterArgs { state, reason, source, session } = self;
        let reach = SessionReach {
            sources: source.into_iter().collect(),
            sessions: session.into_iter().collect(),
        };
        AttachmentFilter { reach, state, reason }
    }
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = open_existing_store(config, &clock).await?;
    match options.action {
        Action::List { filter, limit, after, json } => {
            let page = RowPage { after_id: after, ..RowPage::first(limit) };
            let rows = listed(store.attachments(&filter.read(), page)).await?;
            list(rows, limit, json)
        }
        Action::Retry { filter, ids, yes } => {
            let is_one = ids.is_empty() || filter.is_empty();
            anyhow::ensure!(is_one, "say ids or a filter, not both: ids are taken as they are");
            retry(&store, &filter.read(), ids, yes).await
        }
        Action::Verify { filter, retry, json } => {
            let reads_stored = filter.state.is_none_or(|state| state == AttachmentState::Stored);
            let is_told = reads_stored && filter.reason.is_none();
            anyhow::ensure!(
                is_told,
                "verify reads what is stored: it takes --source and --session"
            );
            verify::run(config, &store, filter.read(), verify::Told { retry, json }).await
        }
    }
}

fn list(rows: Vec<AttachmentRow>, limit: u64, json: bool) -> anyhow::Result<ExitCode> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let reports = rows.into_iter().map(AttachmentReport::from);
    if json {
        for report in reports {
            json_line(&serde_json::to_string(&report)?);
        }
    } else {
        print_table(reports);
    }
    tell_of_more("--after", &ids, limit);
    Ok(ExitCode::SUCCESS)
}

fn print_table(reports: impl Iterator<Item = AttachmentReport>) {
    let mut table = Table::new(&[
        number("id"),
        kept("state"),
        text("why"),
        number("tries"),
        spare("next try"),
        spare("type"),
        number("bytes"),
        text("name"),
    ]);
    for report in reports {
        table.row([
            report.id.to_string(),
            report.state,
            or_dash(report.reason),
            report.tries.to_string(),
            or_dash(report.next_try_at.map(time::short)),
            or_dash(report.mime_type.or(report.told_mime_type)),
            or_dash(report.size_bytes),
            or_dash(report.file_name),
        ]);
    }
    table.print_or_none("files of messages");
}

async fn retry(
    store: &Store,
    filter: &AttachmentFilter,
    mut ids: Vec<i64>,
    yes: bool,
) -> anyhow::Result<ExitCode> {
    if ids.is_empty() {
        let is_said = filter.state.is_some() || filter.reason.is_some();
        anyhow::ensure!(is_said, "say which: ids, --state or --reason");
        let mut pages = FilePages::new(store, filter);
        while let Some(rows) = pages.next().await? {
            let retried = rows.iter().filter(|row| row.state != AttachmentState::Stored.name());
            ids.extend(retried.map(|row| row.id));
        }
    }
    if !confirm(&format!("try {} files of messages again?", ids.len()), yes)? {
        return Ok(ExitCode::FAILURE);
    }
    let mut count = 0;
    for part in ids.chunks(usize::try_from(PAGE)?) {
        count += store.retry_attachments(part, &actor()).await?;
    }
    outln!("{count} files are tried again by the next worker that looks");
    if count < ids.len() as u64 {
        outln!(
            "{} are stored, are still to be removed, or are not there; `media verify --retry` fetches damaged ones again",
            ids.len() as u64 - count
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The files that a filter names, a page at a time.
struct FilePages<'a> {
    store: &'a Store,
    filter: &'a AttachmentFilter,
    after_id: i64,
}

impl<'a> FilePages<'a> {
    fn new(store: &'a Store, filter: &'a AttachmentFilter) -> Self {
        Self { store, filter, after_id: 0 }
    }

    /// The next of them; none at the end.
    async fn next(&mut self) -> anyhow::Result<Option<Vec<AttachmentRow>>> {
        let page = RowPage { after_id: self.after_id, ..RowPage::first(PAGE) };
        let rows = self.store.attachments(self.filter, page).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        self.after_id = last.id;
        Ok(Some(rows))
    }
}
