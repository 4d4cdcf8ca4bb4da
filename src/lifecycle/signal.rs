//! SIGTERM and SIGINT: the first asks, the second does not wait. SIGHUP asks too, if it comes because the
//! terminal is gone on which the process was started; else it is for `reload`.

use std::io::{IsTerminal, stderr, stdin, stdout};

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a process that was told twice.
const EXIT_TOLD_TWICE: i32 = 1;

/// A token that the first signal cancels; the second ends the process at once.
pub fn stop_on_signals() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    // Taken, so that a file at its limit of size (`ulimit -f`) refuses a write as a full disk does, instead of
    // ending the process.
    let _ = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?;
    let had_terminal = has_terminal();
    let token = stop.clone();
    tokio::spawn(async move {
        loop {
            let is_hangup = tokio::select! {
                _ = terminate.recv() => false,
                _ = interrupt.recv() => false,
                _ = hangup.recv() => true,
            };
            // Shells pass on the hangup that the kernel has sent: it comes twice and means one thing.
            if is_hangup && (token.is_cancelled() || !had_terminal || has_terminal()) {
                continue;
            }
            if token.is_cancelled() {
                std::process::exit(EXIT_TOLD_TWICE);
            }
            token.cancel();
        }
    });
    Ok(stop)
}

/// Whether a stream leads to a terminal. One that was hung up is none any more.
fn has_terminal() -> bool {
    stdin().is_terminal() || stdout().is_terminal() || stderr().is_terminal()
}
