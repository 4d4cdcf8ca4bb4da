//! `waha_reactions`, `waha_poll_votes`, `waha_event_responses`: the newest answer of a person stays.
//! `waha_message_acks`: only forward.

use chrono::{DateTime, Utc};
use sea_orm::{NotSet, Set};

use entity::{waha_event_responses, waha_message_acks, waha_poll_votes, waha_reactions};

use super::{cut, cut_option};
use crate::change::{
    AnswerKey, EventResponseChange, MemberAckChange, MessageStatus, ReactionChange, VoteChange,
};
use crate::store::feed::{ChangeKind, FollowedTable};
use crate::store::sql::merging::Merging;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) const REACTIONS: FollowedTable =
    FollowedTable::in_chat(ChangeKind::Reaction, "message_id");
pub(in crate::store) const VOTES: FollowedTable =
    FollowedTable::in_chat(ChangeKind::PollVote, "message_id");
pub(in crate::store) const EVENT_RESPONSES: FollowedTable =
    FollowedTable::in_chat(ChangeKind::EventResponse, "message_id");
pub(in crate::store) const MEMBER_ACKS: FollowedTable =
    FollowedTable::in_chat(ChangeKind::MemberAck, "message_id");

pub(in crate::store) fn reactions(merging: Merging) -> Upsert<waha_reactions::Entity> {
    use waha_reactions::Column as C;
    Upsert::new(merging, &[C::ChatId, C::MessageId, C::Reactor])
        .register(C::ReactionVersion, &[C::ReactorJid, C::Text, C::ReactedAt])
        .touch(C::UpdatedAt)
}

pub(in crate::store) fn reaction(
    chat_id: i64,
    key: &AnswerKey,
    change: &ReactionChange,
    now: DateTime<Utc>,
) -> waha_reactions::ActiveModel {
    let reaction = &change.value;
    waha_reactions::ActiveModel {
        id: NotSet,
        chat_id: Set(chat_id),
        message_id: Set(cut(&key.message.message_id, 255)),
        reactor: Set(cut(&key.author, 255)),
        reactor_jid: Set(cut_option(reaction.jid.as_deref(), 255)),
        text: Set(reaction.text.clone()),
        reacted_at: Set(Some(reaction.at)),
        reaction_version: Set(change.version.get()),
        created_at: NotSet,
        updated_at: Set(now),
    }
}

pub(in crate::store) fn votes(merging: Merging) -> Upsert<waha_poll_votes::Entity> {
    use waha_poll_votes::Column as C;
    Upsert::new(merging, &[C::ChatId, C::MessageId, C::Voter])
        .register(C::VoteVersion, &[C::VoterJid, C::Selected, C::VotedAt])
        .touch(C::UpdatedAt)
}

pub(in crate::store) fn vote(
    chat_id: i64,
    key: &AnswerKey,
    change: &VoteChange,
    now: DateTime<Utc>,
) -> waha_poll_votes::ActiveModel {
    let vote = &change.value;
    let selected = vote.selected.clone().map(|names| serde_json::Value::from(names).to_string());
    waha_poll_votes::ActiveModel {
        id: NotSet,
        chat_id: Set(chat_id),
        message_id: Set(cut(&key.message.message_id, 255)),
        voter: Set(cut(&key.author, 255)),
        voter_jid: Set(cut_option(vote.jid.as_deref(), 255)),
        selected: Set(selected),
        voted_at: Set(Some(vote.at)),
        vote_version: Set(change.version.get()),
        created_at: NotSet,
        updated_at: Set(now),
    }
}

pub(in crate::store) fn event_responses(merging: Merging) -> Upsert<waha_event_responses::Entity> {
    use waha_event_responses::Column as C;
    let told = [C::ResponderJid, C::Response, C::ExtraGuests, C::RespondedAt];
    Upsert::new(merging, &[C::ChatId, C::MessageId, C::Responder])
        .register(C::ResponseVersion, &told)
        .touch(C::UpdatedAt)
}

pub(in crate::store) fn event_response(
    chat_id: i64,
    key: &AnswerKey,
    change: &EventResponseChange,
    now: DateTime<Utc>,
) -> waha_event_responses::ActiveModel {
    let response = &change.value;
    waha_event_responses::ActiveModel {
        id: NotSet,
        chat_id: Set(chat_id),
        message_id: Set(cut(&key.message.message_id, 255)),
        responder: Set(cut(&key.author, 255)),
        responder_jid: Set(cut_option(response.jid.as_deref(), 255)),
        response: Set(cut_option(response.response.as_deref(), 32)),
        extra_guests: Set(response.extra_guests),
        responded_at: Set(Some(response.at)),
        response_version: Set(change.version.get()),
        created_at: NotSet,
        updated_at: Set(now),
    }
}

pub(in crate::store) fn member_acks(merging: Merging) -> Upsert<waha_message_acks::Entity> {
    use waha_message_acks::Column as C;
    Upsert::new(merging, &[C::ChatId, C::MessageId, C::Participant])
        .register(C::StatusRank, &[C::Status, C::Ack])
        .earliest(C::DeliveredAt)
        .earliest(C::ReadAt)
        .earliest(C::PlayedAt)
        .touch(C::UpdatedAt)
}

pub(in crate::store) fn member_ack(
    chat_id: i64,
    key: &AnswerKey,
    change: &MemberAckChange,
    now: DateTime<Utc>,
) -> waha_message_acks::ActiveModel {
    let MemberAckChange { status, delivered_at, read_at, played_at } = change;
    waha_message_acks::ActiveModel {
        id: NotSet,
        chat_id: Set(chat_id),
        message_id: Set(cut(&key.message.message_id, 255)),
        participant: Set(cut(&key.author, 255)),
        status: Set(cut_option(status.map(MessageStatus::name), 16)),
        ack: Set(status.map(MessageStatus::ack)),
        status_rank: Set(status.map_or(-1, MessageStatus::rank)),
        delivered_at: Set(*delivered_at),
        read_at: Set(*read_at),
        played_at: Set(*played_at),
        created_at: NotSet,
        updated_at: Set(now),
    }
}
