//! Asks all servers of a URL, and finds the one that takes writes.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

use crate::store::connect::choose::{ServerChoice, choose};
use crate::store::connect::hosts::ServerUrl;
use crate::store::connect::server::{ServerIdentity, ServerState, ask};
use crate::store::sql::error::StoreError;
use crate::telemetry::cause;

/// Longer than a server may take to answer.
const ALL_MAX: Duration = Duration::from_secs(10);
/// How long others may take once one has said that it takes writes: they may have to say that it is a former
/// primary, but one that is away must not hold up the others.
const STRAGGLERS_MAX: Duration = Duration::from_millis(500);

/// Two servers say that they take writes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct RivalServers(String);

/// What the servers said, in the order of the URL, and what follows.
pub(in crate::store) struct ServersFound {
    pub(in crate::store) answers: Vec<Result<ServerState, StoreError>>,
    pub(in crate::store) choice: ServerChoice,
}

/// Asks all at once.
pub(in crate::store) async fn probe_servers(
    servers: &[ServerUrl],
    current: Option<usize>,
    known: Option<&ServerIdentity>,
) -> ServersFound {
    let answers = ask_all(servers).await;
    let states: Vec<Option<&ServerState>> = answers.iter().map(|it| it.as_ref().ok()).collect();
    let choice = choose(current, known, &states);
    ServersFound { answers, choice }
}

async fn ask_all(servers: &[ServerUrl]) -> Vec<Result<ServerState, StoreError>> {
    let asked = servers.iter().enumerate();
    let mut asking: FuturesUnordered<_> =
        asked.map(|(server, url)| async move { (server, ask(url).await) }).collect();
    let late = || Err(StoreError::Timeout(STRAGGLERS_MAX.as_secs().max(1)));
    let mut answers: Vec<_> = servers.iter().map(|_| late()).collect();
    let mut until = Instant::now() + ALL_MAX;
    while let Ok(Some((server, answer))) = timeout_at(until, asking.next()).await {
        if answer.as_ref().is_ok_and(|state| state.refusal.is_none()) {
            until = until.min(Instant::now() + STRAGGLERS_MAX);
        }
        answers[server] = answer;
    }
    answers
}

impl ServersFound {
    /// What the server that was chosen says it is.
    pub(super) fn identity(&self, server: usize) -> Option<ServerIdentity> {
        self.answers[server].as_ref().ok()?.identity.clone()
    }

    /// Why none is written to: what each of them said.
    pub(super) fn refusals(&self, servers: &[ServerUrl]) -> String {
        let refusal = |(server, url): (usize, &ServerUrl)| {
            let why = match &self.answers[server] {
                Ok(ServerState { refusal: Some(refusal), .. }) => (*refusal).to_owned(),
                Ok(_) => "it takes writes on an older timeline than was seen before, as a former \
                          primary that came back by mistake"
                    .to_owned(),
                Err(error) => cause::words(error),
            };
            format!("{}: {why}", url.name)
        };
        servers.iter().enumerate().map(refusal).collect::<Vec<_>>().join("; ")
    }

    /// Those that take writes and should not, beside the one that is written to.
    pub(super) fn rivals(&self, servers: &[ServerUrl]) -> Option<RivalServers> {
        if self.choice.rivals.is_empty() {
            return None;
        }
        let told = |server: usize| {
            let timeline = self.identity(server).and_then(|it| it.timeline).unwrap_or_default();
            format!("{} (timeline {timeline})", servers[server].name)
        };
        let rivals: Vec<String> = self.choice.rivals.iter().map(|it| told(*it)).collect();
        let used = self.choice.server.map_or_else(|| "none of them".to_owned(), told);
        Some(RivalServers(format!("{} take writes; used is {used}", rivals.join(", "))))
    }
}
