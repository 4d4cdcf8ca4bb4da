//! A webhook of the ledger whole, as the command line and the admin API tell it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::normalize::{NormalizeError, Normalized, Rules, normalize};
use crate::operations::DryRun;
use crate::store::operations::history::{LedgerOutcome, LedgerRow};

/// A webhook whole.
#[derive(Serialize, ToSchema)]
pub struct WebhookDetail {
    /// Its row.
    pub webhook: LedgerRow,
    /// What the normalizer says of it now; none if its body is not stored.
    pub outcome_now: Option<LedgerOutcome>,
    /// Why, for the last two.
    pub reason_now: Option<&'static str>,
    /// The same with what it tells.
    #[serde(skip)]
    #[schema(ignore)]
    pub now: Option<DryRun>,
    /// The rows of which it tells now, by what they are and by the ids it tells, which may be others' names by
    /// now; none if its body is not stored or whoever asks may not read bodies: ids of people are among them.
    pub rows: Option<BTreeMap<&'static str, Vec<String>>>,
    /// The body as text, if it is stored and whoever asks may read bodies. What is no UTF-8 is replaced: it
    /// can be had byte for byte, too.
    pub body: Option<String>,
}

impl WebhookDetail {
    /// With its body only if that may be read.
    pub fn new(webhook: LedgerRow, body: Option<&Bytes>, may_read: bool, rules: &Rules) -> Self {
        let read = body.map(|body| normalize(&webhook.webhook(body.clone()), rules));
        let now = read.as_ref().map(DryRun::of_read);
        let body = body.filter(|_| may_read);
        Self {
            outcome_now: now.as_ref().map(|now| now.outcome),
            reason_now: now.as_ref().and_then(|now| now.reason),
            now,
            rows: read.filter(|_| may_read).map(|read| rows(&read)),
            body: body.map(|body| String::from_utf8_lossy(body).into_owned()),
            webhook,
        }
    }
}

fn rows(read: &Result<Normalized, NormalizeError>) -> BTreeMap<&'static str, Vec<String>> {
    match read {
        Ok(Normalized::Changes(changes)) => changes.rows().collect(),
        _ => BTreeMap::new(),
    }
}
