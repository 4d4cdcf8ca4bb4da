//! The binary: parses arguments, runs a subcommand, turns its error into an exit code.

use std::process::ExitCode;

use clap::Parser;
use waha_ingest::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
