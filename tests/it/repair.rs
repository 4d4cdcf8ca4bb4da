//! `repair`: rows that lead nowhere or whose parent is gone are told, and mended without losing what a person wrote.

use std::collections::BTreeSet;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Statement};
use serde_json::Value;
use waha_ingest::simulate::{Families, Plan, Sent, history};
use waha_ingest::store::operations::repair::{RELATIONS, Relation, Remedy};

use entity::{
    audit_logs, waha_calls, waha_changes, waha_chats, waha_contacts, waha_messages, waha_reactions,
    waha_session_statuses,
};

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use crate::migrations_with_rows::insert;
use crate::process::Setting;

on_each_database!(
    sound_rows_need_no_repair,
    pointers_lead_where_their_chain_ends,
    who_is_who_is_not_forgotten,
    what_lost_its_parent_is_made_again_or_stays,
    what_is_left_in_a_chat_that_is_another_one_moves,
    an_orphan_of_each_relation_is_told_and_mended,
);

/// No row has this number.
const NOWHERE: i64 = 9_999_999;

async fn filled(kind: Kind) -> TestApp {
    let app = TestApp::start(kind).await;
    let plan =
        Plan { seed: 3, messages: 500, people: 12, families: Families::ALL, ..Plan::default() };
    let webhooks: Vec<Sent> = history(&plan).collect();
    app.publish_all(webhooks).await;
    app.work_until_idle().await;
    app
}

/// Writes what foreign keys forbid.
async fn unchecked(app: &TestApp, kind: Kind, sql: &str) {
    let (off, on) = match kind {
        Kind::Sqlite => ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys = ON"),
        Kind::Postgres => {
            ("SET session_replication_role = replica", "SET session_replication_role = origin")
        }
        Kind::MySql => ("SET foreign_key_checks = 0", "SET foreign_key_checks = 1"),
    };
    app.db().execute_unprepared(&format!("{off}; {sql}; {on}")).await.unwrap();
}

