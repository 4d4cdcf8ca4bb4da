//! `status --watch` without a terminal: the counts again and again, also while the database is away,
//! until Ctrl-C.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use waha_ingest::sender::send_all;
use waha_ingest::simulate::{Plan, history};

use crate::database::Database;
use crate::process::Setting;
use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_what_changes_and_survives_an_outage() {
    let server = Server::mysql();
    let database = Database::on_server(&server.url).await;
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), &database.url);
    let _up = setting.up().await;
    let mut plain = Watch::start(&setting, &["status", "--watch", "1"]);
    plain.until(|line| line.starts_with("accepted") && line.contains(" 0 "));
    let mut json = Watch::start(&setting, &["status", "--watch", "1", "--json"]);
    send(&setting).await;
    plain.until(|line| line.starts_with("accepted") && line.contains(" 30 "));
    plain.until(|line| line.starts_with("messages"));
    plain.until(|line| line.starts_with("waha-ingest: balanced"));
    let is_done = |line: &str| {
        let status: Value = serde_json::from_str(line).unwrap();
        (status["accepted"] == 30 && status["waiting"] == 0) && status["balanced"] == true
    };
    json.until(is_done);
    server.order("kill");
    plain.until(|line| line.starts_with("can't count now"));
    server.order("resume");
    plain.until(|line| line.starts_with("accepted") && line.contains(" 30 "));
    assert_eq!((plain.interrupt(), json.interrupt()), (Some(0), Some(0)));
}

async fn send(setting: &Setting<'_>) {
    let sending = setting.sending(2);
    let report = send_all(sending, history(&Plan::default()).take(30), || ()).await.unwrap();
    assert_eq!(report.accepted, 30);
}

/// A command that goes on; dropped, it is killed.
struct Watch {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Watch {
    fn start(setting: &Setting<'_>, arguments: &[&str]) -> Self {
        let mut command = setting.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads on until a line fits. Nothing but text may come.
    fn until(&mut self, fits: impl Fn(&str) -> bool) {
        for line in self.lines.by_ref().take(5_000) {
            let line = line.unwrap();
            assert!(!line.contains('\x1b'), "{line:?}");
            if fits(&line) {
                return;
            }
        }
        panic!("the line did not come");
    }

    fn interrupt(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-INT", &pid]).status().unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
