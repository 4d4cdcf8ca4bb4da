//! All that commands print passes here, because tables hold what strangers wrote.
//!
//! Invariant: what `visible` names reaches no terminal as it was written. Clippy refuses `println!` in this
//! library. Bytes of a body go to files and pipes as they are.

use std::fmt::{Arguments, Display};
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::value_parser;

pub(super) use crate::visible::{escaped_json, plain};

use crate::figures::span;
use crate::store::connect::replica::may_lag;

/// Set once nobody reads stdout any more, as behind `| head`.
static IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Prints a line of text for people.
macro_rules! outln {
    () => { $crate::cli::output::write_line(format_args!("")) };
    ($($text:tt)*) => { $crate::cli::output::write_line(format_args!($($text)*)) };
}

/// Prints a line beside the data: to stderr.
macro_rules! errln {
    ($($text:tt)*) => { $crate::cli::output::write_error_line(format_args!($($text)*)) };
}

pub(crate) use {errln, outln};

/// Prints a line to stdout.
pub fn write_line(text: Arguments<'_>) {
    let text = format!("{}\n", plain(&text.to_string()));
    let _ = noted(write(&mut io::stdout().lock(), &text));
}

/// Prints a line to stderr.
pub fn write_error_line(text: Arguments<'_>) {
    let text = format!("{}\n", plain(&text.to_string()));
    // Nobody is there to be told that nobody reads.
    let _ = write(&mut io::stderr().lock(), &text);
}

/// Prints a line of JSON to stdout, equal to what it was.
pub(super) fn json_line(json: &impl Display) {
    let json = format!("{}\n", escaped_json(&json.to_string()));
    let _ = noted(write(&mut io::stdout().lock(), &json));
}

/// What `--limit` of a list takes.
pub(super) fn limit() -> RangedU64ValueParser<u64> {
    value_parser!(u64).range(1..)
}

/// Says beside a list how it goes on, if there were as many as were asked for; `option`: the one that takes the
/// last id, `--before` of lists that begin with the newest.
pub(super) fn tell_of_more(option: &str, ids: &[i64], limit: u64) {
    if let Some(last) = ids.last().filter(|_| ids.len() as u64 >= limit && is_read()) {
        errln!("there may be more: {option} {last} goes on, --limit shows more");
    }
}

/// Prints a list that may be read from a replica, and says beside it how old it is then.
pub(super) async fn listed<T>(list: impl Future<Output = T>) -> T {
    let (listed, age) = may_lag(list).await;
    if let Some(age) = age.filter(|_| is_read()) {
        errln!("read from the replica: at most {} old", span(whole_seconds(age)));
    }
    listed
}

/// Ms, not rounded down: nothing is said to be younger than it may be.
pub(super) fn whole_seconds(age: Duration) -> i64 {
    i64::try_from(age.as_secs() + 1).unwrap_or(i64::MAX).saturating_mul(1_000)
}

/// Prints bytes to stdout as they are, unless it is a terminal.
pub(super) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if stdout.is_terminal() {
        return noted(stdout.write_all(plain(&String::from_utf8_lossy(bytes)).as_bytes()));
    }
    noted(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// Whether anybody may still read stdout: who goes on printing ends early if not.
pub(super) fn is_read() -> bool {
    !IS_CLOSED.load(Ordering::Relaxed)
}

/// Whether an error says only that nobody reads stdout any more, which is no failure.
pub fn is_unread(error: &anyhow::Error) -> bool {
    let is_broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    !is_read() && causes.any(is_broken)
}

/// Remembers that nobody reads stdout.
fn noted<T>(written: io::Result<T>) -> io::Result<T> {
    if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        IS_CLOSED.store(true, Ordering::Relaxed);
    }
    written
}

/// Stdout for lines of JSON that a library writes: equal to what it wrote, and harmless.
#[derive(Default)]
pub(super) struct Harmless {
    /// The beginning of a character whose rest comes with the next part.
    begun: Vec<u8>,
}

impl Write for Harmless {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(part);
        let whole = match std::str::from_utf8(&self.begun) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        };
        let rest = self.begun.split_off(whole);
        let text = String::from_utf8_lossy(&self.begun);
        noted(io::stdout().lock().write_all(escaped_json(&text).as_bytes()))?;
        self.begun = rest;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        noted(io::stdout().lock().flush())
    }
}

fn write(to: &mut impl Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes()).and_then(|()| to.flush())
}
