//! One door per data folder: two on one spool would count each other's webhooks, two on one queue would
//! mend it at once. And one worker per embedded queue, because a second one only gets into its way.
//!
//! Taken by `open` for the life of a process. Commands that look or publish (`status`, `check`,
//! `replay`) take none. The kernel gives a lock back when its process ends, however that happens.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::Roles;
use super::beat::random_name;

/// Length of a name.
const NAME_CHARS: usize = 32;

/// The locks of this process; dropped, others may have them.
#[derive(Debug, Default)]
pub struct FolderLock {
    _files: Vec<File>,
    /// What keeps the name of whoever has the last of them.
    name_file: Option<PathBuf>,
}

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderLockError {
    /// Another process has it.
    #[error(
        "{folder} is in use by another process{}: {role} of one data folder runs once. Stop that one, \
         or give this one a folder of its own (data_dir)",
        told_pid(*pid)
    )]
    InUse {
        /// The data folder.
        folder: PathBuf,
        /// What that process is there.
        role: &'static str,
        /// Its process id, in its own namespace; none if it can't be read.
        pid: Option<u32>,
    },
    /// The lock can't be taken, for another reason.
    #[error("the lock file {path} can't be used")]
    File {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

fn told_pid(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

impl FolderLock {
    /// Takes what `roles` need in `folder`, which is there. `is_embedded`: the queue is in it.
    pub fn take(folder: &Path, roles: Roles, is_embedded: bool) -> Result<Self, FolderLockError> {
        let door = roles.serves.then_some(("door.lock", "the door"));
        let worker = (roles.works && is_embedded).then_some(("worker.lock", "the worker"));
        let names = door.into_iter().chain(worker);
        let name_file = names.clone().next_back().map(|(name, _)| folder.join(name));
        let name_file = name_file.map(|path| path.with_extension("name"));
        let files = names.map(|(name, role)| lock(folder, name, role)).collect::<Result<_, _>>()?;
        Ok(Self { _files: files, name_file })
    }

    /// A name that the process with this lock goes by, and before it none that lives: it is kept in the folder.
    /// So whoever finds it in use knows that its user has ended. None where nothing is locked, or the name can't
    /// be kept.
    pub(super) fn name(&self) -> Option<String> {
        let path = self.name_file.as_ref()?;
        let kept = std::fs::read_to_string(path).ok();
        let kept = kept.filter(|name| name.len() == NAME_CHARS && name.is_ascii());
        kept.or_else(|| {
            let name = random_name();
            std::fs::write(path, &name).ok()?;
            Some(name)
        })
    }
}

fn lock(folder: &Path, name: &str, role: &'static str) -> Result<File, FolderLockError> {
    let path = folder.join(name);
    let failed = |source| FolderLockError::File { path: path.clone(), source };
    let mut file = open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = read_pid(&mut file);
            return Err(FolderLockError::InUse { folder: folder.to_owned(), role, pid });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    // Only for people: the lock holds without it, also on a full disk or one that is read-only.
    let _ = write_pid(&mut file);
    Ok(file)
}

/// On a disk that is read-only, for reading: that is enough for a lock.
fn open(path: &Path) -> std::io::Result<File> {
    match File::options().create(true).truncate(false).read(true).write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => File::open(path),
        opened => opened,
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_the_lock_next_has_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let take = |serves, works| {
            FolderLock::take(folder.path(), Roles { serves, works }, works).unwrap().name()
        };
        let name = take(true, true).unwrap();
        assert_eq!(name.len(), NAME_CHARS);
        assert_eq!(take(true, true).as_ref(), Some(&name));
        assert_eq!(take(false, true).as_ref(), Some(&name), "the worker's");
        assert_ne!(take(true, false).as_ref(), Some(&name), "the door's");
        assert_eq!(take(false, false), None);
    }
}
