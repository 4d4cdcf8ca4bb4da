//! What WAHA knows of a session and its people fills in what webhooks never told, by every engine's manners, and
//! gives way to whatever they did tell.

use std::collections::{BTreeMap, BTreeSet};

use entity::{waha_chats, waha_contacts, waha_participants};
use serde_json::{Value, json};
use waha_ingest::change::Version;
use waha_ingest::clock::Clock;
use waha_ingest::directory;
use waha_ingest::reconcile::{PeopleCounts, people_window};
use waha_ingest::simulate::api::{Failure, Fault, Oddity};
use waha_ingest::simulate::{Engine, Families, Family};
use waha_ingest::store::apply::listed::ListedWrite;
use waha_ingest::store::operations::reconciliations::ReconciliationTarget;

use super::*;
use crate::database::on_each_database;
use crate::feed::mirror::Mirror;

on_each_database!(
    what_webhooks_never_told_is_filled_in,
    live_tellings_stand_whichever_comes_first,
    a_lid_that_waha_knows_unites_a_chat,
    who_is_missing_in_a_whole_list_has_left_unless_told_otherwise_since,
    an_interrupted_refresh_goes_on_where_it_was,
    a_worker_that_lost_it_writes_nothing,
    a_refresh_that_only_looks_changes_nothing,
);

const ENGINES: [Engine; 4] = [Engine::Noweb, Engine::Gows, Engine::Webjs, Engine::Wpp];
/// Longer than engines answer with the same list of members.
const DAY_MS: i64 = 26 * 3_600_000;

fn plan(engine: Engine) -> Plan {
    let families = Families::default().without(Family::Session);
    let engine = Some(engine);
    Plan { engine, sessions: 1, people: 20, groups: 3, messages: 120, families, ..Plan::default() }
}

fn silent(engine: Engine) -> Options {
    Options { lose: 1.0, ..Options::of(plan(engine)) }
}

impl Reconciling {
    /// WAHA's sessions are asked for.
    async fn list_sessions(&self) {
        let api = self.api();
        let write = ListedWrite::Free;
        directory::refresh(&self.app.store, &api, &*self.app.clock, write).await.unwrap();
    }

    async fn take_people(&self, session_id: i64) -> ReconciliationTask {
        let kind = ReconciliationKind::People;
        let window = people_window(self.app.clock.now());
        let request = ReconciliationRequest { session_id, kind, window, mark: None, due_at: None };
        self.app.store.request_reconciliation(&request).await.unwrap();
        let taken = self.app.store.take_reconciliation_of(session_id, kind, LEASE).await;
        taken.unwrap().expect("nobody has it")
    }

    /// Asks for a session's people, in pages of so many.
    async fn refresh_by(
        &self,
        session_id: i64,
        page_rows: usize,
    ) -> (PeopleCounts, Option<ReconcileProblem>) {
        let task = self.take_people(session_id).await;
        self.reconciler_with(page_rows).refresh(&task, &CancellationToken::new()).await
    }

    /// Asks for everybody's people.
    async fn refresh(&self) -> u64 {
        let mut changed = 0;
        for session in self.sessions().await {
            let (counts, problem) = self.refresh_by(session.id, 500).await;
            assert!(problem.is_none(), "{}: {problem:?}", session.name);
            assert!(counts.unsupported.is_empty() && counts.failed == 0, "{counts:?}");
            changed += counts.changed;
        }
        changed
    }

    async fn ask(&self, path: &str) -> Value {
        let client = waha_ingest::http_client::plain().build().unwrap();
        let answer = client.get(format!("{}{path}", self.waha.url())).send().await.unwrap();
        answer.json().await.unwrap()
    }

    async fn contacts(&self) -> BTreeMap<String, waha_contacts::Model> {
        let rows = waha_contacts::Entity::find().all(self.app.db()).await.unwrap();
        rows.into_iter().map(|row| (row.jid.clone(), row)).collect()
    }

    async fn chats(&self) -> BTreeMap<String, waha_chats::Model> {
        let rows = waha_chats::Entity::find().all(self.app.db()).await.unwrap();
        rows.into_iter().map(|row| (row.chat_id.clone(), row)).collect()
    }

