//! `waha_attachments`: a message's file. What webhooks tell of it is added here; what becomes of it,
//! `operations/attachments` writes.

use chrono::{DateTime, SubsecRound, Utc};
use sea_orm::{NotSet, Set};

use entity::waha_attachments::{ActiveModel, Column as C, Entity};

use super::{cut, cut_option};
use crate::change::Media;
use crate::store::feed::{ChangeKind, FollowedTable};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) const FOLLOWED: FollowedTable =
    FollowedTable::in_session(ChangeKind::Attachment, "message_id");

/// What a link makes worth another try: with it WAHA has the file, whatever it said before.
const WORTH: &str = "'waiting', 'gone', 'failed'";

/// Adds what is told of files. Of those with a link, what was not stored yet is tried at once, and who tries it
/// without the link at the moment is not listened to.
pub(in crate::store) fn upsert(dialect: Dialect, has_link: bool) -> Upsert<Entity> {
    let mut upsert = Upsert::new(dialect, &[C::MessageRowId]);
    for column in [C::ToldMimeType, C::ToldSha256, C::FileName] {
        let known = format!("COALESCE({}, {})", upsert.new_value(column), upsert.old_value(column));
        upsert = upsert.assign(column, known);
    }
    if has_link {
        let is_worth = format!("{} IN ({WORTH})", upsert.old_value(C::State));
        let next = format!(
            "CASE WHEN {is_worth} THEN {0} + 1 ELSE {0} END",
            upsert.old_value(C::LeaseNumber)
        );
        // The state comes last, because it decides about the others.
        upsert = upsert
            .assign(C::LeaseNumber, next)
            .when(&is_worth, &[C::LeasedUntil, C::NextTryAt, C::Tries, C::Reason, C::State]);
    }
    upsert.touch(C::UpdatedAt)
}

pub(in crate::store) fn row(
    session_id: i64,
    message_row_id: i64,
    message_id: &str,
    media: Option<&Media>,
    now: DateTime<Utc>,
) -> ActiveModel {
    let told = |text: fn(&Media) -> Option<&str>| media.and_then(text);
    ActiveModel {
        id: NotSet,
        session_id: Set(session_id),
        message_row_id: Set(Some(message_row_id)),
        message_id: Set(cut(message_id, 255)),
        state: Set("waiting".to_owned()),
        reason: Set(None),
        tries: Set(0),
        // Due at once: the clock knows milliseconds, the time of writing more.
        next_try_at: Set(Some(now.trunc_subsecs(3))),
        leased_until: Set(None),
        lease_number: Set(0),
        told_mime_type: Set(cut_option(told(|it| it.mime_type.as_deref()), 255)),
        told_sha256: Set(cut_option(told(|it| it.sha256.as_deref()), 64)),
        file_name: Set(told(|it| it.file_name.as_deref()).map(str::to_owned)),
        mime_type: Set(None),
        size_bytes: Set(None),
        sha256: Set(None),
        storage_key: Set(None),
        stored_at: Set(None),
        created_at: NotSet,
        updated_at: Set(now),
    }
}
