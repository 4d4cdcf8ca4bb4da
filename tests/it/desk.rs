//! What an operator does with dead letters, through the command line: find, show, discard, restore,
//! edit, export, import; and what the audit log says of it.

use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use waha_ingest::queue::Queue;
use waha_ingest::queue::sqlite::{Options, SqliteQueue};
use waha_ingest::replay::{self, Ended};
use waha_ingest::store::apply::burial::state::DeadLetterState;
use waha_ingest::store::audit::{Actor, ActorChannel};
use waha_ingest::store::operations::dead_letter::{
    DeadLetter, DeadLetterFilter, DeadLetterResolution,
};
use waha_ingest::store::operations::job::ReplayRequest;
use waha_ingest::store::operations::page::RowPage;
use waha_ingest::webhook::{Receipt, Webhook, WebhookKey, WebhookParts};

use crate::app::TestApp;
use crate::cli::run;
use crate::database::{Kind, on_each_database};

on_each_database!(
    each_filter_restricts,
    groups_count_by_cause,
    discarded_and_restored_with_a_note,
    an_edited_body_is_replayed_and_the_original_kept,
    what_is_exported_is_imported_byte_for_byte,
    each_deed_is_in_the_audit_log,
);

const HOUR_MS: i64 = 3_600_000;
/// Not UTF-8, and not JSON either.
const ODD_BYTES: &[u8] = b"\xff\xfe{\"\x00\x80";

/// Who replays in tests that don't use the command line.
pub fn actor() -> Actor {
    Actor { name: "op".to_owned(), channel: ActorChannel::Cli, place: "here".to_owned() }
}

/// A filter that names these.
pub fn of(letters: &[DeadLetter]) -> DeadLetterFilter {
    let ids = letters.iter().map(|letter| letter.row.id).collect();
    DeadLetterFilter { ids, states: vec![DeadLetterState::Pending], ..DeadLetterFilter::default() }
}

/// The first dead letters in a state.
pub async fn letters(app: &TestApp, state: DeadLetterState) -> Vec<DeadLetter> {
    let filter = DeadLetterFilter { states: vec![state], ..DeadLetterFilter::default() };
    let page = app.store.dead_letters(&filter, RowPage::first(10)).await.unwrap();
    let ids: Vec<i64> = page.iter().map(|letter| letter.id).collect();
    app.store.whole_letters(&ids).await.unwrap()
}

/// Replays what a filter names; returns how many.
pub async fn replay(app: &TestApp, filter: &DeadLetterFilter) -> i64 {
    let actor = actor();
    let request_body =
        ReplayRequest { filter, rate: None, actor: &actor, note: None, owner: "test" };
    let job = replay::start(&app.store, &request_body).await.unwrap();
    let stop = CancellationToken::new();
    match replay::run(&app.store, &app.queue, job, &stop, |_| ()).await.unwrap() {
        Ended::Done(job) => job.replayed,
        other => panic!("{other:?}"),
    }
}

/// Discards what a filter names, or takes that back; returns how many.
pub async fn discard(app: &TestApp, filter: &DeadLetterFilter, gives_up: bool) -> u64 {
    let (actor, filter) = (actor(), DeadLetterFilter { states: Vec::new(), ..filter.clone() });
    let resolution = DeadLetterResolution {
        filter: &filter,
        actor: &actor,
        note: "a test",
        gives_up,
        last_id: i64::MAX,
    };
    app.store.resolve_letters(&resolution, |_| ()).await.unwrap()
}

/// A database with dead letters, and the commands on it.
struct Desk {
    app: TestApp,
    folder: TempDir,
}

impl Desk {
    async fn open(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let app = TestApp::start(kind).await;
        // Its queue, which somebody else works on.
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let options = Options::new(1 << 30, app.clock.clone());
        SqliteQueue::open(folder.path().join("data/queue.db"), options).unwrap();
        Self { app, folder }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let url = ("DATABASE__URL", self.app.database_url.as_str());
        run(self.folder.path(), &[url], arguments)
    }

    /// What a command that has to succeed prints.
    fn bytes(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        output.stdout
    }