    /// Who is in a group, with the role, by who stands for them.
    async fn members(&self, group: &str) -> BTreeMap<String, String> {
        let chat = self.chats().await[group].id;
        let rows = waha_participants::Entity::find()
            .filter(waha_participants::Column::ChatId.eq(chat))
            .filter(waha_participants::Column::IsMember.eq(true));
        let rows = rows.all(self.app.db()).await.unwrap();
        rows.into_iter().map(|row| (row.jid, row.role)).collect()
    }

    /// The same as WAHA has it.
    async fn listed_members(&self, group: &str) -> BTreeMap<String, String> {
        let session = self.waha.sessions().remove(0);
        let rows = self.ask(&format!("/api/{session}/groups/{group}/participants/v2")).await;
        let contacts = self.contacts().await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let name = |id: String| contacts.get(&id).and_then(|it| it.phone.clone()).unwrap_or(id);
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| (name(text(&row["id"])), text(&row["role"]))).collect()
    }

    async fn groups(&self) -> Vec<String> {
        let chats = self.chats().await.into_keys();
        chats.filter(|id| id.ends_with("@g.us")).collect()
    }

    /// What followers of the feed have is what is here.
    async fn assert_told(&self, mirror: &mut Mirror) {
        mirror.follow(self.app.db()).await.unwrap();
        assert_eq!(mirror.difference(self.app.db()).await.unwrap(), None);
    }

    async fn post(&self, event: &str, id: &str, at_ms: i64, payload: Value) {
        let session = self.waha.sessions().remove(0);
        let body = json!({
            "id": id, "timestamp": at_ms, "event": event, "session": session,
            "payload": payload, "environment": {"engine": "GOWS", "version": "2026.8.2"},
        });
        self.app.post_json(&body).await;
        self.app.work_until_idle().await;
    }

    async fn post_member(&self, id: &str, at_ms: i64, group: &str, kind: &str, jid: &str) {
        let member = json!({"id": jid, "role": "participant"});
        let payload = json!({"group": {"id": group}, "type": kind, "participants": [member]});
        self.post("group.v2.participants", id, at_ms, payload).await;
    }
}

async fn what_webhooks_never_told_is_filled_in(kind: Kind) {
    for engine in ENGINES {
        let it = Reconciling::start(kind, silent(engine)).await;
        it.live().await;
        assert!(it.sessions().await.is_empty());
        let mut mirror = Mirror::default();
        it.list_sessions().await;
        let session = it.sessions().await.remove(0);
        assert!(session.me_id.is_some() && session.status.as_deref() == Some("WORKING"));
        assert!(it.refresh().await > 10, "{engine:?}");
        it.assert_told(&mut mirror).await;
        let session = it.sessions().await.remove(0);
        assert_eq!(session.engine.as_deref(), Some(format!("{engine:?}").to_uppercase().as_str()));
        it.assert_everybody_is_here(engine).await;
        assert_eq!(it.refresh().await, 0, "{engine:?}: what did not change is not written");
        it.assert_told(&mut mirror).await;
        it.assert_balanced().await;
        let whatsapp = ["check-exists", "overview", "refresh", "presence"];
        let is_read = |it: &waha_ingest::simulate::api::Request| {
            it.method == "GET" && !whatsapp.iter().any(|word| it.path.contains(word))
        };
        assert!(it.waha.requests().iter().all(is_read));
    }
}

