//! `simulate` as a newcomer meets it: nobody there, somebody silent, wrong options, and what was answered.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};

use clap::ValueEnum;
use serde_json::Value;
use waha_ingest::simulate::Age;

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

/// The first lines of a request, up to the empty one.
fn head_of_a_request(listener: &TcpListener) -> String {
    let (stream, _) = listener.accept().unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    lines.take_while(|line| !line.is_empty()).map(|line| line.to_lowercase() + "\n").collect()
}

#[test]
fn it_says_to_be_the_waha_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let setting = Setting::new(folder.path(), "");
    let url = format!("http://{}/webhooks/default", listener.local_addr().unwrap());
    for age in Age::value_variants() {
        let value = age.to_possible_value().unwrap();
        let waha = ["--waha", value.get_name()];
        let arguments =
            [&["--count", "1", "--connections", "1", "--url", &url][..], &waha].concat();
        let _simulating = Simulating::start(&setting, &arguments);
        let head = head_of_a_request(&listener);
        let agent = format!("user-agent: waha/{}\n", age.version());
        assert!(head.contains(&agent), "{agent} is not in {head}");
    }
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

/// It sends, answers at the address that it says, also after the last webhook, and ends when it is told to.
#[test]
fn a_whole_waha_answers_until_it_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), "");
    let url = accepting_url();
    let arguments = ["--count", "30", "--api", "127.0.0.1:0", "--api-key", "right", "--url", &url];
    let mut simulating = Simulating::start(&setting, &arguments);
    let said = simulating.says("goes on answering");
    let address = said.trim_start_matches("http://").split(": ").next().unwrap().to_owned();
    let ask = |key: &str| {
        let mut connection = TcpStream::connect(&address).unwrap();
        let head = format!(
            "GET /api/sessions HTTP/1.1\r\nhost: waha\r\nx-api-key: {key}\r\nconnection: close\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("wrong").starts_with("HTTP/1.1 401"));
    let sessions = ask("right");
    assert!(sessions.starts_with("HTTP/1.1 200") && sessions.contains("shop-0"), "{sessions}");
    let pid = rustix::process::Pid::from_child(&simulating.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(simulating.0.wait().unwrap().code(), Some(0));
}

/// Where everything is answered 202.
fn accepting_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(accept));
    format!("http://{address}/webhooks/default")
}

/// Reads one request and answers it.
fn accept(mut connection: TcpStream) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap_or(0) > 2 {
        let told = line.to_ascii_lowercase();
        length = told
            .strip_prefix("content-length:")
            .map_or(length, |told| told.trim().parse().unwrap());
        line.clear();
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    let _ = connection
        .write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}
