//! WAHA, WhatsApp or the disk is away, and comes back or does not.

use super::*;
use crate::disk::{Disk, SmallDisk};

/// A try that ended and is not the last.
fn tried(row: &Model) -> bool {
    row.state == "waiting" && row.reason.is_some() && row.leased_until.is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waha_that_is_away_uses_no_try() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = keeping.fetch();
    keeping.waha.stop().await;
    keeping.tell(&Told::new("A1", Some(&keeping.link("A1")))).await;
    let row = keeping.row_when("A1", "an outage", tried).await;
    assert_eq!((row.reason.as_deref(), row.tries), (Some("waha_away"), 0));
    // It started anew and has the file no more, but loads it again.
    let anew = keeping.link("A1-anew");
    keeping.waha.set(&Keeping::path("A1-anew"), Answer::Bytes(PNG.to_vec()));
    keeping.waha.set(&Keeping::message_path("A1"), Answer::Json(200, message(LOADED, Some(&anew))));
    keeping.waha.restart();
    keeping.app.clock.advance(MINUTE_MS);
    keeping.assert_stored(&keeping.ended("A1").await, PNG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_of_waha_ends_as_it_should() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = keeping.fetch();
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let gone_noweb = include_str!("samples/message.get.media.error.noweb.json");
    let gone_gows = include_str!("samples/message.get.media.error.gows.json");
    let no_message = json(include_str!("samples/error.404.message.json"));
    for (id, answer, state, reason) in [
        ("B1", Answer::Json(200, message(gone_noweb, None)), "gone", "expired"),
        ("B2", Answer::Json(200, message(gone_gows, None)), "gone", "expired"),
        ("B3", Answer::Json(404, no_message), "gone", "message_unknown"),
        ("B4", Answer::Null, "gone", "message_unknown"),
        (
            "B5",
            Answer::Json(400, json!({ "message": "Enable NOWEB store", "statusCode": 400 })),
            "gone",
            "unsupported",
        ),
    ] {
        keeping.waha.set(&Keeping::message_path(id), answer);
        keeping.tell(&Told::new(id, None)).await;
        let row = keeping.ended(id).await;
        assert_eq!((row.state.as_str(), row.reason.as_deref()), (state, Some(reason)), "{id}");
    }
    let not_working = json(include_str!("samples/error.422.not-working.json"));
    let limited = json(include_str!("samples/error.500.noweb-rate-overlimit.json"));
    for (id, answer, reason, tries) in [
        ("C1", Answer::Json(422, not_working), "session_not_working", 1),
        ("C2", Answer::Json(500, limited), "waha_busy", 1),
        ("C3", Answer::Json(500, json!({ "exception": { "message": "odd" } })), "waha_failed", 1),
        ("C4", Answer::Json(503, json!({})), "waha_away", 0),
        ("C5", Answer::Bytes(b"<html>".to_vec()), "waha_unusable", 1),
        ("C5a", Answer::Json(403, json!({ "message": "Forbidden" })), "key_forbidden", 1),
        ("C6", Answer::Json(401, json!({ "message": "Unauthorized" })), "key_refused", 0),
    ] {
        keeping.waha.set(&Keeping::message_path(id), answer);
        keeping.tell(&Told::new(id, None)).await;
        let row = keeping.row_when(id, reason, tried).await;
        assert_eq!((row.reason.as_deref(), row.tries), (Some(reason), tries), "{id}");
    }
}

/// While WAHA starts anew, the proxy before it may have nobody to ask and say so: what is said then is not WAHA's.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_says_by_itself_ends_no_file() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = keeping.fetch();
    let nobody = || Answer::Text(404, "404 page not found\n");
    for (id, link, loaded) in [
        ("A1", nobody(), nobody()),
        ("A2", Answer::Text(400, "<html>"), nobody()),
        ("A3", Answer::Text(422, ""), nobody()),
        ("A4", Answer::Json(404, json!({ "message": "no Route matched" })), nobody()),
    ] {
        keeping.waha.set(&Keeping::path(id), link);
        keeping.waha.set(&Keeping::message_path(id), loaded);
        keeping.tell(&Told::new(id, Some(&keeping.link(id)))).await;
        let row = keeping.row_when(id, "an outage", tried).await;
        assert_eq!((row.reason.as_deref(), row.tries), (Some("waha_away"), 0), "{id}");
        keeping.waha.set(&Keeping::path(id), Answer::Bytes(PNG.to_vec()));
        keeping.app.clock.advance(MINUTE_MS);
        keeping.assert_stored(&keeping.ended(id).await, PNG).await;
    }
}

