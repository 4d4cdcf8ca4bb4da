//! How `dead-letters` and `webhooks` write lines for another installation and take them in.

use std::fs::File;
use std::io::{BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::actor::actor;
use super::archived::open_lines;
use super::confirm;
use super::dead_letters::scope::prospect;
use super::output::{Harmless, errln, json_line, outln};
use crate::operations::{LineError, Transferred};
use crate::store::Store;
use crate::store::audit::{AuditAction, AuditEntry};

/// Where lines are read from.
pub(super) type Lines = Box<dyn BufRead + Send>;

/// Where lines are written to.
pub(super) type Output = BufWriter<Box<dyn Write + Send>>;

/// Options of `export`, beside the filter.
#[derive(Args)]
pub(super) struct ExportOptions {
    /// All of them: needed where nothing else says which.
    #[arg(long)]
    pub(super) all: bool,
    /// Where to; without it to stdout.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Options of `import`, beside what is imported.
#[derive(Args)]
pub(super) struct ImportOptions {
    /// Say what would be imported; change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
    /// Why, for the audit log.
    #[arg(long)]
    note: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl ExportOptions {
    /// Writes to a new file, which is on the disk afterwards, or to stdout.
    pub(super) async fn export<T>(
        &self,
        write: impl AsyncFnOnce(&mut Output) -> Result<T, LineError>,
    ) -> anyhow::Result<T> {
        let named =
            |path: &Path| File::create_new(path).with_context(|| path.display().to_string());
        let file = self.output.as_deref().map(named).transpose()?;
        let mut out: Output = BufWriter::new(match &file {
            Some(file) => Box::new(file.try_clone()?),
            None => Box::new(Harmless::default()),
        });
        let exported = write(&mut out).await?;
        out.flush()?;
        file.map(|file| file.sync_all()).transpose()?;
        Ok(exported)
    }
}

impl ImportOptions {
    /// Says what would become of the lines, asks, writes it down in the audit log and imports them.
    /// `import` reads lines of `file`, and only looks if it is given no entry of that log; `what` it holds.
    pub(super) async fn import(
        self,
        store: &Store,
        file: &Path,
        what: &str,
        import: impl AsyncFn(Lines, Option<i64>) -> Result<Transferred, LineError>,
    ) -> anyhow::Result<ExitCode> {
        let open = || open_lines(file).with_context(|| file.display().to_string());
        let would = import(open()?, None).await?;
        let new = would.lines - would.known - would.without_body;
        if self.dry_run {
            if self.json {
                json_line(&serde_json::to_string(&would)?);
            } else {
                outln!("{}", told(&would, what));
            }
            return Ok(ExitCode::SUCCESS);
        }
        errln!("{}", told(&would, what));
        if new == 0 || !confirm("Go on?", self.yes)? {
            return Ok(ExitCode::SUCCESS);
        }
        let log = self.log(store, file).await?;
        let carried = import(open()?, Some(log)).await?;
        if self.json {
            json_line(&serde_json::to_string(&carried)?);
        } else {
            outln!("imported {}, known {}", carried.imported, carried.known);
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn log(&self, store: &Store, file: &Path) -> anyhow::Result<i64> {
        let actor = actor();
        let new_values = Some(json!({ "file": file.display().to_string() }));
        let note = self.note.as_deref();
        let entry = AuditEntry { new_values, note, ..AuditEntry::new(AuditAction::Import, &actor) };
        Ok(store.record(&entry).await?)
    }
}

/// What would become of them.
fn told(would: &Transferred, what: &str) -> String {
    let Transferred { lines, known, without_body, would_end, .. } = would;
    let new = lines - known - without_body;
    let mut head = format!("{lines} {what}: {new} would be imported, {known} are known here");
    if *without_body > 0 {
        head.push_str(&format!(", {without_body} have no body"));
    }
    format!("{head}\n{}", prospect(would_end).trim_end())
}