    fn text(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.bytes(arguments)).unwrap()
    }

    fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.text(arguments);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What a command that has to fail says.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Webhook ids of what a filter names.
    fn named(&self, filter: &[&str]) -> Vec<String> {
        let arguments = [&["dead-letters", "list", "--json"], filter].concat();
        let text = |letter: &Value| letter["webhook_id"].as_str().unwrap().to_owned();
        self.lines(&arguments).iter().map(text).collect()
    }

    fn id_of(&self, webhook_id: &str) -> String {
        let all = self.lines(&["dead-letters", "list", "--json"]);
        let letter = all.iter().find(|letter| letter["webhook_id"] == webhook_id).unwrap();
        letter["id"].to_string()
    }

    /// Makes a dead letter of what the door would have taken.
    async fn bury(&self, source: &str, id: &str, session: &str, event: &str, body: &[u8]) {
        self.app
            .queue
            .publish(webhook(&self.app, [source, session, event, id], body))
            .await
            .unwrap();
        self.app.work_until_idle().await;
    }

    /// Four of different kinds, an hour apart.
    async fn bury_four(&self) {
        self.bury("default", "one", "s", "message", &message("12025550142@c.us")).await;
        self.app.clock.advance(HOUR_MS);
        let of_engine = message("12025550142@s.whatsapp.net");
        self.bury("other", "two", "s", "message", &of_engine).await;
        self.app.clock.advance(HOUR_MS);
        self.bury("default", "three", "t", "message.ack", &message("99912025550142@c.us")).await;
        self.app.clock.advance(HOUR_MS);
        self.bury("default", "four", "", "", b"no JSON, but of \"12025550142@c.us\"").await;
    }
}

/// A message without an id: a dead letter at once.
fn message(chat: &str) -> Vec<u8> {
    let payload = json!({ "from": chat, "timestamp": 1_794_000_000, "fromMe": false });
    let body = json!({ "event": "message", "session": "s", "payload": payload });
    body.to_string().into_bytes()
}

fn webhook(app: &TestApp, key: [&str; 4], body: &[u8]) -> Webhook {
    use waha_ingest::clock::Clock;
    let [source, session, event_type, id] = key.map(str::to_owned);
    let now_ms = app.clock.now_ms();
    Webhook::from(WebhookParts {
        key: WebhookKey { source, session, event_type, id },
        receipt: Receipt::new(),
        at_ms: now_ms,
        received_at_ms: now_ms,
        replay: false,
        headers: [("user-agent".to_owned(), "WAHA".to_owned())].into(),
        body: body.to_vec().into(),
    })
}

async fn each_filter_restricts(kind: Kind) {
    let desk = Desk::open(kind).await;
    desk.bury_four().await;
    assert_eq!(desk.named(&[]), ["one", "two", "three", "four"]);
    assert_eq!(desk.named(&["--id", &desk.id_of("two")]), ["two"]);
    assert_eq!(desk.named(&["--reason", "malformed"]), ["four"]);
    assert_eq!(desk.named(&["--source", "other"]), ["two"]);
    assert_eq!(desk.named(&["--session", "s"]), ["one", "two"]);
    assert_eq!(desk.named(&["--session", "s", "--session", "t"]), ["one", "two", "three"]);
    assert_eq!(desk.named(&["--session", "s", "--source", "default"]), ["one"]);
    assert_eq!(desk.named(&["--event", "message.ack"]), ["three"]);
    // Whichever way the engine writes it, and in a body that can't be read; no longer number's.
    assert_eq!(desk.named(&["--chat", "12025550142@c.us"]), ["one", "two", "four"]);
    assert_eq!(desk.named(&["--chat", "99912025550142@c.us"]), ["three"]);
    let letters = desk.lines(&["dead-letters", "list", "--json"]);
    let at = |number: usize| letters[number]["received_at"].as_str().unwrap().to_owned();
    assert_eq!(desk.named(&["--since", &at(1), "--until", &at(3)]), ["two", "three"]);
    let group = letters[2]["group"].as_str().unwrap();
    assert_eq!(desk.named(&["--group", group]), ["three"]);
    desk.bytes(&["dead-letters", "discard", "--session", "t", "--note", "x", "--yes"]);
    assert_eq!(desk.named(&[]), ["one", "two", "four"], "pending ones unless told otherwise");
    assert_eq!(desk.named(&["--state", "discarded"]), ["three"]);
    assert_eq!(desk.named(&["--limit", "1", "--after", &desk.id_of("one")]), ["two"]);
    assert_eq!(desk.text(&["dead-letters", "list"]).lines().count(), 4, "with headings");
}

