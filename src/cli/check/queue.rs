//! The queue's part of `check`: every node that is configured, and what the broker's management API
//! tells of members and policies.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::join_all;
use secrecy::{ExposeSecret, SecretString};

use super::line::{CheckLine, Verdict};
use crate::clock::Clock;
use crate::config::{Backend, BrokerConfig, Config, without_password};
use crate::lifecycle::{NothingThere, broker_options, inspect_queue, open_management};
use crate::queue::Queue;
use crate::queue::rabbitmq::management::{Growth, Inspection, Management, ManagementError};
use crate::queue::rabbitmq::{Options as BrokerOptions, RabbitmqQueue};

/// How long the broker may take to tell the policies of queues that were declared a moment ago.
const POLICIES_MAX: Duration = Duration::from_secs(15);

/// Checks the queue; with `grows`, gives the broker's queues the members that they lack.
pub(super) async fn check(config: &Config, clock: &Arc<dyn Clock>, grows: bool) -> Vec<CheckLine> {
    match &config.queue.backend {
        Backend::Embedded => vec![match embedded(config, clock).await {
            // The first start makes it; whether it can is not tried, because nothing is made here.
            Err(error) if error.is::<NothingThere>() => {
                CheckLine::new(Verdict::Unknown, "queue", error.to_string())
            }
            checked => CheckLine::of("queue", checked),
        }],
        Backend::Broker(broker) => {
            let mut lines = nodes(config, broker).await;
            lines.extend(inside(config, broker, grows).await);
            lines
        }
    }
}

async fn embedded(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<String> {
    let depth = inspect_queue(config, clock)?.depth().await?;
    Ok(format!("embedded, {} waiting", depth.total()))
}

/// A line for each URL, whatever the others say: doors and workers use any that works.
async fn nodes(config: &Config, broker: &BrokerConfig) -> Vec<CheckLine> {
    let options = broker_options(config, broker);
    let lines = broker.urls.iter().map(|url| node(&options, url));
    join_all(lines).await
}

async fn node(options: &BrokerOptions, url: &SecretString) -> CheckLine {
    let shown = without_password(url.expose_secret());
    let checked = RabbitmqQueue::check(options, url).await;
    let said = checked.map(|version| format!("{shown}: RabbitMQ {version}, everything declared"));
    CheckLine::of("queue", said.with_context(|| format!("queue.url = {shown}")))
}

async fn inside(config: &Config, broker: &BrokerConfig, grows: bool) -> Vec<CheckLine> {
    let management = match open_management(config) {
        Ok(Some(management)) => management,
        Ok(None) => return vec![not_configured(config, broker, grows)],
        Err(error) => return vec![CheckLine::of("queue.management_url", Err(error))],
    };
    let mut lines = Vec::new();
    if grows {
        lines.extend(grow(&management).await);
    }
    match management.inspect_until_known(POLICIES_MAX).await {
        Ok(inspection) => {
            lines.extend(members(&inspection));
            lines.extend(policies(&inspection));
        }
        Err(error) => lines.push(CheckLine::of("queue.management_url", Err(error.into()))),
    }
    lines
}

fn not_configured(config: &Config, broker: &BrokerConfig, grows: bool) -> CheckLine {
    let cannot = "queue.management_url is not set: whether every queue has a member on enough nodes, and \
                  whether a policy of the broker's operators loses webhooks, can't be known";
    if !grows {
        return CheckLine::new(Verdict::Unknown, "queue", cannot);
    }
    let command = Management::grow_command_of(&broker_options(config, broker), "NODE");
    let text =
        format!("{cannot}. On a node of the broker, for each NODE of its cluster: {command}");
    CheckLine::new(Verdict::Failed, "queue members", text)
}

fn members(inspection: &Inspection) -> Vec<CheckLine> {
    let problems = inspection.member_problems();
    if problems.is_empty() {
        let Inspection { nodes, queues, .. } = inspection;
        let stands = match nodes.len() {
            1 => "on 1 node: what they hold is on one disk".to_owned(),
            2 => "on 2 nodes: they stand still while one is lost".to_owned(),
            count => format!("on {count} nodes: they stand the loss of one"),
        };
        let text = format!("{queues} {stands}");
        return vec![CheckLine::new(Verdict::Good, "queue members", text)];
    }
    let line = |problem| CheckLine::new(Verdict::Failed, "queue members", problem);
    problems.into_iter().map(line).collect()
}

fn policies(inspection: &Inspection) -> Vec<CheckLine> {
    let line = |verdict| move |text| CheckLine::new(verdict, "queue policies", text);
    let mut lines: Vec<CheckLine> =
        inspection.policy_problems().into_iter().map(line(Verdict::Failed)).collect();
    let unknown = inspection.policies_unknown;
    if unknown > 0 {
        let text = format!(
            "the management API does not tell the policies of {unknown} queues: its statistics are \
             switched off, or the queues have no leader"
        );
        lines.push(line(Verdict::Unknown)(text));
    } else if lines.is_empty() {
        lines.push(line(Verdict::Good)("none breaks a promise".to_owned()));
    }
    lines.extend(inspection.policy_notes().into_iter().map(line(Verdict::Good)));
    lines
}

async fn grow(management: &Management) -> Vec<CheckLine> {
    let Growth { added, failed, commands } = match management.grow().await {
        Ok(growth) => growth,
        Err(error) => return vec![CheckLine::of("queue members", Err(error.into()))],
    };
    let line = |verdict, text| CheckLine::new(verdict, "queue members", text);
    let added = added
        .into_iter()
        .map(|(queue, node)| line(Verdict::Good, format!("{queue} has a new member on {node}")));
    let failed = failed.into_iter().map(|(queue, node, error): (_, _, ManagementError)| {
        line(
            Verdict::Failed,
            format!("{queue} got no member on {node}: {:#}", anyhow::Error::from(error)),
        )
    });
    let commands = commands.into_iter().map(|command| {
        let why = ManagementError::Unsupported;
        line(Verdict::Failed, format!("{why}; on a node of the broker: {command}"))
    });
    added.chain(failed).chain(commands).collect()
}
