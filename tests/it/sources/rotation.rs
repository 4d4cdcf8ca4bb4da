//! A key rotates while WAHA sends: the door knows the new one, then WAHA signs with it, then the old one goes. WAHA
//! signs each webhook with the key that its session's configuration has at that moment.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use secrecy::SecretString;
use serde_json::json;
use tokio::task::JoinHandle;
use waha_ingest::http_client;
use waha_ingest::simulate::Plan;
use waha_ingest::simulate::api::{Options, Served, Time};
use waha_ingest::webhook::source::sign;

use crate::process::Setting;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
const OLD: &str = "the-old-key-of-the-door";
const NEW: &str = "the-new-key-of-the-door";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_rotates_through_waha_without_a_rejected_webhook() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    write_keys(&keys, &[OLD]);
    let url = format!("sqlite://{}", folder.path().join("waha.db").display());
    let mut setting = Setting::new(folder.path(), &url);
    let plan = Plan { messages: 200_000, ..super::plan(2) };
    let waha = Arc::new(
        Served::start(Options {
            webhook_url: Some(setting.url()),
            webhook_key: Some(OLD.into()),
            // Sessions start by themselves.
            time: Time::Real,
            ..Options::of(plan)
        })
        .unwrap(),
    );
    setting.environment = vec![
        // Empty: as if it were not set.
        ("WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS", String::new()),
        ("WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS_FILE", keys.display().to_string()),
        ("WAHA_INGEST__SOURCES__DEFAULT__WAHA__URL", waha.url()),
        ("WAHA_INGEST__SOURCES__DEFAULT__WAHA__WEBHOOK_URL", setting.url()),
        ("WAHA_INGEST__SOURCES__DEFAULT__WAHA__REQUESTS_PER_MINUTE", "6000".to_owned()),
    ];
    let up = setting.up().await;
    let sending = Sending::start(Arc::clone(&waha));
    sending.reaches_more(50).await;
    assert!(setting.run(&["sources", "diff"]).status.success());

    write_keys(&keys, &[OLD, NEW]);
    up.signal("-HUP");
    wait_for("the new key at the door", PATIENCE, || accepts(&setting, NEW)).await;
    sending.reaches_more(50).await;
    let diff = setting.run(&["sources", "diff"]);
    let said = String::from_utf8_lossy(&diff.stdout).into_owned();
    assert!(!diff.status.success() && said.contains("hmac.key: *** -> ***"), "{said}");
    assert!(setting.run(&["sources", "register", "--yes"]).status.success());
    for session in waha.sessions() {
        assert_eq!(waha.config(&session).unwrap()["webhooks"][0]["hmac"]["key"], NEW);
    }
    sending.reaches_more(50).await;

    write_keys(&keys, &[NEW]);
    up.signal("-HUP");
    wait_for("the old key to be refused", PATIENCE, || async {
        accepts(&setting, OLD).await.is_none().then_some(())
    })
    .await;
    sending.reaches_more(50).await;
    assert_eq!(sending.stop().await, 0, "a webhook was rejected");
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log.contains(OLD) && !log.contains(NEW), "{log}");
    let audit = setting.run(&["audit", "list", "--action", "register", "--json"]);
    assert_eq!(String::from_utf8(audit.stdout).unwrap().lines().count(), 1);
}

/// Whole, or not yet.
fn write_keys(path: &Path, keys: &[&str]) {
    let draft = path.with_extension("draft");
    std::fs::write(&draft, keys.join("\n")).unwrap();
    std::fs::rename(draft, path).unwrap();
}

async fn accepts(setting: &Setting<'_>, key: &str) -> Option<()> {
    let body = json!({ "id": "probe", "event": "presence.update", "session": "s", "payload": {} });
    let status = post(&setting.url(), key, body.to_string().into_bytes()).await;
    (status == StatusCode::ACCEPTED).then_some(())
}

async fn post(url: &str, key: &str, body: Vec<u8>) -> StatusCode {
    let signature = sign(&SecretString::from(key), &body);
    let client = http_client::plain().build().unwrap();
    let request = client.post(url).header("x-webhook-hmac", signature).body(body);
    request.send().await.unwrap().status()
}

/// A WAHA that sends what its history tells, each webhook as its session is configured just then.
struct Sending {
    task: JoinHandle<()>,
    sent: Arc<AtomicU64>,
    rejected: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Sending {
    fn start(waha: Arc<Served>) -> Self {
        let (sent, rejected) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let is_over = Arc::<AtomicBool>::default();
        let counts = (Arc::clone(&sent), Arc::clone(&rejected), Arc::clone(&is_over));
        let task = tokio::spawn(async move {
            let (sent, rejected, is_over) = counts;
            for webhook in waha.webhooks() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let config = waha.config(&webhook.session).unwrap();
                let entry = &config["webhooks"][0];
                let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
                let (url, key) = (text(&entry["url"]), text(&entry["hmac"]["key"]));
                let status = post(&url, &key, webhook.body).await;
                rejected.fetch_add(u64::from(status != StatusCode::ACCEPTED), Ordering::SeqCst);
                sent.fetch_add(1, Ordering::SeqCst);
            }
            panic!("the history is too short");
        });
        Self { task, sent, rejected, is_over }
    }

    async fn reaches_more(&self, more: u64) {
        let count = self.sent.load(Ordering::SeqCst) + more;
        wait_for("webhooks", PATIENCE, || async {
            (self.sent.load(Ordering::SeqCst) >= count).then_some(())
        })
        .await;
    }

    /// How many were rejected.
    async fn stop(self) -> u64 {
        self.is_over.store(true, Ordering::SeqCst);
        self.task.await.unwrap();
        self.rejected.load(Ordering::SeqCst)
    }
}
