//! `demo`: all of it in a temporary folder, over HTTP, ending with the rows, the files and the equation. A fifth of
//! what the simulated WAHA should send is lost on its side, and found again in its list of messages.

mod files;

mod healing;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Alias, Expr, Func, Query};
use tokio_util::sync::CancellationToken;

use super::status::print_equation;
use crate::accounting::Accounting;
use crate::cli::output::outln;
use crate::config::{Config, SourceConfig, Verification};
use crate::lifecycle::{Parts, Roles, open_sides, start};
use crate::sender::{Report, Sending, send_all};
use crate::simulate::api::Served;
use crate::simulate::{Age, Plan, shuffled};
use crate::store::Store;

/// Webhooks to send.
const COUNT: usize = 500;
/// Decides what they say.
const SEED: u64 = 1;
/// The WAHA that sends them.
const SOURCE: &str = "default";
/// The key they are signed with.
const KEY: &str = "demo";
/// After this the demo has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Options of `demo`.
#[derive(Args)]
#[command(after_help = "Example:\n  waha-ingest demo")]
pub struct Options {}

/// Runs it.
pub async fn run(_options: Options) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let plan = Plan { seed: SEED, ..Plan::default() };
    let waha = files::waha(plan.clone())?;
    let config = Arc::new(config(folder.path(), &waha)?);
    let roles = Roles { serves: true, works: true };
    let parts = Parts::open(Arc::clone(&config), roles).await?;
    let running = start(&parts, roles)?;
    let public = running.public.context("the demo serves")?;
    let stop = CancellationToken::new();
    let process = tokio::spawn(running.until(stop.clone()));
    outln!(
        "Sending {COUNT} signed webhooks of four WAHA engines, shuffled and some twice; a fifth is lost …"
    );
    let report = send(&format!("http://{public}/webhooks/{SOURCE}"), &waha).await?;
    outln!("WAHA got 202 for {} of {} requests.", report.accepted, report.sent);
    let store = parts.store.clone().context("the demo works")?;
    settled(&config, &store).await?;
    let found = healing::heal(&config, &store, &plan).await?;
    let equation = settled(&config, &store).await?;
    print_rows(&store).await?;
    if let Some(media) = &config.media {
        files::show(media, &store, &waha).await?;
    }
    stop.cancel();
    process.await??;
    print_equation(&equation);
    ensure!(report.accepted == report.sent, "some webhooks were not accepted");
    ensure!(equation.is_balanced() && equation.waiting == 0, "not every webhook is accounted for");
    let accepted = report.accepted + found;
    ensure!(equation.accepted == accepted, "accepted differs from what was answered 202 and found");
    Ok(ExitCode::SUCCESS)
}

fn config(folder: &std::path::Path, waha: &Served) -> anyhow::Result<Config> {
    let mut config = Config::load_defaults()?;
    folder.clone_into(&mut config.data_dir);
    config.database_url = format!("sqlite://{}", folder.join("waha.db").display()).into();
    config.listen = ([127, 0, 0, 1], 0).into();
    config.admin_listen = None;
    let verification = Verification::HmacSha512(vec![KEY.into()]);
    let api = Some(files::api(SOURCE, waha)?);
    let (name, registration) = (SOURCE.to_owned(), None);
    config.sources = vec![SourceConfig { name, verification, waha: api, registration }];
    config.media = Some(files::media(SOURCE, folder));
    Ok(config)
}

async fn send(url: &str, waha: &Served) -> anyhow::Result<Report> {
    let sending = Sending {
        urls: vec![url.to_owned()],
        key: Some(KEY.into()),
        connections: 16,
        rate: None,
        attempts_max: 5,
        retry_delay: Duration::from_millis(200),
        waha: Age::default(),
    };
    let webhooks = shuffled(SEED, 50, 0.1, waha.webhooks().take(COUNT));
    Ok(send_all(sending, webhooks, || ()).await?)
}

/// The equation once nothing waits any more.
async fn settled(config: &Config, store: &Store) -> anyhow::Result<Accounting> {
    let clock: Arc<dyn crate::clock::Clock> = Arc::new(crate::clock::SystemClock);
    let sides = open_sides(config, &clock, &[])?;
    let started = Instant::now();
    loop {
        let equation = sides.count(store).await?;
        if equation.waiting == 0 || started.elapsed() > PATIENCE {
            return Ok(equation);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn print_rows(store: &Store) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for (what, table) in [
        ("sessions", "waha_sessions"),
        ("chats", "waha_chats"),
        ("messages", "waha_messages"),
        ("calls", "waha_calls"),
        ("read marks", "chat_reads"),
    ] {
        rows.push(format!("{} {what}", count(store, table).await?));
    }
    outln!("Stored {}.", rows.join(", "));
    Ok(())
}

async fn count(store: &Store, table: &str) -> anyhow::Result<i64> {
    let mut select = Query::select();
    select
        .expr_as(Func::count(Expr::col(Alias::new("id"))), Alias::new("rows"))
        .from(Alias::new(table));
    let row = store.connection().query_one(&select).await?.context("a count has a row")?;
    Ok(row.try_get("", "rows")?)
}
