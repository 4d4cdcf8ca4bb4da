//! What `status` says of sessions that somebody should look after.

use crate::admin::{FailedSession, StatusReport};
use crate::cli::output::plain;
use crate::cli::time;
use crate::quiet_sessions::SilentSession;
use crate::store::operations::registrations::RegistrationDrift;
use crate::store::operations::watches::TroubledSession;

/// A line for each. Names come from outside.
pub(super) fn lines(report: &StatusReport) -> Vec<String> {
    let silent = report.silent_sessions.iter().flatten().map(|silent| {
        let SilentSession { source, session, last_webhook_at, pause_max_ms, .. } = silent;
        let last = time::short(*last_webhook_at);
        let minutes = pause_max_ms / 60_000;
        format!("silent: {source}/{session}, heard last {last}, usually within {minutes} min")
    });
    let failed = report.failed_sessions.iter().flatten().map(|failed| {
        let FailedSession { source, session, since, .. } = failed;
        let since = since.map(|since| format!(" since {}", time::short(since)));
        format!("failed: {source}/{session}{}", since.unwrap_or_default())
    });
    let troubled = report.troubled_sessions.iter().flatten().map(trouble_line);
    let drifts = report.registration_drifts.iter().flatten().map(drift_line);
    troubled.chain(silent).chain(failed).chain(drifts).map(|line| plain(&line)).collect()
}

fn trouble_line(trouble: &TroubledSession) -> String {
    let TroubledSession { source, session, verdict, reason, since, restarts, .. } = trouble;
    let what = match (verdict.as_str(), reason.as_deref()) {
        ("dead", _) => "dead, though it says WORKING: restart it in WAHA",
        ("deaf", _) => "its webhooks do not arrive: compare its webhook's URL and key",
        (_, Some("qr_code")) => "somebody must scan its QR code",
        (_, Some("passkey")) => "somebody must confirm its passkey on the phone",
        (_, Some("failed")) => "failed: somebody must look after it in WAHA",
        _ => "somebody must look after it in WAHA",
    };
    let restarts =
        if *restarts > 0 { format!(", started anew {restarts} times") } else { String::new() };
    format!("trouble: {source}/{session} since {}: {what}{restarts}", time::short(*since))
}

fn drift_line(drift: &RegistrationDrift) -> String {
    let RegistrationDrift { source, session, state, differences, problem, since, .. } = drift;
    let what = differences.as_deref().filter(|_| state == "differs");
    let what = what.map(|what| format!(" ({what})")).unwrap_or_default();
    let problem = problem.as_ref().map(|problem| format!(", not put right: {problem}"));
    let (problem, since) = (problem.unwrap_or_default(), time::short(*since));
    format!(
        "webhook: {source}/{session} {state}{what} in WAHA since {since}{problem}: waha-ingest sources diff"
    )
}