async fn groups_count_by_cause(kind: Kind) {
    let desk = Desk::open(kind).await;
    desk.bury_four().await;
    let groups = desk.lines(&["dead-letters", "groups", "--json"]);
    assert_eq!(groups.len(), 3);
    let first = &groups[0];
    assert_eq!((&first["count"], &first["reason"]), (&json!(2), &json!("missing_field")));
    assert_eq!((&first["event_types"], &first["session_count"]), (&json!(["message"]), &json!(2)));
    assert!(first["error"].as_str().unwrap().contains("payload.id"), "{first}");
    assert!(first["first_failed_at"].as_str() < first["last_failed_at"].as_str(), "{first}");
    assert_eq!(desk.lines(&["dead-letters", "groups", "--json", "--source", "other"]).len(), 1);
    assert!(desk.text(&["dead-letters", "groups"]).contains("message without usable payload.id"));
    let status: Value = serde_json::from_slice(&desk.run(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["dead_letter_groups"][0]["count"], 2, "{status}");
}

async fn discarded_and_restored_with_a_note(kind: Kind) {
    let desk = Desk::open(kind).await;
    desk.bury_four().await;
    let discard = ["dead-letters", "discard", "--session", "s"];
    assert!(desk.refused(&discard).contains("--note"));
    assert!(desk.refused(&["dead-letters", "discard", "--note", "x", "--yes"]).contains("--all"));
    assert!(desk.refused(&[&discard[..], &["--note", "x"]].concat()).contains("--yes"));
    let wrong = [&discard[..], &["--note", "x", "--yes", "--state", "replayed"]].concat();
    assert!(desk.refused(&wrong).contains("pending"));
    let dry = desk.text(&[&discard[..], &["--note", "x", "--dry-run"]].concat());
    for part in ["2 dead letters would be discarded", "1  of session other/s", "0 would succeed"] {
        assert!(dry.contains(part), "{part} is missing in {dry}");
    }
    assert_eq!(desk.named(&["--session", "s"]).len(), 2, "a dry run changes nothing");
    let said = desk.text(&[&discard[..], &["--note", "not ours", "--yes"]].concat());
    assert_eq!(said.trim(), "discarded 2");
    let discarded = desk.lines(&["dead-letters", "list", "--json", "--state", "discarded"]);
    assert_eq!(discarded[0]["note"], "not ours");
    let restore = ["dead-letters", "restore", "--source", "other", "--note", "ours", "--yes"];
    assert_eq!(desk.text(&restore).trim(), "restored 1");
    let id = desk.id_of("two");
    let why = format!("dead letter {id} is pending: only those that are discarded can be restored");
    assert!(desk.refused(&["dead-letters", "restore", "--id", &id, "--note", "x"]).contains(&why));
    assert_eq!(desk.named(&[]), ["two", "three", "four"]);
    assert!(desk.app.equation().await.is_balanced());
}

async fn an_edited_body_is_replayed_and_the_original_kept(kind: Kind) {
    let desk = Desk::open(kind).await;
    desk.bury("default", "four", "", "", ODD_BYTES).await;
    let id = desk.id_of("four");
    let file = desk.folder.path().join("mended.json");
    let replay = ["dead-letters", "replay", "--id", &id, "--edit", file.to_str().unwrap(), "--yes"];
    std::fs::write(&file, "no JSON either").unwrap();
    let refused = desk.refused(&replay);
    assert!(refused.contains("breaks at line 1") && refused.contains("mended.json"), "{refused}");
    std::fs::write(&file, message("12025550142@c.us")).unwrap();
    assert!(desk.refused(&replay).contains("dead letter again"), "it still has no id");
    let mut mended: Value = serde_json::from_slice(&message("12025550142@c.us")).unwrap();
    mended["payload"]["id"] = json!("false_12025550142@c.us_MENDED");
    std::fs::write(&file, mended.to_string()).unwrap();
    assert_eq!(desk.text(&replay).trim(), "1 replayed: 0 applied, 1 on their way");
    // The command has published to its own queue; this one's worker needs it here.
    let letter = &letters(&desk.app, DeadLetterState::Replaying).await[0];
    desk.app.queue.publish(letter.webhook()).await.unwrap();
    desk.app.work_until_idle().await;
    let shown = &desk.lines(&["dead-letters", "show", &id, "--json"])[0];
    assert_eq!(
        (&shown["dead_letter"]["state"], &shown["replays"][0]["outcome"]),
        (&json!("replayed"), &json!("applied"))
    );
    assert_eq!(shown["edits"].as_array().unwrap().len(), 1);
    assert_eq!(crate::rows::count(desk.app.db(), "waha_messages").await, 1);
    assert_eq!(desk.bytes(&["dead-letters", "show", &id, "--raw"]), mended.to_string().as_bytes());
    assert_eq!(desk.bytes(&["dead-letters", "show", &id, "--raw", "--original"]), ODD_BYTES);
    assert!(desk.text(&["dead-letters", "show", &id]).contains("edited"));
    assert!(desk.app.equation().await.is_balanced());
    // A body of something else is refused.
    desk.bury("default", "one", "s", "message", &message("1@c.us")).await;
    let id = desk.id_of("one");
    let replay = ["dead-letters", "replay", "--id", &id, "--edit", file.to_str().unwrap(), "--yes"];
    mended["session"] = json!("another");
    std::fs::write(&file, mended.to_string()).unwrap();
    assert!(desk.refused(&replay).contains("another"));
}

async fn what_is_exported_is_imported_byte_for_byte(kind: Kind) {
    let (from, to) = (Desk::open(kind).await, Desk::open(kind).await);
    from.bury_four().await;
    from.bury("default", "odd", "", "", ODD_BYTES).await;
    let file = from.folder.path().join("letters.jsonl");
    let file = file.to_str().unwrap();
    from.bytes(&["dead-letters", "export", "--all", "--output", file]);
    assert!(from.refused(&["dead-letters", "export"]).contains("--all"));
    let dry = &to.lines(&["dead-letters", "import", file, "--dry-run", "--json"])[0];
    assert_eq!((&dry["lines"], &dry["known"]), (&json!(5), &json!(0)));
    assert!(to.named(&[]).is_empty());
    assert_eq!(to.text(&["dead-letters", "import", file, "--yes"]).trim(), "imported 5, known 0");
    let (before, after) = (
        letters(&from.app, DeadLetterState::Pending).await,
        letters(&to.app, DeadLetterState::Pending).await,
    );
    let content = |letter: &DeadLetter| {
        let row = letter.row.clone();
        let (key, times) =
            ([row.source, row.session, row.webhook_id], [row.received_at, row.webhook_at]);
        (key, times, row.body, letter.headers.clone(), letter.failures.clone(), row.fingerprint)
    };
    let sorted = |letters: &[DeadLetter]| {
        let mut all: Vec<_> = letters.iter().map(content).collect();
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        all
    };
    assert_eq!(sorted(&before), sorted(&after));
    // They count as accepted there, once.
    let equation = to.app.equation().await;
    assert_eq!((equation.accepted, equation.dead_lettered, equation.is_balanced()), (5, 5, true));
    to.bytes(&["dead-letters", "import", file, "--yes"]);
    from.bytes(&["dead-letters", "import", file, "--yes"]);
    assert_eq!((to.named(&[]).len(), from.named(&[]).len()), (5, 5));
    assert!(to.app.equation().await.is_balanced() && from.app.equation().await.is_balanced());
    // And what the door brings then is a duplicate.
    to.bury("default", "one", "s", "message", &message("12025550142@c.us")).await;
    assert_eq!(to.app.equation().await.duplicate, 1);
    assert_eq!(replay(&to.app, &of(&after)).await, 5);
    to.app.work_until_idle().await;
    assert!(to.app.equation().await.is_balanced());
    let broken = from.folder.path().join("broken.jsonl");
    std::fs::write(&broken, "{\"source\": \"secret text\"}\n").unwrap();
    let said = to.refused(&["dead-letters", "import", broken.to_str().unwrap(), "--yes"]);
    assert!(said.contains("line 1") && !said.contains("secret text"), "{said}");
}

async fn each_deed_is_in_the_audit_log(kind: Kind) {
    let desk = Desk::open(kind).await;
    desk.bury_four().await;
    desk.bytes(&["dead-letters", "discard", "--session", "t", "--note", "why not", "--yes"]);
    desk.bytes(&["dead-letters", "restore", "--session", "t", "--note", "oh", "--yes"]);
    desk.bytes(&["dead-letters", "replay", "--all", "--yes", "--note", "mended"]);
    desk.bytes(&["webhooks", "renormalize", "--all", "--yes"]);
    let logs = desk.lines(&["audit", "list", "--json"]);
    let actions: Vec<&str> = logs.iter().map(|log| log["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["renormalize", "replay", "restore", "discard"]);
    let discard = &logs[3];
    assert_eq!((&discard["affected"], &discard["note"]), (&json!(1), &json!("why not")));
    assert_eq!(discard["filter"], json!({ "sessions": ["t"], "states": ["pending"] }));
    assert_eq!(discard["channel"], "cli");
    let user = std::process::Command::new("id").arg("-un").output().unwrap();
    assert_eq!(discard["actor"], String::from_utf8(user.stdout).unwrap().trim());
    assert!(!discard["place"].as_str().unwrap().is_empty());
    assert_eq!(logs[1]["affected"], 4);
    assert_eq!(desk.lines(&["audit", "list", "--json", "--action", "replay"]).len(), 1);
    assert!(desk.text(&["audit", "list"]).contains("why not"));
}
