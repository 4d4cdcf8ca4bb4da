//! The servers that rounds strike, each started when a round first needs it. A round has a database and
//! names on the broker of its own, so that none sees what another left.

use std::time::Duration;

use tokio::sync::OnceCell;

use crate::database::Database;
use crate::fleet::{Fleet, FleetPlan, TWO_EACH};
use crate::proxy::Proxy;
use crate::rabbitmq_cluster::{BrokerCluster, Reconciling};
use crate::rabbitmq_node::{Node, delete_queues, prefix};
use crate::server::Server;

/// A server behind a proxy, through which all processes reach it.
pub struct Proxied<S> {
    pub server: S,
    pub proxy: Proxy,
}

/// What there is.
#[derive(Default)]
pub struct Servers {
    broker: OnceCell<Proxied<Node>>,
    postgres: OnceCell<Proxied<Server>>,
    mysql: OnceCell<Server>,
    nodes: OnceCell<BrokerCluster>,
}

impl Servers {
    pub async fn broker(&self) -> &Proxied<Node> {
        let start = || async {
            let server = started(Node::start).await;
            let proxy = Proxy::start(server.address()).await;
            Proxied { server, proxy }
        };
        self.broker.get_or_init(start).await
    }

    pub async fn postgres(&self) -> &Proxied<Server> {
        let start = || async {
            let server = started(|| Server::start("postgres")).await;
            let proxy = Proxy::start(server.address()).await;
            Proxied { server, proxy }
        };
        self.postgres.get_or_init(start).await
    }

    /// A MariaDB, or a MySQL.
    pub async fn mysql(&self) -> &Server {
        self.mysql.get_or_init(|| started(Server::mysql)).await
    }

    /// Three nodes that are one broker.
    pub async fn nodes(&self) -> &BrokerCluster {
        self.nodes.get_or_init(|| started(|| BrokerCluster::start(Reconciling::Yes))).await
    }

    /// Two doors and two workers on broker and PostgreSQL, names on the broker of their own.
    pub async fn plan(&self) -> FleetPlan {
        let broker = self.broker().await;
        let postgres = self.postgres().await;
        let admin_url = Database::on_server(&postgres.server.url).await.url;
        let through = |url: &str, address: &str, proxy: &Proxy| {
            url.replace(address, &proxy.address.to_string())
        };
        let database_url = through(&admin_url, &postgres.server.address(), &postgres.proxy);
        let queue_url = through(broker.server.url(), &broker.server.address(), &broker.proxy);
        FleetPlan {
            database_url,
            queue_url: Some(queue_url),
            configuration: format!("queue.prefix = \"{}\"\n", prefix()),
            ..FleetPlan::new(TWO_EACH, &admin_url)
        }
    }

    /// Ends a fleet on the broker, and deletes its queues: hundreds would make every restart slow.
    pub async fn end(&self, fleet: Fleet) {
        let prefix = prefix_of(&fleet);
        drop(fleet);
        let node = &self.broker().await.server;
        delete_queues(node.url(), &node.queues(&prefix)).await;
    }
}

/// What the names of a fleet's queues start with.
pub fn prefix_of(fleet: &Fleet) -> String {
    let file = fleet.members[0].folder().join("waha-ingest.toml");
    let text = std::fs::read_to_string(file).unwrap();
    text.split('"').nth(1).expect("a prefix").to_owned()
}

/// The name of a user that no other round has.
pub fn user_of(plan: &FleetPlan) -> String {
    let prefix = plan.configuration.split('"').nth(1).expect("a prefix");
    format!("waha_{}", prefix.replace(['-', '.'], "_"))
}

/// A server takes seconds to start, and nothing else should stand still meanwhile.
async fn started<S: Send + 'static>(start: impl FnOnce() -> S + Send + 'static) -> S {
    tokio::task::spawn_blocking(start).await.unwrap()
}

/// Gives an order to a server, and another one after a while.
pub async fn order_for(server: &Server, [strike, mend]: [&str; 2], away: Duration) {
    server.order(strike);
    tokio::time::sleep(away).await;
    server.order(mend);
}
