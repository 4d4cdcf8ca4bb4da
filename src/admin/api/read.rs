//! Reading bodies, which are people's messages: who may, and that it was done.

use serde_json::Value;

use super::ApiError;
use crate::admin::access::Right;
use crate::admin::{Admin, Caller};
use crate::store::audit::{Actor, AuditAction, AuditEntry};

/// Whether somebody may read bodies where they are a part of an answer.
pub(super) fn may_read(caller: &Caller) -> bool {
    caller.role.gives(Right::Bodies)
}

/// Writes down who is about to read which bodies. What can't be written down is not read.
pub(super) async fn log(admin: &Admin, actor: &Actor, which: Value) -> Result<(), ApiError> {
    let entry =
        AuditEntry { filter: Some(which.to_string()), ..AuditEntry::new(AuditAction::Read, actor) };
    admin.store()?.record(&entry).await?;
    Ok(())
}
