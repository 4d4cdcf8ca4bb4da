//! The database's part of `check`: every server that the URL names, and the tables.

use std::sync::Arc;

use anyhow::Context;

use super::line::{CheckLine, Verdict};
use super::{health, search};
use crate::clock::Clock;
use crate::config::Config;
use crate::lifecycle::{ensure_tables, store_options};
use crate::store::connect::problem::ServerProblem;
use crate::store::connect::replica::ReplicaView;
use crate::store::connect::server::ServerState;
use crate::store::{Store, StoreError, StoreOptions};
use crate::telemetry::cause;

/// What a server said, by its name.
type Answer = (String, Result<ServerState, StoreError>);

/// Checks servers and tables.
pub(super) async fn check(config: &Config, clock: Arc<dyn Clock>) -> Vec<CheckLine> {
    // The first start makes a file; whether it can is not tried, because nothing is made here.
    if let Err(error) = ensure_tables(config) {
        return vec![CheckLine::new(Verdict::Unknown, "database", error.to_string())];
    }
    let options = StoreOptions { connections_max: 1, ..store_options(config) };
    let store = match Store::open_existing(&options, clock).await {
        Ok(store) => store,
        Err(error) => return vec![CheckLine::of("database", Err(error.into()))],
    };
    let problems = store.problems().await;
    if problems.iter().all(Option::is_some) {
        let failed = |problem: ServerProblem| failed(problem.to_string());
        return problems.into_iter().flatten().map(failed).collect();
    }
    let answers = store.servers().await;
    let mut lines = if answers.len() > 1 { servers(&answers, &problems) } else { Vec::new() };
    lines.push(CheckLine::of("database", tables(config, &store, &answers).await));
    lines.extend(store.replica().await.map(replica));
    lines.extend(health::check(&store).await);
    lines.extend(search::check(&store, config.searches).await);
    lines
}

/// One that is not read from costs the primary what it should spare it.
fn replica(replica: ReplicaView) -> CheckLine {
    let ReplicaView { place, problem, .. } = replica;
    let name = format!("database.read_url: {place}");
    match problem {
        None => CheckLine::new(Verdict::Good, "database", format!("{name}: follows")),
        Some(problem) => failed(format!("{name}: lists are read from the primary: {problem}")),
    }
}

fn failed(text: String) -> CheckLine {
    CheckLine::new(Verdict::Failed, "database", text)
}

/// A line for each server; one that is away is missing when it is needed.
fn servers(answers: &[Answer], problems: &[Option<ServerProblem>]) -> Vec<CheckLine> {
    let line =
        |((name, answer), problem): (&Answer, &Option<ServerProblem>)| match (answer, problem) {
            (_, Some(problem)) => failed(problem.to_string()),
            (Ok(state), None) => {
                CheckLine::new(Verdict::Good, "database", format!("{name}: {}", role(state)))
            }
            (Err(error), None) => failed(format!("{name}: {}", cause::words(error))),
        };
    let mut lines: Vec<CheckLine> = answers.iter().zip(problems).map(line).collect();
    if answers.iter().filter(|(_, answer)| is_primary(answer)).count() > 1 {
        let text = "more than one server takes writes: stop the former primary, which has the older \
                    timeline, and make it a standby of the other";
        lines.push(CheckLine::new(Verdict::Failed, "database", text));
    }
    lines
}

fn role(state: &ServerState) -> String {
    let timeline = state.identity.as_ref().and_then(|identity| identity.timeline);
    match (state.refusal, timeline) {
        (Some(_), _) => "takes no writes".to_owned(),
        (None, Some(timeline)) => format!("takes writes, timeline {timeline}"),
        (None, None) => "takes writes".to_owned(),
    }
}

/// Of which there is one. Several servers of MySQL may take writes, as in a Galera cluster.
fn is_primary(answer: &Result<ServerState, StoreError>) -> bool {
    let has_timeline =
        |state: &ServerState| state.identity.as_ref().is_some_and(|it| it.timeline.is_some());
    answer.as_ref().is_ok_and(|state| state.refusal.is_none() && has_timeline(state))
}

async fn tables(config: &Config, store: &Store, answers: &[Answer]) -> anyhow::Result<String> {
    store.ping().await.map_err(|error| anyhow::anyhow!(error.detail()))?;
    ensure_one_takes_writes(answers)?;
    let db = store.connection();
    let schema = migration::status(&db).await.context("reading the migrations")?;
    let missing = schema.missing();
    let foreign = migration::foreign(&db, &schema).await?;
    anyhow::ensure!(
        foreign.is_empty(),
        "somebody else's tables have names of ours: {}. `migrate up` says what helps",
        foreign.join(", ")
    );
    anyhow::ensure!(
        missing == 0 || config.is_database_embedded(),
        "{missing} migrations are missing: run `waha-ingest migrate up`"
    );
    ensure_bodies_fit(store.message_bytes_max(), config.limits.body_bytes_max)?;
    let newer = match schema.newer.len() {
        0 => String::new(),
        newer => format!(", {newer} of a newer release"),
    };
    let place = store.places().join("; ");
    let rights = if missing == 0 { rights(config, store, &place).await? } else { "" };
    Ok(format!("{place}: reached, {} migrations{newer}{rights}", schema.steps.len()))
}

/// Writes and reads in transactions that are rolled back.
async fn rights(config: &Config, store: &Store, place: &str) -> anyhow::Result<&'static str> {
    match store.check_rights().await {
        Ok(()) => Ok(", written and read (rolled back)"),
        Err(error) => anyhow::bail!(
            "{place}: the tables can be read, but not all of them written: {}. {}",
            error.detail(),
            rights_remedy(config.is_database_embedded())
        ),
    }
}

/// What helps where tables can't be written. A file has no users.
fn rights_remedy(is_file: bool) -> &'static str {
    if is_file {
        "Look for triggers of somebody else's: `sqlite3 FILE .schema` shows them"
    } else {
        "The user needs SELECT, INSERT, UPDATE and DELETE on all of ours: deploy/roles has the statements"
    }
}

/// A worker on a standby would hold everything, for ever.
fn ensure_one_takes_writes(answers: &[Answer]) -> anyhow::Result<()> {
    let states = || answers.iter().filter_map(|(_, answer)| answer.as_ref().ok());
    if states().any(|state| state.refusal.is_none()) {
        return Ok(());
    }
    match states().find_map(|state| state.refusal) {
        Some(refusal) if answers.len() == 1 => anyhow::bail!("{refusal}"),
        _ => anyhow::bail!(
            "none of its servers takes writes: promote one, or name the primary in database.url"
        ),
    }
}

/// What a statement has beside the body of a webhook.
const BESIDE_BODY_BYTES: usize = 256 * 1024;

/// Whether the database takes every body that the door takes.
fn ensure_bodies_fit(
    message_bytes_max: Option<usize>,
    body_bytes_max: usize,
) -> anyhow::Result<()> {
    let Some(most) = message_bytes_max else { return Ok(()) };
    let needed = body_bytes_max + BESIDE_BODY_BYTES;
    anyhow::ensure!(
        most >= needed,
        "the server's max_allowed_packet is {most} bytes, but with server.body_bytes_max = \
         {body_bytes_max} a statement can have {needed}: longer webhooks would become dead letters \
         (too_large); set max_allowed_packet to at least {needed}, or server.body_bytes_max lower"
    );
    Ok(())
}
