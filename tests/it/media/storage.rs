//! What every storage does alike: a folder, the small S3 of these tests, and the S3 server that `TEST_S3_URL`
//! names, if it is set, with the bucket `files` in it and any key (`MinIO`, Garage, `moto_server` and the like).

use bytes::Bytes;
use futures_util::TryStreamExt;
use waha_ingest::media::storage::{S3Options, StorageError};

use super::s3::{ACCESS_KEY, BUCKET, REGION, S3, SECRET_KEY};
use super::*;

/// More than two parts.
const LARGE: usize = 11 << 20;

async fn write(storage: &MediaStorage, key: &str, bytes: &[u8]) {
    let mut upload = storage.upload(key);
    for chunk in bytes.chunks(300_000) {
        upload.write(Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    upload.finish().await.unwrap();
}

async fn read(storage: &MediaStorage, key: &str, range: std::ops::Range<u64>) -> Vec<u8> {
    let parts = storage.read(key, range).await.unwrap();
    parts.try_collect::<Vec<Bytes>>().await.unwrap().concat()
}

async fn is_missing(storage: &MediaStorage, key: &str) -> bool {
    matches!(storage.read(key, 0..1).await, Err(StorageError::Missing))
}

async fn conforms(options: &StorageOptions) {
    let storage = MediaStorage::open(options).unwrap();
    let large: Vec<u8> = (0..LARGE).map(|place| u8::try_from(place % 251).unwrap()).collect();
    for (key, bytes) in [("c/s/1/1", PNG), ("c/s/1/2", large.as_slice()), ("c/s/10/1", &[][..])] {
        write(&storage, key, bytes).await;
        let size = bytes.len() as u64;
        assert_eq!(read(&storage, key, 0..size).await, bytes, "{key}");
        assert_eq!(read(&storage, key, size / 3..size).await, &bytes[bytes.len() / 3..], "{key}");
    }
    // What is taken back was never there.
    let mut begun = storage.upload("c/s/1/3");
    begun.write(Bytes::from(large.clone())).await.unwrap();
    begun.abort().await;
    assert!(is_missing(&storage, "c/s/1/3").await);
    // What lies beside goes, and nothing else.
    storage.remove_beside("c/s/1/2").await.unwrap();
    assert!(is_missing(&storage, "c/s/1/1").await);
    assert_eq!(read(&storage, "c/s/1/2", 0..3).await, &large[..3]);
    assert_eq!(read(&storage, "c/s/10/1", 0..0).await, b"");
    for _ in 0..2 {
        storage.remove("c/s/1/2").await.unwrap();
        storage.remove("c/s/10/1").await.unwrap();
    }
    assert!(is_missing(&storage, "c/s/1/2").await);
    assert!(matches!(storage.read("c/s/10/1", 0..0).await, Err(StorageError::Missing)));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_does_as_it_should() {
    let folder = tempfile::tempdir().unwrap();
    conforms(&StorageOptions::Folder(folder.path().join("media"))).await;
    let s3 = S3::start();
    conforms(&s3.options()).await;
    assert_eq!((s3.objects().len(), s3.unfinished()), (0, 0));
    if let Ok(url) = std::env::var("TEST_S3_URL") {
        let options = S3Options {
            bucket: BUCKET.to_owned(),
            region: REGION.to_owned(),
            endpoint: Some(url),
            access_key_id: ACCESS_KEY.to_owned(),
            secret_access_key: SECRET_KEY.to_owned().into(),
            has_path_style: true,
        };
        conforms(&StorageOptions::S3(options)).await;
    }
}
