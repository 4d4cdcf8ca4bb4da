//! What is done about a session in trouble.

use chrono::{DateTime, TimeDelta, Utc};

use super::verdict::Finding;
use crate::reconcile::newest_until;
use crate::store::operations::reconciliations::{
    ReconciliationKind, ReconciliationRequest, ReconciliationWindow,
};
use crate::store::operations::watches::{Watch, WatchVerdict};
use crate::waha_api::{WahaApi, WahaError};

/// How far back a session is compared at most.
const REACH: TimeDelta = TimeDelta::hours(72);
/// By so much the window begins before the last webhook: others may have been lost before it.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// What the reconciler is asked for: all since something last came.
pub(super) fn reconciliation(
    session_id: i64,
    heard_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> ReconciliationRequest {
    let from = heard_at.map_or(now - REACH, |heard_at| (heard_at - OVERLAP).max(now - REACH));
    let window = ReconciliationWindow { from, until: newest_until(now) };
    let kind = ReconciliationKind::Watchdog;
    ReconciliationRequest { session_id, kind, window, mark: None, due_at: Some(now) }
}

/// Tells it once. Names of sessions are people's words: `status` has them.
pub(super) fn warn(watch: &Watch, finding: Finding) {
    let message = match finding.verdict {
        WatchVerdict::Dead => "a session says WORKING and is dead",
        WatchVerdict::Deaf => {
            "webhooks of a session do not arrive: its webhook's URL or key, or the way here, is wrong"
        }
        WatchVerdict::Person => match finding.reason {
            "qr_code" => "a session waits for somebody to scan its QR code",
            "passkey" => "a session waits for somebody to confirm its passkey on the phone",
            _ => "a session failed: somebody must look after it in WAHA",
        },
        _ => return,
    };
    tracing::warn!(
        webhook.source = watch.source,
        session.id = watch.row.session_id,
        reason = finding.reason,
        "{message}: see `waha-ingest status`"
    );
}

/// Says that what was warned of is over.
pub(super) fn relieve(watch: &Watch) {
    tracing::info!(
        webhook.source = watch.source,
        session.id = watch.row.session_id,
        "a session is well again"
    );
}

/// Starts a session anew; an error is why not.
pub(super) async fn restart(api: &WahaApi, watch: &Watch) -> Result<(), WahaError> {
    let restarted = api.restart_session(&watch.session).await;
    let (source, id) = (watch.source.as_str(), watch.row.session_id);
    match &restarted {
        Ok(()) => tracing::warn!(
            webhook.source = source,
            session.id = id,
            "a dead session was started anew"
        ),
        Err(WahaError::Forbidden) => tracing::warn!(
            webhook.source = source,
            session.id = id,
            "a dead session can't be started anew: the api_key of the source needs the scope \"control\" of it"
        ),
        Err(error) => tracing::warn!(
            webhook.source = source,
            session.id = id,
            error = %error,
            "a dead session can't be started anew"
        ),
    }
    restarted
}
