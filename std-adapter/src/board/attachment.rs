//! [`Attachment`]: this process as an owner of the board, proven alive by a lock that the kernel releases.
//!
//! Owner *i* is the process that holds a lock on the file's byte *i*. The lock belongs to an open file description
//! (`F_OFD_SETLK`), so nothing that the process does with other descriptors of the file releases it. A forked child is another
//! owner: it finds that the process id is another and attaches anew, with a description of its own.
//!
//! A child that was forked while its parent was attached, and does not use the board, keeps the parent's description open; then what
//! the parent held comes back only when both are dead. Programs that fork workers attach in the workers, which happens by itself:
//! a process attaches when it first claims a name or takes a place.

use super::error::BoardError;
use super::memory::Memory;
use crate::clock::CoarseClock;
use fuseboard_core::{Clock, Owner};
use rustix::fs::{Mode, OFlags, open};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::process;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Owners of a board.
pub(super) const OWNERS: u16 = 128;
/// How often a process looks for dead ones at most, in nanoseconds.
const SWEEP_EVERY: u64 = 50_000_000;

/// Who this process is on a board.
///
/// ```text
///  63      42 41      32 31             0
/// +----------+----------+----------------+
/// |process id|  owner   |   descriptor   |   0: nobody yet
/// +----------+----------+----------------+
/// ```
/// Process ids end at 2^22 (`PID_MAX_LIMIT`). One word, no lock: a child may be forked at any moment.
#[derive(Debug, Default)]
pub(super) struct Attachment {
    own: AtomicU64,
    /// The process whose thread is sweeping.
    sweeping: AtomicU32,
    swept_at: AtomicU64,
}

/// One attached process.
#[derive(Clone, Copy)]
struct Own {
    process: u32,
    owner: Owner,
    descriptor: RawFd,
}

impl Own {
    fn from_bits(bits: u64) -> Option<Self> {
        (bits != 0).then(|| Self {
            process: (bits >> 42) as u32,
            owner: Owner::new((bits >> 32) as u16 & 0x3FF),
            descriptor: (bits as u32).cast_signed(),
        })
    }

    fn bits(self) -> u64 {
        u64::from(self.process) << 42
            | u64::from(self.owner.index()) << 32
            | u64::from(self.descriptor.cast_unsigned())
    }
}

impl Attachment {
    /// This process's owner of the board, which it becomes if it is none yet. `file`: `None` for a board that is not shared.
    pub(super) fn owner(
        &self,
        file: Option<&OwnedFd>,
        memory: &Memory,
    ) -> Result<Owner, BoardError> {
        let Some(file) = file else {
            return Ok(Owner::new(0));
        };
        self.own(file, memory).map(|own| own.owner)
    }

    /// Says that this process is an owner no more, so that nobody has to find out. Nobody uses the board here any more: what is still
    /// held, as by a permit that was forgotten, comes back. `drop` releases the lock.
    pub(super) fn leave(&mut self, memory: &Memory) {
        let own = Own::from_bits(*self.own.get_mut());
        // A child that has not attached leaves its parent's alone.
        if let Some(own) = own.filter(|own| own.process == process::id()) {
            memory.reclaim(own.owner);
            memory.set_owner_word(own.owner, 0);
        }
    }

    /// Whether `owner` is this process. A permit that a forked child inherited is its parent's.
    pub(super) fn is_own(&self, file: Option<&OwnedFd>, owner: Owner) -> bool {
        // Acquire: pairs with the swap in `own`.
        let own = Own::from_bits(self.own.load(Ordering::Acquire));
        file.is_none() || own.is_some_and(|own| own.owner == owner && own.process == process::id())
    }