impl Reconciling {
    async fn assert_everybody_is_here(&self, engine: Engine) {
        let session = self.waha.sessions().remove(0);
        let contacts = self.contacts().await;
        let listed = self.ask(&format!("/api/contacts/all?session={session}")).await;
        let listed = listed.as_array().unwrap();
        assert!(listed.len() > 5);
        for row in listed {
            let here = &contacts[row["id"].as_str().unwrap()];
            assert_eq!(here.push_name.as_deref(), row["pushname"].as_str(), "{engine:?}");
        }
        let pairs = self.ask(&format!("/api/{session}/lids?limit=1000")).await;
        for pair in pairs.as_array().unwrap() {
            let lid = &contacts[pair["lid"].as_str().unwrap()];
            assert_eq!(lid.phone.as_deref(), pair["pn"].as_str(), "{engine:?}");
            let phone = &contacts[pair["pn"].as_str().unwrap()];
            assert_eq!(phone.lid.as_deref(), pair["lid"].as_str(), "{engine:?}");
        }
        let groups = self.groups().await;
        let count = self.ask(&format!("/api/{session}/groups/count")).await["count"].as_u64();
        assert!(count == Some(groups.len() as u64) && groups.len() > 1, "{engine:?}: {count:?}");
        for group in groups {
            assert!(self.chats().await[&group].name.is_some(), "{engine:?}");
            let (here, there) = (self.members(&group).await, self.listed_members(&group).await);
            assert!(here == there && here.len() > 1, "{engine:?}: {here:?} {there:?}");
        }
    }
}

async fn live_tellings_stand_whichever_comes_first(kind: Kind) {
    let mut shown = Vec::new();
    for is_first in [true, false] {
        let it = Reconciling::start(kind, silent(Engine::Gows)).await;
        it.live().await;
        it.list_sessions().await;
        let session = it.waha.sessions().remove(0);
        let contact = it.ask(&format!("/api/contacts/all?session={session}&limit=1")).await;
        let phone = contact[0]["id"].as_str().unwrap().to_owned();
        let group = it.ask(&format!("/api/{session}/groups")).await[0]["JID"].clone();
        let group = group.as_str().unwrap().to_owned();
        if is_first {
            it.refresh().await;
        }
        // Told a month before WAHA is asked.
        let then = it.app.clock.now().timestamp_millis() - 30 * 86_400_000;
        let subject = json!({"group": {"id": group, "subject": "As told live"}});
        it.post("group.v2.update", "evt_1", then, subject).await;
        let message = json!({
            "id": format!("false_{phone}_3EB0LIVE"), "timestamp": then / 1_000, "from": phone,
            "fromMe": false, "body": "hello",
            "_data": {"Info": {"Chat": phone, "Sender": phone, "IsFromMe": false,
                "ID": "3EB0LIVE", "PushName": "As told live"}},
        });
        it.post("message.any", "evt_2", then, message).await;
        if !is_first {
            it.refresh().await;
        }
        assert_eq!(it.chats().await[&group].name.as_deref(), Some("As told live"));
        assert_eq!(it.contacts().await[&phone].push_name.as_deref(), Some("As told live"));
        shown.push(crate::rows::rows(it.app.db()).await);
    }
    crate::rows::assert_equal(&shown[0], &shown[1]);
}

async fn a_lid_that_waha_knows_unites_a_chat(kind: Kind) {
    let it = Reconciling::start(kind, silent(Engine::Gows)).await;
    it.live().await;
    it.list_sessions().await;
    let session = it.waha.sessions().remove(0);
    let pairs = it.ask(&format!("/api/{session}/lids?limit=1000")).await;
    let pair = |place: usize| {
        let text = |field| pairs[place][field].as_str().unwrap().to_owned();
        (text("lid"), text("pn"))
    };
    let (lid, phone) = pair(1);
    let at_ms = it.app.clock.now().timestamp_millis() - 3_600_000;
    for (number, chat) in [(1, &lid), (2, &phone)] {
        let message = json!({
            "id": format!("false_{chat}_3EB0{number}"), "timestamp": at_ms / 1_000 + number,
            "from": chat, "fromMe": false, "body": "hello",
        });
        it.post("message.any", &format!("evt_{number}"), at_ms + number, message).await;
    }
    // Somebody whom webhooks showed to be another phone stays that one.
    let (taken, other) = (pair(2).0, "12025559999@c.us");
    let linking = json!({
        "id": format!("false_{taken}_3EB03"), "timestamp": at_ms / 1_000, "from": taken,
        "fromMe": false, "body": "hello", "_data": {"Info": {"Chat": taken, "Sender": taken,
            "SenderAlt": other.replace("c.us", "s.whatsapp.net"), "IsFromMe": false, "ID": "3EB03"}},
    });
    it.post("message.any", "evt_3", at_ms, linking).await;
    let mut mirror = Mirror::default();
    assert_eq!(it.chats().await[&lid].merged_into, None);
    it.refresh().await;
    let chats = it.chats().await;
    assert_eq!(chats[&lid].merged_into, Some(chats[&phone].id));
    let here: BTreeSet<String> = messages(it.app.db())
        .await
        .into_iter()
        .filter(|row| row.chat_id == chats[&phone].id)
        .map(|row| row.message_id)
        .collect();
    assert_eq!(here, ["3EB01".to_owned(), "3EB02".to_owned()].into());
    assert_eq!(it.contacts().await[&taken].phone.as_deref(), Some(other));
    it.assert_told(&mut mirror).await;
    it.assert_balanced().await;
}

