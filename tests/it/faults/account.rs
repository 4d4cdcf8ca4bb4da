//! What a round came to: what was accepted, compared with what is in the tables and what `status` tells.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{EntityTrait, QuerySelect};
use serde_json::Value;
use waha_ingest::sender::Report;
use waha_ingest::simulate::Sent;

use crate::app::{undisturbed, webhook};
use crate::fleet::Fleet;
use crate::rows::{Rows, without_ledger};

/// What a fault may do to the counts; what is not permitted is a defect.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is permitted or not, whatever the others")]
pub struct Permitted {
    /// It destroys webhooks with their queue, or rows with their database: `status` must tell how many.
    pub destroys: bool,
    /// What it destroyed is told as a number that may be too high: who can say what was on a page.
    pub at_most: bool,
    /// It kills a door, so `status` may say that it can't know how many that left uncounted.
    pub uncounted: bool,
    /// It makes dead letters of what was accepted; they are replayed before anything is counted.
    pub buries: bool,
    /// It puts messages into the queues that no door accepted.
    pub foreign: bool,
    /// It puts other tables in the place of ours, of which a `status` meanwhile tells the truth.
    pub other_tables: bool,
}

impl Permitted {
    pub const NOTHING: Self = Self {
        destroys: false,
        at_most: false,
        uncounted: false,
        buries: false,
        foreign: false,
        other_tables: false,
    };

    /// Whether a `status` may say meanwhile that something is missing or too much.
    pub fn unbalances(self) -> bool {
        self.destroys || self.foreign || self.other_tables
    }
}

/// Counts of one round, or of several.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub rounds: u64,
    /// Different webhooks that were sent; each was answered 202 in the end.
    pub webhooks: u64,
    /// Accepted, neither in the ledger nor told as missing.
    pub lost: u64,
    /// Rows beyond one for each thing.
    pub doubled: u64,
    /// What `status` tells as missing, lost or damaged.
    pub told: u64,
    /// Accepted and not in the ledger, because the fault destroyed it with its queue, and told.
    pub destroyed: u64,
    pub failed_rounds: u64,
    pub problems: Vec<String>,
}

impl Account {
    /// Of a round that could not go on.
    pub fn broken_off() -> Self {
        let problems = vec!["it could not go on: see above".to_owned()];
        Self { rounds: 1, problems, ..Self::default() }
    }

    pub fn is_failed(&self) -> bool {
        self.lost > 0 || self.doubled > 0 || !self.problems.is_empty()
    }

    pub fn line(&self) -> String {
        let Self { webhooks, lost, doubled, told, destroyed, .. } = self;
        format!(
            "webhooks {webhooks}, lost {lost}, doubled {doubled}, told {told}, destroyed {destroyed}"
        )
    }

    pub fn add(&mut self, round: &Self) {
        self.rounds += round.rounds;
        self.webhooks += round.webhooks;
        self.lost += round.lost;
        self.doubled += round.doubled;
        self.told += round.told;
        self.destroyed += round.destroyed;
        self.failed_rounds += round.failed_rounds;
    }
}

/// A line for each kind, and their sum.
pub fn table(accounts: &BTreeMap<&'static str, Account>) -> String {
    let head = ["rounds", "webhooks", "lost", "doubled", "told", "destroyed", "failed"];
    let cells = |name: &str, cells: [String; 7]| {
        cells.iter().fold(format!("{name:24}"), |line, cell| format!("{line}{cell:>10}")) + "\n"
    };
    let line = |name: &str, of: &Account| {
        let counts =
            [of.rounds, of.webhooks, of.lost, of.doubled, of.told, of.destroyed, of.failed_rounds];
        cells(name, counts.map(|count| count.to_string()))
    };
    let mut sum = Account::default();
    let mut text = cells("kind", head.map(str::to_owned));
    for (name, account) in accounts {
        text += &line(name, account);
        sum.add(account);
    }
    text + &line("all", &sum)
}

/// Source, session, event type, id.
pub type Key = (String, String, String, String);

fn key(sent: &Sent) -> Key {
    let key = webhook(sent).key().clone();
    (key.source, key.session, key.event_type, key.id)
}

/// Counts a round of which all has become quiet; `archived`: what the ledger has let go of.
pub async fn take(
    fleet: &Fleet,
    webhooks: Vec<Sent>,
    report: &Report,
    status: &Value,
    permitted: Permitted,
    archived: BTreeSet<Key>,
) -> Account {
    let mut ledger = ledger(fleet).await;
    ledger.extend(archived);
    let is_there: BTreeSet<Key> = ledger.iter().cloned().collect();
    let keys: BTreeSet<Key> = webhooks.iter().map(key).collect();
    let absent = keys.difference(&is_there).count() as u64;
    let found: Vec<Sent> =
        webhooks.into_iter().filter(|sent| is_there.contains(&key(sent))).collect();
    let told = told(status);
    let destroyed = if permitted.destroys { absent.min(told) } else { 0 };
    let (expected, actual) = (undisturbed(found).await, without_ledger(fleet.rows().await));
    let differing = if destroyed > 0 {
        compare(&without_identities(&expected, &actual), &without_identities(&actual, &actual))
    } else {
        compare(&expected, &actual)
    };
    let mut account = Account {
        rounds: 1,
        webhooks: keys.len() as u64,
        lost: absent - destroyed,
        doubled: (ledger.len() - is_there.len()) as u64 + differing.doubled,
        told,
        destroyed,
        ..Account::default()
    };
    account.problems.extend(differing.problems);
    account.problems.extend(problems(&account, report, status, permitted));
    account
}

