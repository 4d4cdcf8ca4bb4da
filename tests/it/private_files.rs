//! Files that hold people's messages can be read by their owner only, whatever the umask.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::Setting;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// Everything below a folder.
fn all_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            let below = if path.is_dir() { all_below(&path) } else { Vec::new() };
            std::iter::once(path).chain(below)
        })
        .collect()
}

/// Runs a command of the binary with an umask that forbids nothing.
fn with_open_umask(setting: &Setting<'_>, arguments: &str) -> Command {
    let plain = setting.command(&[]);
    let environment = plain.get_envs().filter_map(|(key, value)| Some((key, value?)));
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &format!("umask 0; exec \"$0\" {arguments}")])
        .arg(plain.get_program())
        .env_clear()
        .envs(environment)
        .current_dir(setting.folder);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_data_folder_is_its_owners() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), "");
    let _up = setting.spawn_command(with_open_umask(&setting, "up"));
    setting.answers("readyz").await;
    let data = folder.path().join("data");
    assert_eq!(mode(&data), 0o700);
    let files = wait_for("the databases and their logs", PATIENCE, || async {
        let files = all_below(&data);
        (files.iter().filter(|path| path.to_string_lossy().ends_with("-wal")).count() >= 2)
            .then_some(files)
    })
    .await;
    for path in files.iter().filter(|path| path.is_file()) {
        assert_eq!(mode(path), 0o600, "{}", path.display());
    }
    let mut export = with_open_umask(&setting, "dead-letters export --all --output letters.jsonl");
    let export = export.output().unwrap();
    assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
    assert_eq!(mode(&folder.path().join("letters.jsonl")), 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_others_may_read_is_told_about() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let setting = Setting::new(folder.path(), "");
    let told = |mode: u32| {
        std::fs::set_permissions(&data, PermissionsExt::from_mode(mode)).unwrap();
        let log = folder.path().join("log");
        std::fs::write(&log, "").unwrap();
        let setting = &setting;
        async move {
            let mut process = setting.spawn(&["up"]);
            setting.answers("readyz").await;
            process.terminate();
            std::fs::read_to_string(log).unwrap()
        }
    };
    let wide = told(0o755).await;
    assert!(wide.contains("others may read") && wide.contains("755"), "{wide}");
    let closed = told(0o700).await;
    assert!(!closed.contains("others may read"), "{closed}");
}
