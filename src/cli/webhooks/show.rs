//! `webhooks show`: a ledger row, its body, and what the normalizer says of it now.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use sea_orm::Order;

use crate::change::Changes;
use crate::normalize::{NORMALIZER_VERSION, Normalized, Rules, normalize};
use crate::store::Store;
use crate::store::history::{Filter, Row};

/// Options of `webhooks show`.
#[derive(Args)]
pub(super) struct Options {
    /// Number in the list.
    id: i64,
    /// Only the body, byte for byte as it was signed.
    #[arg(long)]
    raw: bool,
}

pub(super) async fn run(
    store: &Store,
    rules: &Rules,
    options: Options,
) -> anyhow::Result<ExitCode> {
    let filter = Filter { ids: vec![options.id], ..Filter::default() };
    let rows = store.history(&filter, Order::Asc, 1).await?;
    let row = rows.first().with_context(|| format!("there is no webhook {}", options.id))?;
    let body = store.bodies(&[row.id]).await?.remove(&row.id);
    if options.raw {
        let body = body.context("its body is not stored")?;
        std::io::stdout().lock().write_all(&body)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(row);
    match body {
        None => println!("body         not stored"),
        Some(body) => {
            println!("body         {} bytes", body.len());
            println!("now          {} (normalizer {NORMALIZER_VERSION})", now(row, &body, rules));
            println!("\n{}", pretty(&body));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(row: &Row) {
    println!("id           {}", row.id);
    println!("webhook      {} {} {} {}", row.source, row.session, row.event_type, row.webhook_id);
    println!("at           {}", row.webhook_at.to_rfc3339());
    println!("received     {}", row.received_at.to_rfc3339());
    println!("processed    {}", row.processed_at.to_rfc3339());
    let reason = row.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
    let (outcome, version) = (&row.outcome, row.normalizer_version);
    println!("outcome      {outcome}{reason} (attempt {}, normalizer {version})", row.attempts);
}

/// What the present normalizer makes of it.
fn now(row: &Row, body: &Bytes, rules: &Rules) -> String {
    match normalize(&row.webhook(body.clone()), rules) {
        Ok(Normalized::Changes(changes)) => format!("tells of {}", summary(&changes)),
        Ok(Normalized::Ignored(ignored)) => format!("ignored, {}", ignored.reason()),
        Err(error) => format!("dead letter, {}: {error}", error.reason()),
    }
}

fn summary(changes: &Changes) -> String {
    let counts = [
        (changes.sessions.len(), "sessions"),
        (changes.chats.len(), "chats"),
        (changes.messages.len(), "messages"),
        (changes.edits.len(), "edits"),
        (changes.revocations.len(), "revocations"),
        (changes.reactions.len(), "reactions"),
        (changes.votes.len(), "votes"),
        (changes.event_responses.len(), "answers to invitations"),
        (changes.member_acks.len(), "acks of members"),
        (changes.calls.len(), "calls"),
        (changes.reads.len(), "read marks"),
        (changes.contacts.len(), "contacts"),
        (changes.participants.len(), "members"),
        (changes.join_requests.len(), "wishes to join"),
        (changes.labels.len(), "labels"),
        (changes.chat_labels.len(), "labels on chats"),
    ];
    let there = counts.iter().filter(|(count, _)| *count > 0);
    there.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

/// Indented if it is JSON, odd escapes and all.
fn pretty(body: &[u8]) -> String {
    let indented = crate::waha::json::parse(body).map(|value| format!("{value:#}"));
    indented.unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned())
}