/// A proxy that has no answer for some files, though WAHA is well: these are tried again, and end; others go on.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_do_not_come_stop_no_others() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = keeping.fetch();
    keeping.waha.set("/ping", Answer::Json(200, json!({ "message": "pong" })));
    let broken: Vec<String> = (0..8).map(|number| format!("B{number}")).collect();
    for id in &broken {
        keeping.waha.set(&Keeping::path(id), Answer::Text(502, "<html>"));
        keeping.tell(&Told::new(id, Some(&keeping.link(id)))).await;
    }
    for id in &broken {
        let row = keeping.row_when(id, "a try", tried).await;
        assert_eq!((row.reason.as_deref(), row.tries), (Some("waha_failed"), 1), "{id}");
    }
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    keeping.tell(&Told::new("A1", Some(&keeping.link("A1")))).await;
    keeping.assert_stored(&keeping.ended("A1").await, PNG).await;
    keeping.app.clock.advance(MINUTE_MS);
    for id in &broken {
        let row = keeping.ended(id).await;
        let ended = (row.state.as_str(), row.reason.as_deref());
        assert_eq!(ended, ("failed", Some("waha_failed")), "{id}");
    }
}

/// A presigned link ends after its time with 403, long before the file is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_presigned_link_that_is_too_old_has_waha_asked_again() {
    let mut keeping = Keeping::start(Kind::Sqlite).await;
    let bucket = Waha::start();
    keeping.s3_origins = vec![bucket.url.clone()];
    let _fetching = keeping.fetch();
    let link = |name: &str| format!("{}/waha/sales/{name}.png?X-Amz-Signature=1", bucket.url);
    bucket.set("/waha/sales/old.png", Answer::Text(403, "<Code>AccessDenied</Code>"));
    bucket.set("/waha/sales/new.png", Answer::Bytes(PNG.to_vec()));
    let loaded = Answer::Json(200, message(LOADED, Some(&link("new"))));
    keeping.waha.set(&Keeping::message_path("A1"), loaded);
    keeping.tell(&Told::new("A1", Some(&link("old")))).await;
    keeping.assert_stored(&keeping.ended("A1").await, PNG).await;
    assert!(bucket.asked().iter().all(|(_, key)| key.is_none()), "WAHA's key is nobody else's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_cut_off_is_tried_again() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = keeping.fetch();
    keeping.waha.set(&Keeping::path("A1"), Answer::CutOff(vec![7; 1 << 19]));
    keeping.tell(&Told::new("A1", Some(&keeping.link("A1")))).await;
    let row = keeping.row_when("A1", "a try", tried).await;
    assert_eq!((row.reason.as_deref(), row.tries), (Some("cut_off"), 1));
    assert_eq!(keeping.files(), Vec::<PathBuf>::new());
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    keeping.app.clock.advance(MINUTE_MS);
    keeping.assert_stored(&keeping.ended("A1").await, PNG).await;
}

/// WAHA loaded it, and started anew before it was fetched: that it is not there does not say that it can't be had.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_deleted_right_after_it_was_loaded_is_loaded_again() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = keeping.fetch();
    let loaded = message(LOADED, Some(&keeping.link("A1-anew")));
    keeping.waha.set(&Keeping::message_path("A1"), Answer::Json(200, loaded));
    keeping.tell(&Told::new("A1", Some(&keeping.link("A1")))).await;
    let row = keeping.row_when("A1", "a try", tried).await;
    let ended = (row.state.as_str(), row.reason.as_deref(), row.tries);
    assert_eq!(ended, ("waiting", Some("not_loaded"), 1));
    keeping.waha.set(&Keeping::path("A1-anew"), Answer::Bytes(PNG.to_vec()));
    keeping.app.clock.advance(MINUTE_MS);
    keeping.assert_stored(&keeping.ended("A1").await, PNG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_uses_no_try_and_leaves_nothing() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let disk = SmallDisk::mount(keeping.folder.clone(), 4 << 20);
    let _fetching = keeping.fetch();
    let bytes = vec![7; 1 << 20];
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(bytes.clone()));
    disk.fail();
    keeping.tell(&Told::new("A1", Some(&keeping.link("A1")))).await;
    let row = keeping.row_when("A1", "a full disk", tried).await;
    assert_eq!((row.reason.as_deref(), row.tries), (Some("storage"), 0));
    disk.mend();
    keeping.app.clock.advance(MINUTE_MS);
    let row = keeping.ended("A1").await;
    keeping.assert_stored(&row, &bytes).await;
    let left = keeping.files().into_iter().filter(|it| it.to_string_lossy().contains("sales"));
    assert_eq!(left.count(), 1, "nothing of the other tries");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_at_a_stop_is_given_back() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let fetching = keeping.fetch();
    keeping.waha.set(&Keeping::path("A1"), Answer::Silence);
    keeping.tell(&Told::new("A1", Some(&keeping.link("A1")))).await;
    wait_for("the request", PATIENCE, async || (!keeping.waha.asked().is_empty()).then_some(()))
        .await;
    drop(fetching);
    let free = |row: &Model| row.leased_until.is_none() && row.lease_number == 1;
    let row = keeping.row_when("A1", "the file to be free", free).await;
    assert_eq!((row.tries, row.state.as_str()), (0, "waiting"));
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    let _fetching = keeping.fetch();
    keeping.assert_stored(&keeping.ended("A1").await, PNG).await;
}

