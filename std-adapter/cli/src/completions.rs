//! `fuseboard completions`: what a shell completes, on standard output.

use crate::failure::Failure;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io::Write;
use std::process::ExitCode;

/// Arguments of `fuseboard completions`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Which shell.
    shell: Shell,
}

/// Prints the shell's script.
pub(crate) fn run<Program: CommandFactory>(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    let mut program = Program::command();
    clap_complete::generate(arguments.shell, &mut program, "fuseboard", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
