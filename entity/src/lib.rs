//! The tables of waha-ingest as SeaORM entities: one file per table, no logic. Only the store
//! imports them; the tables themselves are made by the `migration` crate.
//!
//! | table | a row is | written by | natural key |
//! | --- | --- | --- | --- |
//! | [`waha_sessions`] | a WhatsApp account on a source | every webhook | source, name |
//! | [`waha_chats`] | a conversation under one of its names | anything that names a chat | session, chat id |
//! | [`waha_messages`] | a WhatsApp message, or a stub that waits for one | `message*`, `event.response*` | session, chat, bare id |
//! | [`waha_reactions`] | a person's reaction to a message | `message.reaction` | chat, bare id, reactor |
//! | [`waha_message_edits`] | an edit of a message | `message.edited` | chat, bare id, author, edit |
//! | [`waha_message_revocations`] | a person's revocation of a message | `message.revoked` | chat, bare id, author |
//! | [`waha_message_claims`] | what somebody told under another author's id | `message*` | chat, bare id, author |
//! | [`waha_message_acks`] | how far a message got with a member of a group | acks in groups | chat, bare id, participant |
//! | [`waha_poll_votes`] | a person's vote in a poll | `poll.vote*` | chat, bare id, voter |
//! | [`waha_event_responses`] | a person's answer to an invitation | `event.response*` | chat, bare id, responder |
//! | [`waha_calls`] | a call | `call.*` | session, call id |
//! | [`chat_reads`] | how far somebody has read a chat | read acks | chat, reader |
//! | [`waha_contacts`] | one id of a person | links, names, anything that names a person | session, jid |
//! | [`waha_participants`] | a member of a group, now or before | `group.*` | chat, jid |
//! | [`waha_join_requests`] | a wish to join a group | `group.v2.participants.join-request` | chat, jid |
//! | [`waha_labels`] | a label | `label.*` | session, label id |
//! | [`waha_chat_labels`] | a label on a chat, now or before | `label.chat.*` | chat, label id |
//! | [`waha_session_statuses`] | a state of a session and its time | `session.status` | session, time, status |
//! | [`user_waha`] | a user of the application who may see a session | session metadata, the application | user, session |
//! | [`webhook_events`] | a webhook and its outcome: the ledger | every webhook | source, session, event type, webhook id |
//! | [`webhook_duplicates`] | an accepted request whose webhook was in the ledger already | repeated webhooks | ledger row, receipt |
//! | [`dead_letters`] | a webhook that we stopped retrying | failures | source, session, event type, webhook id |
//!
//! What holds for all of them:
//! - `id` is given by the database. Times are UTC with microseconds: cut a time to microseconds
//!   before writing it, or the databases disagree about the rest. On MySQL and MariaDB a bound
//!   `DateTime<Utc>` outside 1970 to 2038 silently becomes NULL (sqlx sends it as TIMESTAMP); a
//!   bound `NaiveDateTime` does not.
//! - MySQL and MariaDB ignore spaces at the end of a text when they compare keys; the others do not.
//!   Ids are stored without them.
//! - `created_at` and `updated_at` default to the database's clock on insert only. Whoever updates
//!   a row sets `updated_at` too.
//! - **Versions.** Columns that WAHA tells together are a register with one version column: webhook
//!   time in milliseconds shifted left by 20 bits, plus 20 bits of the webhook id's hash. A higher
//!   version replaces the whole register, 0 means never told.
//! - Columns with JSON are text: not every database stores every JSON text unchanged.

pub mod chat_reads;
pub mod dead_letters;
pub mod prelude;
pub mod user_waha;
pub mod waha_calls;
pub mod waha_chat_labels;
pub mod waha_chats;
pub mod waha_contacts;
pub mod waha_event_responses;
pub mod waha_join_requests;
pub mod waha_labels;
pub mod waha_message_acks;
pub mod waha_message_claims;
pub mod waha_message_edits;
pub mod waha_message_revocations;
pub mod waha_messages;
pub mod waha_participants;
pub mod waha_poll_votes;
pub mod waha_reactions;
pub mod waha_session_statuses;
pub mod waha_sessions;
pub mod webhook_duplicates;
pub mod webhook_events;
