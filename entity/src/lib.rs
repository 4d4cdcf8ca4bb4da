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
pub mod console_sessions;
pub mod dead_letter_edits;
pub mod dead_letter_parts;
pub mod dead_letter_replays;
pub mod dead_letters;
pub mod feed_consumers;
pub mod personal;
pub mod reconciliation_hours;
pub mod reconciliations;
pub mod replay_jobs;
pub mod retention_cursors;
pub mod user_waha;
pub mod waha_attachments;
pub mod waha_calls;
pub mod waha_changes;
pub mod waha_chat_labels;
pub mod waha_chat_moves;
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
pub mod waha_session_probes;
pub mod waha_session_statuses;
pub mod waha_session_watches;
pub mod waha_sessions;
pub mod waha_visible_messages;
pub mod webhook_bodies;
pub mod webhook_dictionaries;
pub mod webhook_duplicates;
pub mod webhook_events;
pub mod webhook_registrations;
pub mod webhook_sums;

/// What is said of each table once more than by its module: its name in the prelude, and its marks.
macro_rules! tables {
    ($($table:ident as $name:ident),+ $(,)?) => {
        pub mod prelude {
            //! The entities under names that do not collide, for the store's queries.
            $(pub use super::$table::Entity as $name;)+
        }

        /// What the columns of each table tell of persons.
        const MARKS: &[personal::Marks] = &[$($table::MARKS),+];

        /// The columns that each table has.
        #[cfg(test)]
        fn columns() -> Vec<(&'static str, std::collections::BTreeSet<&'static str>)> {
            vec![$((stringify!($table), personal::columns_of::<$table::Entity>())),+]
        }
    };
}

tables! {
    audit_logs as AuditLogs,
    chat_reads as ChatReads,
    console_sessions as ConsoleSessions,
    dead_letter_edits as DeadLetterEdits,
    dead_letter_parts as DeadLetterParts,
    dead_letter_replays as DeadLetterReplays,
    dead_letters as DeadLetters,
    feed_consumers as FeedConsumers,
    reconciliation_hours as ReconciliationHours,
    reconciliations as Reconciliations,
    replay_jobs as ReplayJobs,
    retention_cursors as RetentionCursors,
    user_waha as UserWaha,
    waha_attachments as WahaAttachments,
    waha_calls as WahaCalls,
    waha_changes as WahaChanges,
    waha_chat_labels as WahaChatLabels,
    waha_chat_moves as WahaChatMoves,
    waha_chats as WahaChats,
    waha_contacts as WahaContacts,
    waha_event_responses as WahaEventResponses,
    waha_feed as WahaFeed,
    waha_join_requests as WahaJoinRequests,
    waha_labels as WahaLabels,
    waha_message_acks as WahaMessageAcks,
    waha_message_claims as WahaMessageClaims,
    waha_message_edits as WahaMessageEdits,
    waha_message_referrals as WahaMessageReferrals,
    waha_message_revocations as WahaMessageRevocations,
    waha_messages as WahaMessages,
    waha_own_messages as WahaOwnMessages,
    waha_participants as WahaParticipants,
    waha_poll_votes as WahaPollVotes,
    waha_processes as WahaProcesses,
    waha_reactions as WahaReactions,
    waha_search as WahaSearch,
    waha_session_probes as WahaSessionProbes,
    waha_session_statuses as WahaSessionStatuses,
    waha_session_watches as WahaSessionWatches,
    waha_sessions as WahaSessions,
    waha_visible_messages as WahaVisibleMessages,
    webhook_bodies as WebhookBodies,
    webhook_dictionaries as WebhookDictionaries,
    webhook_duplicates as WebhookDuplicates,
    webhook_events as WebhookEvents,
    webhook_registrations as WebhookRegistrations,
    webhook_sums as WebhookSums,
}
