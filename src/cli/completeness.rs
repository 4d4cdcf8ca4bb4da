//! `completeness`: what comparing with WAHA's own list of messages found, by session and hour.

use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;

use super::output::{json_line, limit, listed, outln, tell_of_more};
use super::table::{Table, kept, number, or_dash, spare, text};
use super::time;
use crate::clock::{Clock, SystemClock, parse_time};
use crate::config::Config;
use crate::lifecycle::open_existing_store;
use crate::store::operations::page::RowPage;
use crate::store::operations::reconciliations::{
    CompletenessFilter, CompletenessHour, ReconciliationReport,
};
use crate::store::operations::sessions::SessionReach;
use crate::store::operations::watches::SessionCounters;

/// Options of `completeness`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest completeness --from 7d\n  waha-ingest completeness --session sales --gaps --json"
)]
pub struct Options {
    /// Only of this WAHA server.
    #[arg(long)]
    source: Option<String>,
    /// Only of this session.
    #[arg(long)]
    session: Option<String>,
    /// Only hours from this time on: `12h` or `7d` ago, `2026-11-20` (UTC), or `2026-11-20T08:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<DateTime<Utc>>,
    /// Only hours that are not known to be complete, or in which webhooks were lost.
    #[arg(long)]
    gaps: bool,
    /// At most so many hours.
    #[arg(long, default_value_t = 50, value_parser = limit())]
    limit: u64,
    /// Only hours above this number, to go on.
    #[arg(long, value_name = "ID", default_value_t = 0)]
    after: i64,
    /// For programs: one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = open_existing_store(config, &clock).await?;
    let Options { source, session, from, gaps, limit, after, json } = options;
    let reach = SessionReach {
        sources: source.into_iter().collect(),
        sessions: session.into_iter().collect(),
    };
    let reconciliations = store.reconciliations(&reach).await?;
    let counters = store.session_counters(&reach).await?;
    let filter = CompletenessFilter { reach, from, only_gaps: gaps };
    let page = RowPage { after_id: after, ..RowPage::first(limit) };
    let hours = listed(store.completeness(&filter, page)).await?;
    if json {
        json_line(&json!({
            "reconciliations": reconciliations, "counters": counters, "hours": hours,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    print_reconciliations(&reconciliations);
    print_counters(&counters);
    print_hours(&hours);
    let ids: Vec<i64> = hours.iter().map(|hour| hour.id).collect();
    tell_of_more("--after", &ids, limit);
    Ok(ExitCode::SUCCESS)
}

fn print_reconciliations(rows: &[ReconciliationReport]) {
    let mut table = Table::new(&[
        kept("source"),
        kept("session"),
        kept("why"),
        kept("state"),
        text("reason"),
        kept("compared up to"),
        number("listed"),
        number("missing"),
        spare("next"),
    ]);
    for row in rows {
        table.row([
            row.source.clone(),
            row.session.clone(),
            row.kind.clone(),
            row.state.clone(),
            or_dash(row.reason.as_ref()),
            or_dash(row.cursor.map(time::short)),
            row.listed.to_string(),
            row.missing.to_string(),
            or_dash(row.due_at.map(time::short)),
        ]);
    }
    table.print_or_none("comparisons with WAHA's list");
}

/// What WAHA itself counts of messages, where anything is watched.
fn print_counters(counters: &[SessionCounters]) {
    if counters.is_empty() {
        return;
    }
    outln!("");
    let mut table = Table::new(&[
        kept("source"),
        kept("session"),
        kept("WAHA's counters"),
        kept("since"),
        number("told"),
        number("arrived"),
        number("restarts"),
    ]);
    let or_dash_of = |number: Option<u64>| or_dash(number.map(|number| number.to_string()));
    for it in counters {
        table.row([
            it.source.clone(),
            it.session.clone(),
            it.state.clone(),
            or_dash(it.from.map(time::short)),
            or_dash_of(it.told),
            or_dash_of(it.arrived),
            or_dash_of(it.starts.map(u64::from)),
        ]);
    }
    table.print_or_none("watched sessions");
}

fn print_hours(hours: &[CompletenessHour]) {
    if hours.is_empty() {
        return;
    }
    outln!("");
    let mut table = Table::new(&[
        kept("source"),
        kept("session"),
        kept("hour"),
        number("in WAHA"),
        number("live"),
        number("backfilled"),
        number("only here"),
        number("revoked"),
        number("refused"),
        kept("state"),
        text("reason"),
    ]);
    for hour in hours {
        table.row([
            hour.source.clone(),
            hour.session.clone(),
            time::short(hour.hour),
            hour.listed.to_string(),
            hour.live.to_string(),
            hour.backfilled.to_string(),
            hour.only_here.to_string(),
            hour.revoked_here.to_string(),
            hour.refused.to_string(),
            hour.state.clone(),
            or_dash(hour.reason.as_ref()),
        ]);
    }
    table.print_or_none("hours that were compared");
}
