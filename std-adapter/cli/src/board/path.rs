//! Which board: named, or the only one that there is. Looking for one never makes one.

use crate::failure::Failure;
use anyhow::anyhow;
use clap::Args;
use fuseboard::{Board, BoardError, BoardOptions, LayoutError};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Where boards are looked for.
const SHARED_MEMORY: &str = "/dev/shm";
/// What a board begins with, in the words of this machine.
const MAGIC: [u8; 8] = u64::from_le_bytes(*b"FUSEBRD\0").to_ne_bytes();

/// Which board a command is about.
#[derive(Args, Clone, Debug)]
pub(crate) struct BoardArgument {
    /// The board's file; without it, the only board in /dev/shm.
    #[arg(long, env = "FUSEBOARD_BOARD", value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    board: Option<PathBuf>,
}

impl BoardArgument {
    /// The board's path.
    pub(crate) fn path(&self) -> Result<PathBuf, Failure> {
        path_or_only(self.board.clone())
    }

    /// The board, which must be there; this process does not become one of its owners.
    pub(crate) fn open(&self) -> Result<(PathBuf, Board), Failure> {
        let path = self.path()?;
        let board = open(&path)?;
        Ok((path, board))
    }
}

/// The path that was named, or that of the only board.
pub(crate) fn path_or_only(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    match named.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) => Ok(path),
        None => only(Path::new(SHARED_MEMORY)),
    }
}

/// Opens the board at `path`, which must be there.
pub(crate) fn open(path: &Path) -> Result<Board, Failure> {
    let options = BoardOptions::new().on_disk(true).existing(true);
    let shown = path.display();
    options.open(path).map_err(|error| match error {
        BoardError::System { source, .. } if source.kind() == ErrorKind::NotFound => {
            Failure::NotFound(format!(
                "there is no board at {shown}; a program makes it when it opens it (`fuseboard list` without \
                 --board says which there are)"
            ))
        }
        BoardError::Layout(LayoutError::Magic { .. }) => {
            Failure::Failed(anyhow!("{shown} is no board; name another file with --board"))
        }
        BoardError::File { .. } => Failure::Failed(error.into()),
        other => Failure::Failed(
            anyhow!(other).context(format!("{shown} (`fuseboard doctor {shown}` says more)")),
        ),
    })
}

fn only(folder: &Path) -> Result<PathBuf, Failure> {
    let mut found = boards_in(folder);
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Failure::NotFound(format!(
            "there is no board in {}; start a program that opens one, or name its file with --board PATH",
            folder.display()
        ))),
        count => {
            let list: Vec<_> = found
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            Err(Failure::Usage(format!(
                "which board? {} has {count}; name one with --board PATH or FUSEBOARD_BOARD:\n  {}",
                folder.display(),
                list.join("\n  ")
            )))
        }
    }
}

/// Every file in `folder` that begins as a board does, by name. Others may come and go meanwhile, and those of other users
/// cannot be read: neither is an error.
fn boards_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let files = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let mut boards: Vec<PathBuf> = files
        .map(|entry| entry.path())
        .filter(|path| begins_as_board(path))
        .collect();
    boards.sort();
    boards
}

fn begins_as_board(path: &Path) -> bool {
    let mut begin = [0; MAGIC.len()];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut begin))
        .is_ok()
        && begin == MAGIC
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_board_needs_no_name_and_of_several_each_is_named() {
        let folder = std::env::temp_dir().join(format!("fuseboard-path-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("short"), b"FUSE").unwrap();
        fs::write(folder.join("other"), b"something else").unwrap();
        let none = only(&folder).unwrap_err();
        assert_eq!(none.status(), 3);

        fs::write(folder.join("b"), MAGIC).unwrap();
        assert_eq!(only(&folder).unwrap(), folder.join("b"));
        fs::write(folder.join("a"), MAGIC).unwrap();
        let two = only(&folder).unwrap_err();
        assert_eq!(two.status(), 2);
        let message = two.message().unwrap();
        let shown = |name| message.find(&folder.join(name).display().to_string());
        assert!(shown("a").unwrap() < shown("b").unwrap(), "{message}");
        assert!(message.contains("--board"), "{message}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