async fn ledger(fleet: &Fleet) -> Vec<Key> {
    use entity::webhook_events::{Column, Entity};
    let columns = [Column::Source, Column::Session, Column::EventType, Column::WebhookId];
    let select = Entity::find().select_only().columns(columns).into_tuple::<Key>();
    select.all(&fleet.db()).await.unwrap()
}

/// How many accepted ones are gone, by the status.
fn told(status: &Value) -> u64 {
    ["missing", "lost", "damaged"].map(|count| number(status, count)).iter().sum()
}

fn number(status: &Value, name: &str) -> u64 {
    status[name].as_u64().unwrap_or_default()
}

/// What is not as it should be, besides what is lost or doubled.
fn problems(
    account: &Account,
    report: &Report,
    status: &Value,
    permitted: Permitted,
) -> Vec<String> {
    let mut problems = Vec::new();
    let mut check = |is_right: bool, what: &str| {
        if !is_right {
            problems.push(format!("{what}: {status}"));
        }
    };
    check(report.lost == 0, &format!("{} were never accepted", report.lost));
    check(status["waiting"] == 0, "it did not become quiet");
    check(permitted.destroys || account.told == 0, "nothing was destroyed, but status tells of it");
    let is_known = status["balanced"].is_boolean() || permitted.uncounted;
    check(is_known, "status does not know whether something is missing");
    // A webhook that was accepted twice can be destroyed twice, or once and be there.
    let repeated = number(status, "accepted").saturating_sub(account.webhooks);
    let is_exact = permitted.at_most || account.told <= account.destroyed + repeated;
    check(is_exact, "status tells of more than was destroyed");
    check(permitted.foreign || number(status, "excess") == 0, "status tells of too many");
    let is_honest = status["balanced"] != true || number(status, "missing") == 0;
    check(is_honest, "status is balanced with something missing");
    let buried = if permitted.foreign { 0 } else { number(status, "dead_lettered") };
    check(buried == 0, "there are dead letters");
    problems
}

/// Tables whose rows hold who is who, or became one where two were one person. Those of all others hold what
/// happened.
const IDENTITIES: [&str; 12] = [
    "waha_chats",
    "waha_contacts",
    "waha_participants",
    "waha_own_messages",
    "waha_message_claims",
    "waha_message_acks",
    "waha_message_referrals",
    "waha_labels",
    "waha_chat_labels",
    "chat_reads",
    "user_waha",
    "webhook_events",
];

/// Rows of what happened, whoever is who: links between ids are committed before the webhooks that told
/// them, so what was destroyed in between has left its links. Those of `known` name a person in one way.
fn without_identities(rows: &Rows, known: &Rows) -> Rows {
    let links: Vec<(&str, &str)> =
        known["waha_contacts"].iter().filter_map(|it| link(it)).collect();
    let named =
        |row: &String| links.iter().fold(row.clone(), |row, (lid, phone)| row.replace(lid, phone));
    let events = rows.iter().filter(|(table, _)| !IDENTITIES.contains(&table.as_str()));
    events.map(|(table, rows)| (table.clone(), rows.iter().map(named).collect())).collect()
}

/// LID and phone of a contact, if both are known.
fn link(contact: &str) -> Option<(&str, &str)> {
    let value = |name: &str| {
        let fields = contact.split(' ');
        fields.filter_map(|field| field.strip_prefix(name)).find(|value| value.contains('@'))
    };
    Some((value("lid=")?, value("phone=")?))
}

/// How rows differ from what they should be.
#[derive(Default)]
struct Differing {
    doubled: u64,
    problems: Vec<String>,
}

fn compare(expected: &Rows, actual: &Rows) -> Differing {
    let mut differing = Differing::default();
    for (table, expected) in expected {
        let expected = copies(expected);
        let actual = copies(&actual[table]);
        for (row, count) in &actual {
            let should = expected.get(row).copied().unwrap_or_default();
            if should > 0 {
                differing.doubled += count.saturating_sub(should);
            }
        }
        let extra = actual.keys().find(|row| !expected.contains_key(*row));
        let missing =
            expected.iter().find(|(row, count)| actual.get(*row).is_none_or(|has| has < *count));
        if extra.is_some() || missing.is_some() {
            let missing = missing.map(|(row, _)| row);
            let rows = format!("{table} differs: {missing:?} is not there, {extra:?} is");
            differing.problems.push(rows);
        }
    }
    differing
}

fn copies(rows: &[String]) -> BTreeMap<&String, u64> {
    rows.iter().fold(BTreeMap::new(), |mut copies, row| {
        *copies.entry(row).or_default() += 1;
        copies
    })
}

#[test]
fn what_a_destroyed_webhook_linked_makes_no_difference() {
    let rows = |sender: &str, contacts: &[&str]| -> Rows {
        let of = |rows: &[String]| rows.to_vec();
        [
            ("waha_contacts".to_owned(), contacts.iter().map(|it| (*it).to_owned()).collect()),
            ("waha_messages".to_owned(), of(&[format!("body=hello sender={sender}")])),
        ]
        .into()
    };
    let unlinked = rows("1@lid", &["jid=1@lid lid=1@lid phone=-"]);
    let linked = rows("2@c.us", &["jid=2@c.us lid=1@lid phone=2@c.us"]);
    let compared = |expected: &Rows| {
        compare(&without_identities(expected, &linked), &without_identities(&linked, &linked))
    };
    assert!(compared(&unlinked).problems.is_empty());
    assert!(!compared(&rows("3@lid", &[])).problems.is_empty(), "somebody else's");
    assert!(!compare(&unlinked, &linked).problems.is_empty(), "it is one where all is there");
}
