//! Applications that follow the feed, whatever happens meanwhile: by SQL, by pages, by events and by webhooks.
//! In the end each has seen every change, and what the one by SQL has copied is what is in the tables.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use sea_orm::EntityTrait;
use serde_json::Value;
use tokio::sync::Mutex;
use waha_ingest::http_client;

use crate::consumers::receiver::Got;
use crate::feed::mirror::Mirror;
use crate::fleet::Fleet;

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long they may take once all is quiet: who reads rows one by one needs 40 ms for each on MariaDB.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long events are read before the follower asks anew.
const EVENTS: Duration = Duration::from_millis(600);

/// All of them.
#[derive(Default)]
pub struct Followers {
    is_over: AtomicBool,
    mirror: Mutex<Mirror>,
    /// Last positions of those who follow over HTTP.
    pages: AtomicI64,
    events: AtomicI64,
    problem: std::sync::Mutex<Option<String>>,
    /// Why the last page was refused.
    refusal: std::sync::Mutex<String>,
}

impl Followers {
    pub fn stop(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Follows until it is stopped. While something is away there may be no answer.
    pub async fn follow(&self, fleet: &Fleet) {
        tokio::join!(self.follow_by_sql(fleet), self.follow_by_http(fleet));
    }

    /// Reads each row apart, which takes its time.
    async fn follow_by_sql(&self, fleet: &Fleet) {
        while !self.is_over.load(Ordering::Relaxed) {
            let _ = self.mirror.lock().await.follow(&fleet.db()).await;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn follow_by_http(&self, fleet: &Fleet) {
        let client = http_client::plain().timeout(Duration::from_secs(3)).build().unwrap();
        while !self.is_over.load(Ordering::Relaxed) {
            for worker in fleet.workers() {
                let url =
                    format!("http://127.0.0.1:{}/api/v1/changes", worker.setting().admin_port);
                let after = self.pages.load(Ordering::Relaxed);
                self.read_page(client.get(format!("{url}?after={after}&limit=1000"))).await;
                self.read_events(client.get(&url)).await;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn read_page(&self, request: RequestBuilder) {
        let answer = match request.send().await {
            Ok(answer) if answer.status().is_success() => answer.json::<Value>().await,
            Ok(answer) => return self.refused(answer.text().await.unwrap_or_default()),
            Err(error) => return self.refused(format!("{error:?}")),
        };
        let page = match answer {
            Ok(page) => page,
            Err(error) => return self.refused(format!("{error:?}")),
        };
        let changes = page["changes"].as_array().unwrap().iter();
        let told = changes.map(|change| change["position"].as_i64().unwrap());
        self.see(&self.pages, "pages", told);
    }

    /// What comes within a while; the next time it goes on behind the last event.
    async fn read_events(&self, request: RequestBuilder) {
        let after = self.events.load(Ordering::Relaxed);
        let request = request.header("accept", "text/event-stream");
        let Ok(answer) = request.header("last-event-id", after).send().await else { return };
        if !answer.status().is_success() {
            return;
        }
        let text = read_for(answer, EVENTS).await;
        // The last one may be cut off.
        let whole = text.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
        let events = whole.split("\n\n").filter(|event| event.contains("\ndata: "));
        let ids = events.filter_map(|event| event.strip_prefix("id: ")?.lines().next());
        let position = |id: &str| id.rsplit_once('_').unwrap().1.parse().unwrap();
        self.see(&self.events, "events", ids.map(position));
    }

    /// Positions must follow one another without a gap.
    fn see(&self, last: &AtomicI64, way: &str, told: impl Iterator<Item = i64>) {
        for position in told {
            let expected = last.load(Ordering::Relaxed) + 1;
            if position != expected {
                self.complain(format!("{way} told {position} where {expected} comes"));
            }
            last.store(position, Ordering::Relaxed);
        }
    }

    fn refused(&self, why: String) {
        *self.refusal.lock().unwrap() = why;
    }

    fn complain(&self, problem: String) {
        self.problem.lock().unwrap().get_or_insert(problem);
    }

    /// What is wrong once all is quiet.
    pub async fn problem(&self, fleet: &Fleet) -> Option<String> {
        let newest = newest(fleet).await;
        self.is_over.store(false, Ordering::Relaxed);
        let reaching = async {
            let started = Instant::now();
            while self.lagging(fleet, newest).await.is_some() && started.elapsed() < PATIENCE {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            self.stop();
        };
        tokio::join!(self.follow(fleet), reaching);
        if let Some(lagging) = self.lagging(fleet, newest).await {
            let refusal = self.refusal.lock().unwrap().clone();
            self.complain(format!("{lagging}, of {newest}; the last page was refused: {refusal}"));
        }
        if let Some(differs) = self.mirror.lock().await.difference(&fleet.db()).await.unwrap() {
            self.complain(format!("who follows by SQL has not what is there: {differs}"));
        }
        self.problem.lock().unwrap().clone()
    }

    /// Who has not seen all.
    async fn lagging(&self, fleet: &Fleet, newest: i64) -> Option<String> {
        let webhooks = seen(&fleet.receiver.got(), newest);
        let positions = [
            ("SQL", self.mirror.lock().await.position()),
            ("pages", self.pages.load(Ordering::Relaxed)),
            ("events", self.events.load(Ordering::Relaxed)),
            ("webhooks", webhooks),
        ];
        let behind = positions.into_iter().find(|(_, position)| *position < newest);
        behind.map(|(way, position)| format!("{way} told all up to {position}"))
    }
}

/// Up to which position webhooks told all.
fn seen(got: &[Got], newest: i64) -> i64 {
    let changes = got.iter().flat_map(Got::changes);
    let all: BTreeSet<i64> = changes.map(|it| it["position"].as_i64().unwrap()).collect();
    (1..=newest).take_while(|position| all.contains(position)).last().unwrap_or_default()
}

async fn newest(fleet: &Fleet) -> i64 {
    let feed = entity::waha_feed::Entity::find().one(&fleet.db()).await.unwrap();
    feed.expect("the feed has a row").position
}

async fn read_for(mut answer: reqwest::Response, time: Duration) -> String {
    let (mut bytes, until) = (Vec::new(), tokio::time::Instant::now() + time);
    while let Ok(Ok(Some(chunk))) = tokio::time::timeout_at(until, answer.chunk()).await {
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
