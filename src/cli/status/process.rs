//! What the process that runs with this configuration says of itself, through its admin listener: since
//! when something is away, and what its door refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::admin::{AwayDependency, ProcessView, RefusalGroup, RefusalReport, Role};
use crate::cli::check::reachable;
use crate::cli::output::plain;
use crate::cli::time;
use crate::config::Config;
use crate::http_client;

/// How long it may take to answer: all else does not wait for it.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Whom to ask.
pub(super) struct Process {
    address: SocketAddr,
    token: Option<SecretString>,
    client: reqwest::Client,
}

#[derive(Deserialize)]
struct Readiness {
    dependencies: BTreeMap<String, Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    state: String,
    since: DateTime<Utc>,
    last_use: LastUse,
}

#[derive(Deserialize)]
struct LastUse {
    failure: Option<String>,
}

impl Process {
    /// None where it has no admin listener.
    pub(super) fn of(config: &Config) -> anyhow::Result<Option<Self>> {
        let Some(address) = config.admin_listen else { return Ok(None) };
        let may_look = |role| matches!(role, Role::Viewer | Role::Reader | Role::Operator);
        let token = config.admin.tokens.iter().find(|token| may_look(token.role));
        Ok(Some(Self {
            address: reachable(address),
            token: token.map(|token| token.secret.clone()),
            client: http_client::plain().timeout(ANSWER_MAX).build()?,
        }))
    }

    /// What it says now; asks for both at a time.
    pub(super) async fn view(&self) -> ProcessView {
        let (readiness, refusals) =
            tokio::join!(self.get::<Readiness>("readyz"), self.get("api/v1/refusals"));
        let away = readiness.as_ref().map(away).unwrap_or_default();
        let answers = readiness.is_some();
        let refusals = refusals.map(|refusals: Vec<RefusalReport>| RefusalGroup::all(refusals));
        ProcessView { admin_listen: self.address, answers, away, refusals }
    }

    /// Also what comes with 503, as of a process that is not ready.
    async fn get<T: for<'de> Deserialize<'de>>(&self, path: &str) -> Option<T> {
        let mut request = self.client.get(format!("http://{}/{path}", self.address));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let body = request.send().await.ok()?.bytes().await.ok()?;
        serde_json::from_slice(&body).ok()
    }
}

fn away(readiness: &Readiness) -> Vec<AwayDependency> {
    let is_away = |(_, dependency): &(&String, &Dependency)| dependency.state == "down";
    let away = readiness.dependencies.iter().filter(is_away);
    away.map(|(name, dependency)| AwayDependency {
        dependency: name.clone(),
        since: dependency.since,
        words: dependency.last_use.failure.clone().unwrap_or_default(),
    })
    .collect()
}

/// For people.
pub(super) fn lines(view: &ProcessView) -> Vec<String> {
    let mut lines = Vec::new();
    if !view.answers {
        let address = view.admin_listen;
        lines.push(format!(
            "process: none answers at {address} (admin.listen): what a door refused and since when \
             something is away is not known"
        ));
    }
    for AwayDependency { dependency, since, words } in &view.away {
        lines.push(format!("away: {dependency} since {}: {words}", time::short(*since)));
    }
    for group in view.refusals.iter().flatten() {
        let RefusalGroup { status, count, last_at, last_address, remedy, .. } = group;
        let last = time::short(*last_at);
        lines.push(format!(
            "refused: {count} × {status}, last from {last_address} at {last}: {remedy}"
        ));
    }
    lines.iter().map(|line| plain(line)).collect()
}
