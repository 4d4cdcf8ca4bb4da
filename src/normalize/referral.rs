//! From which ad or post the author of a message came: `waha_message_referrals`, and `details.referral`.
//!
//! NOWEB and GOWS tell it in the message's context, WEBJS and WPP in `ctwaContext`. A link preview of a bot
//! has the same fields but names neither ad nor click: it is no referral.

use serde_json::{Map, Value};

use super::fields::{Field, Is, field, pick};
use super::kind::Kind;
use crate::change::Referral;

const FIELDS: &[Field] = &[
    field("source_type", &["externalAdReply.sourceType", "ctwaContext.sourceType"], Is::Text),
    field("source_id", &["externalAdReply.sourceId", "ctwaContext.sourceId"], Is::Text),
    field("source_url", &["externalAdReply.sourceUrl", "ctwaContext.sourceUrl"], Is::Text),
    field("click_id", &["externalAdReply.ctwaClid", "ctwaContext.ctwaClid"], Is::Text),
    field("headline", &["externalAdReply.title", "ctwaContext.title"], Is::Text),
    field("body", &["externalAdReply.body", "ctwaContext.description"], Is::Text),
    field("conversion_source", &["conversionSource", "ctwaContext.conversionSource"], Is::Text),
    field(
        "conversion_delay_s",
        &[
            "conversionDelaySeconds",
            "entryPointConversionDelaySeconds",
            "ctwaContext.conversionDelaySeconds",
        ],
        Is::Int,
    ),
    field("entry_point", &["entryPointConversionSource"], Is::Text),
    field("entry_point_app", &["entryPointConversionApp", "externalAdReply.sourceApp"], Is::Text),
];
/// What makes a referral of it: any of these.
const MARKS: [&str; 4] = ["source_type", "source_id", "click_id", "conversion_source"];

/// As in the details; empty if there is none.
pub(super) fn details(kind: &Kind<'_>) -> Map<String, Value> {
    let told = pick(kind.context, FIELDS);
    if MARKS.iter().any(|mark| told.contains_key(*mark)) { told } else { Map::new() }
}

/// As a row.
pub(super) fn of(kind: &Kind<'_>) -> Option<Referral> {
    let told = details(kind);
    let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
    let delay = told.get("conversion_delay_s").and_then(Value::as_i64);
    (!told.is_empty()).then(|| Referral {
        source_type: text("source_type"),
        source_id: text("source_id"),
        source_url: text("source_url"),
        click_id: text("click_id"),
        headline: text("headline"),
        body: text("body"),
        conversion_source: text("conversion_source"),
        conversion_delay_s: delay.and_then(|seconds| i32::try_from(seconds).ok()),
        entry_point: text("entry_point"),
        entry_point_app: text("entry_point_app"),
    })
}
