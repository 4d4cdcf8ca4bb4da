//! Writes sessions, their states, and whose they are.

use std::collections::BTreeMap;

use super::session_users;
use crate::change::{Changes, SessionChange, SessionKey};
use crate::store::connect::transaction::WriteContext;
use crate::store::identity::known::{KnownRows, session_ids};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;
use crate::store::sql::locks::{ParentUse, lock_parents};
use crate::store::tables::{session, status};

/// Sessions of which there is news: those to be written first, and those to be written last.
///
/// Every worker writes the same few rows: last, they are locked while the transaction commits,
/// and not while it writes the rest. MySQL locks them from the start anyway.
pub(super) fn split_sessions(
    context: &WriteContext<'_>,
    sessions: &BTreeMap<SessionKey, SessionChange>,
    known: &KnownRows,
) -> (Vec<SessionKey>, Vec<SessionKey>) {
    let told = sessions.iter().filter(|(key, change)| is_news(known, key, change));
    told.map(|(key, _)| key.clone()).partition(|_| context.dialect == Dialect::MySql)
}

/// Makes rows for new sessions, because all else needs their ids.
pub(super) async fn write_sessions(
    context: &WriteContext<'_>,
    told: &[SessionKey],
    sessions: &BTreeMap<SessionKey, SessionChange>,
    known: &mut KnownRows,
) -> Result<(), StoreError> {
    let purpose = if told.is_empty() { ParentUse::Refer } else { ParentUse::Update };
    let ids = known.sessions.values().copied().collect();
    lock_parents(context.db, "waha_sessions", ids, purpose).await?;
    let unknown: Vec<&SessionKey> =
        sessions.keys().filter(|key| !known.sessions.contains_key(key)).collect();
    let nothing = SessionChange::default();
    let rows = unknown.iter().map(|key| session::row(key, &nothing, context.now)).collect();
    context.write(&session::FOLLOWED, &session::make(context.dialect), rows).await?;
    known.sessions.extend(session_ids(context.db, &unknown).await?);
    update_sessions(context, told, sessions, known).await
}

pub(super) async fn update_sessions(
    context: &WriteContext<'_>,
    told: &[SessionKey],
    sessions: &BTreeMap<SessionKey, SessionChange>,
    known: &mut KnownRows,
) -> Result<(), StoreError> {
    let rows = told.iter().map(|key| session::row(key, &sessions[key], context.now)).collect();
    context.write(&session::FOLLOWED, &session::upsert(context.merging()), rows).await?;
    let mut identified = Vec::new();
    for key in told {
        let identity = &sessions[key].identity;
        if identity.metadata.is_some() {
            identified.push(known.session(key)?);
        }
        let committed = known.identities.entry(key.clone()).or_default();
        *committed = committed.and(identity.versions());
    }
    identified.sort_unstable();
    Ok(session_users::follow(context.db, context.dialect, &identified, context.now).await?)
}

pub(super) async fn write_statuses(
    context: &WriteContext<'_>,
    changes: &Changes,
    known: &KnownRows,
) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for (key, change) in &changes.sessions {
        for point in &change.history {
            rows.push(status::row(known.session(key)?, point, context.now));
        }
    }
    Ok(context.write(&status::FOLLOWED, &status::upsert(context.dialect), rows).await?)
}

/// Whether a session's change can change its row. Most webhooks tell the identity that is
/// already committed; leaving those out keeps workers off one another's session rows.
fn is_news(known: &KnownRows, key: &SessionKey, change: &SessionChange) -> bool {
    let committed = known.identities.get(key).copied().unwrap_or_default();
    change.tells_more_than_identity() || change.identity.versions().tell_more_than(committed)
}
