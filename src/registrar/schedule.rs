//! When it is looked at: every ten minutes, so that a WAHA that forgets its configuration when it starts anew (2026.4
//! and before, without a licence) is soon put right.
//!
//! Invariant: what is otherwise is put right once it has been so for five minutes, so a new key reaches every door
//! before WAHA signs with it; and not again within the hour, so two programs that disagree don't keep sessions from
//! working. Of a source one session at a time is put right, of all workers together: the next only when it works
//! again, or after a minute. Sources are looked at side by side: a WAHA that does not answer holds up no other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::problem::RegistrarProblem;
use super::sessions::{Registrar, SessionRegistration, Surroundings};
use super::wanted::Manage;
use crate::clock::Clock;
use crate::store::operations::registrations::{RegistrationNote, RegistrationTurn};
use crate::store::{Store, StoreError};

/// How often it is looked at.
const EVERY: Duration = Duration::from_mins(10);
/// After this it is looked at again, if WAHA or the database did not answer.
const AGAIN: Duration = Duration::from_mins(1);
/// For how long it has to be otherwise before it is put right: mounted keys reach doors within a minute or two.
const SETTLED: TimeDelta = TimeDelta::minutes(5);
/// After this a worker that was putting a session right is taken for gone: longer than reading, changing and waiting.
const TURN: TimeDelta = TimeDelta::minutes(4);
/// After this it is put right once more.
const RETRY: TimeDelta = TimeDelta::hours(1);

/// Why it could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum RegisteringError {
    /// WAHA.
    #[error(transparent)]
    Registrar(#[from] RegistrarProblem),
    /// The tables.
    #[error("the tables can't be read or written: {}", .0.detail())]
    Store(#[from] StoreError),
}

/// Looks after our webhook in each WAHA.
pub struct Registering {
    /// Where what is seen is kept.
    pub store: Arc<Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Of the sources that are looked at.
    pub registrars: Vec<Registrar>,
}

/// Looks until `stop`.
pub async fn run(registering: Registering, stop: CancellationToken) {
    while !stop.is_cancelled() {
        // Given up at the stop: a change that is on its way goes on in WAHA.
        let checked = stop.run_until_cancelled(registering.check_all()).await;
        let Some(has_answered) = checked else { return };
        let wait = if has_answered { EVERY } else { AGAIN };
        stop.run_until_cancelled(tokio::time::sleep(wait)).await;
    }
}

impl Registering {
    /// Looks at all of them; false if something did not answer.
    async fn check_all(&self) -> bool {
        let sources = self.registrars.iter().map(|it| it.source().to_owned()).collect::<Vec<_>>();
        let mut has_answered = self.store.forget_registrations_but(&sources).await.is_ok();
        let checks = self.registrars.iter().map(async |registrar| {
            let checked = self.check(registrar).await;
            if let Err(error) = &checked {
                // The client reports an outage of WAHA, the worker one of the database.
                let source = registrar.source();
                tracing::debug!(webhook.source = source, error = %error, "can't look at webhooks");
            }
            checked.is_ok()
        });
        has_answered &= join_all(checks).await.into_iter().all(|is_ok| is_ok);
        has_answered
    }

    /// Looks at a source's sessions, keeps what is seen, and puts right what may be.
    pub async fn check(&self, registrar: &Registrar) -> Result<(), RegisteringError> {
        let around = registrar.surroundings().await.map_err(RegistrarProblem::from)?;
        let found = registrar.inspect(&around).await?;
        let notes: Vec<RegistrationNote> = found.iter().map(note).collect();
        let news = self.store.note_registrations(registrar.source(), &notes).await?;
        warn(registrar, &found, &news);
        for session in found.iter().filter(|session| session.state.is_drift()) {
            if registrar.manage() == Manage::Apply && session.other_worker.is_none() {
                self.put_right(registrar, session, &around).await?;
            }
        }
        Ok(())
    }

    async fn put_right(
        &self,
        registrar: &Registrar,
        session: &SessionRegistration,
        around: &Surroundings,
    ) -> Result<(), RegisteringError> {
        let (source, name, now) = (registrar.source(), &session.session, self.clock.now());
        let turn = RegistrationTurn {
            settled_before: now - SETTLED,
            tried_before: now - RETRY,
            free_before: now - TURN,
        };
        if !self.store.claim_registration(source, name, turn).await? {
            return Ok(());
        }
        let done = registrar.register(session, around).await;
        log_end(source, &done);
        if done.as_ref().err().is_none_or(RegistrarProblem::may_have_begun) {
            registrar.wait_for_start(session).await;
        }
        let reason = done.as_ref().err().map(RegistrarProblem::reason);
        self.store.note_registration_problem(source, name, reason).await?;
        if done.is_ok() {
            // It alone: a list of all for each would be as many lists as there are sessions.
            // One that is gone by now is not in the next list.
            if let Ok(found) = registrar.inspect_one(session, around).await {
                self.store.note_registration(source, &note(&found)).await?;
            }
        }
        Ok(())
    }
}

fn note(session: &SessionRegistration) -> RegistrationNote {
    let differences = session.differences.iter().map(super::Difference::name).collect();
    RegistrationNote { session: session.session.clone(), state: session.state, differences }
}

/// Names of sessions are people's words: `status` has them.
fn warn(registrar: &Registrar, found: &[SessionRegistration], news: &[String]) {
    let is_new = |it: &&SessionRegistration| it.state.is_drift() && news.contains(&it.session);
    let drifts: Vec<&SessionRegistration> = found.iter().filter(is_new).collect();
    let names = drifts.iter().flat_map(|it| it.differences.iter().map(super::Difference::name));
    let names: BTreeSet<&str> = names.collect();
    if !drifts.is_empty() {
        tracing::warn!(
            webhook.source = registrar.source(),
            sessions = drifts.len(),
            differences = names.into_iter().collect::<Vec<_>>().join(", "),
            "sessions of WAHA don't have our webhook as they should: see `waha-ingest sources diff`"
        );
    }
}

fn log_end<T>(source: &str, done: &Result<T, RegistrarProblem>) {
    match done {
        Ok(_) => tracing::info!(
            webhook.source = source,
            "our webhook was put right in a session of WAHA, which started anew"
        ),
        Err(problem) => tracing::warn!(
            webhook.source = source,
            reason = problem.reason(),
            error = %problem,
            "our webhook was not put right in a session of WAHA"
        ),
    }
}
