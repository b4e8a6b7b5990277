//! [`Memory`]: the bytes of a board, mapped or of this process alone. The only place that takes bytes for a board.

use super::Words;
use super::error::BoardError;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::ops::Deref;
use std::os::fd::AsFd;
use std::ptr::{self, NonNull};

/// Bytes of a board.
pub(super) const SIZE: usize = size_of::<Words>();

/// A board's words, wherever they are.
#[derive(Debug)]
pub(super) enum Memory {
    /// Shared with other processes.
    Mapped(Mapping),
    /// This process's own.
    Own(Box<Words>),
}

impl Deref for Memory {
    type Target = Words;

    #[inline]
    fn deref(&self) -> &Words {
        match self {
            // SAFETY: `Mapping::new` mapped `SIZE` readable and writable bytes at a page's start, which is more than the words'
            // alignment, and they stay until it is dropped. `Words` is nothing but atomic words: every bit pattern is
            // a value, and others may change them at any time. Nobody has a `&mut` to them.
            Self::Mapped(mapping) => unsafe { mapping.start.cast::<Words>().as_ref() },
            Self::Own(words) => words,
        }
    }
}

/// A shared mapping of the whole board.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<c_void>,
}

// SAFETY: the mapping belongs to no thread, and what is in it is atomic.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `file`, which the caller has found to be `SIZE` bytes long, or has made so.
    pub(super) fn new(file: impl AsFd) -> Result<Self, BoardError> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping where the kernel finds room; no memory of this process is touched.
        let start = unsafe { mmap(ptr::null_mut(), SIZE, protection, MapFlags::SHARED, file, 0) }
            .map_err(BoardError::system("map it"))?;
        let start = NonNull::new(start)
            .ok_or_else(|| BoardError::system("map it")(rustix::io::Errno::NOMEM))?;
        Ok(Self { start })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and whoever borrows the words borrows this.
        let _ = unsafe { munmap(self.start.as_ptr(), SIZE) };
    }
}