    fn own(&self, file: &OwnedFd, memory: &Memory) -> Result<Own, BoardError> {
        let process = process::id();
        // Acquire: pairs with the swap below.
        let mut seen = self.own.load(Ordering::Acquire);
        loop {
            let before = Own::from_bits(seen);
            if let Some(own) = before.filter(|own| own.process == process) {
                return Ok(own);
            }
            let (owner, lock) = lock_one(file, memory)?;
            let own = Own {
                process,
                owner,
                descriptor: lock.as_raw_fd(),
            };
            // AcqRel: the owner that others of this process see is locked and reclaimed; failure Acquire: as the load.
            match self
                .own
                .compare_exchange(seen, own.bits(), Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => {
                    // It stays open as long as the board; `drop` closes it.
                    let _ = lock.into_raw_fd();
                    if let Some(parent) = before {
                        close(parent.descriptor);
                    }
                    return Ok(own);
                }
                // Another thread attached this process; our lock goes with its descriptor.
                Err(now) => {
                    memory.set_owner_word(owner, 0);
                    seen = now;
                }
            }
        }
    }

    /// Gives back what dead processes held, unless that was done a moment ago or is being done. `true`: it was done now.
    pub(super) fn sweep(&self, file: Option<&OwnedFd>, memory: &Memory) -> bool {
        let Some(Ok(own)) = file.map(|file| self.own(file, memory)) else {
            return false;
        };
        let now = CoarseClock.now().get();
        // Relaxed: a hint, and 0 is never.
        let last = self.swept_at.load(Ordering::Relaxed);
        if last != 0 && now.saturating_sub(last) < SWEEP_EVERY {
            return false;
        }
        // Relaxed: as above; the lock below decides.
        self.swept_at.store(now.max(1), Ordering::Relaxed);
        // One thread of a process at a time: the kernel's lock does not keep two of them apart. One that forked away meanwhile
        // is no thread of ours. Acquire: pairs with the release at the end.
        let sweeper = self.sweeping.load(Ordering::Acquire);
        let is_ours = sweeper != own.process
            && self
                .sweeping
                .compare_exchange(sweeper, own.process, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
        if !is_ours {
            return false;
        }
        for owner in (0..OWNERS).map(Owner::new) {
            let is_attached = memory.owner_word(owner).is_some_and(|word| word != 0);
            if owner != own.owner && is_attached && lock(own.descriptor, owner, true) {
                memory.reclaim(owner);
                memory.set_owner_word(owner, 0);
                lock(own.descriptor, owner, false);
            }
        }
        // Release: the next sweeper's locks come after ours are given back.
        self.sweeping.store(0, Ordering::Release);
        true
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let own = Own::from_bits(*self.own.get_mut());
        // A child that has not attached closes its copy too.
        if let Some(own) = own {
            close(own.descriptor);
        }
    }
}

/// A lock on the first owner that is nobody, through a description of its own.
fn lock_one(file: &OwnedFd, memory: &Memory) -> Result<(Owner, OwnedFd), BoardError> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let own = open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(BoardError::system("open it once more, to attach"))?;
    for owner in (0..OWNERS).map(Owner::new) {
        if lock(own.as_raw_fd(), owner, true) {
            // Whoever it was before is dead.
            memory.reclaim(owner);
            memory.set_owner_word(owner, u64::from(process::id()));
            return Ok((owner, own));
        }
    }
    Err(BoardError::NoOwner {
        owners: usize::from(OWNERS),
    })
}

/// Takes an owner's lock or gives it back, without waiting; whether that was done.
fn lock(descriptor: RawFd, owner: Owner, take: bool) -> bool {
    let kind = if take { libc::F_WRLCK } else { libc::F_UNLCK };
    let request = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: libc::off_t::from(owner.index()),
        l_len: 1,
        l_pid: 0,
    };
    loop {
        // SAFETY: the descriptor is open, and the kernel reads one `flock` through the pointer.
        let result = unsafe { libc::fcntl(descriptor, libc::F_OFD_SETLK, &raw const request) };
        if result == 0 {
            return true;
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return false;
        }
    }
}

/// Whether somebody holds an owner's lock. Asked through a description that holds none itself, so that also this process's counts.
pub(super) fn is_locked(file: &OwnedFd, owner: Owner) -> bool {
    let mut request = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: libc::off_t::from(owner.index()),
        l_len: 1,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open, and the kernel reads and writes one `flock` through the pointer.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut request) };
    result == 0 && i32::from(request.l_type) != libc::F_UNLCK
}

fn close(descriptor: RawFd) {
    // SAFETY: the descriptor came from `lock_one`, and the word that held it has been replaced: nobody else closes it.
    drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
}
