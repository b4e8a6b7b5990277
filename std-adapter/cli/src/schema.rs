//! `fuseboard schema`: the JSON Schema of configuration files, for editors.

use anyhow::Result;
use std::io::Write;
use std::process::ExitCode;

/// Prints it.
pub(crate) fn run() -> Result<ExitCode> {
    let schema = fuseboard::config::schema();
    std::io::stdout().lock().write_all(schema.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