async fn who_is_missing_in_a_whole_list_has_left_unless_told_otherwise_since(kind: Kind) {
    let it = Reconciling::start(kind, silent(Engine::Gows)).await;
    it.live().await;
    it.list_sessions().await;
    it.refresh().await;
    let group = it.groups().await.remove(0);
    let listed = it.listed_members(&group).await;
    let now = || it.app.clock.now().timestamp_millis();
    let (old, recent) = ("12025558881@c.us", "12025558882@c.us");
    // Both are told to join, and WAHA's list has neither; one of them joined after the list may have been made.
    it.post_member("evt_1", now() - DAY_MS, &group, "join", old).await;
    it.post_member("evt_2", now() - 3_600_000, &group, "join", recent).await;
    // Somebody who is listed was told to leave long ago, and somebody a moment ago.
    let mut members = listed.keys().filter(|jid| !jid.contains("999"));
    let (back, away) = (members.next().unwrap(), members.next().unwrap());
    it.post_member("evt_3", now() - DAY_MS, &group, "leave", back).await;
    it.post_member("evt_4", now() - 60_000, &group, "leave", away).await;
    it.refresh().await;
    let here = it.members(&group).await;
    assert!(!here.contains_key(old), "it has left, and nobody was told");
    assert!(here.contains_key(recent), "told since");
    assert!(here.contains_key(back), "it came back, and nobody was told");
    assert!(!here.contains_key(away), "told since");
    // Nothing is said of anybody by a list that the account is not in, or of another one that says less.
    it.app.clock.advance(DAY_MS);
    it.refresh().await;
    let here = it.members(&group).await;
    assert_eq!(here, listed, "a day later what was told then has been seen by the list");
    it.assert_balanced().await;
}

async fn an_interrupted_refresh_goes_on_where_it_was(kind: Kind) {
    let it = Reconciling::start(kind, silent(Engine::Gows)).await;
    it.live().await;
    it.list_sessions().await;
    let session = it.sessions().await.remove(0);
    let name = &session.name;
    let members = || {
        let requests = it.waha.requests().into_iter();
        requests.filter(|it| it.path.ends_with("/v2") && it.status == 200).count()
    };
    // The second group meets WhatsApp's limit.
    let busy = |path: String| Fault { path, times: 1, failure: Failure::RateOverlimit };
    let order = order_of(&it, name).await;
    it.waha.fail(busy(format!("/api/{name}/groups/{}", order[1])));
    let (_, problem) = it.refresh_by(session.id, 7).await;
    assert_eq!(problem.unwrap().reason(), "rate_limit");
    assert_eq!(members(), 1);
    let lists = |of: &str| {
        let requests = it.waha.requests().into_iter();
        requests.filter(|request| request.path.contains(of)).count()
    };
    let (contacts, lids) = (lists("/contacts/all"), lists("/lids"));
    assert!(contacts > 2, "pages of seven");
    let (_, problem) = it.refresh_by(session.id, 7).await;
    assert!(problem.is_none(), "{problem:?}");
    assert_eq!(members(), 3, "each once");
    assert_eq!(lists("/contacts/all"), contacts, "they were done");
    let again = it.waha.requests().into_iter().filter(|it| it.path.ends_with("/lids")).count();
    assert!(again <= lids, "they were done");
    it.assert_everybody_is_here(Engine::Gows).await;
    // The key is refused, and right again.
    it.waha.fail(Fault { path: "/api".to_owned(), times: 1, failure: Failure::Unauthorized });
    let (counts, problem) = it.refresh_by(session.id, 500).await;
    assert_eq!((problem.unwrap().reason(), counts.requests), ("key_refused", 1));
    assert!(it.refresh_by(session.id, 500).await.1.is_none());
    it.assert_balanced().await;
}

