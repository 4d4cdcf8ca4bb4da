//! `completions` and `man`: what shells and `man` know of the command line, made from its description.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::Cli;
use super::output::bytes;

/// Options of `completions`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest completions bash > ~/.local/share/bash-completion/completions/waha-ingest\n  waha-ingest completions zsh > ~/.zfunc/_waha-ingest\n  waha-ingest completions fish > ~/.config/fish/completions/waha-ingest.fish"
)]
pub struct CompletionOptions {
    /// Which shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Options of `man`.
#[derive(Args)]
#[command(
    after_help = "Example:\n  waha-ingest man | man -l -\n  waha-ingest man > /usr/local/share/man/man1/waha-ingest.1"
)]
pub struct ManOptions;

/// Prints a script for a shell.
pub fn completions(options: &CompletionOptions) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "waha-ingest", &mut script);
    let mut script = String::from_utf8(script)?;
    if options.shell == Shell::Bash {
        script = with_one_dash(&script);
    }
    bytes(script.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// A script for bash that finds what it remembers. `clap_complete` 4.6 writes the dash of our name in two
/// ways: its loop comes to `waha__ingest__subcmd__status`, its cases are of
/// `waha__subcmd__ingest__subcmd__status`, and only first words are completed. A release that writes one
/// gets it back as it is.
fn with_one_dash(script: &str) -> String {
    script.replace("waha__subcmd__ingest", "waha__ingest")
}

/// Prints one page with all commands.
pub fn man() -> anyhow::Result<ExitCode> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render(&mut page)?;
    section(&command, &mut page)?;
    bytes(&page)?;
    Ok(ExitCode::SUCCESS)
}

/// A section for each command below `parent`, with its options.
fn section(parent: &clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
    for command in parent.get_subcommands().filter(|it| it.get_name() != "help") {
        let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
        writeln!(page, ".SH {}", name.to_uppercase())?;
        let man = Man::new(command.clone());
        man.render_description_section(page)?;
        if command.get_arguments().next().is_some() {
            man.render_options_section(page)?;
        }
        section(command, page)?;
    }
    Ok(())
}
