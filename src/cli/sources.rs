//! `sources list|diff|register|unregister`: our webhook in the configurations of WAHA's sessions.

mod change;
mod show;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use reqwest::Url;

use crate::config::Config;
use crate::lifecycle::open_registrars;
use crate::registrar::{Registrar, SessionRegistration, Surroundings};

use super::output::errln;

/// Options of `sources`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest sources list\n  waha-ingest sources diff --session sales\n  waha-ingest sources register --session sales --dry-run\n  waha-ingest sources unregister --source default --url http://old-host:8080/webhooks/default\n\nNeeds sources.NAME.waha.webhook_url: where WAHA reaches the door. A session whose configuration changes starts anew, which takes seconds. Exit codes: 0 done, 1 not all; diff: 1 if something is otherwise."
)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List WAHA's sessions and how our webhook stands in each.
    List(Which),
    /// Show what is otherwise than it should be, without secrets.
    Diff(Which),
    /// Put our webhook into the sessions' configurations, or right.
    Register(Change),
    /// Take our webhook out of the sessions' configurations.
    Unregister {
        #[command(flatten)]
        change: Change,
        /// Webhooks that go to this URL, as where the door was before; without it those to the source's own.
        #[arg(long)]
        url: Option<Url>,
    },
}

/// Which sessions, and for whom it is printed.
#[derive(Args)]
struct Which {
    /// Only of this WAHA server.
    #[arg(long)]
    source: Option<String>,
    /// Only this session; may be given several times.
    #[arg(long)]
    session: Vec<String>,
    /// For programs: one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Which sessions are changed.
#[derive(Args)]
struct Change {
    #[command(flatten)]
    which: Which,
    /// Say what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
}

/// What one WAHA has of what was asked for.
struct Found {
    registrar: Registrar,
    around: Surroundings,
    sessions: Vec<SessionRegistration>,
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    match options.action {
        Action::List(which) => {
            let found = find(config, &which).await?;
            show::list(&found, which.json);
            Ok(ExitCode::SUCCESS)
        }
        Action::Diff(which) => {
            let found = find(config, &which).await?;
            Ok(show::diff(&found, which.json))
        }
        Action::Register(change) => {
            let found = find(config, &change.which).await?;
            change::register(config, &found, &change).await
        }
        Action::Unregister { change, url } => {
            let found = find(config, &change.which).await?;
            change::unregister(config, &found, &change, url.as_ref()).await
        }
    }
}

/// Asks each WAHA that is meant. One that does not answer is an error: half of an answer looks like the whole.
async fn find(config: &Config, which: &Which) -> anyhow::Result<Vec<Found>> {
    let mut registrars = open_registrars(config)?;
    registrars.retain(|it| which.source.as_deref().is_none_or(|source| source == it.source()));
    anyhow::ensure!(
        !registrars.is_empty(),
        "no such source says where WAHA reaches the door: set sources.NAME.waha.webhook_url"
    );
    let mut found = Vec::new();
    for registrar in registrars {
        let source = || format!("source {}", registrar.source());
        let around = registrar.surroundings().await.with_context(source)?;
        if around.global_urls.is_none() {
            errln!(
                "source {}: the api_key may not see WAHA's environment (that needs WAHA's own key): whether a \
                 webhook there (WHATSAPP_HOOK_URL) has the same URL is not known",
                registrar.source()
            );
        }
        let mut sessions = registrar.inspect(&around).await.with_context(source)?;
        let is_meant = |name: &String| which.session.is_empty() || which.session.contains(name);
        sessions.retain(|session| is_meant(&session.session));
        found.push(Found { registrar, around, sessions });
    }
    check_names(&found, which)?;
    Ok(found)
}

/// Each session that was named is there.
fn check_names(found: &[Found], which: &Which) -> anyhow::Result<()> {
    for name in &which.session {
        let is_there = |it: &Found| it.sessions.iter().any(|session| session.session == *name);
        anyhow::ensure!(found.iter().any(is_there), "WAHA lists no session {name:?} to this key");
    }
    Ok(())
}
