//! `media verify`: reads every stored file and compares.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::FilePages;
use crate::cli::actor::actor;
use crate::cli::output::{json_line, outln, plain};
use crate::config::Config;
use crate::lifecycle::open_media;
use crate::media::verify::{Damage, verify};
use crate::store::Store;
use crate::store::operations::attachments::{AttachmentFilter, AttachmentRow, AttachmentState};
use crate::telemetry::cause;

/// What is done with what is found.
#[derive(Clone, Copy)]
pub(super) struct Told {
    /// Damaged ones are fetched again.
    pub(super) retry: bool,
    /// For programs.
    pub(super) json: bool,
}

pub(super) async fn run(
    config: &Config,
    store: &Store,
    filter: AttachmentFilter,
    told: Told,
) -> anyhow::Result<ExitCode> {
    let storage = open_media(config)?.context("media.enabled is false: no files are kept")?;
    let filter = AttachmentFilter { state: Some(AttachmentState::Stored), ..filter };
    let (mut sound, mut damaged, mut retried) = (0_u64, 0_u64, 0_u64);
    let mut pages = FilePages::new(store, &filter);
    while let Some(rows) = pages.next().await? {
        let mut ids = Vec::new();
        for row in &rows {
            match verify(&storage, row).await {
                Ok(()) => sound += 1,
                Err(damage) => {
                    print(row, &damage, told.json);
                    // What can't be read now may be sound.
                    ids.extend((!matches!(damage, Damage::Unreadable(_))).then_some(row.id));
                    damaged += 1;
                }
            }
        }
        if told.retry && !ids.is_empty() {
            retried += store.refetch_attachments(&ids, &actor()).await?;
        }
    }
    if !told.json {
        outln!("{sound} files are as they were stored, {damaged} are damaged");
        if told.retry {
            outln!("{retried} are fetched again by the next worker that looks");
        } else if damaged > 0 {
            outln!(
                "`media verify --retry` has them fetched again, if WAHA or WhatsApp still has them"
            );
        }
    }
    Ok(if damaged == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(row: &AttachmentRow, damage: &Damage, is_json: bool) {
    let key = row.storage_key.as_deref().unwrap_or_default();
    let words = cause::words(damage);
    if is_json {
        json_line(&json!({ "id": row.id, "storage_key": key, "damage": words }));
    } else {
        outln!("{} {}: {words}", row.id, plain(key));
    }
}
