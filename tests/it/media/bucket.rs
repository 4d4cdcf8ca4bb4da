//! Files in a bucket on S3: whole and in parts, while it is full, slow, or another worker stored one before.

use super::s3::{BUCKET, Mood, S3};
use super::*;
use waha_ingest::media::storage::{S3Options, SavedAs};

/// More than one part of an upload.
const LARGE: usize = 12 << 20;

/// An installation whose files are in this bucket.
async fn start(kind: Kind, s3: &S3) -> Keeping {
    let mut keeping = Keeping::start(kind).await;
    keeping.storage = s3.options();
    keeping.bytes_max = 16 << 20;
    keeping
}

fn large() -> Vec<u8> {
    (0..LARGE).map(|place| u8::try_from(place % 251).unwrap()).collect()
}

fn tried(row: &Model) -> bool {
    row.state == "waiting" && row.reason.is_some() && row.leased_until.is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_there_once_it_is_whole() {
    let s3 = S3::start();
    let keeping = start(Kind::Sqlite, &s3).await;
    let _fetching = keeping.fetch();
    let bytes = large();
    for (id, bytes) in [("A1", PNG), ("A2", bytes.as_slice()), ("A3", &[][..])] {
        keeping.waha.set(&Keeping::path(id), Answer::Bytes(bytes.to_vec()));
        keeping.tell(&Told { hashed: Some(bytes), ..Told::new(id, Some(&keeping.link(id))) }).await;
        let row = keeping.ended(id).await;
        keeping.assert_stored(&row, bytes).await;
        let object = s3.objects().remove(row.storage_key.as_deref().unwrap()).unwrap();
        assert_eq!(object.as_ref(), bytes);
    }
    assert_eq!((s3.objects().len(), s3.unfinished()), (3, 0));
    let asked = s3.asked();
    let puts = asked.iter().filter(|it| it.starts_with("PUT"));
    assert_eq!(puts.count(), 2 + 3, "two whole, one in three parts");
    let lists = asked.iter().filter(|it| it.contains("list-type"));
    assert_eq!(lists.count(), 0, "before a first try there was none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_takes_nothing_uses_no_try_and_keeps_no_parts() {
    let s3 = S3::start();
    let keeping = start(Kind::Sqlite, &s3).await;
    let _fetching = keeping.fetch();
    let bytes = large();
    for (id, mood) in [("A1", Mood::Full), ("A2", Mood::Slow)] {
        s3.feel(mood);
        keeping.waha.set(&Keeping::path(id), Answer::Bytes(bytes.clone()));
        keeping.tell(&Told::new(id, Some(&keeping.link(id)))).await;
        let row = keeping.row_when(id, "a bucket that fails", tried).await;
        assert_eq!((row.reason.as_deref(), row.tries), (Some("storage"), 0));
    }
    s3.feel(Mood::Well);
    keeping.app.clock.advance(MINUTE_MS);
    for id in ["A1", "A2"] {
        keeping.assert_stored(&keeping.ended(id).await, &bytes).await;
    }
    assert_eq!((s3.objects().len(), s3.unfinished()), (2, 0));
}

/// A worker that was frozen after it had stored the file, before its row said so.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_try_left_is_removed() {
    let s3 = S3::start();
    let keeping = start(Kind::Sqlite, &s3).await;
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    keeping.tell(&Told::new("A1", Some(&keeping.link("A1")))).await;
    let lease = Duration::from_secs(60);
    let frozen =
        keeping.app.store.take_attachment(&LeftAlone::default(), lease).await.unwrap().unwrap();
    s3.put(&format!("default/sales/{}/1", frozen.row.id), b"left");
    s3.put(&format!("default/sales/{}0/1", frozen.row.id), b"another's");
    let _fetching = keeping.fetch();
    keeping.app.clock.advance(MINUTE_MS + 1);
    let row = keeping.ended("A1").await;
    keeping.assert_stored(&row, PNG).await;
    let kept = format!("default/sales/{}/2", row.id);
    let others = format!("default/sales/{}0/1", row.id);
    wait_for("the rest to go", PATIENCE, async || {
        let left: Vec<String> = s3.objects().into_keys().collect();
        (left == [kept.clone(), others.clone()]).then_some(())
    })
    .await;
}

/// In a folder, a killed process leaves what it had begun, which no list shows.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_had_begun_is_removed() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    keeping.tell(&Told::new("A1", Some(&keeping.link("A1")))).await;
    let lease = Duration::from_secs(60);
    let killed =
        keeping.app.store.take_attachment(&LeftAlone::default(), lease).await.unwrap().unwrap();
    let folder = keeping.folder.join(format!("default/sales/{}", killed.row.id));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("1#1"), b"begun").unwrap();
    let _fetching = keeping.fetch();
    keeping.app.clock.advance(MINUTE_MS + 1);
    keeping.assert_stored(&keeping.ended("A1").await, PNG).await;
    wait_for("the rest to go", PATIENCE, async || (keeping.files().len() == 1).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_presigned_link_gives_the_file_for_saving_and_nothing_else() {
    let s3 = S3::start();
    s3.put("default/sales/1/1", PNG);
    let storage = MediaStorage::open(&s3.options()).unwrap();
    let saved_as = SavedAs {
        content_type: "image/png",
        disposition: "attachment; filename=\"a b.png\"; filename*=UTF-8''a%20b.png",
    };
    let lasts = Duration::from_secs(300);
    let link = storage.presigned("default/sales/1/1", saved_as, lasts).await.unwrap().unwrap().0;
    assert!(link.path().starts_with(&format!("/{BUCKET}/default/")));
    assert!(link.query().unwrap().contains("X-Amz-Expires=300"));
    assert!(!link.as_str().contains(super::s3::SECRET_KEY));
    let client = waha_ingest::http_client::plain().build().unwrap();
    let answer = client.get(link.clone()).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "image/png");
    assert_eq!(answer.headers()["content-disposition"], saved_as.disposition);
    assert_eq!(answer.bytes().await.unwrap(), PNG);
    let mut other = link.clone();
    other.set_path(&format!("/{BUCKET}/default/sales/2/1"));
    assert_eq!(client.get(other).send().await.unwrap().status(), 403);
    let shown = link.as_str().replace("attachment", "inline");
    assert_eq!(client.get(shown).send().await.unwrap().status(), 403);
    let folder = StorageOptions::Folder(tempfile::tempdir().unwrap().path().join("media"));
    let folder = MediaStorage::open(&folder).unwrap();
    assert!(folder.presigned("default/sales/1/1", saved_as, lasts).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_a_bucket_is_seen() {
    let s3 = S3::start();
    let keeping = start(Kind::Sqlite, &s3).await;
    let _fetching = keeping.fetch();
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    keeping.tell(&Told::new("A1", Some(&keeping.link("A1")))).await;
    let row = keeping.ended("A1").await;
    let key = row.storage_key.clone().unwrap();
    let storage = MediaStorage::open(&keeping.storage).unwrap();
    verify(&storage, &row).await.unwrap();
    s3.put(&key, b"other bytes");
    assert_eq!(verify(&storage, &row).await.unwrap_err().to_string(), "other bytes");
    storage.remove(&key).await.unwrap();
    assert_eq!(verify(&storage, &row).await.unwrap_err().to_string(), "missing");
    storage.remove(&key).await.unwrap();
    let StorageOptions::S3(options) = s3.options() else { unreachable!() };
    let secret_access_key = "another".to_owned().into();
    let stranger = StorageOptions::S3(S3Options { secret_access_key, ..options });
    let stranger = MediaStorage::open(&stranger).unwrap();
    assert!(verify(&stranger, &row).await.unwrap_err().to_string().contains("can't be read"));
}
