//! A source's keys rotate under load, as Kubernetes mounts them: the old key, both, the new one. No
//! webhook is rejected, no process is started anew, and a broken file changes nothing.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::StatusCode;
use secrecy::SecretString;
use serde_json::json;
use tokio::task::JoinSet;
use waha_ingest::http_client;
use waha_ingest::webhook::source::sign;

use crate::process::Setting;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
const OLD: &str = "the-old-key";
const NEW: &str = "the-new-key";

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_under_load_without_a_rejected_webhook() {
    let folder = tempfile::tempdir().unwrap();
    let mount = Mount::new(folder.path(), &[OLD]);
    let url = format!("sqlite://{}", folder.path().join("waha.db").display());
    let mut setting = Setting::new(folder.path(), &url);
    let file = mount.file().display().to_string();
    setting.environment = vec![
        // Empty: as if it were not set.
        ("WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS", String::new()),
        ("WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS_FILE", file),
    ];
    let up = setting.up().await;
    let load = Load::start(&setting.url(), OLD);
    load.reaches(50).await;
    assert_eq!(post(&setting.url(), NEW, "early").await, StatusCode::UNAUTHORIZED);

    mount.swap(&[OLD, NEW]);
    wait_for("the new key to be taken", PATIENCE, || accepts(&setting, NEW)).await;
    load.sign_with(NEW);
    load.reaches_more(50).await;

    mount.swap(&[NEW]);
    up.signal("-HUP");
    wait_for("the old key to be refused", PATIENCE, || async {
        accepts(&setting, OLD).await.is_none().then_some(())
    })
    .await;
    mount.swap(&[]);
    let complaint = "the configuration was not taken over";
    wait_for("the broken file to be seen", PATIENCE, || async {
        (lines(folder.path(), complaint) == 1).then_some(())
    })
    .await;
    load.reaches_more(200).await;
    assert_eq!(post(&setting.url(), OLD, "late").await, StatusCode::UNAUTHORIZED);
    assert_eq!(load.stop().await, 0, "a webhook was rejected");
    assert_eq!(lines(folder.path(), complaint), 1, "one line per problem");
    assert_eq!(lines(folder.path(), "the keys of a source changed"), 2);
    // Commands read the configuration, too.
    mount.swap(&[NEW]);
    let audit = setting.run(&["audit", "list", "--action", "keys", "--json"]);
    let audit = String::from_utf8(audit.stdout).unwrap();
    assert_eq!(audit.lines().count(), 2, "{audit}");
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap() + &audit;
    assert!(!log.contains(OLD) && !log.contains(NEW), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_the_admin_listener_rotate_too() {
    let folder = tempfile::tempdir().unwrap();
    let mount = Mount::new(folder.path(), &["the-first-admin-token"]);
    let url = format!("sqlite://{}", folder.path().join("waha.db").display());
    let mut setting = Setting::new(folder.path(), &url);
    setting.environment = vec![
        ("WAHA_INGEST__ADMIN__TOKENS__OPS__ROLE", "operator".to_owned()),
        ("WAHA_INGEST__ADMIN__TOKENS__OPS__SECRET_FILE", mount.file().display().to_string()),
    ];
    let _up = setting.up().await;
    assert_eq!(ask(&setting, "the-first-admin-token").await, StatusCode::OK);
    assert_eq!(ask(&setting, "the-second-admin-token").await, StatusCode::UNAUTHORIZED);
    mount.swap(&["the-second-admin-token"]);
    wait_for("the new token to be taken", PATIENCE, || async {
        (ask(&setting, "the-second-admin-token").await == StatusCode::OK).then_some(())
    })
    .await;
    assert_eq!(ask(&setting, "the-first-admin-token").await, StatusCode::UNAUTHORIZED);
}

async fn ask(setting: &Setting<'_>, token: &str) -> StatusCode {
    let url = format!("http://127.0.0.1:{}/api/v1/log-level", setting.admin_port);
    let client = http_client::plain().build().unwrap();
    client.get(url).bearer_auth(token).send().await.unwrap().status()
}

fn lines(folder: &Path, text: &str) -> usize {
    let log = std::fs::read_to_string(folder.join("log")).unwrap();
    log.lines().filter(|line| line.contains(text)).count()
}

async fn accepts(setting: &Setting<'_>, key: &str) -> Option<()> {
    let status = post(&setting.url(), key, "probe").await;
    (status == StatusCode::ACCEPTED).then_some(())
}

async fn post(url: &str, key: &str, id: &str) -> StatusCode {
    let body = json!({ "id": id, "event": "presence.update", "session": "s", "payload": {} });
    let body = body.to_string();
    let signature = sign(&SecretString::from(key), body.as_bytes());
    let client = http_client::plain().build().unwrap();
    let request = client.post(url).header("x-webhook-hmac", signature).body(body);
    request.send().await.unwrap().status()
}

/// A mounted secret: its file is a link into a folder that is a link, and that one is swapped.
struct Mount {
    folder: PathBuf,
    versions: AtomicU64,
}

impl Mount {
    fn new(folder: &Path, keys: &[&str]) -> Self {
        let mount = Self { folder: folder.join("mount"), versions: AtomicU64::new(0) };
        std::fs::create_dir(&mount.folder).unwrap();
        mount.swap(keys);
        std::os::unix::fs::symlink("..data/keys", mount.file()).unwrap();
        mount
    }

    fn file(&self) -> PathBuf {
        self.folder.join("keys")
    }

    fn swap(&self, keys: &[&str]) {
        let version = format!("..{}", self.versions.fetch_add(1, Ordering::SeqCst));
        std::fs::create_dir(self.folder.join(&version)).unwrap();
        std::fs::write(self.folder.join(&version).join("keys"), keys.join("\n")).unwrap();
        let link = self.folder.join("..data_tmp");
        std::os::unix::fs::symlink(&version, &link).unwrap();
        std::fs::rename(&link, self.folder.join("..data")).unwrap();
    }
}

/// Senders that go on until they are told to stop.
struct Load {
    senders: JoinSet<()>,
    state: Arc<State>,
}

struct State {
    key: Mutex<&'static str>,
    sent: AtomicU64,
    rejected: AtomicU64,
    is_over: AtomicBool,
}

impl Load {
    fn start(url: &str, key: &'static str) -> Self {
        let state = Arc::new(State {
            key: Mutex::new(key),
            sent: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let mut senders = JoinSet::new();
        for sender in 0..4 {
            let (url, state) = (url.to_owned(), Arc::clone(&state));
            senders.spawn(async move {
                while !state.is_over.load(Ordering::SeqCst) {
                    let key = *state.key.lock().unwrap();
                    let number = state.sent.fetch_add(1, Ordering::SeqCst);
                    let status = post(&url, key, &format!("{sender}-{number}")).await;
                    let is_rejected = u64::from(status != StatusCode::ACCEPTED);
                    state.rejected.fetch_add(is_rejected, Ordering::SeqCst);
                }
            });
        }
        Self { senders, state }
    }

    /// From now on; what is on its way has the key before.
    fn sign_with(&self, key: &'static str) {
        *self.state.key.lock().unwrap() = key;
    }

    fn count(&self) -> u64 {
        self.state.sent.load(Ordering::SeqCst)
    }

    async fn reaches(&self, count: u64) {
        wait_for("load", PATIENCE, || async { (self.count() >= count).then_some(()) }).await;
    }

    async fn reaches_more(&self, more: u64) {
        self.reaches(self.count() + more).await;
    }

    /// How many were rejected.
    async fn stop(self) -> u64 {
        self.state.is_over.store(true, Ordering::SeqCst);
        self.senders.join_all().await;
        self.state.rejected.load(Ordering::SeqCst)
    }
}
