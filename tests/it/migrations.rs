//! Up, down and up again on each kind of database, and several at once.

use crate::database::{Database, Kind, on_each_database};

on_each_database!(up_and_down_and_up_again, several_at_once);

async fn up_and_down_and_up_again(kind: Kind) {
    let database = Database::create(kind).await;
    let db = database.connect().await;
    let applied = async || {
        let steps = migration::status(&db).await.unwrap();
        (steps.iter().filter(|(_, is_applied)| *is_applied).count(), steps.len())
    };
    migration::up(&db).await.unwrap();
    let (all, known) = applied().await;
    assert_eq!(all, known);
    migration::down(&db, Some(1)).await.unwrap();
    assert_eq!(applied().await.0, all - 1);
    migration::down(&db, None).await.unwrap();
    assert_eq!(applied().await.0, 0);
    migration::up(&db).await.unwrap();
    migration::up(&db).await.unwrap();
    assert_eq!(applied().await.0, all);
}

async fn several_at_once(kind: Kind) {
    let database = Database::create(kind).await;
    let all = (0..4).map(|_| async {
        let db = database.connect().await;
        migration::up(&db).await
    });
    for result in futures_util::future::join_all(all).await {
        result.unwrap();
    }
}
