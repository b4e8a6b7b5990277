//! [`Scratch`]: the file in which a victim says what it is doing; it outlives the victim.

use anyhow::{Context, Result, ensure};
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the file.
const SIZE: usize = 4_096;

/// What a word says; the README has them all.
#[derive(Clone, Copy, Debug)]
pub enum Word {
    /// The operation under way.
    Doing,
    /// Operations that are over.
    Done,
    /// Settled calls of `count`.
    Calls,
    /// Failures of these.
    Failures,
    /// Units of `bucket`.
    Units,
    /// Places held.
    Places,
    /// Probes held.
    Probes,
}

/// A victim's side: mapped, so that its last word stands when it is gone.
pub struct Scratch {
    words: &'static [AtomicU64],
}

impl Scratch {
    /// Maps the file, for as long as the process lives.
    pub fn map(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        ensure!(
            file.metadata()?.len() == SIZE as u64,
            "{}: its size",
            path.display()
        );
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, where the kernel finds room.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                SIZE,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        ensure!(start != libc::MAP_FAILED, "cannot map {}", path.display());
        // SAFETY: `SIZE` bytes at a page's start, never unmapped, and only ever used as atomic words.
        let words =
            unsafe { std::slice::from_raw_parts(start.cast::<AtomicU64>().cast_const(), SIZE / 8) };
        Ok(Self { words })
    }

    /// Says something. What was said before is seen before: the hunter reads it when we are dead.
    pub fn store(&self, word: Word, value: u64) {
        self.words[word as usize].store(value, Ordering::SeqCst);
    }

    /// Raises a count.
    pub fn add(&self, word: Word, by: u64) {
        self.words[word as usize].fetch_add(by, Ordering::SeqCst);
    }
}

/// The hunter's side: made empty, read like a file, gone in the end.
pub struct Record {
    path: PathBuf,
    file: File,
}

impl Record {
    /// A new file, all zero.
    pub fn create(path: PathBuf) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        file.set_len(SIZE as u64)?;
        Ok(Self { path, file })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a word says.
    pub fn read(&self, word: Word) -> Result<u64> {
        let mut bytes = [0; 8];
        self.file
            .read_exact_at(&mut bytes, word as u64 * 8)
            .context("the scratch file was cut short")?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
