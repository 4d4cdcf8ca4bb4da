//! What is told about a session: its status, and who it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::rename::Named;
use super::{Merge, Register, Version};

/// A session is known by its source and its name; equal names on two sources are two sessions. Nearly
/// every other key holds one, so clones share the texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// Name of the configured WAHA server.
    pub source: Arc<str>,
    /// The session's name there.
    pub name: Arc<str>,
}

impl Named for SessionKey {}

/// What is told about a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionChange {
    /// Told by `session.status`.
    pub status: Option<Register<SessionStatus>>,
    /// Told by the envelope of every webhook since 2023.10.
    pub identity: Identity,
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

/// Who a session is. An envelope lacks what WAHA does not know yet, such as the account before its
/// client is ready: each part is a register, so what is known stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// What runs it.
    pub software: Option<Register<Software>>,
    /// The account, `number@c.us`; none before pairing.
    pub me_id: Option<Register<String>>,
    /// The account's anonymous id.
    pub me_lid: Option<Register<String>>,
    /// The account with its device.
    pub me_jid: Option<Register<String>>,
    /// The account's own name.
    pub push_name: Option<Register<String>>,
    /// What its owner says of it.
    pub metadata: Option<Register<Metadata>>,
}

/// What runs a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Software {
    /// `WEBJS`, `NOWEB`, `GOWS`, `WPP` or an older name.
    pub engine: String,
    /// WAHA's version, `YYYY.M.N`; a telling without it is a poorer one.
    pub waha_version: Option<String>,
}

/// What the owner of a session says of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// The session's metadata as JSON text.
    pub json: String,
    /// The application's user, out of that: none when it names none.
    pub user_id: Option<String>,
}

/// The versions of an identity's parts; that of one that was not told is the lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdentityVersions([Version; 6]);

impl IdentityVersions {
    /// Whether any part is newer than in `other`.
    pub fn tell_more_than(self, other: Self) -> bool {
        self.0.iter().zip(other.0).any(|(mine, theirs)| *mine > theirs)
    }

    /// The newer of each part.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|part| self.0[part].max(other.0[part])))
    }
}

impl Identity {
    /// The versions of its parts.
    pub fn versions(&self) -> IdentityVersions {
        fn of<T>(register: Option<&Register<T>>) -> Version {
            register.map_or(Version::default(), |register| register.version)
        }
        let Self { software, me_id, me_lid, me_jid, push_name, metadata } = self;
        let names = [me_id, me_lid, me_jid, push_name].map(|name| of(name.as_ref()));
        let [id, lid, jid, name] = names;
        IdentityVersions([of(software.as_ref()), id, lid, jid, name, of(metadata.as_ref())])
    }
}

impl Merge for Identity {
    fn merge_in(&mut self, other: Self) {
        merge_fields!(self, other: software, me_id, me_lid, me_jid, push_name, metadata);
    }
}

impl Merge for SessionChange {
    fn merge_in(&mut self, other: Self) {
        merge_fields!(self, other: status, identity, history, reachout_timelock, message_capping);
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
