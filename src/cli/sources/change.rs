//! Puts our webhook into sessions' configurations, or takes it out: says first what it touches, then asks.

use std::process::ExitCode;
use std::sync::Arc;

use reqwest::Url;
use serde_json::json;

use super::show::{all, print_differences};
use super::{Change, Found};
use crate::cli::actor::actor;
use crate::cli::confirm;
use crate::cli::output::{errln, json_line, outln};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lifecycle::open_existing_store;
use crate::registrar::{Registrar, RegistrarProblem, SessionRegistration};
use crate::store::audit::{AuditAction, AuditEntry};

/// How a session ended.
struct Ended<'a> {
    source: &'a str,
    session: &'a str,
    problem: Option<RegistrarProblem>,
}

/// Registers where something is otherwise.
pub(super) async fn register(
    config: &Config,
    found: &[Found],
    change: &Change,
) -> anyhow::Result<ExitCode> {
    let meant: Vec<_> = all(found).filter(|(_, _, it)| !it.differences.is_empty()).collect();
    for (_, registrar, session) in &meant {
        if !change.which.json {
            print_differences(registrar, session);
        }
    }
    let changes_key =
        meant.iter().any(|(_, _, it)| it.differences.iter().any(|it| it.name() == "key"));
    if changes_key {
        errln!(
            "the key becomes the last one of hmac_keys: every door must know it by now, or it answers 401 until it does"
        );
    }
    let sessions: Vec<_> = meant.iter().map(|(_, _, session)| *session).collect();
    if !may_go_on(&sessions, "put our webhook into", change)? {
        return Ok(ExitCode::from(u8::from(!change.dry_run && !sessions.is_empty())));
    }
    let mut ended = Vec::new();
    for (number, (it, registrar, session)) in meant.iter().enumerate() {
        let done = registrar.register(session, &it.around).await;
        ended.push(end(registrar, session, done.err(), change.which.json));
        if number + 1 < meant.len() {
            wait(&ended, registrar, session).await;
        }
    }
    record(config, "register", &ended).await;
    Ok(code(&ended))
}

/// Takes out what goes to a URL, by default ours.
pub(super) async fn unregister(
    config: &Config,
    found: &[Found],
    change: &Change,
    url: Option<&Url>,
) -> anyhow::Result<ExitCode> {
    let (mut meant, mut ended) = (Vec::new(), Vec::new());
    for (_, registrar, session) in all(found) {
        let url = url.unwrap_or_else(|| registrar.url());
        match registrar.has_webhook(&session.session, url).await {
            Ok(false) => {}
            Ok(true) => {
                if !change.which.json {
                    outln!("{}/{}: - webhook to {url}", registrar.source(), session.session);
                }
                meant.push((registrar, session, url));
            }
            // The others can be read all the same.
            Err(problem) => ended.push(end(registrar, session, Some(problem), change.which.json)),
        }
    }
    let sessions: Vec<_> = meant.iter().map(|(_, session, _)| *session).collect();
    if !may_go_on(&sessions, "take this webhook out of", change)? {
        let is_refused = !change.dry_run && !sessions.is_empty();
        return Ok(if is_refused { ExitCode::FAILURE } else { code(&ended) });
    }
    for (number, (registrar, session, url)) in meant.iter().enumerate() {
        let done = registrar.unregister(session, url).await;
        ended.push(end(registrar, session, done.err(), change.which.json));
        if number + 1 < meant.len() {
            wait(&ended, registrar, session).await;
        }
    }
    record(config, "unregister", &ended).await;
    Ok(code(&ended))
}

/// Waits for the session that was changed last, so that its source has one at a time that starts.
async fn wait(ended: &[Ended<'_>], registrar: &Registrar, session: &SessionRegistration) {
    let problem = ended.last().and_then(|it| it.problem.as_ref());
    if problem.is_none_or(RegistrarProblem::may_have_begun) {
        registrar.wait_for_start(session).await;
    }
}

/// Whether there is something to do and it may be done.
fn may_go_on(
    sessions: &[&SessionRegistration],
    what: &str,
    change: &Change,
) -> anyhow::Result<bool> {
    if sessions.is_empty() {
        errln!("nothing is to be done");
        return Ok(false);
    }
    let running = sessions.iter().filter(|session| session.is_running()).count();
    let count = sessions.len();
    errln!(
        "{running} of {count} sessions run and start anew, one after the other, each when the one before works again: \
         each is disconnected from WhatsApp for seconds"
    );
    if change.dry_run {
        errln!("nothing was changed");
        return Ok(false);
    }
    confirm(&format!("{what} the configurations of {count} sessions?"), change.yes)
}

fn end<'a>(
    registrar: &'a Registrar,
    session: &'a SessionRegistration,
    problem: Option<RegistrarProblem>,
    json: bool,
) -> Ended<'a> {
    let (source, session) = (registrar.source(), session.session.as_str());
    match &problem {
        _ if json => json_line(&json!({
            "source": source, "session": session, "done": problem.is_none(),
            "reason": problem.as_ref().map(RegistrarProblem::reason),
        })),
        None => outln!("{source}/{session}: done"),
        Some(problem) => errln!("{source}/{session}: not changed: {problem}"),
    }
    Ended { source, session, problem }
}

fn code(ended: &[Ended<'_>]) -> ExitCode {
    let has_failed = ended.iter().any(|it| it.problem.is_some());
    if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// In the audit log, where there are tables: a webhook may be registered before anything else is there.
async fn record(config: &Config, what: &str, ended: &[Ended<'_>]) {
    let done: Vec<String> = ended
        .iter()
        .filter(|it| it.problem.is_none())
        .map(|it| format!("{}/{}", it.source, it.session))
        .collect();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let Ok(store) = open_existing_store(config, &clock).await else { return };
    let actor = actor();
    let entry = AuditEntry {
        filter: Some(json!({ "sessions": done }).to_string()),
        affected: done.len() as u64,
        new_values: Some(json!({ "webhook": what })),
        ..AuditEntry::new(AuditAction::Register, &actor)
    };
    if let Err(error) = store.record(&entry).await {
        errln!("not in the audit log: {}", error.detail());
    }
}
