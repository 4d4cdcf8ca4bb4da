//! `tests/fixtures/OUTCOMES.md`: what becomes of each event type of each engine, made from the
//! fixtures. Fails when the file is old; `UPDATE_OUTCOMES=1` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use crate::fixtures::fixtures;
use waha_ingest::change::Changes;
use waha_ingest::config::Config;
use waha_ingest::normalize::{Normalized, Rules, normalize};
use waha_ingest::webhook::source::Source;
use waha_ingest::webhook::verify::{RawRequest, verify};
use waha_ingest::webhook::{Headers, Receipt, Webhook};

const HEAD: &str =
    "<!-- Made from the fixtures by tests/it/outcomes.rs: UPDATE_OUTCOMES=1 cargo test outcomes -->

# Event type × engine × outcome

How many fixtures of each event type and engine end in which outcome, and which rows they tell of
beside the session's and the chat's own. *odd*: bodies that no engine is known to send. A dash: no
fixture, because the engine does not send it or sends it as another one does.

";
/// How files of fixtures begin.
const ENGINES: [&str; 5] = ["webjs", "noweb", "gows", "wpp", "odd"];

/// What is known of an event type.
#[derive(Default)]
struct Line {
    /// Fixtures by outcome, by engine.
    outcomes: BTreeMap<String, BTreeMap<String, u32>>,
    rows: BTreeSet<&'static str>,
}

#[test]
fn the_table_of_outcomes_is_that_of_the_fixtures() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let rules = Config::load_defaults().unwrap().rules;
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    for path in fixtures() {
        let event_type = name(path.parent().unwrap());
        let engine = name(&path).split('-').next().unwrap().to_owned();
        assert!(ENGINES.contains(&engine.as_str()), "{} names no engine", path.display());
        let line = lines.entry(event_type).or_default();
        let outcome = outcome(&std::fs::read(&path).unwrap(), &rules, &mut line.rows);
        *line.outcomes.entry(engine).or_default().entry(outcome).or_default() += 1;
    }
    let (file, made) = (root.join("OUTCOMES.md"), table(&lines));
    if std::env::var_os("UPDATE_OUTCOMES").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(kept, made, "old: run once more with UPDATE_OUTCOMES=1 and look at what changed");
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.strip_suffix(".json").unwrap_or(name).to_owned()
}

fn outcome(body: &[u8], rules: &Rules, rows: &mut BTreeSet<&'static str>) -> String {
    match normalize(&webhook(body), rules) {
        Ok(Normalized::Changes(changes)) => {
            rows.extend(tables(&changes));
            "applied".to_owned()
        }
        Ok(Normalized::Ignored(ignored)) => format!("ignored ({})", ignored.reason()),
        Err(error) => format!("dead letter ({})", error.reason()),
    }
}

/// As the door makes it.
fn webhook(body: &[u8]) -> Webhook {
    let request = RawRequest {
        hmac: None,
        hmac_algorithm: None,
        headers: Headers::new(),
        body: body.to_vec().into(),
    };
    verify(&Source::unverified("default"), request, Receipt(1), 1_795_000_000_000).unwrap().0
}

/// Whatever is counted of changes has its name here or is in each of them; what is new and is not fails.
fn tables(changes: &Changes) -> impl Iterator<Item = &'static str> {
    let has_status = changes.sessions.values().any(|session| session.status.is_some());
    let status = has_status.then_some("session status");
    let linked = (!changes.links.is_empty()).then_some("contacts");
    let named = changes.counts().filter_map(|(name, _)| match name {
        // Every webhook tells of them.
        "sessions" | "chats" => None,
        "votes" => Some("poll votes"),
        "answers to invitations" => Some("event responses"),
        "members" => Some("participants"),
        "wishes to join" => Some("join requests"),
        "labels on chats" => Some("chat labels"),
        named => Some(named),
    });
    status.into_iter().chain(linked).chain(named)
}

fn table(lines: &BTreeMap<String, Line>) -> String {
    let mut text = HEAD.to_owned();
    let engines = ENGINES.map(|engine| match engine {
        "odd" => "*odd*".to_owned(),
        engine => engine.to_uppercase(),
    });
    writeln!(text, "| event type | {} | tells of |", engines.join(" | ")).unwrap();
    writeln!(text, "| --- |{} --- |", " --- |".repeat(ENGINES.len())).unwrap();
    for (event_type, line) in lines {
        let cells = ENGINES.map(|engine| line.outcomes.get(engine).map_or("–".to_owned(), cell));
        let rows = line.rows.iter().copied().collect::<Vec<_>>().join(", ");
        let rows = if rows.is_empty() { "–".to_owned() } else { rows };
        writeln!(text, "| `{event_type}` | {} | {rows} |", cells.join(" | ")).unwrap();
    }
    text
}

fn cell(outcomes: &BTreeMap<String, u32>) -> String {
    let shown = outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}"));
    shown.collect::<Vec<_>>().join(", ")
}
