//! What `check`, metrics and log say of the broker's inside: members of queues, policies of operators.

use std::ffi::OsStr;
use std::process::Output;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::Setting;
use crate::rabbitmq_cluster::{BrokerCluster, Reconciling, configure};
use crate::scrape::Scrape;
use crate::server::Server;
use crate::wait::wait_for;

/// The broker renews what it tells every five seconds, the product asks every twenty.
const PATIENCE: Duration = Duration::from_mins(3);

/// Queues of one installation: six places, and five waits for each of four lanes.
pub const QUEUES: usize = 27;

const FAULTS: &str = "waha_ingest_broker_queue_faults";

fn with_management() -> Server {
    Server::start_with("rabbitmq", &[("TEST_SERVERS_MANAGEMENT", OsStr::new("1"))])
}

fn management_url(server: &Server, user: &str) -> String {
    let port = std::fs::read_to_string(server.home().join("management_port")).unwrap();
    format!("http://{user}@127.0.0.1:{}", port.trim())
}

/// An embedded database, and these brokers.
pub fn setting<'a>(folder: &'a TempDir, urls: &[String]) -> Setting<'a> {
    let mut setting = Setting::new(folder.path(), "");
    setting.queue_url = Some(urls.join(","));
    setting
}

pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The lines of `check` about the queue, once they are as they should be.
async fn check_until(setting: &Setting<'_>, what: &str, is_right: impl Fn(&str) -> bool) -> Output {
    wait_for(what, PATIENCE, || async {
        let output = setting.run(&["check"]);
        let is_right = is_right(&text(&output));
        if !is_right {
            eprintln!("not yet {what}: {}", text(&output));
        }
        is_right.then_some(output)
    })
    .await
}