/// Groups in the order in which they are asked for their members.
async fn order_of(it: &Reconciling, session: &str) -> Vec<String> {
    let groups = it.ask(&format!("/api/{session}/groups")).await;
    let ids = groups.as_array().unwrap().iter().map(|it| it["JID"].as_str().unwrap().to_owned());
    let mut ids: Vec<String> = ids.collect();
    ids.sort_by_key(|id| waha_ingest::webhook::hash_texts([id.as_str()]));
    ids
}

async fn a_worker_that_lost_it_writes_nothing(kind: Kind) {
    let it = Reconciling::start(kind, silent(Engine::Gows)).await;
    it.live().await;
    it.list_sessions().await;
    let session = it.sessions().await.remove(0);
    let frozen = it.take_people(session.id).await;
    it.app.clock.advance(121_000);
    let owner = it.take_people(session.id).await;
    let none = CancellationToken::new();
    let (_, problem) = it.reconciler().refresh(&frozen, &none).await;
    assert!(matches!(problem, Some(ReconcileProblem::Lost)), "{problem:?}");
    assert!(it.contacts().await.len() <= 2, "the account itself");
    let (counts, problem) = it.reconciler().refresh(&owner, &none).await;
    assert!(problem.is_none() && counts.changed > 10, "{problem:?}");
}

async fn a_refresh_that_only_looks_changes_nothing(kind: Kind) {
    let it = Reconciling::start(kind, silent(Engine::Noweb)).await;
    it.live().await;
    let api = it.api();
    let look = directory::refresh(&it.app.store, &api, &*it.app.clock, ListedWrite::Dry);
    assert_eq!(look.await.unwrap().running, 1);
    assert!(it.sessions().await.is_empty());
    it.list_sessions().await;
    let before = crate::rows::rows(it.app.db()).await;
    let marks = it.app.store.session_marks(&["default".to_owned()]).await.unwrap();
    let target = ReconciliationTarget::of(&marks[0], people_window(it.app.clock.now()));
    let none = CancellationToken::new();
    let (counts, ended) = it.reconciler().refresh_people(&target, None, 0, &none).await;
    assert!(ended.is_ok() && counts.changed > 10, "{counts:?} {ended:?}");
    crate::rows::assert_equal(&before, &crate::rows::rows(it.app.db()).await);
    assert!(it.refresh().await > 10);
}

/// An engine that can't, or a release that does not know: the rest is asked all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_engine_does_not_know_is_left_out_and_told() {
    for failure in [Failure::NotImplemented, Failure::NoRoute] {
        let it = Reconciling::start(Kind::Sqlite, silent(Engine::Gows)).await;
        it.live().await;
        it.list_sessions().await;
        let session = it.sessions().await.remove(0);
        for path in [format!("/api/{}/lids", session.name), "/api/contacts/all".to_owned()] {
            it.waha.fail(Fault { path, times: 1_000, failure });
        }
        let (counts, problem) = it.refresh_by(session.id, 500).await;
        assert!(problem.is_none(), "{problem:?}");
        assert_eq!(counts.unsupported, ["lids", "contacts", "lids one by one"]);
        for group in it.groups().await {
            assert!(!it.members(&group).await.is_empty());
        }
    }
}

