//! `waha_sessions`: status and identity are registers.

use chrono::{DateTime, Utc};
use sea_orm::{NotSet, Set};

use entity::waha_sessions::{ActiveModel, Column as C, Entity};

use super::{cut, cut_option, value, version};
use crate::change::{Identity, SessionChange, SessionKey};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

/// Makes rows that are not there.
pub(in crate::store) fn make(dialect: Dialect) -> Upsert<Entity> {
    Upsert::new(dialect, &[C::Source, C::Name]).without(&[C::Config])
}

pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert<Entity> {
    let identity = [
        C::Engine,
        C::WahaVersion,
        C::MeId,
        C::MeLid,
        C::MeJid,
        C::PushName,
        C::Metadata,
        C::UserId,
    ];
    make(dialect)
        .register(C::StatusVersion, &[C::Status, C::StatusAt])
        .register(C::IdentityVersion, &identity)
        .register(C::ReachoutTimelockVersion, &[C::ReachoutTimelock])
        .register(C::MessageCappingVersion, &[C::MessageCapping])
        .replace(C::UpdatedAt)
}

pub(in crate::store) fn row(
    key: &SessionKey,
    change: &SessionChange,
    now: DateTime<Utc>,
) -> ActiveModel {
    // The history has a table of its own.
    let SessionChange { status, identity, history: _, reachout_timelock, message_capping } = change;
    let state = value(status.as_ref());
    let none = Identity::default();
    let Identity { engine, waha_version, me_id, me_lid, me_jid, push_name, metadata, user_id } =
        value(identity.as_ref()).unwrap_or(&none);
    ActiveModel {
        id: NotSet,
        source: Set(cut(&key.source, 64)),
        name: Set(cut(&key.name, 128)),
        status: Set(cut_option(state.map(|state| state.status.as_str()), 32)),
        status_at: Set(state.and_then(|state| state.at)),
        status_version: Set(version(status.as_ref())),
        engine: Set(cut_option(engine.as_deref(), 16)),
        waha_version: Set(cut_option(waha_version.as_deref(), 32)),
        me_id: Set(cut_option(me_id.as_deref(), 255)),
        me_lid: Set(cut_option(me_lid.as_deref(), 255)),
        me_jid: Set(cut_option(me_jid.as_deref(), 255)),
        push_name: Set(push_name.clone()),
        metadata: Set(metadata.clone()),
        user_id: Set(cut_option(user_id.as_deref(), 255)),
        identity_version: Set(version(identity.as_ref())),
        reachout_timelock: Set(value(reachout_timelock.as_ref()).cloned()),
        reachout_timelock_version: Set(version(reachout_timelock.as_ref())),
        message_capping: Set(value(message_capping.as_ref()).cloned()),
        message_capping_version: Set(version(message_capping.as_ref())),
        config: NotSet,
        created_at: NotSet,
        updated_at: Set(now),
    }
}
