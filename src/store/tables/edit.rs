//! `waha_message_edits`: all of them, whoever made them. `waha_message_revocations`: the earliest of
//! each person.

use chrono::{DateTime, Utc};
use sea_orm::{NotSet, Set};

use entity::{waha_message_edits, waha_message_revocations};

use super::cut;
use crate::change::{EditChange, EditKey, Revocation, RevocationKey};
use crate::store::sql::merging::Merging;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) const EDITS: &str = "waha_message_edits";
pub(in crate::store) const REVOCATIONS: &str = "waha_message_revocations";

pub(in crate::store) fn edits(merging: Merging) -> Upsert<waha_message_edits::Entity> {
    use waha_message_edits::Column as C;
    Upsert::new(merging, &[C::ChatId, C::MessageId, C::Author, C::EditId])
        .register(C::EditVersion, &[C::Content, C::EditedAt])
        .touch(C::UpdatedAt)
}

pub(in crate::store) fn edit(
    chat_id: i64,
    key: &EditKey,
    change: &EditChange,
    now: DateTime<Utc>,
) -> waha_message_edits::ActiveModel {
    waha_message_edits::ActiveModel {
        id: NotSet,
        chat_id: Set(chat_id),
        message_id: Set(cut(&key.message.message_id, 255)),
        author: Set(cut(&key.author, 255)),
        edit_id: Set(cut(&key.edit_id, 255)),
        content: Set(change.value.text.clone()),
        edited_at: Set(Some(change.value.at)),
        edit_version: Set(change.version.get()),
        created_at: NotSet,
        updated_at: Set(now),
    }
}

pub(in crate::store) fn revocations(merging: Merging) -> Upsert<waha_message_revocations::Entity> {
    use waha_message_revocations::Column as C;
    let upsert = Upsert::new(merging, &[C::ChatId, C::MessageId, C::Author]);
    let is_verified = upsert.new_value(C::IsVerified);
    let earlier = upsert.is_earlier(C::RevocationVersion);
    upsert
        .when(&earlier, &[C::RevokedBy, C::RevokedAt])
        .when(&earlier, &[C::RevocationVersion])
        .when(&is_verified, &[C::IsVerified])
        .touch(C::UpdatedAt)
}

pub(in crate::store) fn revocation(
    chat_id: i64,
    key: &RevocationKey,
    revocation: &Revocation,
    now: DateTime<Utc>,
) -> waha_message_revocations::ActiveModel {
    let Revocation { version, at, by, is_verified } = revocation;
    waha_message_revocations::ActiveModel {
        id: NotSet,
        chat_id: Set(chat_id),
        message_id: Set(cut(&key.message.message_id, 255)),
        author: Set(cut(&key.author, 255)),
        revoked_by: Set(cut(by, 255)),
        revoked_at: Set(Some(*at)),
        is_verified: Set(*is_verified),
        revocation_version: Set(version.get()),
        created_at: NotSet,
        updated_at: Set(now),
    }
}
