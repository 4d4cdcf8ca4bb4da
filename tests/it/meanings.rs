//! What several webhooks mean together, in any order and told twice: fixtures, and the rows that somebody who
//! knows WhatsApp expects of them.

use sea_orm::{ConnectionTrait, QueryResult, Statement};
use waha_ingest::queue::Queue;

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use crate::rows::value;
use crate::stored_rows::{fixtures, webhook};

on_each_database!(what_webhooks_mean_together_does_not_depend_on_their_order);

/// Webhooks, and what a question about their rows is answered with.
struct Story {
    fixtures: &'static [&'static str],
    /// What is asked; `FROM` and `WHERE` follow.
    columns: &'static str,
    table: &'static str,
    expected: &'static [&'static str],
}

const SHOWN: &str = "waha_messages m JOIN waha_sessions s ON s.id = m.session_id \
                     WHERE m.is_stub = FALSE AND";
const SESSIONS: &str = "waha_sessions s WHERE";
const CALLS: &str = "waha_calls c JOIN waha_sessions s ON s.id = c.session_id WHERE";
const EDITS: &str = "waha_message_edits e JOIN waha_chats c ON c.id = e.chat_id \
                     JOIN waha_sessions s ON s.id = c.session_id WHERE";
const TEXT: &str = "message/noweb-text";

const STORIES: &[Story] = &[
    Story {
        fixtures: &[TEXT, "message.any/noweb-told-again-without-data"],
        columns: "m.type, m.content, m.sender_name",
        table: SHOWN,
        expected: &["text|Are you open on Sunday?|Robin Fern"],
    },
    Story {
        fixtures: &[TEXT, "message.any/noweb-same-secret-edit"],
        columns: "m.content, m.edited_at",
        table: SHOWN,
        expected: &["Are you open on Sunday?|-"],
    },
    Story {
        fixtures: &[TEXT, "message.any/gows-same-secret-edit"],
        columns: "e.message_id, e.content",
        table: EDITS,
        expected: &["3AF1B0001|-"],
    },
    Story {
        fixtures: &[
            TEXT,
            "message.any/noweb-same-edit-before-2025-6",
            "message.any/noweb-told-again-without-data",
        ],
        columns: "m.content, m.original_content",
        table: SHOWN,
        expected: &["Two red tulips|Are you open on Sunday?"],
    },
    Story {
        fixtures: &[TEXT, "message.any/gows-same-revocation-before-2025-6"],
        columns: "m.content, m.revoked_by",
        table: SHOWN,
        expected: &["Are you open on Sunday?|12025550111@c.us"],
    },
    Story {
        fixtures: &["message/noweb-undecryptable", "message/noweb-decrypted-later"],
        columns: "m.type, m.content",
        table: SHOWN,
        expected: &["text|Now you can read it"],
    },
    Story {
        fixtures: &["message.any/gows-same-secret-vote", "message.any/noweb-same-keys-only"],
        columns: "m.type",
        table: SHOWN,
        expected: &[],
    },
    Story {
        fixtures: &["session.status/webjs-working", "session.status/webjs-restarting-without-me"],
        columns: "s.status, s.me_id, s.push_name",
        table: SESSIONS,
        expected: &["STARTING|12025550100@c.us|Garden Shop"],
    },
    Story {
        fixtures: &["call.received/noweb-logged-later", "message/gows-same-missed-call-log"],
        columns: "c.type, c.outcome, c.from_jid, c.is_video",
        table: CALLS,
        expected: &["rejected|missed|12025550111@c.us|1"],
    },
    Story {
        fixtures: &["message.any/noweb-sending-failed", "message.ack/webjs-failed-with-reason"],
        columns: "m.status, m.status_reason",
        table: SHOWN,
        expected: &["failed|463", "failed|no LID found"],
    },
];

async fn what_webhooks_mean_together_does_not_depend_on_their_order(kind: Kind) {
    let app = TestApp::start(kind).await;
    let bodies = fixtures();
    let mut asked = Vec::new();
    for (number, story) in STORIES.iter().enumerate() {
        for (order, fixtures) in orders(story.fixtures).into_iter().enumerate() {
            let source = format!("story-{number}-{order}");
            for fixture in fixtures {
                app.queue.publish(webhook(&source, &bodies[fixture])).await.unwrap();
                // One by one: merging in memory is the same, and is tested elsewhere.
                app.work_until_idle().await;
            }
            asked.push((story, source));
        }
    }
    for (story, source) in asked {
        let sql = format!("SELECT {} FROM {} s.source = '{source}'", story.columns, story.table);
        assert_eq!(answers(&app, &sql).await, story.expected, "{:?}, {source}", story.fixtures);
    }
}

/// As they came, the other way round, and each twice.
fn orders(fixtures: &[&'static str]) -> [Vec<&'static str>; 3] {
    let reversed: Vec<&str> = fixtures.iter().rev().copied().collect();
    [fixtures.to_vec(), reversed.clone(), [fixtures, &reversed[..]].concat()]
}

/// Rows as text, sorted.
async fn answers(app: &TestApp, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(app.db().get_database_backend(), sql);
    let rows = app.db().query_all_raw(statement).await.unwrap();
    let mut texts: Vec<String> = rows.iter().map(line).collect();
    texts.sort_unstable();
    texts
}

fn line(row: &QueryResult) -> String {
    row.column_names().iter().map(|column| value(row, column)).collect::<Vec<_>>().join("|")
}
