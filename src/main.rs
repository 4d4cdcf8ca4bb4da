//! The binary: parses arguments, runs a subcommand, turns its error into an exit code.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use waha_ingest::cli::Cli;

/// A webhook is some fifty small allocations, made on one thread and freed on another: with the system's
/// allocator of glibc they cost the door a tenth of its time. It takes no huge pages (its feature
/// `no_thp`): the first byte of a large buffer would cost two megabytes, and a connection has some.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    waha_ingest::lifecycle::keep_files_private();
    match Cli::read().run() {
        Ok(code) => code,
        Err(error) if waha_ingest::cli::output::is_unread(&error) => ExitCode::SUCCESS,
        Err(error) => {
            waha_ingest::cli::output::write_error_line(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
