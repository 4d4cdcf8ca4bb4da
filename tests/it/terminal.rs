//! What commands do on a real terminal: nothing that a stranger wrote commands it, and the key that WAHA
//! needs is shown there and nowhere else.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::time::Duration;

use reqwest::StatusCode;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use secrecy::SecretString;
use waha_ingest::http_client;
use waha_ingest::webhook::source::sign;
use waha_ingest::webhook::verify::HMAC_HEADER;

use crate::app::KEY;
use crate::process::Setting;

const PATIENCE: Duration = Duration::from_secs(60);
/// How wide the terminals are.
const COLUMNS: u16 = 80;
/// What a session may be called, though it turns text around.
const TURNING: &str = "\u{202e}exe.gpj\u{2066}";
/// Clears a screen, sets a colour by a C1 control, and turns text around.
const HOSTILE: &str = "\u{1b}[2J\u{9b}31m\u{202e}exe.gpj\u{2066}\u{7f}";

/// A command that runs on a terminal of its own.
struct OnTerminal {
    child: Child,
    screen: File,
    shown: String,
}

impl OnTerminal {
    fn start(setting: &Setting<'_>, arguments: &[&str]) -> Self {
        Self::of(setting.command(arguments))
    }

    /// A terminal that controls the process, as that of a shell does: its end sends SIGHUP.
    fn controlling(setting: &Setting<'_>, arguments: &[&str]) -> Self {
        let command = setting.command(arguments);
        let mut leader = Command::new("setsid");
        leader.arg("--ctty").arg(command.get_program()).args(command.get_args()).env_clear();
        leader.current_dir(setting.folder).env("PATH", std::env::var("PATH").unwrap());
        leader.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self::of(leader)
    }

    fn of(mut command: Command) -> Self {
        let screen =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap();
        let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let size = Winsize { ws_row: 24, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).unwrap();
        command.stdin(terminal.try_clone().unwrap()).stdout(terminal.try_clone().unwrap());
        let child = command.stderr(terminal).spawn().unwrap();
        Self { child, screen: File::from(screen), shown: String::new() }
    }

    /// Reads on until a text is shown.
    fn shows(&mut self, text: &str) -> &str {
        while !self.shown.contains(text) {
            assert!(self.read_on(), "it ended without {text:?}: {}", self.shown);
        }
        &self.shown
    }

    fn modes(&self) -> LocalModes {
        tcgetattr(&self.screen).unwrap().local_modes
    }

    /// Closes the terminal, as when a connection of ssh breaks; the exit code of the process.
    fn hang_up(mut self) -> Option<i32> {
        self.screen = File::open("/dev/null").unwrap();
        self.child.wait().unwrap().code()
    }

    /// All that is shown until it ends.
    fn to_end(mut self) -> String {
        while self.read_on() {}
        self.child.wait().unwrap();
        std::mem::take(&mut self.shown)
    }

    /// False at the end: a terminal that nobody has open any more answers with an error.
    fn read_on(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.screen.read(&mut buffer) {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                self.shown.push_str(&String::from_utf8_lossy(&buffer[..read]));
                true
            }
        }
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn up_shows_the_key_to_copy_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let mut setting = Setting::new(folder.path(), "");
    // None is configured: it makes one.
    setting.environment = vec![("WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS", String::new())];
    let mut up = OnTerminal::start(&setting, &["up"]);
    up.shows("WHATSAPP_HOOK_HMAC_KEY=");
    let shown = up.shows("\n").to_owned();
    let key = std::fs::read_to_string(folder.path().join("data/hmac-key")).unwrap();
    let shown = if shown.contains(key.trim()) { shown } else { up.shows(key.trim()).to_owned() };
    assert!(shown.contains(&format!("  WHATSAPP_HOOK_HMAC_KEY={}", key.trim())), "{shown}");
}

