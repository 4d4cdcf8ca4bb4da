//! A queue file that is opened while its disk is read-only: as soon as the disk can be written again, the
//! process writes, without a restart and whoever asks first.
//!
//! The disk is mounted twice, once for reading only, and a link leads to the one or the other: a disk that
//! has files open for writing can't be made read-only in any other way. Needs root; else there is nothing to
//! test.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use waha_ingest::clock::SystemClock;
use waha_ingest::queue::Queue;
use waha_ingest::queue::sqlite::{Options, SqliteQueue};

use crate::disk::{Disk, SmallDisk};
use crate::process::{Process, Setting};
use crate::rabbitmq_node::message;
use crate::wait::wait_for;

const LIMIT: Duration = Duration::from_secs(20);

/// A disk that becomes read-only.
struct FlippingDisk {
    folder: TempDir,
    disk: SmallDisk,
}

impl FlippingDisk {
    fn try_mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let disk = SmallDisk::try_mount(folder.path().join("rw"), 8 << 20)?;
        let it = Self { folder, disk };
        std::fs::create_dir(it.path("ro")).unwrap();
        mount(&["--bind".as_ref(), it.path("rw").as_ref(), it.path("ro").as_ref()]);
        mount(&["-o".as_ref(), "remount,bind,ro".as_ref(), it.path("ro").as_ref()]);
        it.be("rw");
        Some(it)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `ro` or `rw`, for what is opened from now on.
    fn be(&self, how: &str) {
        let new = self.path("new");
        symlink(self.path(how), &new).unwrap();
        std::fs::rename(new, self.path("either")).unwrap();
    }
}

impl Drop for FlippingDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path("ro")).status();
    }
}

fn mount(arguments: &[&std::ffi::OsStr]) {
    assert!(Command::new("mount").args(arguments).status().unwrap().success());
}

/// A queue that met a read-only disk when it opened its file again after an error, and counted there.
/// Another process has the file open, or its last connection would have removed log and index.
async fn on_read_only_disk(disk: &FlippingDisk) -> (SqliteQueue, Process) {
    let database_url = format!("sqlite://{}", disk.path("waha.db").display());
    let folder = disk.path("rw");
    let setting = Setting::new(&folder, &database_url);
    let serve = setting.spawn(&["serve"]);
    setting.answers("livez").await;
    let options = Options::new(1 << 30, Arc::new(SystemClock));
    let queue = SqliteQueue::open(disk.path("either/data/queue.db"), options).unwrap();
    disk.be("ro");
    disk.disk.fail();
    is_refused(&queue, "DiskFull").await;
    is_refused(&queue, "ReadOnly").await;
    queue.depth().await.unwrap();
    disk.disk.mend();
    disk.be("rw");
    (queue, serve)
}

async fn is_refused(queue: &SqliteQueue, why: &str) {
    wait_for(why, LIMIT, || async {
        let error = format!("{:?}", queue.publish(message("m")).await.err()?);
        error.contains(why).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_webhook_is_taken() {
    let Some(disk) = FlippingDisk::try_mount() else { return };
    let (queue, _serve) = on_read_only_disk(&disk).await;
    wait_for("a webhook that is taken", LIMIT, || async {
        queue.publish(message("later")).await.ok()
    })
    .await;
}

/// A door that is not ready gets no webhooks: what asks whether it is must get it there.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_probe_works() {
    let Some(disk) = FlippingDisk::try_mount() else { return };
    let (queue, _serve) = on_read_only_disk(&disk).await;
    wait_for("a write that works", LIMIT, || async { queue.probe().await.ok() }).await;
}
