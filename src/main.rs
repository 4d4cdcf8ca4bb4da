//! The binary: parses arguments, runs a subcommand, turns its error into an exit code.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use waha_ingest::cli::Cli;

/// A webhook is some fifty small allocations, made on one thread and freed on another: with the system's
/// allocator of glibc they cost the door a tenth of its time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