#[test]
fn up_ends_in_order_with_its_terminal_and_goes_on_at_a_hangup_before() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), "");
    let mut up = OnTerminal::controlling(&setting, &["up"]);
    up.shows("WHATSAPP_HOOK_HMAC_KEY=");
    Command::new("kill").args(["-HUP", &up.child.id().to_string()]).status().unwrap();
    up.shows("the configuration was read again");
    assert_eq!(up.hang_up(), Some(0));
    let status = setting.run(&["status", "--json"]);
    assert!(status.status.success());
}

#[test]
fn a_watched_status_ends_by_a_key_and_leaves_the_terminal_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), "");
    let mut up = OnTerminal::start(&setting, &["up"]);
    up.shows("WHATSAPP_HOOK_HMAC_KEY=");
    for (end, is_key) in [("q", true), ("\x03", true), ("-TERM", false)] {
        let mut watch = OnTerminal::controlling(&setting, &["status", "--watch", "1"]);
        watch.shows("q ends");
        assert!(!watch.modes().contains(LocalModes::ECHO | LocalModes::ICANON));
        if is_key {
            watch.screen.write_all(end.as_bytes()).unwrap();
        } else {
            Command::new("kill").args([end, &watch.child.id().to_string()]).status().unwrap();
        }
        assert_eq!(watch.child.wait().unwrap().code(), Some(0), "{end:?}");
        assert!(watch.modes().contains(LocalModes::ECHO | LocalModes::ICANON), "{end:?}");
    }
}

/// What somebody should look at stands on top, whole, and in colour unless somebody wants none.
#[tokio::test(flavor = "multi_thread")]
async fn a_watched_status_shows_trouble_within_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let mut setting = Setting::new(folder.path(), "");
    let _up = setting.up().await;
    let failed = r#"{"id":"evt_1","event":"session.status","session":"shop","timestamp":1794000000000,
        "payload":{"name":"shop","status":"FAILED"}}"#;
    post(&setting, failed.to_owned()).await;
    setting.settled(PATIENCE).await;
    let unsigned = http_client::plain().build().unwrap().post(setting.url()).body("{}");
    assert_eq!(unsigned.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    for (colour, is_coloured) in [("", true), ("1", false)] {
        setting.environment = vec![("TERM", "xterm".to_owned()), ("NO_COLOR", colour.to_owned())];
        let mut watch = OnTerminal::start(&setting, &["status", "--watch", "1"]);
        for part in
            ["waha-ingest: balanced", "refused: 1 × 401", "failed: default/shop", "accepted"]
        {
            watch.shows(part);
        }
        let shown = watch.shows("looked at: ").to_owned();
        for colour in ["\u{1b}[32m", "\u{1b}[31m"] {
            assert_eq!(shown.contains(colour), is_coloured, "{shown:?}");
        }
        let text = console::strip_ansi_codes(&shown);
        let is_whole = text.split_whitespace().any(|word| word.contains("WHATSAPP_HOOK_HMAC_KEY"));
        assert!(is_whole && text.contains("to the key of"), "the remedy is cut: {text}");
        for line in text.lines() {
            assert!(console_width(line.trim_end()) <= usize::from(COLUMNS), "{line:?}");
        }
    }
}

