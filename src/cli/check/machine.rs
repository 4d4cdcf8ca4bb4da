//! This machine's part of `check`: the ports, and the disk and the rights of the data folder. Nothing is made
//! there, and a port is had for a moment only.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Access, StatVfs, access, statvfs};
use rustix::io::Errno;

use super::line::{CheckLine, Verdict};
use super::{is_worker_alone, reachable};
use crate::config::{Backend, Config};
use crate::http_client;

/// With less, the next minutes may fill the disk.
const FREE_MIN: u64 = 256 << 20;

/// How long whoever has the port may take to say who it is.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Checks ports and disk.
pub(super) async fn check(config: &Config) -> Vec<CheckLine> {
    let is_running = is_running(config).await;
    let public = (!is_worker_alone(config)).then_some(("server.listen", config.listen));
    let admin = config.admin_listen.map(|address| ("admin.listen", address));
    let ports = public.into_iter().chain(admin);
    let mut lines: Vec<CheckLine> =
        ports.map(|(key, address)| port(key, address, is_running)).collect();
    lines.push(folder("disk", "data_dir", &config.data_dir, |disk| room(disk, bytes_max(config))));
    lines
}

/// Whether a process of ours answers at `admin.listen`.
async fn is_running(config: &Config) -> bool {
    let Some(address) = config.admin_listen else { return false };
    let Ok(client) = http_client::plain().timeout(ANSWER_MAX).build() else { return false };
    let answer = client.get(format!("http://{}/livez", reachable(address))).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

fn port(key: &str, address: SocketAddr, is_running: bool) -> CheckLine {
    let line =
        |verdict, text: &str| CheckLine::new(verdict, "port", format!("{key} = {address}: {text}"));
    match TcpListener::bind(address) {
        Ok(_) => line(Verdict::Good, "free"),
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_running => {
            line(Verdict::Good, "in use, as by the process that runs with this configuration")
        }
        Err(error) => line(Verdict::Failed, &format!("{error}: {}", remedy(error.kind()))),
    }
}

fn remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::AddrInUse => {
            "another program listens there (`ss --listening --tcp --processes` says which): stop it, or \
             name another port"
        }
        ErrorKind::PermissionDenied => {
            "ports below 1024 are for root, or with CAP_NET_BIND_SERVICE: name another port"
        }
        ErrorKind::AddrNotAvailable => "this machine has no such address: name one of its own",
        _ => "name another address",
    }
}

/// Whether what a key names can be written to; `room` says how much of it is left.
pub(super) fn folder(
    part: &'static str,
    key: &str,
    folder: &Path,
    room: impl FnOnce(&StatVfs) -> (Verdict, String),
) -> CheckLine {
    let named = |text: String| format!("{key} = {}: {text}", folder.display());
    let line = |verdict, text| CheckLine::new(verdict, part, named(text));
    // What is not there yet is made in the nearest that is.
    let Some(there) = folder.ancestors().map(or_here).find(|it| it.exists()) else {
        return line(Verdict::Failed, "no folder above it is there: make it".to_owned());
    };
    if !there.is_dir() {
        let text = format!("{} is not a folder: name another", there.display());
        return line(Verdict::Failed, text);
    }
    if let Err(error) = access(there, Access::WRITE_OK | Access::EXEC_OK) {
        return line(Verdict::Failed, format!("{error}: {}", folder_remedy(error)));
    }
    match statvfs(there) {
        // It has no blocks at all: the kernel makes up what is in it.
        Ok(disk) if disk.f_blocks == 0 && !folder.exists() => {
            let text = format!(
                "can't be made: {} is on no disk, as /proc and /sys are not: name another folder",
                there.display()
            );
            line(Verdict::Failed, text)
        }
        Ok(disk) => {
            let (verdict, text) = room(&disk);
            line(verdict, text)
        }
        Err(error) => line(Verdict::Failed, error.to_string()),
    }
}

fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

fn folder_remedy(error: Errno) -> &'static str {
    match error {
        Errno::ROFS => {
            "its disk is mounted for reading only: mount it for writing, or name another folder"
        }
        _ => {
            "the user of this process may not write there: give it the right, or name another folder"
        }
    }
}

/// What the queue's file there may take up.
fn bytes_max(config: &Config) -> (&'static str, u64) {
    match &config.queue.backend {
        Backend::Embedded => ("queue.bytes_max", config.queue.bytes_max),
        Backend::Broker(broker) => ("queue.spool_bytes_max", broker.spool_bytes_max),
    }
}

fn room(disk: &StatVfs, (key, most): (&str, u64)) -> (Verdict, String) {
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < FREE_MIN {
        let text = format!(
            "{} free: webhooks are refused once it is full: make room, or name another disk's folder",
            mebibytes(free)
        );
        return (Verdict::Failed, text);
    }
    let beside = if free < most {
        format!(", less than {key} = {most}: the disk is full first")
    } else {
        String::new()
    };
    (Verdict::Good, format!("may be written to, {} free{beside}", mebibytes(free)))
}

/// The same for files of messages: without room they wait, and WAHA deletes them.
pub(super) fn room_for_files(disk: &StatVfs) -> (Verdict, String) {
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < FREE_MIN {
        let text = "free: files wait once it is full, and WAHA deletes them: make room";
        return (Verdict::Failed, format!("{} {text}", mebibytes(free)));
    }
    (Verdict::Good, format!("may be written to, {} free", mebibytes(free)))
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(free: u64) -> StatVfs {
        let mut disk = statvfs(".").unwrap();
        (disk.f_bavail, disk.f_frsize) = (free, 1);
        disk
    }

    #[test]
    fn a_disk_has_room_or_says_what_helps() {
        let said = |free| room(&disk(free), ("queue.bytes_max", 1 << 30));
        assert_eq!(said(100 << 20).0, Verdict::Failed);
        assert!(
            said(100 << 20).1.starts_with("100 MiB free: ")
                && said(100 << 20).1.contains("make room")
        );
        assert_eq!(said(2 << 30), (Verdict::Good, "may be written to, 2048 MiB free".to_owned()));
        assert!(
            said(512 << 20)
                .1
                .ends_with("less than queue.bytes_max = 1073741824: the disk is full first")
        );
    }
}