/// Pages and parts are what a proxy makes of a file. Without a hash nothing else tells that they are none.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_puts_in_place_of_a_file_is_none() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = keeping.fetch();
    let headed = |status, name, value, body| Answer::Headed(status, name, value, body);
    for (id, reason, answer) in [
        (
            "A1",
            "waha_unusable",
            headed(200, "content-type", "text/html; charset=utf-8", &b"Log in"[..]),
        ),
        ("A2", "waha_unusable", headed(200, "x-any", "", b"<!DOCTYPE html><html>Log in</html>")),
        ("A3", "waha_failed", headed(206, "content-range", "bytes 0-3/24", &PNG[..4])),
        ("A4", "waha_unusable", headed(200, "content-encoding", "gzip", b"\x1f\x8b\x08\0\0\0\0\0")),
    ] {
        keeping.waha.set(&Keeping::path(id), answer);
        keeping.tell(&Told::new(id, Some(&keeping.link(id)))).await;
        let row = keeping.row_when(id, "a try", tried).await;
        assert_eq!((row.reason.as_deref(), row.tries), (Some(reason), 1), "{id}");
        assert_eq!(keeping.files(), Vec::<PathBuf>::new(), "{id}");
        keeping.waha.set(&Keeping::path(id), Answer::Bytes(PNG.to_vec()));
        keeping.app.clock.advance(MINUTE_MS);
        keeping.assert_stored(&keeping.ended(id).await, PNG).await;
        keeping.discard_files();
    }
}

/// Whose links are dead has to be loaded again by WAHA, which takes it long: what was just told comes before.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_late_makes_nothing_else_late() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    for id in ["B0", "B1", "B2", "B3"] {
        keeping.waha.set(&Keeping::message_path(id), Answer::Silence);
        keeping.tell(&Told::new(id, Some(&keeping.link(id)))).await;
    }
    keeping.set_told_now().await;
    keeping.app.clock.advance(5 * MINUTE_MS);
    let _fetching = run(keeping.fetcher_at(&keeping.waha.url, 2));
    wait_for("one that is loaded again", PATIENCE, async || {
        keeping.waha.asked().iter().any(|(path, _)| path.contains("/messages/")).then_some(())
    })
    .await;
    for number in 0..3 {
        let id = format!("A{number}");
        keeping.waha.set(&Keeping::path(&id), Answer::Bytes(PNG.to_vec()));
        keeping.tell(&Told::new(&id, Some(&keeping.link(&id)))).await;
        keeping.assert_stored(&keeping.ended(&id).await, PNG).await;
    }
    let asked = keeping.waha.asked();
    let loaded = asked.iter().filter(|(path, _)| path.contains("/messages/"));
    assert_eq!(loaded.count(), 1, "the other place is kept for links that live");
}

/// A volume that is mounted no more: what would be written in its place is hidden once it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_went_away_is_not_made_anew() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = keeping.fetch();
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    keeping.tell(&Told::new("A1", Some(&keeping.link("A1")))).await;
    keeping.ended("A1").await;
    let away = keeping.folder.with_extension("away");
    for is_mountpoint in [false, true] {
        std::fs::rename(&keeping.folder, &away).unwrap();
        if is_mountpoint {
            std::fs::create_dir(&keeping.folder).unwrap();
        }
        let id = format!("B{is_mountpoint}");
        keeping.waha.set(&Keeping::path(&id), Answer::Bytes(PNG.to_vec()));
        keeping.tell(&Told::new(&id, Some(&keeping.link(&id)))).await;
        let row = keeping.row_when(&id, "an outage", tried).await;
        assert_eq!((row.reason.as_deref(), row.tries), (Some("storage"), 0));
        assert_eq!(keeping.files(), Vec::<PathBuf>::new(), "nothing is written elsewhere");
        if is_mountpoint {
            std::fs::remove_dir(&keeping.folder).unwrap();
        }
        std::fs::rename(&away, &keeping.folder).unwrap();
        keeping.app.clock.advance(MINUTE_MS);
        keeping.assert_stored(&keeping.ended(&id).await, PNG).await;
    }
}
