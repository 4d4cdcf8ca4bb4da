//! `backup`: copies queue and tables that are files, beside the processes that use them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Args;
use tempfile::TempDir;

use super::output::{errln, outln};
use super::progress_bar;
use crate::backup::{BackupError, Bucket, Claim, Cut, Files, Manifest};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lifecycle::{ensure_there, inspect_queue, installed_files};

/// What nobody can back up from here.
const ELSEWHERE: &str = "queue and tables are on servers, which have backups of their own; a spool has none, because \
                         what is in it goes to the broker";

/// Options of `backup`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest backup /backups\n  waha-ingest backup /backups --keep 7\n  waha-ingest backup s3://bucket/waha --keep 7\n\nIt prints the folder that it has made, which is laid out as a data folder: `WAHA_INGEST__DATA_DIR=FOLDER waha-ingest status` looks into it. It holds people's messages, and the key that `up` has made. Copy it to another machine, or have it kept in a bucket: [backup.s3] of the configuration says who asks there. It is made in the data folder first, which needs the room, and each file is read back. Webhooks come in meanwhile; the queue's log grows by them until its copy is made."
)]
pub struct Options {
    /// Where backups are kept, a folder or `s3://BUCKET/FOLDER`: each is a folder in it, named by its time (UTC).
    #[arg(value_name = "PLACE")]
    place: String,
    /// Afterwards remove older ones until so many are left.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    keep: Option<u16>,
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let files = installed_files(config);
    let databases = [&files.queue, &files.tables];
    ensure!(databases.iter().any(|it| it.is_some()), "{ELSEWHERE}");
    databases.into_iter().flatten().try_for_each(|path| ensure_there(path))?;
    match Bucket::named(&options.place, &config.backup_s3)? {
        Some(bucket) => keep_in_bucket(config, files, &bucket, options.keep).await?,
        None => keep_in_folder(config, files, Path::new(&options.place), options.keep).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn keep_in_folder(
    config: &Config,
    files: Files,
    place: &Path,
    keep: Option<u16>,
) -> anyhow::Result<()> {
    let claim = Claim::take(place)?;
    let folder = make(config, files, place).await?;
    outln!("{}", folder.display());
    if let Some(keep) = keep {
        for old in claim.beyond(keep.into())? {
            old.remove()?;
            errln!("removed {}", old.folder.display());
        }
    }
    Ok(())
}

async fn keep_in_bucket(
    config: &Config,
    files: Files,
    bucket: &Bucket,
    keep: Option<u16>,
) -> anyhow::Result<()> {
    let here = on_the_way(config)?;
    let folder = make(config, files, here.path()).await?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    bucket.store(&folder, &name).await?;
    outln!("{}", bucket.place_of(&name));
    if let Some(keep) = keep {
        for old in bucket.keep(keep.into()).await? {
            errln!("removed {}", bucket.place_of(&old));
        }
    }
    Ok(())
}

/// A folder for what comes from or goes to a bucket, which nobody else may read; it is gone afterwards.
pub(super) fn on_the_way(config: &Config) -> anyhow::Result<TempDir> {
    let folder = &config.data_dir;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let made = tempfile::Builder::new().prefix("backup-").tempdir_in(folder);
    made.with_context(|| folder.display().to_string())
}

/// Makes one; returns its folder.
async fn make(config: &Config, files: Files, into: &Path) -> anyhow::Result<PathBuf> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let queue = files.queue.is_some().then(|| inspect_queue(config, &clock)).transpose()?;
    let cut = Cut::take(&files, queue.as_ref()).await?;
    let now = clock.now();
    let folder = into.join(now.format("%Y%m%dT%H%M%SZ").to_string());
    ensure!(!folder.exists(), "{} is there already: wait a second", folder.display());
    let manifest = write(cut, folder.clone(), Manifest::at(now)).await?;
    errln!("{}", manifest.summary());
    Ok(folder)
}

/// Copies, which may take long, where it holds up nothing.
async fn write(cut: Cut, folder: PathBuf, manifest: Manifest) -> Result<Manifest, BackupError> {
    let copying = tokio::task::spawn_blocking(move || {
        let bar = progress_bar(0);
        let written = cut.write(&folder, manifest, &mut |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        written
    });
    copying.await.map_err(|_| BackupError::Ended)?
}