/// Without its store NOWEB would ask WhatsApp for each list.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_without_a_store_is_not_asked() {
    let mut options = silent(Engine::Noweb);
    options.oddities = options.oddities.with(Oddity::StoreOff);
    let it = Reconciling::start(Kind::Sqlite, options).await;
    it.live().await;
    let name = it.waha.sessions().remove(0);
    let mut config = it.waha.config(&name).unwrap();
    config["noweb"]["store"]["enabled"] = json!(false);
    it.waha.configure(&name, config);
    it.list_sessions().await;
    let session = it.sessions().await.remove(0);
    let asked = it.waha.requests().len();
    let (_, problem) = it.refresh_by(session.id, 500).await;
    assert_eq!(problem.unwrap().reason(), "store_off");
    assert_eq!(it.waha.requests().len(), asked + 1);
}

/// A group that is gone between two requests, or forbidden, is left out; WAHA that fails for all is given up.
#[tokio::test(flavor = "multi_thread")]
async fn one_group_that_fails_holds_up_no_other() {
    let it = Reconciling::start(Kind::Sqlite, silent(Engine::Gows)).await;
    it.live().await;
    it.list_sessions().await;
    let session = it.sessions().await.remove(0);
    let order = order_of(&it, &session.name).await;
    let path = format!("/api/{}/groups/{}", session.name, order[0]);
    it.waha.fail(Fault { path, times: 1, failure: Failure::Grpc(2) });
    let (counts, problem) = it.refresh_by(session.id, 500).await;
    assert!(problem.is_none() && counts.failed == 1, "{counts:?} {problem:?}");
    assert!(it.members(&order[0]).await.is_empty());
    assert!(!it.members(&order[1]).await.is_empty() && !it.members(&order[2]).await.is_empty());
}

/// Who is missing in it may be the one that can't be read; and a list without the account is one that it may not see.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_may_not_be_whole_says_of_nobody_that_they_left() {
    for oddity in [Oddity::NamelessMember, Oddity::AccountHidden] {
        let mut options = silent(Engine::Gows);
        options.oddities = options.oddities.with(oddity);
        let it = Reconciling::start(Kind::Sqlite, options).await;
        it.live().await;
        it.list_sessions().await;
        it.refresh().await;
        let group = it.groups().await.remove(0);
        let (somebody, then) = ("12025558881@c.us", it.app.clock.now().timestamp_millis() - DAY_MS);
        it.post_member("evt_1", then, &group, "join", somebody).await;
        it.refresh().await;
        assert!(it.members(&group).await.contains_key(somebody), "{oddity:?}");
    }
}

/// Trap 8: another worker's sessions are listed as stopped.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_another_worker_are_nobodys_here() {
    let mut options = silent(Engine::Gows);
    options.plan.sessions = 2;
    options.oddities = options.oddities.with(Oddity::OtherWorker);
    let it = Reconciling::start(Kind::Sqlite, options).await;
    it.live().await;
    it.list_sessions().await;
    let sessions = it.sessions().await;
    assert_eq!(sessions.len(), 1);
    assert!(sessions[0].me_id.is_some());
}

/// Everything that only lists told of a session is in the band below any live telling.
#[tokio::test(flavor = "multi_thread")]
async fn lists_are_weaker_than_any_live_telling() {
    let it = Reconciling::start(Kind::Sqlite, silent(Engine::Noweb)).await;
    it.live().await;
    it.list_sessions().await;
    it.refresh().await;
    let named = it.contacts().await.into_values().filter(|row| row.push_name.is_some());
    let versions: Vec<i64> = named.map(|row| row.push_name_version).collect();
    assert!(versions.len() > 5);
    assert!(versions.into_iter().all(|it| Version::stored(it).is_backfilled()));
    let chats = it.chats().await.into_values().filter(|row| row.name.is_some());
    assert!(chats.map(|row| row.name_version).all(|it| Version::stored(it).is_backfilled()));
}

