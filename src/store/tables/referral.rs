//! `waha_message_referrals`: the newest telling stays.

use chrono::{DateTime, Utc};
use sea_orm::{NotSet, Set};

use entity::waha_message_referrals::{ActiveModel, Column as C, Entity};

use super::{cut, cut_option};
use crate::change::{AnswerKey, Referral, ReferralChange};
use crate::store::feed::{ChangeKind, FollowedTable};
use crate::store::sql::merging::Merging;
use crate::store::sql::upsert::Upsert;

const TOLD: [C; 10] = [
    C::SourceType,
    C::SourceId,
    C::SourceUrl,
    C::ClickId,
    C::Headline,
    C::Body,
    C::ConversionSource,
    C::ConversionDelayS,
    C::EntryPoint,
    C::EntryPointApp,
];

pub(in crate::store) const FOLLOWED: FollowedTable =
    FollowedTable::in_chat(ChangeKind::Referral, "message_id");

pub(in crate::store) fn upsert(merging: Merging) -> Upsert<Entity> {
    Upsert::new(merging, &[C::ChatId, C::MessageId, C::Author])
        .register(C::ReferralVersion, &TOLD)
        .touch(C::UpdatedAt)
}

pub(in crate::store) fn row(
    chat_id: i64,
    key: &AnswerKey,
    change: &ReferralChange,
    now: DateTime<Utc>,
) -> ActiveModel {
    let Referral {
        source_type,
        source_id,
        source_url,
        click_id,
        headline,
        body,
        conversion_source,
        conversion_delay_s,
        entry_point,
        entry_point_app,
    } = &change.value;
    ActiveModel {
        id: NotSet,
        chat_id: Set(chat_id),
        message_id: Set(cut(&key.message.message_id, 255)),
        author: Set(cut(&key.author, 255)),
        source_type: Set(cut_option(source_type.as_deref(), 32)),
        source_id: Set(cut_option(source_id.as_deref(), 255)),
        source_url: Set(source_url.clone()),
        click_id: Set(click_id.clone()),
        headline: Set(headline.clone()),
        body: Set(body.clone()),
        conversion_source: Set(cut_option(conversion_source.as_deref(), 64)),
        conversion_delay_s: Set(*conversion_delay_s),
        entry_point: Set(cut_option(entry_point.as_deref(), 64)),
        entry_point_app: Set(cut_option(entry_point_app.as_deref(), 64)),
        referral_version: Set(change.version.get()),
        created_at: NotSet,
        updated_at: Set(now),
    }
}
