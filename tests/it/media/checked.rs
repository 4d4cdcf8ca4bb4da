//! What `check` says of WAHA's API and of where files are kept.

use serde_json::json;

use super::s3::{ACCESS_KEY, BUCKET, REGION, S3, SECRET_KEY};
use super::waha::{Answer, KEY, Waha};
use crate::cli::run;

/// What `check` says of them, with these settings besides a WAHA that shows one session to whoever has the key.
fn said(settings: &[(&str, &str)]) -> Vec<String> {
    let waha = Waha::start();
    waha.require(KEY);
    waha.set("/api/sessions", Answer::Json(200, json!([{"name": "sales"}])));
    let mut all = vec![
        ("SOURCES__DEFAULT__HMAC_KEYS", "secret"),
        ("SOURCES__DEFAULT__WAHA__URL", waha.url.as_str()),
        ("SERVER__LISTEN", "127.0.0.1:0"),
        ("ADMIN__LISTEN", "off"),
        ("MEDIA__ENABLED", "true"),
    ];
    all.extend(settings);
    let folder = tempfile::tempdir().unwrap();
    let output = tokio::task::block_in_place(|| run(folder.path(), &all, &["check"]));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains(KEY) && !text.contains(SECRET_KEY), "{text}");
    let is_of_waha = |line: &&str| line.contains("WAHA: ") || line.contains("files: ");
    let lines = text.lines().filter(is_of_waha);
    lines.map(|line| line.replace(&waha.url, "URL")).collect()
}

fn in_bucket<'a>(s3: &'a S3, bucket: &'a str, secret: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("SOURCES__DEFAULT__WAHA__API_KEY", KEY),
        ("MEDIA__STORAGE", "s3"),
        ("MEDIA__S3__ENDPOINT", s3.url.as_str()),
        ("MEDIA__S3__REGION", REGION),
        ("MEDIA__S3__BUCKET", bucket),
        ("MEDIA__S3__ACCESS_KEY_ID", ACCESS_KEY),
        ("MEDIA__S3__SECRET_ACCESS_KEY", secret),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_waha_knows_is_seen_and_another_is_named() {
    let right = said(&[("SOURCES__DEFAULT__WAHA__API_KEY", KEY)]);
    let place = "WAHA: sources.default.waha.url = URL";
    assert_eq!(
        right[0],
        format!("ok      {place}: its API answers and shows sessions to this key (1)")
    );
    assert!(right[1].starts_with("ok      files: media.folder = "), "{right:?}");
    let wrong = said(&[("SOURCES__DEFAULT__WAHA__API_KEY", "another")]);
    assert!(wrong[0].starts_with(&format!("FAILED  {place}: WAHA answered 401")), "{wrong:?}");
    let nobody = said(&[("SOURCES__DEFAULT__WAHA__URL", "http://127.0.0.1:1")]);
    assert!(nobody[0].contains("FAILED") && nobody[0].contains("does not answer"), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_there_and_takes_the_key_or_is_named() {
    let s3 = S3::start();
    let right = said(&in_bucket(&s3, BUCKET, SECRET_KEY));
    assert_eq!(
        right[1],
        "ok      files: media.s3.bucket = files: answers, and knows the access key"
    );
    assert!(s3.asked().iter().all(|it| it.starts_with("GET ")), "{:?}", s3.asked());
    let elsewhere = said(&in_bucket(&s3, "nosuch", SECRET_KEY));
    assert!(elsewhere[1].starts_with("FAILED  files: media.s3.bucket = nosuch: "), "{elsewhere:?}");
    assert!(elsewhere[1].contains("there is no such bucket"), "{elsewhere:?}");
    let refused = said(&in_bucket(&s3, BUCKET, "another"));
    assert!(refused[1].contains("FAILED") && refused[1].contains("403"), "{refused:?}");
}