/// What an operator sees of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_what_changes_and_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let waha = Served::start(silent(Engine::Gows)).unwrap();
    waha.webhooks().for_each(drop);
    let url = waha.url();
    let settings = [
        ("SOURCES__DEFAULT__HMAC_KEYS", "the key of the door"),
        ("SOURCES__DEFAULT__WAHA__URL", url.as_str()),
        ("SOURCES__DEFAULT__WAHA__REQUESTS_PER_MINUTE", "6000"),
    ];
    let command = |arguments: &[&str]| {
        let output = crate::cli::run(folder.path(), &settings, arguments);
        let [text, words] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code(), text, words)
    };
    let (code, _, words) = command(&["sessions", "refresh", "--dry-run"]);
    assert!(code == Some(1) && words.contains("migrate"), "{words}");
    assert_eq!(command(&["migrate", "up"]).0, Some(0));
    let (code, _, words) = command(&["sessions", "refresh", "--dry-run"]);
    assert!(code == Some(0) && words.contains("1 sessions run there"), "{words}");
    let (code, text, words) = command(&["sessions", "refresh", "--json"]);
    assert_eq!(code, Some(0), "{text}{words}");
    let done: Value = serde_json::from_str(&text).unwrap();
    assert!(done["done"] == true && done["changed"].as_u64() > Some(10), "{text}");
    let (code, text, _) = command(&["sessions", "refresh", "--session", "shop-0"]);
    assert!(code == Some(0) && text.contains("shop-0"), "{text}");
    let (code, _, words) = command(&["sessions", "refresh", "--session", "nobody"]);
    assert!(code == Some(1) && words.contains("no session \"nobody\""), "{words}");
}

/// Some engines ask WhatsApp for the members of each group: a day has its share of them.
#[tokio::test(flavor = "multi_thread")]
async fn of_groups_a_day_has_its_share() {
    let mut options = silent(Engine::Gows);
    options.plan.groups = 12;
    let it = Reconciling::start(Kind::Sqlite, options).await;
    it.live().await;
    it.list_sessions().await;
    let session = it.sessions().await.remove(0);
    let groups = order_of(&it, &session.name).await;
    let until = it.app.clock.now();
    let mut asked = Vec::new();
    for day in (0..7).rev() {
        let until = until - TimeDelta::days(day);
        let window = ReconciliationWindow { from: until - TimeDelta::days(1), until };
        let (session_id, kind) = (session.id, ReconciliationKind::People);
        let request = ReconciliationRequest { session_id, kind, window, mark: None, due_at: None };
        it.app.store.request_reconciliation(&request).await.unwrap();
        let task = it.app.store.take_reconciliation_of(session_id, kind, LEASE).await;
        let before = it.waha.requests().len();
        let task = task.unwrap().unwrap();
        let (_, problem) = it.reconciler().refresh(&task, &CancellationToken::new()).await;
        assert!(problem.is_none(), "{problem:?}");
        let requests = it.waha.requests().split_off(before);
        let members = requests.iter().filter(|it| it.path.ends_with("/v2")).count();
        assert!(members < groups.len(), "not all at once");
        asked.push(members);
    }
    assert_eq!(asked.iter().sum::<usize>(), groups.len(), "each once in a week: {asked:?}");
}

/// What else is due of a session does not wait for all of its people.
#[tokio::test(flavor = "multi_thread")]
async fn many_people_are_asked_for_in_turns() {
    let mut options = silent(Engine::Gows);
    options.plan.groups = 95;
    let it = Reconciling::start(Kind::Sqlite, options).await;
    it.live().await;
    it.list_sessions().await;
    let session = it.sessions().await.remove(0);
    // A request for each group, and one for each line of the list.
    assert!(order_of(&it, &session.name).await.len() > 90);
    let (counts, problem) = it.refresh_by(session.id, 1).await;
    assert_eq!((problem.unwrap().reason(), counts.requests), ("turn_over", 200));
    let rows = it.app.store.session_marks(&["default".to_owned()]).await.unwrap().remove(0).rows;
    assert_eq!(rows[0].due_at, Some(it.app.clock.now()), "again at once, when it is its turn");
    let mut turns = 1;
    while it.refresh_by(session.id, 1).await.1.is_some() {
        turns += 1;
        assert!(turns < 10, "it goes on");
    }
    it.assert_everybody_is_here(Engine::Gows).await;
}
