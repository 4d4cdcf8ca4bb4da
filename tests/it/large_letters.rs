//! A webhook that is longer than the server takes in one statement: the others of its batch are
//! applied, and it is a dead letter with its whole body, which is shown, found, edited and replayed.

use sea_orm::ConnectionTrait;
use serde_json::json;
use waha_ingest::queue::Queue;
use waha_ingest::store::apply::burial::state::DeadLetterState;
use waha_ingest::store::operations::dead_letter::DeadLetterFilter;
use waha_ingest::store::operations::page::RowPage;

use crate::app::TestApp;
use crate::database::Database;
use crate::desk::{actor, letters, replay};
use crate::server::Server;

/// The least that people configure.
const PACKET: usize = 1024 * 1024;

fn message(id: &str, text: &str) -> Vec<u8> {
    let body = json!({
        "id": format!("evt_{id}"), "timestamp": 1_794_000_000_000_i64, "event": "message",
        "session": "s",
        "payload": {"id": format!("false_12025550142@c.us_{id}"), "timestamp": 1_794_000_000,
                    "from": "12025550142@c.us", "fromMe": false, "body": text},
    });
    body.to_string().into_bytes()
}

/// A text whose bytes differ at every place, so that nothing may be exchanged.
fn long(seed: u32) -> String {
    let numbers = (0..400_000_u32).map(|number| number.wrapping_mul(2_654_435_761) ^ seed);
    numbers.fold(String::new(), |text, number| text + &format!("{number:x}."))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_max_allowed_packet_is_kept_in_parts() {
    let server = Server::start("mariadb");
    let admin = sea_orm::Database::connect(&server.url).await.unwrap();
    admin.execute_unprepared(&format!("SET GLOBAL max_allowed_packet = {PACKET}")).await.unwrap();
    let app = TestApp::start_with(Database::on_server(&server.url).await, u64::MAX >> 1).await;
    let body = message("LONG", &long(1));
    assert!(body.len() > 3 * PACKET);
    app.post(body.clone()).await;
    for number in 0..5 {
        app.post(message(&format!("SHORT{number}"), "hello")).await;
    }
    app.work_until_idle().await;
    let equation = app.equation().await;
    assert_eq!((equation.applied, equation.dead_lettered), (5, 1), "{equation:?}");
    assert_eq!(app.queue.depth().await.unwrap().total(), 0);
    let letter = &letters(&app, DeadLetterState::Pending).await[0];
    assert_eq!(letter.row.reason, "too_large");
    assert!(letter.row.body == body && letter.webhook().body()[..] == body[..]);
    let filter = DeadLetterFilter {
        chats: vec!["12025550142@c.us".to_owned()],
        ..DeadLetterFilter::default()
    };
    let found = app.store.dead_letters(&filter, RowPage::first(10)).await.unwrap();
    assert_eq!(found[0].body_bytes, i64::try_from(body.len()).unwrap());

    // Replayed it is still too large; edited it is as long, and what was there before is kept.
    let id = letter.row.id;
    let edited = message("LONG", &long(2));
    assert!(app.store.edit_letter(id, &edited, &actor(), None).await.unwrap());
    let edits = app.store.edits_of(id).await.unwrap();
    assert!(app.store.body_before(edits[0].id).await.unwrap().unwrap() == body);
    // A failure at the very same time would be the one that is there.
    app.clock.advance(1000);
    replay(&app, &DeadLetterFilter { ids: vec![id], ..DeadLetterFilter::default() }).await;
    app.work_until_idle().await;
    let letter = &letters(&app, DeadLetterState::Pending).await[0];
    assert_eq!(letter.row.state, DeadLetterState::Pending.name());
    assert!(letter.row.body == edited);
}
