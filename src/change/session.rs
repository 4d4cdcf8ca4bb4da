//! What is told about a session: its status, and who it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Merge, Register};

/// A session is known by its source and its name; equal names on two sources are two sessions. Nearly
/// every other key holds one, so clones share the texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// Name of the configured WAHA server.
    pub source: Arc<str>,
    /// The session's name there.
    pub name: Arc<str>,
}

/// What is told about a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionChange {
    /// Told by `session.status`.
    pub status: Option<Register<SessionStatus>>,
    /// Told by the envelope of every webhook since 2023.10.
    pub identity: Option<Register<Identity>>,
    /// What it was and when, as far as told. Each is a row of its own, for good.
    pub history: BTreeSet<StatusPoint>,
    /// Whether WhatsApp keeps the account from writing to strangers, as JSON text.
    pub reachout_timelock: Option<Register<String>>,
    /// How many messages WhatsApp lets the account send, as JSON text.
    pub message_capping: Option<Register<String>>,
}

/// A session's state at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatusPoint {
    /// Since when.
    pub at: DateTime<Utc>,
    /// WAHA's word.
    pub status: String,
}

/// A session's state.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionStatus {
    /// WAHA's word: `STOPPED`, `STARTING`, `SCAN_QR_CODE`, `WORKING`, `FAILED` and newer ones.
    pub status: String,
    /// Since when.
    pub at: Option<DateTime<Utc>>,
}

/// Who a session is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Identity {
    /// `WEBJS`, `NOWEB`, `GOWS`, `WPP` or an older name.
    pub engine: Option<String>,
    /// WAHA's version, `YYYY.M.N`.
    pub waha_version: Option<String>,
    /// The account, `number@c.us`; none before pairing.
    pub me_id: Option<String>,
    /// The account's anonymous id.
    pub me_lid: Option<String>,
    /// The account with its device.
    pub me_jid: Option<String>,
    /// The account's own name.
    pub push_name: Option<String>,
    /// The session's metadata as JSON text.
    pub metadata: Option<String>,
    /// The application's user, out of the metadata.
    pub user_id: Option<String>,
}

impl Merge for SessionChange {
    fn merge_in(&mut self, other: Self) {
        let Self { status, identity, history, reachout_timelock, message_capping } = other;
        self.status.merge_in(status);
        self.identity.merge_in(identity);
        self.history.extend(history);
        self.reachout_timelock.merge_in(reachout_timelock);
        self.message_capping.merge_in(message_capping);
    }
}

impl SessionChange {
    /// Whether anything is told that is not in every envelope.
    pub fn tells_more_than_identity(&self) -> bool {
        // Each state of the history comes with the status.
        let Self { status, identity: _, history: _, reachout_timelock, message_capping } = self;
        status.is_some() || reachout_timelock.is_some() || message_capping.is_some()
    }
}
