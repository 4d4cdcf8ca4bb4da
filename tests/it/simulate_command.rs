//! `simulate` as a newcomer meets it: nobody there, somebody silent, wrong options, and what was answered.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::cli::run;
use crate::process::Setting;

/// A `simulate` whose stderr is read line by line; dropped, it is killed.
struct Simulating(Child);

impl Simulating {
    fn start(setting: &Setting<'_>, arguments: &[&str]) -> Self {
        let mut command = setting.command(&[&["simulate"], arguments].concat());
        Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// The first line on stderr that has this text.
    fn says(&mut self, text: &str) -> String {
        let stderr = BufReader::new(self.0.stderr.take().unwrap());
        let mut lines = stderr.lines().map(Result::unwrap);
        lines.find(|line| line.contains(text)).unwrap_or_else(|| panic!("{text} was not said"))
    }
}

impl Drop for Simulating {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_unreachable_target_is_told_at_once_and_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), "");
    let mut simulating = Simulating::start(&setting, &["--count", "1"]);
    let said = simulating.says("connection refused");
    assert!(said.contains(&setting.url()) && said.contains("waha-ingest up"), "{said}");
    assert!(simulating.0.try_wait().unwrap().is_none(), "it tries on, as WAHA does");
    let mut report = String::new();
    simulating.0.stdout.take().unwrap().read_to_string(&mut report).unwrap();
    assert_eq!(simulating.0.wait().unwrap().code(), Some(1));
    assert!(report.contains("lost 1") && report.contains("16 × no answer"), "{report}");
    assert!(!report.contains("p50"), "of no answer there is no latency: {report}");
}

#[test]
fn a_target_that_does_not_answer_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let setting = Setting::new(folder.path(), "");
    let url = format!("http://{}/webhooks/default", silent.local_addr().unwrap());
    let mut simulating = Simulating::start(&setting, &["--count", "1", "--url", &url]);
    assert!(simulating.says("no answer for").contains(&url));
}

#[test]
fn what_can_not_be_meant_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code, said) in [
        (["--count", "-1"], 2, "-1 is not in 1.."),
        (["--count", "0"], 2, "0 is not in 1.."),
        (["--connections", "0"], 2, "0 is not in 1.."),
        (["--rate", "-3"], 1, "--rate must be above 0"),
        (["--rate", "inf"], 1, "--rate must be above 0"),
        (["--duplicates", "-1"], 1, "--duplicates must be between 0 and 1"),
        (["--url", "localhost:8080"], 1, "http://"),
        (["--url", "http://"], 1, "--url http://"),
        (["--url", "ftp://localhost/webhooks/default"], 1, "http://"),
    ] {
        let output = run(folder.path(), &[], &[&["simulate"], &arguments[..]].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_codes_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), "");
    let _up = setting.up().await;
    let text = setting.run(&["simulate", "--count", "20"]).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("20 × 202 Accepted") && text.contains("p50"), "{text}");
    let json = setting.run(&["simulate", "--count", "20", "--seed", "2", "--json"]).stdout;
    let report: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!((&report["statuses"]["202"], &report["lost"]), (&20.into(), &0.into()));
    // What is wrong shows with the first answer, and what helps with it.
    let mut refused = Simulating::start(&setting, &["--count", "1", "--key", "another"]);
    let said = refused.says("401 Unauthorized");
    assert!(said.contains("signature") && said.contains("--key"), "{said}");
    // A simulated history is in the past: that is no clock that is wrong.
    let status = setting.status();
    assert_eq!(status["wrong_clocks"], serde_json::json!([]), "{status}");
}
