//! [`Place`]: where the repository and its build folder are, and how a child process starts there.

use std::env;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result};

/// Where things are.
pub struct Place {
    /// The repository.
    pub root: PathBuf,
    /// The one build folder; everything that the suites need is made below it.
    pub target: PathBuf,
    /// The cargo that runs us.
    pub cargo: OsString,
}

impl Place {
    /// From the environment that cargo gives, whatever the current folder is.
    pub fn find() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .ancestors()
            .nth(2)
            .with_context(|| format!("{} is not tests/xtask of a repository", manifest.display()))?
            .to_owned();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            // As cargo does: relative to the current folder.
            Some(folder) => env::current_dir()
                .context("no current folder")?
                .join(folder),
            None => root.join("target"),
        };
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Ok(Self {
            root,
            target,
            cargo,
        })
    }

    /// A command in the repository, with nothing to read.
    pub fn command(&self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new(program.into());
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_TERM_COLOR", "never")
            .stdin(Stdio::null());
        clean(&mut command);
        command
    }
}

/// Takes back what `cargo run` set for us: it would make build scripts run again, and a virtual
/// environment of the user's is not ours.
pub fn clean(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let foreign = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_")
                || name.starts_with("CARGO_MANIFEST_")
                || matches!(name, "VIRTUAL_ENV" | "PYTHONHOME" | "PYTHONPATH")
        });
        if foreign {
            command.env_remove(&name);
        }
    }
}

/// Runs it to its end; standard output and error in the order in which they were written.
pub fn capture(mut command: Command) -> io::Result<(ExitStatus, String)> {
    let (mut reader, writer) = io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // The command holds the pipe's other end open.
    drop(command);
    let mut output = Vec::new();
    reader.read_to_end(&mut output)?;
    let status = child.wait()?;
    Ok((status, String::from_utf8_lossy(&output).into_owned()))
}