#[test]
fn the_log_has_colours_unless_somebody_wants_none() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value, is_coloured) in
        [("NO_COLOR", "", true), ("NO_COLOR", "1", false), ("TERM", "dumb", false)]
    {
        let mut setting = Setting::new(folder.path(), "");
        setting.environment = vec![("TERM", "xterm".to_owned()), (name, value.to_owned())];
        let mut up = OnTerminal::start(&setting, &["up"]);
        // Nobody waits for the log: its first line may come after what `up` says.
        up.shows("WHATSAPP_HOOK_HMAC_KEY=");
        let shown = up.shows(" INFO");
        assert_eq!(shown.contains('\u{1b}'), is_coloured, "{name}={value}: {shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_fit_the_terminal_and_keep_ids_whole() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), "");
    let up = setting.up().await;
    let session = "a-rather-long-name-of-a-session-in-a-shop";
    let message = format!("{{\"id\":\"evt_2\",\"event\":\"message\",\"session\":\"{session}\"}}");
    let other = message.replace("\"message\"", "\"group.v2.participants.join-request\"");
    for body in [message, other] {
        post(&setting, body).await;
    }
    setting.settled(PATIENCE).await;
    drop(up);
    // An entry in the audit log.
    assert!(setting.run(&["dead-letters", "show", "1"]).status.success());
    let groups = setting.run(&["dead-letters", "groups", "--json"]).stdout;
    let group: serde_json::Value =
        serde_json::from_str(String::from_utf8(groups).unwrap().lines().next().unwrap()).unwrap();
    for (arguments, whole) in [
        (&["dead-letters", "groups"][..], group["group"].as_str().unwrap()),
        (&["dead-letters", "list"], "missing_field"),
        (&["webhooks", "list"], "dead_lettered"),
        (&["audit", "list"], "who"),
        (&["status"], group["group"].as_str().unwrap()),
    ] {
        let shown = OnTerminal::start(&setting, arguments).to_end();
        assert!(shown.contains(whole), "{arguments:?}: {shown}");
        let table =
            shown.lines().filter(|line| !line.starts_with("looked at") && !line.contains(": "));
        for line in table {
            let width = console_width(line.trim_end());
            assert!(width <= usize::from(COLUMNS), "{arguments:?}: {width} in {line:?}");
        }
    }
}

fn console_width(line: &str) -> usize {
    line.chars().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_wrote_does_not_command_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), "");
    let up = setting.up().await;
    let session = serde_json::Value::from(TURNING);
    let applied = format!(
        "{{\"id\":\"evt_1\",\"event\":\"session.status\",\"session\":{session},\"payload\":{{\"name\":{session},\"status\":\"FAILED\"}}}}"
    );
    let refused =
        format!("{{\"event\": \"message\", \"session\": {session}, \"text\": \"{HOSTILE}\"");
    let no_payload = format!("{{\"id\":\"evt_2\",\"event\":\"message\",\"session\":{session}}}");
    for body in [applied, refused, no_payload] {
        post(&setting, body).await;
    }
    let status = setting.settled(PATIENCE).await;
    assert_eq!((&status["applied"], &status["dead_lettered"]), (&1.into(), &2.into()), "{status}");
    drop(up);
    for arguments in [
        &["webhooks", "list"][..],
        &["webhooks", "list", "--json"],
        &["webhooks", "show", "1"],
        &["webhooks", "show", "1", "--raw"],
        &["dead-letters", "list"],
        &["dead-letters", "list", "--json"],
        &["dead-letters", "groups"],
        &["dead-letters", "show", "1"],
        &["dead-letters", "show", "1", "--raw"],
        &["dead-letters", "show", "2", "--json"],
        &["dead-letters", "export", "--all"],
        &["dead-letters", "discard", "--session", TURNING, "--dry-run"],
        &["status"],
        &["audit", "list"],
    ] {
        let shown = OnTerminal::start(&setting, arguments).to_end();
        assert!(!shown.is_empty(), "{arguments:?}");
        let commands: Vec<char> = shown
            .chars()
            .filter(|it| {
                (it.is_control() && !"\r\n\t".contains(*it)) || "\u{202e}\u{2066}".contains(*it)
            })
            .collect();
        assert!(commands.is_empty(), "{arguments:?}: {commands:?} in {shown:?}");
    }
    // A pipe gets the bytes.
    let raw = setting.run(&["webhooks", "show", "1", "--raw"]).stdout;
    assert!(String::from_utf8(raw).unwrap().contains("\u{202e}"));
}

async fn post(setting: &Setting<'_>, body: String) {
    let client = http_client::plain().build().unwrap();
    let signature = sign(&SecretString::from(KEY), body.as_bytes());
    let request = client.post(setting.url()).header(HMAC_HEADER, signature).body(body);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::ACCEPTED);
}
