//! What a test compares with: the files of the messages that can be read, and whether they can still be had.

use super::served::Served;
use super::state::State;
use crate::simulate::message::{Download, download, file_name};

/// What becomes of somebody who asks for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFate {
    /// WAHA has it, or loads it from WhatsApp.
    Had,
    /// WAHA is configured not to load it.
    Skipped,
    /// WhatsApp has it no more, and WAHA has deleted it.
    Gone,
}

/// The file of a message.
#[derive(Clone, Debug)]
pub struct KnownFile {
    /// Name of the session.
    pub session: String,
    /// The message's bare id.
    pub message_id: String,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// What becomes of somebody who asks for it now.
    pub fate: FileFate,
}

impl Served {
    /// The files of all messages that can be read by now.
    pub fn known_files(&self) -> Vec<KnownFile> {
        let state = self.state();
        (0..state.stores.len()).flat_map(|position| of_session(&state, position)).collect()
    }
}

fn of_session(state: &State, position: usize) -> Vec<KnownFile> {
    let session = state.session(position);
    let kept = state.stores[position].rows.iter().filter_map(|row| row.kept.as_ref());
    let of = |kept: &super::row::Kept| {
        let message = &kept.message;
        let file = message.file.as_ref()?.file();
        message.content.mimetype()?;
        let is_there = state.file(&file_name(session, message)).is_some();
        let fate = match download(state.world.seed, message) {
            Download::Skipped => FileFate::Skipped,
            Download::Gone => FileFate::Gone,
            Download::Done | Download::TimedOut => {
                let is_gone = state.gone.contains(&message.turn) && !is_there;
                if is_gone { FileFate::Gone } else { FileFate::Had }
            }
        };
        Some(KnownFile {
            session: session.name.clone(),
            message_id: message.bare_id.clone(),
            sha256: hex::encode(file.sha256()),
            bytes: file.bytes(),
            fate,
        })
    };
    kept.filter_map(of).collect()
}
