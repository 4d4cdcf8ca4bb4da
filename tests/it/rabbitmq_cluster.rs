//! Three RabbitMQ nodes that are one broker, each on a host of its own in a private network, with the
//! management plugin. Each can be struck, and they can lose sight of each other.
//!
//! Needs root and network namespaces; where a test may not make them, [`BrokerCluster::is_possible`]
//! says so and the test is left out.

use std::ffi::OsStr;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::rabbitmq_node::prefix;
use crate::server::Server;

/// Nodes of a cluster.
pub const NODES: usize = 3;

/// Whether the broker by itself gives queues the members that they lack; only newer releases can.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reconciling {
    Yes,
    No,
}

/// A cluster whose nodes come up, each after a delay of its own.
pub struct BootingCluster {
    nodes: Vec<JoinHandle<Server>>,
    network: Server,
}

/// A cluster of three running nodes. They end before the network they are in.
pub struct BrokerCluster {
    nodes: Vec<Server>,
    network: Server,
}

impl BootingCluster {
    /// Starts the nodes after these delays; their URLs are known at once.
    pub fn begin(delays: [Duration; NODES], reconciling: Reconciling) -> Self {
        let network = Server::start("network");
        let home = network.home();
        let wanted = if reconciling == Reconciling::Yes { "1" } else { "0" };
        let start = |(index, delay): (usize, Duration)| {
            let home = home.clone();
            std::thread::spawn(move || {
                // The order in which they come up is what is tried.
                std::thread::sleep(delay);
                let host = (index + 1).to_string();
                let settings = [
                    ("TEST_SERVERS_NETWORK", home.as_os_str()),
                    ("TEST_SERVERS_HOST", OsStr::new(&host)),
                    ("TEST_SERVERS_MANAGEMENT", OsStr::new("1")),
                    ("TEST_SERVERS_RECONCILING", OsStr::new(wanted)),
                ];
                Server::start_with("rabbitmq", &settings)
            })
        };
        let nodes = delays.into_iter().enumerate().map(start).collect();
        Self { nodes, network }
    }

    pub fn urls(&self) -> Vec<String> {
        urls(&self.network)
    }

    pub fn management_urls(&self) -> Vec<String> {
        management_urls(&self.network)
    }

    /// Waits until all nodes have booted.
    pub fn wait(self) -> BrokerCluster {
        let nodes = self.nodes.into_iter().map(|node| node.join().unwrap()).collect();
        BrokerCluster { nodes, network: self.network }
    }
}

impl BrokerCluster {
    /// Whether it can be started here. Say so in front of a test that needs it.
    pub fn is_possible() -> bool {
        let scripts = std::env::var("TEST_SERVERS_DIR").expect("run tests/run");
        let asked = Command::new(format!("{scripts}/network")).arg("possible").status().unwrap();
        if !asked.success() {
            eprintln!("left out: root and network namespaces are needed for a cluster");
        }
        asked.success()
    }

    /// Starts all three at once; takes half a minute.
    pub fn start(reconciling: Reconciling) -> Self {
        BootingCluster::begin([Duration::ZERO; NODES], reconciling).wait()
    }

    pub fn node(&self, index: usize) -> &Server {
        &self.nodes[index]
    }

    /// One for each node.
    pub fn urls(&self) -> Vec<String> {
        urls(&self.network)
    }

    /// Of the management API, one for each node.
    pub fn management_urls(&self) -> Vec<String> {
        management_urls(&self.network)
    }

    /// A node and the others lose sight of each other; clients still reach all.
    pub fn isolate(&self, index: usize) {
        self.network.order_with("isolate", &[&(index + 1).to_string()]);
    }

    /// All see each other again.
    pub fn heal(&self) {
        self.network.order("heal");
    }

    /// Restarts a node as an upgrade does: waits until all queues can do without it, sends its clients and
    /// leaders away, stops it.
    pub fn restart_gracefully(&self, index: usize) {
        self.control(index, "rabbitmq-upgrade", &["await_online_quorum_plus_one", "-t", "120"]);
        self.control(index, "rabbitmq-upgrade", &["drain"]);
        self.node(index).order("stop");
        self.node(index).order("resume");
    }

    /// Runs `rabbitmqctl`, `rabbitmq-queues` or the like on a node; returns what it prints.
    pub fn control(&self, index: usize, program: &str, arguments: &[&str]) -> String {
        let mut all = vec![program];
        all.extend(arguments);
        self.nodes[index].order_with("control", &all)
    }

    /// A node as the broker calls it.
    pub fn name(&self, index: usize) -> String {
        format!("waha-ingest-test@{}.{}", self.network.url, index + 1)
    }

    /// What the broker itself says of our queues: name and number of members.
    pub fn members(&self, prefix: &str) -> Vec<(String, usize)> {
        let arguments = ["list_queues", "name", "members", "--silent", "--formatter", "json"];
        let listed = self.control(0, "rabbitmqctl", &arguments);
        let listed: Vec<serde_json::Value> = serde_json::from_str(&listed).unwrap();
        let name = |queue: &serde_json::Value| queue["name"].as_str().unwrap().to_owned();
        let ours = listed.iter().filter(|queue| name(queue).starts_with(prefix));
        ours.map(|queue| (name(queue), queue["members"].as_array().unwrap().len())).collect()
    }
}

/// A configuration file for the product: the cluster, and names of its own; returns their prefix.
pub fn configure(folder: &std::path::Path, management_urls: &[String]) -> String {
    let prefix = prefix();
    let text = configuration(&prefix, management_urls);
    std::fs::write(folder.join("waha-ingest.toml"), text).unwrap();
    prefix
}

/// What is in that file.
pub fn configuration(prefix: &str, management_urls: &[String]) -> String {
    format!("queue.prefix = \"{prefix}\"\nqueue.management_url = {management_urls:?}\n")
}

fn urls(network: &Server) -> Vec<String> {
    let url = |host| format!("amqp://guest:guest@{}.{host}:5672/%2f", network.url);
    (1..=NODES).map(url).collect()
}

fn management_urls(network: &Server) -> Vec<String> {
    (1..=NODES).map(|host| format!("http://guest:guest@{}.{host}:15672", network.url)).collect()
}
