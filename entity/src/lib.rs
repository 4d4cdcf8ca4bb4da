#![doc = include_str!("../README.md")]
//!
//! ## For those who write rows
//!
//! One file per table, no logic.
//! - Cut a time to microseconds before writing it, or the databases disagree about the rest. On
//!   MySQL and MariaDB a bound `DateTime<Utc>` outside 1970 to 2038 silently becomes NULL (sqlx sends
//!   it as TIMESTAMP); a bound `NaiveDateTime` does not.
//! - Texts are compared byte by byte, spaces at their end included. On MySQL and MariaDB that is the
//!   columns' collation (`utf8mb4_0900_bin`, `utf8mb4_nopad_bin`); a column of an application's own that
//!   is `utf8mb4_bin` can't be compared with them without naming a collation.
//! - `created_at` and `updated_at` default to the database's clock on insert only. Whoever updates
//!   a row sets `updated_at` too.

pub mod audit_logs;
pub mod chat_reads;
pub mod dead_letter_edits;
pub mod dead_letter_parts;
pub mod dead_letter_replays;
pub mod dead_letters;
pub mod feed_consumers;
pub mod prelude;
pub mod replay_jobs;
pub mod user_waha;
pub mod waha_calls;
pub mod waha_changes;
pub mod waha_chat_labels;
pub mod waha_chats;
pub mod waha_contacts;
pub mod waha_event_responses;
pub mod waha_feed;
pub mod waha_join_requests;
pub mod waha_labels;
pub mod waha_message_acks;
pub mod waha_message_claims;
pub mod waha_message_edits;
pub mod waha_message_referrals;
pub mod waha_message_revocations;
pub mod waha_messages;
pub mod waha_own_messages;
pub mod waha_participants;
pub mod waha_poll_votes;
pub mod waha_processes;
pub mod waha_reactions;
pub mod waha_search;
pub mod waha_session_statuses;
pub mod waha_sessions;
pub mod waha_visible_messages;
pub mod webhook_duplicates;
pub mod webhook_events;
