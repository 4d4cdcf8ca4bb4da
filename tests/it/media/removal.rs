//! Files that are let go of: old ones, those of messages that were deleted here or taken back.

use entity::waha_messages;
use sea_orm::QueryOrder;
use waha_ingest::media::removal::{Removal, RemovalRules};

use super::*;

on_each_database!(
    what_is_old_goes_and_its_row_stays,
    what_nobody_has_a_message_for_goes_with_its_row,
    what_was_taken_back_goes_only_if_configured,
);

const DAY: Duration = Duration::from_hours(24);

fn removal(keeping: &Keeping, rules: RemovalRules) -> Removal {
    let storage = MediaStorage::open(&keeping.storage).unwrap();
    Removal::new(Arc::clone(&keeping.app.store), keeping.app.clock.clone(), storage, rules)
}

async fn store(keeping: &Keeping, id: &str) -> Model {
    keeping.waha.set(&Keeping::path(id), Answer::Bytes(PNG.to_vec()));
    keeping.tell(&Told::new(id, Some(&keeping.link(id)))).await;
    keeping.ended(id).await
}

async fn told(keeping: &Keeping) -> Vec<i64> {
    let changes = entity::waha_changes::Entity::find()
        .filter(entity::waha_changes::Column::Kind.eq("attachment"))
        .order_by_asc(entity::waha_changes::Column::Position);
    changes.all(keeping.app.db()).await.unwrap().into_iter().map(|it| it.row_id).collect()
}

async fn what_is_old_goes_and_its_row_stays(kind: Kind) {
    let keeping = Keeping::start(kind).await;
    let _fetching = keeping.fetch();
    let old = store(&keeping, "A1").await;
    keeping.app.clock.advance(i64::try_from(DAY.as_millis()).unwrap() * 10);
    let young = store(&keeping, "A2").await;
    let rules = RemovalRules { age_max: Some(DAY * 10), removes_revoked: false };
    assert_eq!(removal(&keeping, RemovalRules::default()).remove_due().await.unwrap(), 0);
    assert_eq!(removal(&keeping, rules).remove_due().await.unwrap(), 0, "not a moment early");
    keeping.app.clock.advance(1);
    assert_eq!(removal(&keeping, rules).remove_due().await.unwrap(), 1);
    let row = keeping.row("A1").await.unwrap();
    assert_eq!((row.state.as_str(), row.reason.as_deref()), ("removed", Some("retention")));
    assert_eq!((row.storage_key, row.next_try_at), (None, None));
    assert_eq!((row.sha256, row.size_bytes), (old.sha256.clone(), old.size_bytes));
    keeping.assert_stored(&keeping.row("A2").await.unwrap(), PNG).await;
    assert_eq!(keeping.files().len(), 1);
    assert_eq!(told(&keeping).await, [old.id, young.id, old.id], "applications are told");
    // Told once more, it does not come back.
    let again = keeping.link("A1");
    keeping.tell(&Told { at_s: 1_790_000_001, ..Told::new("A1", Some(&again)) }).await;
    assert_eq!(keeping.row("A1").await.unwrap().state, "removed");
    assert_eq!(removal(&keeping, rules).remove_due().await.unwrap(), 0);
}

async fn what_nobody_has_a_message_for_goes_with_its_row(kind: Kind) {
    let keeping = Keeping::start(kind).await;
    let fetching = keeping.fetch();
    let row = store(&keeping, "A1").await;
    store(&keeping, "A2").await;
    drop(fetching);
    keeping.tell(&Told::new("A3", None)).await;
    let delete = waha_messages::Entity::delete_many()
        .filter(waha_messages::Column::MessageId.is_in(["A1", "A3"]));
    delete.exec(keeping.app.db()).await.unwrap();
    assert_eq!(keeping.row("A1").await.unwrap().message_row_id, None);
    let rules = RemovalRules::default();
    assert_eq!(removal(&keeping, rules).remove_due().await.unwrap(), 1);
    assert_eq!(keeping.row("A1").await, None);
    assert!(!keeping.folder.join(row.storage_key.unwrap()).exists());
    assert_eq!(keeping.files().len(), 1);
    // What was not fetched yet is not fetched any more.
    let asked = keeping.waha.asked().len();
    let _fetching = keeping.fetch();
    let row = keeping.ended("A3").await;
    assert_eq!((row.state.as_str(), row.reason.as_deref()), ("gone", Some("message_deleted")));
    assert_eq!(keeping.waha.asked().len(), asked);
    removal(&keeping, rules).remove_due().await.unwrap();
    assert_eq!(keeping.row("A3").await, None);
}