pub async fn metric_is(setting: &Setting<'_>, name: &str, labels: &[(&str, &str)], value: usize) {
    wait_for(&format!("{name} {labels:?} = {value}"), PATIENCE, || async {
        let found = Scrape::of(setting).await.get(name, labels);
        found.filter(|found| found.to_string() == value.to_string()).map(drop)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_that_break_promises_are_named() {
    let (server, folder) = (with_management(), tempfile::tempdir().unwrap());
    let prefix = configure(folder.path(), &[management_url(&server, "guest:guest")]);
    let setting = setting(&folder, std::slice::from_ref(&server.url));
    let _serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    let sound = check_until(&setting, "sound policies", |text| {
        text.contains("ok      queue policies: none breaks a promise")
    })
    .await;
    assert!(sound.status.success(), "{}", text(&sound));
    assert!(text(&sound).contains("27 on 1 node:"), "{}", text(&sound));

    let (pattern, conflicts) = (format!("^{prefix}waha"), "waha_ingest_broker_policy_conflicts");
    let limits = r#"{"max-length":10,"overflow":"drop-head","delivery-limit":5}"#;
    let caps = r#"{"message-ttl":1000,"expires":3600000}"#;
    let control = |arguments: &[&str]| {
        let all: Vec<&str> = ["rabbitmqctl"].iter().chain(arguments).copied().collect();
        server.order_with("control", &all)
    };
    control(&["set_policy", "limits", &pattern, limits, "--apply-to", "queues"]);
    control(&["set_operator_policy", "caps", &pattern, caps, "--apply-to", "queues"]);
    let dead = format!(
        "{prefix}waha.dead: policy \"limits\" with operator policy \"caps\" sets delivery-limit = 5"
    );
    let named = [
        "FAILED  queue policies",
        r#"policy "limits" with operator policy "caps" sets max-length = 10: the oldest"#,
        "sets overflow = drop-head",
        "sets message-ttl = 1000",
        "sets expires = 3600000",
        &dead,
    ];
    let broken = check_until(&setting, "policies that lose", |text| {
        named.iter().all(|named| text.contains(named))
    })
    .await;
    assert_eq!(broken.status.code(), Some(1));
    // Overflow everywhere but on waha.dead, length and life everywhere, its life and its limit.
    // What becomes of probes is no matter.
    let judged = QUEUES - 1;
    let loses = judged - 1 + judged + judged + 1 + 1;
    metric_is(&setting, conflicts, &[("effect", "loses")], loses).await;
    metric_is(&setting, conflicts, &[("effect", "buries")], judged - 1).await;
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(
        log.contains("a queue on the broker is not safe") && log.contains("drop-head"),
        "{log}"
    );

    control(&["clear_policy", "limits"]);
    control(&["clear_operator_policy", "caps"]);
    let mended =
        check_until(&setting, "mended policies", |text| text.contains("none breaks")).await;
    assert!(mended.status.success(), "{}", text(&mended));
    metric_is(&setting, conflicts, &[("effect", "loses")], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_url_is_tried_and_what_can_not_be_known_is_said() {
    let (server, folder) = (with_management(), tempfile::tempdir().unwrap());
    let nobody = "amqp://guest:hidden@127.0.0.1:1/%2f".to_owned();
    let setting = setting(&folder, &[nobody, server.url.clone()]);
    let output = setting.run(&["check"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(
        "FAILED  queue: queue.url = amqp://***@127.0.0.1:1/%2f: the broker can't be reached"
    ));
    assert!(said.contains(&format!("ok      queue: amqp://***@{}", server.address())), "{said}");
    assert!(said.contains("unknown queue: queue.management_url is not set"), "{said}");
    let grown = text(&setting.run(&["check", "--grow"]));
    let command = "rabbitmq-queues grow NODE all --vhost-pattern '^/$' --queue-pattern '^waha\\.'";
    assert!(grown.contains(command), "{grown}");

    configure(folder.path(), &[management_url(&server, "guest:hidden")]);
    let refused = setting.run(&["check"]);
    let said = text(&refused);
    assert!(
        said.contains("FAILED  queue.management_url: the management API refuses the user"),
        "{said}"
    );
    assert!(!said.contains("hidden"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: tests/run --all"]
async fn queues_with_too_few_members_are_told_and_grown() {
    if !BrokerCluster::is_possible() {
        return;
    }
    let cluster = BrokerCluster::start(Reconciling::No);
    let folder = tempfile::tempdir().unwrap();
    let prefix = configure(folder.path(), &cluster.management_urls());
    let setting = setting(&folder, &cluster.urls());
    let _serve = setting.spawn(&["serve"]);
    setting.answers("readyz").await;
    check_until(&setting, "three members each", |text| text.contains("27 on 3 nodes")).await;

    for index in [1, 2] {
        cluster.control(0, "rabbitmq-queues", &["shrink", &cluster.name(index), "--errors-only"]);
    }
    let short =
        check_until(&setting, "queues of one member", |text| text.contains("1 of 3 members ("))
            .await;
    assert_eq!(short.status.code(), Some(1));
    assert!(text(&short).contains(&cluster.name(0)), "{}", text(&short));
    metric_is(&setting, FAULTS, &[("fault", "short_of_members")], QUEUES).await;

    let grown = text(&setting.run(&["check", "--grow"]));
    run_printed_commands(&cluster, &grown);
    check_until(&setting, "three members again", |text| text.contains("27 on 3 nodes")).await;
    let members = cluster.members(&prefix);
    assert!(members.len() == QUEUES && members.iter().all(|(_, count)| *count == 3), "{members:?}");
    metric_is(&setting, FAULTS, &[("fault", "short_of_members")], 0).await;

    cluster.node(2).order("kill");
    check_until(&setting, "one away", |text| text.contains("2 of 3 members online")).await;
    metric_is(&setting, FAULTS, &[("fault", "member_offline")], QUEUES).await;
    cluster.node(1).order("freeze");
    metric_is(&setting, "waha_ingest_dependency_up", &[("dependency", "queue")], 0).await;
    cluster.node(1).order("thaw");
    cluster.node(2).order("resume");
    check_until(&setting, "all online again", |text| text.contains("27 on 3 nodes")).await;
}

/// A release whose API can't grow says which commands do, and they must be right.
pub fn run_printed_commands(cluster: &BrokerCluster, said: &str) {
    let commands = said.lines().filter_map(|line| line.split_once("on a node of the broker: "));
    for (_, command) in commands {
        let words: Vec<&str> = command.split(' ').map(|word| word.trim_matches('\'')).collect();
        cluster.control(0, words[0], &words[1..]);
    }
    let is_done = said.contains("has a new member on") || said.contains("rabbitmq-queues grow");
    assert!(is_done, "{said}");
}
