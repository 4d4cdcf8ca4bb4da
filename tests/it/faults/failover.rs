//! PostgreSQL's primary dies and its standby takes over, without a restart of any process.

use std::time::Duration;

use super::account::{Account, Permitted};
use super::kind::faults;
use super::round::Round;
use super::servers::Servers;
use crate::database::Database;
use crate::fleet::{Fleet, FleetPlan};
use crate::postgres_pair::PostgresPair;

faults! {
    /// What the primary waited for.
    FailoverFault {
        Synchronous: "failover-synchronous", "PostgreSQL fails over; each commit waited for the standby";
        Asynchronous: "failover-asynchronous", "PostgreSQL fails over to a standby that lags: what it had not is gone, and told";
    }
}

impl FailoverFault {
    #[expect(clippy::unused_self, reason = "each group of kinds is asked")]
    pub fn is_possible(self) -> bool {
        true
    }
}

pub async fn run(fault: FailoverFault, round: &mut Round, servers: &Servers) -> Account {
    let pair = tokio::task::spawn_blocking(PostgresPair::start).await.unwrap();
    let url = Database::on_server(&pair.primary.url).await.url;
    let plan = FleetPlan {
        admin_url: url.clone(),
        database_url: pair.url_of_both(&url),
        ..servers.plan().await
    };
    let fleet = Fleet::start(plan).await;
    pair.standby_catches_up().await;
    if fault == FailoverFault::Synchronous {
        pair.be_synchronous();
    }
    let lags = fault == FailoverFault::Asynchronous;
    let lag = round.ms(1_000..4_000);
    let away = round.ms(200..5_000);
    let acting = async {
        fail_over(&pair, lags.then_some(lag), away).await;
        let promoted = url.replace(&pair.primary.address(), &pair.standby.address());
        fleet.looks_into(&promoted).await;
    };
    let permitted = Permitted { destroys: lags, ..Permitted::NOTHING };
    let account = Box::pin(round.play(&fleet, permitted, acting)).await;
    servers.end(fleet).await;
    account
}

/// With a lag, the standby gets nothing for so long.
async fn fail_over(pair: &PostgresPair, lag: Option<Duration>, away: Duration) {
    println!("  the standby lags by {lag:?} and is promoted after {away:?}");
    if let Some(lag) = lag {
        pair.standby.order("freeze");
        tokio::time::sleep(lag).await;
    }
    pair.primary.order("kill");
    if lag.is_some() {
        pair.standby.order("thaw");
    }
    tokio::time::sleep(away).await;
    pair.promote();
}