fn repair(app: &TestApp, arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), &app.database_url);
    let output = setting.run(&[&["repair", "--json"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Where, what and how many.
fn found(report: &Value) -> BTreeSet<(String, String, u64)> {
    let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
    let found = report["found"].as_array().unwrap().iter();
    found.map(|it| (text(it, "where"), text(it, "fault"), it["rows"].as_u64().unwrap())).collect()
}

fn expected(rows: &[(&str, &str, u64)]) -> BTreeSet<(String, String, u64)> {
    rows.iter()
        .map(|(place, fault, rows)| ((*place).to_owned(), (*fault).to_owned(), *rows))
        .collect()
}

async fn newest_change(app: &TestApp) -> i64 {
    let newest = waha_changes::Entity::find().order_by_desc(waha_changes::Column::Position);
    newest.one(app.db()).await.unwrap().unwrap().position
}

/// What the feed has told since, as (kind, row).
async fn told_since(app: &TestApp, position: i64) -> BTreeSet<(String, i64)> {
    let since = waha_changes::Entity::find().filter(waha_changes::Column::Position.gt(position));
    since.all(app.db()).await.unwrap().into_iter().map(|it| (it.kind, it.row_id)).collect()
}

async fn chat(app: &TestApp, id: i64) -> waha_chats::Model {
    waha_chats::Entity::find_by_id(id).one(app.db()).await.unwrap().unwrap()
}

async fn message(app: &TestApp, id: i64) -> waha_messages::Model {
    waha_messages::Entity::find_by_id(id).one(app.db()).await.unwrap().unwrap()
}

/// Conversations to which nothing points.
async fn lone_chats(app: &TestApp) -> Vec<waha_chats::Model> {
    let chats = waha_chats::Entity::find().order_by_asc(waha_chats::Column::Id);
    let chats = chats.all(app.db()).await.unwrap();
    let pointed: BTreeSet<i64> = chats.iter().filter_map(|it| it.merged_into).collect();
    let is_lone = |it: &waha_chats::Model| it.merged_into.is_none() && !pointed.contains(&it.id);
    chats.into_iter().filter(is_lone).collect()
}

async fn shown_messages(app: &TestApp) -> Vec<waha_messages::Model> {
    use waha_messages::{Column, Entity};
    let shown =
        Entity::find().filter(Column::IsStub.eq(false)).filter(Column::MergedInto.is_null());
    shown.order_by_asc(Column::Id).all(app.db()).await.unwrap()
}

async fn sound_rows_need_no_repair(kind: Kind) {
    let app = filled(kind).await;
    let before = newest_change(&app).await;
    assert_eq!(found(&repair(&app, &["--write", "--yes"])), BTreeSet::new());
    assert_eq!(newest_change(&app).await, before);
    assert_eq!(repairs(&app).await, Vec::<i64>::new());
}

/// How many rows each repair has mended, by the audit log.
async fn repairs(app: &TestApp) -> Vec<i64> {
    let logs = audit_logs::Entity::find().filter(audit_logs::Column::Action.eq("repair"));
    logs.all(app.db()).await.unwrap().into_iter().map(|log| log.affected).collect()
}

async fn pointers_lead_where_their_chain_ends(kind: Kind) {
    let app = filled(kind).await;
    let chats = lone_chats(&app).await;
    let [one, two, three, four, five] = &chats[..5] else { panic!("{} chats", chats.len()) };
    let pointer = waha_chats::Entity::find().filter(waha_chats::Column::MergedInto.is_not_null());
    let lid = pointer.one(app.db()).await.unwrap().unwrap();
    let shown = shown_messages(&app).await;
    let ids: Vec<i64> = shown.iter().map(|it| it.id).collect();
    let sql = |table: &str, id: i64, to: i64| {
        format!("UPDATE {table} SET merged_into = {to} WHERE id = {id}")
    };
    let broken = [
        sql("waha_chats", one.id, two.id),
        sql("waha_chats", two.id, one.id),
        sql("waha_chats", three.id, four.id),
        sql("waha_chats", four.id, NOWHERE),
        sql("waha_chats", five.id, three.id),
        sql("waha_chats", lid.id, NOWHERE),
        sql("waha_messages", ids[0], ids[1]),
        sql("waha_messages", ids[1], ids[0]),
        sql("waha_messages", ids[2], NOWHERE),
        sql("waha_messages", ids[3], NOWHERE),
        format!("UPDATE waha_messages SET is_stub = TRUE WHERE id = {}", ids[3]),
    ];
    unchecked(&app, kind, &broken.join("; ")).await;
    let planned = expected(&[
        ("waha_chats.merged_into", "circle", 2),
        ("waha_chats.merged_into", "nothing", 2),
        ("waha_chats.merged_into", "pointer", 2),
        ("waha_messages.merged_into", "circle", 2),
        ("waha_messages.merged_into", "nothing", 2),
    ]);
    let before = newest_change(&app).await;
    assert_eq!(found(&repair(&app, &[])), planned);
    assert_eq!(chat(&app, one.id).await.merged_into, Some(two.id), "a dry run changes nothing");
    assert_eq!(newest_change(&app).await, before);

    assert_eq!(found(&repair(&app, &["--write", "--yes"])), planned);
    assert_eq!(found(&repair(&app, &[])), BTreeSet::new());
    // And the chats that lead elsewhere now: their messages follow.
    let followed = repairs(&app).await[0] - 10;
    assert!((0..=3).contains(&followed), "{followed}");
    // A phone id stands before a LID, else the one that sorts first.
    let rank = |it: &&waha_chats::Model| (it.chat_id.ends_with("lid"), it.chat_id.clone());
    let root = [one, two].into_iter().min_by_key(rank).unwrap();
    let other = if root.id == one.id { two } else { one };
    let leads = [
        (root.id, None),
        (other.id, Some(root.id)),
        (three.id, Some(four.id)),
        (four.id, None),
        (five.id, Some(four.id)),
        (lid.id, lid.merged_into),
    ];
    let mut told = BTreeSet::new();
    for (id, to) in leads {
        assert_eq!(chat(&app, id).await.merged_into, to, "{id}");
        // `three` led there before.
        if id != three.id {
            let kind = if to.is_some() { "chat.merged" } else { "chat.updated" };
            told.insert((kind.to_owned(), id));
        }
    }
    for (id, to) in [(ids[0], None), (ids[1], Some(ids[0])), (ids[2], None), (ids[3], None)] {
        assert_eq!(message(&app, id).await.merged_into, to, "{id}");
    }
    let kinds =
        [("message.updated", ids[0]), ("message.merged", ids[1]), ("message.updated", ids[2])];
    told.extend(kinds.map(|(kind, id)| (kind.to_owned(), id)));
    // Of a stub nobody was told; what leads on where it led is written all the same.
    let mut since = told_since(&app, before).await;
    since.remove(&("chat.merged".to_owned(), three.id));
    assert_eq!(since, told);
    assert_eq!(message(&app, ids[2]).await.content, shown[2].content);
}

async fn who_is_who_is_not_forgotten(kind: Kind) {
    use waha_contacts::{Column, Entity};
    let app = filled(kind).await;
    let all = Entity::find().order_by_asc(Column::Id).all(app.db()).await.unwrap();
    let lid = all.iter().find(|it| it.jid.ends_with("lid") && it.phone.is_some()).unwrap();
    let phone = lid.phone.clone().unwrap();
    let here: Vec<&waha_contacts::Model> =
        all.iter().filter(|it| it.session_id == lid.session_id).collect();
    let stands =
        |it: &&&waha_contacts::Model| it.phone.as_ref() == Some(&it.jid) && it.jid != phone;
    let standing: Vec<&&waha_contacts::Model> = here.iter().filter(stands).collect();
    let [one, two] = &standing[..2] else { panic!("{} people", standing.len()) };
    let named = |name: &str| {
        here.iter().filter(|it| it.phone.as_deref() == Some(name) && it.jid != name).count() as u64
    };
    let sql = |it: &waha_contacts::Model, phone: &str| {
        format!("UPDATE waha_contacts SET phone = '{phone}' WHERE id = {}", it.id)
    };
    let broken = [
        format!(
            "DELETE FROM waha_contacts WHERE jid = '{phone}' AND session_id = {}",
            lid.session_id
        ),
        sql(one, &two.jid),
        sql(two, &one.jid),
    ];
    unchecked(&app, kind, &broken.join("; ")).await;
    let place = "waha_contacts.phone";
    let led_there = named(&one.jid) + named(&two.jid);
    let mut rows = vec![(place, "circle", 2), (place, "nothing", named(&phone))];
    rows.extend((led_there > 0).then_some((place, "pointer", led_there)));
    let planned = expected(&rows);
    let before = newest_change(&app).await;
    assert_eq!(found(&repair(&app, &["--write", "--yes"])), planned);
    assert_eq!(found(&repair(&app, &[])), BTreeSet::new());
    let of = |jid: &str| {
        let of_session = Entity::find().filter(Column::SessionId.eq(lid.session_id));
        of_session.filter(Column::Jid.eq(jid)).one(app.db())
    };
    let made = of(&phone).await.unwrap().unwrap();
    assert_eq!((made.phone.as_ref(), made.lid.as_ref()), (Some(&phone), lid.lid.as_ref()));
    let first = one.jid.clone().min(two.jid.clone());
    let ends = |it: &&&waha_contacts::Model| {
        [&one.jid, &two.jid].into_iter().any(|jid| it.phone.as_ref() == Some(jid))
    };
    for it in here.iter().filter(ends) {
        assert_eq!(of(&it.jid).await.unwrap().unwrap().phone.as_ref(), Some(&first), "{}", it.jid);
    }
    let told = told_since(&app, before).await;
    for id in [made.id, one.id, two.id] {
        assert!(told.contains(&("contact".to_owned(), id)), "{told:?}");
    }
}

async fn what_lost_its_parent_is_made_again_or_stays(kind: Kind) {
    let app = filled(kind).await;
    let shown = shown_messages(&app).await;
    let chats = lone_chats(&app).await;
    let has_messages = |it: &&waha_chats::Model| {
        it.last_message_at.is_some() && shown.iter().filter(|row| row.chat_id == it.id).count() > 2
    };
    let gone = chats.iter().find(has_messages).unwrap();
    let lost = shown.iter().find(|it| it.chat_id != gone.id).unwrap();
    let call = waha_calls::Entity::find().one(app.db()).await.unwrap().unwrap();
    let status = waha_session_statuses::Entity::find().one(app.db()).await.unwrap().unwrap();
    let reactions =
        waha_reactions::Entity::find().filter(waha_reactions::Column::ChatId.ne(gone.id));
    let reaction = reactions.one(app.db()).await.unwrap().unwrap();
    let broken = [
        format!("DELETE FROM waha_chats WHERE id = {}", gone.id),
        format!(
            "UPDATE waha_messages SET chat_id = {NOWHERE}, waha_id = NULL WHERE id = {}",
            lost.id
        ),
        format!("UPDATE waha_reactions SET chat_id = {NOWHERE} WHERE id = {}", reaction.id),
        format!("UPDATE waha_calls SET chat_id = {NOWHERE} WHERE id = {}", call.id),
        format!("UPDATE waha_session_statuses SET session_id = {NOWHERE} WHERE id = {}", status.id),
    ];
    unchecked(&app, kind, &broken.join("; ")).await;
    let messages = shown_messages(&app).await;
    let before = newest_change(&app).await;
    let report = repair(&app, &["--write", "--yes"]);
    let mended: u64 =
        report["mended"].as_array().unwrap().iter().map(|it| it["rows"].as_u64().unwrap()).sum();
    assert_eq!(repairs(&app).await, [mended.cast_signed()]);

    let made = chat(&app, gone.id).await;
    assert_eq!(
        (made.chat_id, made.kind, made.session_id),
        (gone.chat_id.clone(), gone.kind.clone(), gone.session_id)
    );
    assert!(made.last_message_at.is_some() && made.last_message_at <= gone.last_message_at);
    assert_eq!(shown_messages(&app).await, messages, "no message is touched");
    let call_now = waha_calls::Entity::find_by_id(call.id).one(app.db()).await.unwrap().unwrap();
    assert_eq!(call_now.chat_id, None);
    let status = waha_session_statuses::Entity::find_by_id(status.id).one(app.db()).await.unwrap();
    assert_eq!(status, None);
    let told = told_since(&app, before).await;
    for expected in [("chat.created", gone.id), ("call", call.id)] {
        assert!(told.contains(&(expected.0.to_owned(), expected.1)), "{told:?}");
    }
    let left = expected(&[
        ("waha_messages.chat_id", "no_parent", 1),
        ("waha_reactions.chat_id", "no_parent", 1),
    ]);
    assert_eq!(found(&repair(&app, &["--write", "--yes"])), left, "what people wrote stays");
    assert_eq!(found(&repair(&app, &[])), left);
}

/// A row of each relation loses its parent, all at once: each is told, what has a remedy is mended, and a second run
/// finds what stays and nothing else.
async fn an_orphan_of_each_relation_is_told_and_mended(kind: Kind) {
    let app = filled(kind).await;
    let tables = RELATIONS.iter().map(|it| it.parent).chain(RELATIONS.iter().map(|it| it.table));
    for table in tables {
        if crate::rows::count(app.db(), table).await == 0 {
            insert(app.db(), table, 1).await;
        }
    }
    let mut broken = Vec::new();
    for (number, relation) in (0_i64..).zip(&RELATIONS) {
        let key = if relation.table == "webhook_bodies" { "webhook_event_id" } else { "id" };
        // Of a table with several parents another row for each.
        let sql = format!("SELECT {key} FROM {} ORDER BY {key} DESC", relation.table);
        let asked = Statement::from_string(app.db().get_database_backend(), sql);
        let rows = app.db().query_all_raw(asked).await.unwrap();
        let place = RELATIONS[..usize::try_from(number).unwrap()]
            .iter()
            .filter(|it| it.table == relation.table)
            .count();
        let row: i64 = rows[place.min(rows.len() - 1)].try_get("", key).unwrap();
        broken.push(format!(
            "UPDATE {} SET {} = {} WHERE {key} = {row}",
            relation.table,
            relation.column,
            NOWHERE + number
        ));
    }
    unchecked(&app, kind, &broken.join("; ")).await;
    let told = found(&repair(&app, &["--write", "--yes"]));
    let is_told = |it: &Relation, told: &BTreeSet<(String, String, u64)>| {
        let place = format!("{}.{}", it.table, it.column);
        told.iter().any(|(where_, what, _)| *where_ == place && what == "no_parent")
    };
    let missing: Vec<&Relation> = RELATIONS.iter().filter(|it| !is_told(it, &told)).collect();
    assert!(missing.is_empty(), "{missing:?}\n{told:?}");
    let left = found(&repair(&app, &["--write", "--yes"]));
    let stays = |it: &&Relation| it.remedy == Remedy::Leave;
    for relation in &RELATIONS {
        assert_eq!(is_told(relation, &left), stays(&relation), "{relation:?}\n{left:?}");
    }
}

/// As an older release that knew the chat by its former name may have written it.
async fn what_is_left_in_a_chat_that_is_another_one_moves(kind: Kind) {
    use waha_messages::{Column, Entity};
    let app = filled(kind).await;
    let shown = shown_messages(&app).await;
    let pointers = waha_chats::Entity::find().filter(waha_chats::Column::MergedInto.is_not_null());
    let pointers = pointers.all(app.db()).await.unwrap();
    let of = |chat: i64| shown.iter().filter(|it| it.chat_id == chat).collect::<Vec<_>>();
    let (lid, messages) = pointers
        .iter()
        .map(|it| (it, of(it.merged_into.unwrap())))
        .max_by_key(|(_, messages)| messages.len())
        .unwrap();
    let [left, met] = messages[..2] else { panic!("{} messages", messages.len()) };
    for sql in [
        format!("UPDATE waha_messages SET chat_id = {} WHERE id = {}", lid.id, left.id),
        format!(
            "INSERT INTO waha_messages (session_id, chat_id, message_id, is_stub, is_amended, status, ack, status_rank) \
             VALUES ({}, {}, '{}', TRUE, FALSE, 'played', 4, 5)",
            lid.session_id, lid.id, met.message_id
        ),
    ] {
        app.db().execute_unprepared(&sql).await.unwrap();
    }
    let planned = expected(&[("waha_messages.chat_id", "merged", 2)]);
    let before = newest_change(&app).await;
    assert_eq!(found(&repair(&app, &[])), planned);
    assert_eq!(newest_change(&app).await, before, "a dry run changes nothing");
    assert_eq!(found(&repair(&app, &["--write", "--yes"])), planned);
    assert_eq!(found(&repair(&app, &[])), BTreeSet::new());
    assert_eq!(repairs(&app).await, [1]);
    assert_eq!(message(&app, left.id).await.chat_id, left.chat_id);
    assert_eq!(message(&app, met.id).await.status.as_deref(), Some("played"));
    let stub = Entity::find().filter(Column::MergedInto.eq(met.id)).one(app.db()).await.unwrap();
    assert_eq!(stub.unwrap().chat_id, met.chat_id, "the one that met it leads there");
    let told = told_since(&app, before).await;
    for expected in [("chat.merged", lid.id), ("message.status", met.id)] {
        assert!(told.contains(&(expected.0.to_owned(), expected.1)), "{told:?}");
    }
}

/// A foreign key that a later migration adds must be known here.
#[tokio::test(flavor = "multi_thread")]
async fn every_foreign_key_is_looked_at() {
    let app = TestApp::start(Kind::Sqlite).await;
    let sql = "SELECT m.name, f.\"from\", f.\"table\" FROM sqlite_master m \
               JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'";
    let asked = Statement::from_string(app.db().get_database_backend(), sql);
    let text = |row: &sea_orm::QueryResult, at| row.try_get_by_index::<String>(at).unwrap();
    let rows = app.db().query_all_raw(asked).await.unwrap();
    let keys: BTreeSet<(String, String, String)> =
        rows.iter().map(|row| (text(row, 0), text(row, 1), text(row, 2))).collect();
    let known =
        RELATIONS.map(|it| (it.table.to_owned(), it.column.to_owned(), it.parent.to_owned()));
    let pointers = ("waha_chats".to_owned(), "merged_into".to_owned(), "waha_chats".to_owned());
    let mut known = BTreeSet::from(known);
    known.insert(pointers);
    let unknown: Vec<_> = keys.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(keys.len() > 25, "{}", keys.len());
}
