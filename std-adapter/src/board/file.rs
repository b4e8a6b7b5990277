//! The file behind a board: made whole before anybody can find it, and trusted only when it can be.

use super::error::BoardError;
use super::memory::{Mapping, Memory, SIZE};
use super::origin;
use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FileType, MemfdFlags, Mode, OFlags, SealFlags, Stat, fallocate,
    fchmod, fcntl_add_seals, fstat, fstatfs, linkat, memfd_create, open,
};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// How often a file may come and go between looking for it and making it.
const ATTEMPTS: usize = 16;
/// `statfs`'s name of tmpfs, from the kernel's magic.h.
const TMPFS: u64 = 0x0102_1994;

/// The board at `path`, made if it is not there.
pub(super) fn open_or_create(path: &Path, on_disk: bool) -> Result<(OwnedFd, Memory), BoardError> {
    let mut last = Errno::NOENT;
    for _ in 0..ATTEMPTS {
        if let Some(found) = open_existing(path, on_disk)? {
            return Ok(found);
        }
        match create(path, on_disk)? {
            Ok(made) => return Ok(made),
            // Somebody else was first.
            Err(error) => last = error,
        }
    }
    Err(BoardError::system("open it, which others make and remove")(
        last,
    ))
}

/// The board at `path`; `None`: nothing is there.
pub(super) fn open_existing(
    path: &Path,
    on_disk: bool,
) -> Result<Option<(OwnedFd, Memory)>, BoardError> {
    // A symbolic link is not followed; opening a pipe or a device does not wait.
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    match open(path, flags, Mode::empty()) {
        Ok(file) => attach(file, path, on_disk).map(Some),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::LOOP) => Err(refused(
            path,
            "file",
            &"a symbolic link",
            "a file of its own; name the file that it points to",
        )),
        Err(error) => Err(BoardError::system("open it")(error)),
    }
}

/// A board without a name, which children inherit and nobody can cut short.
pub(super) fn anonymous() -> Result<(OwnedFd, Memory), BoardError> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file =
        memfd_create("fuseboard", flags).map_err(BoardError::system("make memory to share"))?;
    let memory = fill(&file)?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
        .map_err(BoardError::system("seal its size"))?;
    Ok((file, memory))
}

/// Makes a file that is whole, then gives it its name; the inner error: that is taken.
fn create(path: &Path, on_disk: bool) -> Result<Result<(OwnedFd, Memory), Errno>, BoardError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let file = open(folder, flags, Mode::RUSR | Mode::WUSR).map_err(BoardError::system(
        "make a file without a name in its folder",
    ))?;
    check_filesystem(&file, path, on_disk)?;
    let memory = fill(&file)?;
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    match linkat(CWD, own, CWD, path, AtFlags::SYMLINK_FOLLOW) {
        Ok(()) => Ok(Ok((file, memory))),
        Err(Errno::EXIST) => Ok(Err(Errno::EXIST)),
        Err(error) => Err(BoardError::system("give it its name")(error)),
    }
}

/// Gives an empty file its size, really, and a header.
fn fill(file: &OwnedFd) -> Result<Memory, BoardError> {
    let origin = origin::of_this_process()?;
    fchmod(file, Mode::RUSR | Mode::WUSR).map_err(BoardError::system("set its mode"))?;
    // Not just a size: a full filesystem must say so now, not by a signal when a word is touched.
    fallocate(file, FallocateFlags::empty(), 0, SIZE as u64)
        .map_err(BoardError::system("reserve its memory"))?;
    let memory = Memory::Mapped(Mapping::new(file)?);
    memory.format(origin);
    Ok(memory)
}

/// Maps a file that exists, if it may be trusted.
fn attach(file: OwnedFd, path: &Path, on_disk: bool) -> Result<(OwnedFd, Memory), BoardError> {
    let stat = fstat(&file).map_err(BoardError::system("look at it"))?;
    check_file(&stat, path)?;
    check_filesystem(&file, path, on_disk)?;
    let memory = Memory::Mapped(Mapping::new(&file)?);
    memory.check(origin::of_this_process()?)?;
    Ok((file, memory))
}

fn check_file(stat: &Stat, path: &Path) -> Result<(), BoardError> {
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind != FileType::RegularFile {
        let found = format!("{kind:?}");
        return Err(refused(
            path,
            "file",
            &found,
            "a regular file; choose another path",
        ));
    }
    if stat.st_uid != geteuid().as_raw() {
        let allowed = "the user of this process; start all its users as one user";
        return Err(refused(path, "owner", &stat.st_uid, allowed));
    }
    let mode = stat.st_mode & 0o7777;
    if mode & 0o077 != 0 {
        let allowed = "0600: nobody else may change it; remove it or change its mode";
        return Err(refused(path, "mode", &format!("{mode:04o}"), allowed));
    }
    if u64::try_from(stat.st_size).ok() != Some(SIZE as u64) {
        let allowed = "that of this version's board; remove it, or choose another path";
        return Err(refused(path, "size", &stat.st_size, allowed));
    }
    Ok(())
}

fn check_filesystem(file: &OwnedFd, path: &Path, on_disk: bool) -> Result<(), BoardError> {
    let kind = fstatfs(file)
        .map_err(BoardError::system("look at its filesystem"))?
        .f_type;
    if on_disk || u64::try_from(kind).ok() == Some(TMPFS) {
        return Ok(());
    }
    let allowed = "tmpfs, such as /dev/shm; another one only with `BoardOptions::on_disk`";
    Err(refused(path, "filesystem", &format!("{kind:#x}"), allowed))
}

fn refused(
    path: &Path,
    field: &'static str,
    found: &dyn ToString,
    allowed: &'static str,
) -> BoardError {
    BoardError::File {
        path: path.to_owned(),
        field,
        found: found.to_string(),
        allowed,
    }
}