async fn what_was_taken_back_goes_only_if_configured(kind: Kind) {
    let keeping = Keeping::start(kind).await;
    let _fetching = keeping.fetch();
    store(&keeping, "A1").await;
    store(&keeping, "A2").await;
    keeping.app.post_json(&revoked("A1")).await;
    keeping.app.work_until_idle().await;
    assert_eq!(removal(&keeping, RemovalRules::default()).remove_due().await.unwrap(), 0);
    let rules = RemovalRules { age_max: None, removes_revoked: true };
    assert_eq!(removal(&keeping, rules).remove_due().await.unwrap(), 1);
    let row = keeping.row("A1").await.unwrap();
    assert_eq!((row.state.as_str(), row.reason.as_deref()), ("removed", Some("message_revoked")));
    keeping.assert_stored(&keeping.row("A2").await.unwrap(), PNG).await;
    assert_eq!(keeping.files().len(), 1);
}

/// Its author takes a message back.
fn revoked(id: &str) -> Value {
    let chat = "12025550144@c.us";
    json!({
        "id": format!("evt_revoked_{id}"), "timestamp": 1_790_000_060_000_i64, "event": "message.revoked",
        "session": "sales", "engine": "NOWEB", "me": null,
        "payload": {
            "revokedMessageId": id,
            "after": {
                "id": format!("false_{chat}_R{id}"), "timestamp": 1_790_000_060, "from": chat,
                "fromMe": false, "to": null, "body": null, "hasMedia": false, "media": null,
                "source": "app", "participant": null,
                "_data": {
                    "key": { "remoteJid": "12025550144@s.whatsapp.net", "fromMe": false,
                             "id": format!("R{id}") },
                    "message": { "protocolMessage": {
                        "key": { "remoteJid": "12025550144@s.whatsapp.net", "fromMe": false, "id": id },
                        "type": "REVOKE"
                    } }
                }
            },
            "before": null
        }
    })
}

/// A process that died after the row was written, before the file was removed: the next one removes it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_let_go_of_is_removed_by_whoever_comes_next() {
    use waha_ingest::store::operations::attachments::RemovalReason;
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = keeping.fetch();
    store(&keeping, "A1").await;
    keeping.app.clock.advance(1);
    let old = RemovalReason::Old(waha_ingest::clock::Clock::now(keeping.app.clock.as_ref()));
    assert_eq!(keeping.app.store.condemn_attachments(old, 10).await.unwrap(), 1);
    let row = keeping.row("A1").await.unwrap();
    assert!(row.state == "removed" && row.storage_key.is_some() && keeping.files().len() == 1);
    // Nobody has it fetched anew while its file is still there.
    let actor = waha_ingest::store::audit::Actor {
        name: "somebody".to_owned(),
        channel: waha_ingest::store::audit::ActorChannel::Process,
        place: "here".to_owned(),
    };
    assert_eq!(keeping.app.store.retry_attachments(&[row.id], &actor).await.unwrap(), 0);
    assert_eq!(removal(&keeping, RemovalRules::default()).remove_due().await.unwrap(), 1);
    assert_eq!(keeping.files(), Vec::<PathBuf>::new());
    assert_eq!(keeping.app.store.retry_attachments(&[row.id], &actor).await.unwrap(), 1);
    keeping.assert_stored(&keeping.ended("A1").await, PNG).await;
}

/// Whatever keeps one file there, such as a lock of its bucket, keeps no other.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_can_t_be_removed_keeps_no_other() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = keeping.fetch();
    for id in ["A1", "A2", "A3"] {
        store(&keeping, id).await;
    }
    let key = keeping.row("A1").await.unwrap().storage_key.unwrap();
    let first = keeping.folder.join(key);
    std::fs::remove_file(&first).unwrap();
    // A folder in its place is no file that could be deleted.
    std::fs::create_dir_all(first.join("in the way")).unwrap();
    keeping.app.clock.advance(1);
    let rules =
        RemovalRules { age_max: Some(std::time::Duration::ZERO), ..RemovalRules::default() };
    assert_eq!(removal(&keeping, rules).remove_due().await.unwrap(), 2);
    assert_eq!(keeping.files(), Vec::<PathBuf>::new());
    for (id, is_there) in [("A1", true), ("A2", false), ("A3", false)] {
        let row = keeping.row(id).await.unwrap();
        assert_eq!((row.state.as_str(), row.storage_key.is_some()), ("removed", is_there), "{id}");
    }
    let folders = std::fs::read_dir(keeping.folder.join("default/sales")).unwrap().count();
    assert_eq!(folders, 1, "nothing is left of a file that is gone");
    // The row names what is still to be removed, even once its message is gone.
    waha_messages::Entity::delete_many().exec(keeping.app.db()).await.unwrap();
    assert_eq!(removal(&keeping, rules).remove_due().await.unwrap(), 0);
    assert!(keeping.row("A1").await.is_some() && keeping.row("A2").await.is_none());
    std::fs::remove_dir_all(&first).unwrap();
    assert_eq!(removal(&keeping, rules).remove_due().await.unwrap(), 1);
    assert_eq!(keeping.row("A1").await, None);
}
