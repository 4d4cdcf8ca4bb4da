//! A second process on one data folder says so and ends; one that only looks does not mind; and a kill
//! leaves no lock behind.

use crate::process::Setting;

const DATABASE: &str = "sqlite://waha.db?mode=rwc";

#[tokio::test(flavor = "multi_thread")]
async fn one_door_and_one_worker_per_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = Setting::new(folder.path(), DATABASE);
    let mut running = first.up().await;
    let second = Setting::new(folder.path(), DATABASE);
    for (role, named) in [("up", "the door"), ("serve", "the door"), ("work", "the worker")] {
        let refused = second.run(&[role]);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{told}");
        assert!(told.contains("data is in use by another process (pid "), "{told}");
        assert!(told.contains(named) && told.contains("data_dir"), "{told}");
    }
    assert_eq!(first.status()["balanced"], true);
    assert!(second.run(&["check"]).status.success());
    running.kill();
    let mut next = second.up().await;
    assert_eq!(next.terminate(), Some(0));
}
