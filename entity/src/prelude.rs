//! The entities under names that do not collide, for the store's queries.

pub use super::audit_logs::Entity as AuditLogs;
pub use super::chat_reads::Entity as ChatReads;
pub use super::dead_letter_edits::Entity as DeadLetterEdits;
pub use super::dead_letter_replays::Entity as DeadLetterReplays;
pub use super::dead_letters::Entity as DeadLetters;
pub use super::replay_jobs::Entity as ReplayJobs;
pub use super::user_waha::Entity as UserWaha;
pub use super::waha_calls::Entity as WahaCalls;
pub use super::waha_chat_labels::Entity as WahaChatLabels;
pub use super::waha_chats::Entity as WahaChats;
pub use super::waha_contacts::Entity as WahaContacts;
pub use super::waha_event_responses::Entity as WahaEventResponses;
pub use super::waha_join_requests::Entity as WahaJoinRequests;
pub use super::waha_labels::Entity as WahaLabels;
pub use super::waha_message_acks::Entity as WahaMessageAcks;
pub use super::waha_message_claims::Entity as WahaMessageClaims;
pub use super::waha_message_edits::Entity as WahaMessageEdits;
pub use super::waha_message_revocations::Entity as WahaMessageRevocations;
pub use super::waha_messages::Entity as WahaMessages;
pub use super::waha_participants::Entity as WahaParticipants;
pub use super::waha_poll_votes::Entity as WahaPollVotes;
pub use super::waha_reactions::Entity as WahaReactions;
pub use super::waha_session_statuses::Entity as WahaSessionStatuses;
pub use super::waha_sessions::Entity as WahaSessions;
pub use super::webhook_duplicates::Entity as WebhookDuplicates;
pub use super::webhook_events::Entity as WebhookEvents;
