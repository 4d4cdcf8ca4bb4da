//! `waha_sessions`: status and the parts of its identity are registers.

use chrono::{DateTime, Utc};
use sea_orm::{NotSet, Set};

use entity::waha_sessions::{ActiveModel, Column as C, Entity};

use super::{cut, cut_option, value, version};
use crate::change::{Identity, Metadata, SessionChange, SessionKey, Software};
use crate::store::feed::{ChangeKind, FollowedTable};
use crate::store::sql::merging::Merging;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) const FOLLOWED: FollowedTable =
    FollowedTable { session: Some("id"), ..FollowedTable::in_session(ChangeKind::Session, "name") };

/// Makes rows that are not there.
pub(in crate::store) fn make(merging: impl Into<Merging>) -> Upsert<Entity> {
    Upsert::new(merging, &[C::Source, C::Name]).without(&[C::Config])
}

pub(in crate::store) fn upsert(merging: Merging) -> Upsert<Entity> {
    let former = C::IdentityVersion;
    make(merging)
        .register_once_in(C::MeIdVersion, former, &[C::MeId])
        .register_once_in(C::MeLidVersion, former, &[C::MeLid])
        .register_once_in(C::MeJidVersion, former, &[C::MeJid])
        .register_once_in(C::PushNameVersion, former, &[C::PushName])
        .register_once_in(C::MetadataVersion, former, &[C::Metadata, C::UserId])
        .register(C::StatusVersion, &[C::Status, C::StatusAt])
        .register(C::IdentityVersion, &[C::Engine, C::WahaVersion])
        .register(C::ReachoutTimelockVersion, &[C::ReachoutTimelock])
        .register(C::MessageCappingVersion, &[C::MessageCapping])
        .touch(C::UpdatedAt)
}

pub(in crate::store) fn row(
    key: &SessionKey,
    change: &SessionChange,
    now: DateTime<Utc>,
) -> ActiveModel {
    // The history has a table of its own.
    let SessionChange { status, identity, history: _, reachout_timelock, message_capping } = change;
    let state = value(status.as_ref());
    let Identity { software, me_id, me_lid, me_jid, push_name, metadata } = identity;
    let none = Software::default();
    let Software { engine, waha_version } = value(software.as_ref()).unwrap_or(&none);
    let engine = software.as_ref().map(|_| engine.as_str());
    let owners = value(metadata.as_ref());
    let user_id = owners.and_then(|Metadata { json: _, user_id }| user_id.as_deref());
    let name = |register| value(register).map(String::as_str);
    ActiveModel {
        id: NotSet,
        source: Set(cut(&key.source, 64)),
        name: Set(cut(&key.name, 128)),
        status: Set(cut_option(state.map(|state| state.status.as_str()), 32)),
        status_at: Set(state.and_then(|state| state.at)),
        status_version: Set(version(status.as_ref())),
        engine: Set(cut_option(engine, 16)),
        waha_version: Set(cut_option(waha_version.as_deref(), 32)),
        me_id: Set(cut_option(name(me_id.as_ref()), 255)),
        me_id_version: Set(Some(version(me_id.as_ref()))),
        me_lid: Set(cut_option(name(me_lid.as_ref()), 255)),
        me_lid_version: Set(Some(version(me_lid.as_ref()))),
        me_jid: Set(cut_option(name(me_jid.as_ref()), 255)),
        me_jid_version: Set(Some(version(me_jid.as_ref()))),
        push_name: Set(value(push_name.as_ref()).cloned()),
        push_name_version: Set(Some(version(push_name.as_ref()))),
        metadata: Set(owners.map(|owners| owners.json.clone())),
        user_id: Set(cut_option(user_id, 255)),
        metadata_version: Set(Some(version(metadata.as_ref()))),
        identity_version: Set(version(software.as_ref())),
        reachout_timelock: Set(value(reachout_timelock.as_ref()).cloned()),
        reachout_timelock_version: Set(version(reachout_timelock.as_ref())),
        message_capping: Set(value(message_capping.as_ref()).cloned()),
        message_capping_version: Set(version(message_capping.as_ref())),
        config: NotSet,
        created_at: NotSet,
        updated_at: Set(now),
    }
}
