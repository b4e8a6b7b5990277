//! The file itself: what it is, whose, where, and what its first words say.

use super::Report;
use crate::failure::Failure;
use crate::humane;
use fuseboard::Board;
use rustix::fs::statfs;
use rustix::process::geteuid;
use serde_json::json;
use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::SystemTime;

const MAGIC: u64 = u64::from_le_bytes(*b"FUSEBRD\0");

/// Looks at the file from outside.
///
/// # Errors
/// There is none.
pub(super) fn look(path: &Path, report: &mut Report) -> Result<(), Failure> {
    let metadata = fs::symlink_metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::NotFound(format!(
            "there is no file {}; a program makes a board when it opens it",
            path.display()
        )),
        _ => Failure::Failed(anyhow::Error::from(error).context(path.display().to_string())),
    })?;
    if !is_regular(&metadata, report) {
        return Ok(());
    }
    attributes(path, &metadata, report);
    filesystem(path, report);
    let age = metadata
        .created()
        .ok()
        .and_then(|at| SystemTime::now().duration_since(at).ok());
    if let Some(age) = age {
        let text = format!("{} ago", humane::span(age.into()));
        report.fact("created", text, json!(age.as_secs_f64()));
    }
    if !header(path, &metadata, report) {
        // How a file that is no board should be, as a board, helps nobody.
        report.only("header");
    }
    Ok(())
}

fn is_regular(metadata: &Metadata, report: &mut Report) -> bool {
    let kind = metadata.file_type();
    if kind.is_file() {
        return true;
    }
    let (what, advice) = if kind.is_symlink() {
        (
            "a symbolic link",
            "name the file that it points to; boards follow no links",
        )
    } else if kind.is_dir() {
        ("a folder", "name a file in it")
    } else {
        ("no regular file", "choose another path")
    };
    report.finding("file", format!("it is {what}"), advice);
    false
}

fn attributes(path: &Path, metadata: &Metadata, report: &mut Report) {
    let (mode, owner, own) = (
        metadata.permissions().mode() & 0o7777,
        metadata.uid(),
        geteuid().as_raw(),
    );
    report.fact("mode", format!("{mode:04o}"), json!(format!("{mode:04o}")));
    let whose = if owner == own { " (this user)" } else { "" };
    report.fact("user", format!("{owner}{whose}"), json!(owner));
    if mode & 0o077 != 0 {
        report.finding(
            "mode",
            format!("{mode:04o}: others may read or change it"),
            "chmod 600 it, or remove it; no process opens it as it is",
        );
    }
    if owner != own {
        report.finding(
            "user",
            format!("it belongs to user {owner}, and this is user {own}"),
            "run this as that user, and start all users of a board as one user",
        );
    }
    let links = metadata.nlink();
    if links != 1 {
        report.finding(
            "file",
            format!("it has {links} names"),
            "remove all but one, so that everybody who is meant to share it does, and nobody else",
        );
    }
    // Reserved memory, in units of 512 bytes whatever the filesystem's are.
    let reserved = metadata.blocks() * 512;
    report.fact(
        "size",
        format!("{} bytes, {reserved} reserved", metadata.size()),
        json!({"bytes": metadata.size(), "reserved": reserved}),
    );
    if reserved < metadata.size() {
        report.finding(
            "size",
            format!("{} of its bytes are holes", metadata.size() - reserved),
            "remove it and start its users again: it was copied or made by something else, and touching a hole may kill",
        );
    }
    if File::open(path).is_err() {
        report.finding("file", "it cannot be read", "run this as its owner");
    }
}

fn filesystem(path: &Path, report: &mut Report) {
    let Ok(found) = statfs(path) else {
        return;
    };
    let kind = u64::try_from(found.f_type).unwrap_or_default();
    let name = match kind {
        0x0102_1994 => "tmpfs",
        0x8584_58F6 => "ramfs",
        0xEF53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683E => "btrfs",
        0x794C_7630 => "overlayfs",
        0x6969 => "nfs",
        0x6573_5546 => "fuse",
        _ => "another",
    };
    report.fact("filesystem", name, json!(name));
    if name != "tmpfs" {
        report.finding(
            "filesystem",
            format!("it is on {name} ({kind:#x}), not on tmpfs"),
            "put it below /dev/shm; its users open it here only with `on_disk`, and its words are written to the disk",
        );
    }
}

/// What the first words say, compared with what this program writes; `false`: it is no board.
fn header(path: &Path, metadata: &Metadata, report: &mut Report) -> bool {
    let mut bytes = [0; 56];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    if let Err(error) = read {
        if error.kind() == ErrorKind::UnexpectedEof {
            report.finding(
                "header",
                format!("{} bytes are too few for a board", metadata.size()),
                "name another file",
            );
            return false;
        }
        return true;
    }
    let mut words = [0; 7];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    let [magic, version, size, shape, boot_high, boot_low, namespace] = words;
    if magic != MAGIC {
        let advice =
            "name another file; a board that is being made has no name yet, so this one never was";
        report.finding("header", "it does not begin as a board does", advice);
        return false;
    }
    let (slots, owners) = (shape >> 32, shape & u64::from(u32::MAX));
    report.fact(
        "layout",
        format!("version {version}, {slots} slots of each kind, {owners} owners"),
        json!({"version": version, "slots": slots, "owners": owners}),
    );
    let same_version = "run the same version of fuseboard in all its users; to change it, stop them, remove the file, start them";
    let expected = fuseboard_core::Board::<64, 128>::LAYOUT_VERSION;
    if version != expected {
        report.finding(
            "layout",
            format!("it is of version {version}, and this program's is {expected}"),
            same_version,
        );
        return true;
    }
    let own = size_of_val(Board::private().words()) as u64;
    if (size, metadata.size()) != (own, own) {
        report.finding(
            "size",
            format!(
                "its header says {size} bytes, it has {}, and this program's boards have {own}",
                metadata.size()
            ),
            "remove it and start its users again: it was cut, or copied in part",
        );
    }
    clock(
        u128::from(boot_high) << 64 | u128::from(boot_low),
        namespace,
        report,
    );
    true
}

/// Times on a board mean something only to processes of the same boot and time namespace.
fn clock(boot: u128, namespace: u64, report: &mut Report) {
    let own_boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = own_boot.chars().filter(char::is_ascii_hexdigit).collect();
    let is_this_boot = u128::from_str_radix(&digits, 16).ok() == Some(boot);
    let own_namespace = fs::metadata("/proc/self/ns/time").map_or(0, |namespace| namespace.ino());
    let is_this_namespace = namespace == own_namespace;
    let text = match (is_this_boot, is_this_namespace) {
        (true, true) => "of this boot and time namespace",
        (true, false) => "of this boot, another time namespace",
        (false, _) => "of another boot",
    };
    report.fact(
        "clock",
        text,
        json!({"is_this_boot": is_this_boot, "time_namespace": namespace, "own_time_namespace": own_namespace}),
    );
    if !is_this_boot {
        report.finding(
            "clock",
            "it was made before the machine started last: its times mean nothing now",
            "remove it and start its users again",
        );
    } else if !is_this_namespace {
        report.finding(
            "clock",
            format!("its times are of time namespace {namespace}, and this process is in {own_namespace}"),
            "run this in its users' namespace, and use one board for each",
        );
    }
}
