//! Links, answers and files of somebody who means harm.

use super::*;

on_each_database!(a_link_to_anybody_else_is_refused);

/// What a link may lead to that is not WAHA's file of this session.
fn links(waha: &str, stranger: &str) -> Vec<(String, &'static str)> {
    let below = |path: &str| format!("{waha}{path}");
    vec![
        (format!("{stranger}/file.png"), "link_foreign"),
        (format!("{stranger}/api/sessions"), "link_foreign"),
        ("http://169.254.0.1/latest/meta-data".to_owned(), "link_foreign"),
        ("http://[::ffff:169.254.169.254]/x".to_owned(), "link_foreign"),
        ("file:///etc/passwd".to_owned(), "link_foreign"),
        ("no link".to_owned(), "link_unreadable"),
        (below("/api/server/environment"), "link_path"),
        (below("/api/files/../server/environment"), "link_path"),
        (below("/api/files/sales/%2e%2e/%2e%2e/sessions"), "link_path"),
        (below("/api/files/sales/..%2f..%2fserver"), "link_path"),
        (below("/api/files/sales/..%5c..%5cserver"), "link_path"),
        (below("/api/files/private/A1.png"), "link_session"),
    ]
}

async fn a_link_to_anybody_else_is_refused(kind: Kind) {
    let (keeping, stranger) = (Keeping::start(kind).await, Waha::start());
    let _fetching = keeping.fetch();
    for (number, (link, reason)) in links(&keeping.waha.url, &stranger.url).iter().enumerate() {
        let id = format!("A{number}");
        keeping.tell(&Told::new(&id, Some(link))).await;
        let row = keeping.ended(&id).await;
        assert_eq!(
            (row.state.as_str(), row.reason.as_deref()),
            ("refused", Some(*reason)),
            "{link}"
        );
    }
    assert_eq!((stranger.asked(), keeping.waha.asked()), (vec![], vec![]));
    assert_eq!(keeping.files(), Vec::<PathBuf>::new());
}

/// Of a link with a path of WAHA's, the stranger's host does not count: WAHA itself is asked.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_strangers_link_only_the_path_is_used() {
    let (keeping, stranger) = (Keeping::start(Kind::Sqlite).await, Waha::start());
    let _fetching = keeping.fetch();
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    let link = format!("{}{}", stranger.url, Keeping::path("A1"));
    keeping.tell(&Told::new("A1", Some(&link))).await;
    keeping.assert_stored(&keeping.ended("A1").await, PNG).await;
    assert_eq!(stranger.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let (keeping, stranger) = (Keeping::start(Kind::Sqlite).await, Waha::start());
    let _fetching = keeping.fetch();
    keeping.waha.set(&Keeping::path("A1"), Answer::Redirect(format!("{}/x", stranger.url)));
    keeping.tell(&Told::new("A1", Some(&keeping.link("A1")))).await;
    let tried = |row: &Model| row.tries == 1 && row.leased_until.is_none();
    let row = keeping.row_when("A1", "a try", tried).await;
    assert_eq!(row.reason.as_deref(), Some("waha_unusable"));
    assert_eq!(stranger.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waha_answers_for_a_message_is_believed_no_more_than_a_webhook() {
    let (keeping, stranger) = (Keeping::start(Kind::Sqlite).await, Waha::start());
    let _fetching = keeping.fetch();
    let foreign = format!("{}/file.png", stranger.url);
    let answer = Answer::Json(200, message(LOADED, Some(&foreign)));
    keeping.waha.set(&Keeping::message_path("A1"), answer);
    keeping.tell(&Told::new("A1", Some(&keeping.link("A1")))).await;
    let row = keeping.ended("A1").await;
    assert_eq!((row.state.as_str(), row.reason.as_deref()), ("refused", Some("link_foreign")));
    assert_eq!(stranger.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_end_is_cut_at_the_limit() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = keeping.fetch();
    let large = vec![0; usize::try_from(BYTES_MAX).unwrap() + 1];
    for (id, answer) in [("A1", Answer::Endless), ("A2", Answer::Bytes(large))] {
        keeping.waha.set(&Keeping::path(id), answer);
        keeping.tell(&Told::new(id, Some(&keeping.link(id)))).await;
        let row = keeping.ended(id).await;
        assert_eq!((row.state.as_str(), row.reason.as_deref()), ("refused", Some("too_large")));
    }
    assert_eq!(keeping.files(), Vec::<PathBuf>::new());
}

/// WAHA keys files by the bare id, which a stranger may repeat: what comes is another chat's file. Once WAHA has
/// deleted that, asking again brings the right one.
#[tokio::test(flavor = "multi_thread")]
async fn another_chats_file_is_not_taken_for_this_one() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = keeping.fetch();
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(b"another's".to_vec()));
    keeping.tell(&Told { hashed: Some(PNG), ..Told::new("A1", Some(&keeping.link("A1"))) }).await;
    let tried = |row: &Model| row.tries == 1 && row.leased_until.is_none();
    let row = keeping.row_when("A1", "a try", tried).await;
    assert_eq!((row.state.as_str(), row.reason.as_deref()), ("waiting", Some("wrong_hash")));
    assert_eq!(keeping.files(), Vec::<PathBuf>::new(), "nothing of it is kept");
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    keeping.app.clock.advance(MINUTE_MS);
    keeping.assert_stored(&keeping.ended("A1").await, PNG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_that_stays_is_refused_in_the_end() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = keeping.fetch();
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(b"another's".to_vec()));
    keeping.tell(&Told { hashed: Some(PNG), ..Told::new("A1", Some(&keeping.link("A1"))) }).await;
    keeping.row_when("A1", "a try", |row| row.tries == 1 && row.leased_until.is_none()).await;
    keeping.app.clock.advance(MINUTE_MS);
    let row = keeping.ended("A1").await;
    assert_eq!((row.state.as_str(), row.reason.as_deref()), ("refused", Some("wrong_hash")));
}
