//! How `status --watch` ends: by `q` on a terminal, or by a signal. Both end the process at once, because
//! it may be waiting for somebody to read what it has written.
//!
//! Invariant: the terminal is left as it was, however it ends.

use std::io::{Read, stdin};

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// A terminal that gives its keys at once and does not show them; dropped, it is as before.
pub(super) struct Keyboard {
    before: Termios,
}

impl Keyboard {
    /// None if there is no terminal, or another command has it: changing it would stop this one.
    pub(super) fn open() -> Option<Self> {
        let stdin = stdin();
        let before = tcgetattr(&stdin).ok()?;
        if tcgetpgrp(&stdin).ok()? != getpgrp() {
            return None;
        }
        let mut modes = before.clone();
        modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        tcsetattr(&stdin, OptionalActions::Now, &modes).ok()?;
        Some(Self { before })
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // A terminal that is gone has nothing to get back.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}

/// Ends the process once it is asked, from a task of its own: the one that writes may be blocked. The task
/// goes with its runtime.
pub(super) fn end_when_asked(keyboard: Option<Keyboard>) -> std::io::Result<()> {
    let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [interrupt, terminate, hangup] = signals.map(signal);
    let signals = [interrupt?, terminate?, hangup?];
    tokio::spawn(async move {
        asked(keyboard.is_some(), signals).await;
        drop(keyboard);
        std::process::exit(0);
    });
    Ok(())
}

async fn asked(has_keyboard: bool, signals: [Signal; 3]) {
    let [mut interrupt, mut terminate, mut hangup] = signals;
    let (quit, is_quit) = oneshot::channel();
    if has_keyboard {
        // None of the runtime's threads, which it waits for at its end.
        std::thread::spawn(move || wait_for_quit_key().then(|| quit.send(())));
    }
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
        Ok(()) = is_quit => {}
    }
}

/// Whether `q` was pressed; false if there are no keys any more.
fn wait_for_quit_key() -> bool {
    stdin().lock().bytes().map_while(Result::ok).any(|key| key.eq_ignore_ascii_case(&b'q'))
}
