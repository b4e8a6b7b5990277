//! fb_keyed: a token bucket for each key, in a table that never grows.

use crate::boundary::entry;
use crate::error::{self, Refused, fb_error};
use crate::handle::{self, Place};
use crate::status::fb_status;
use core::ffi::c_void;
use core::ptr;
use fuseboard_core::{KeyedEntry, KeyedTable, Nanos, Rate, WhenFull};
#[cfg(feature = "std")]
use std::hash::{BuildHasher, RandomState};

/// What happens to a new key when the table has no place for it.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fb_when_full {
    /// It is rejected.
    FB_WHEN_FULL_REJECT = 0,
    /// It is admitted without being counted.
    FB_WHEN_FULL_ADMIT = 1,
    /// All such keys share one bucket.
    FB_WHEN_FULL_SHARE_OVERFLOW = 2,
}

/// A token bucket for each key: a user, an address, a tenant. The table has 16 bytes for each of
/// its places and never grows; a key whose bucket is full again needs no place.
pub struct fb_keyed {
    pub(crate) core: KeyedTable<'static>,
    pub(crate) seed: [u64; 2],
    /// What the table stands on, where it is ours to free.
    #[cfg(feature = "std")]
    owned: *mut [KeyedEntry],
}

#[cfg(feature = "std")]
impl Drop for fb_keyed {
    fn drop(&mut self) {
        if !self.owned.is_null() {
            // SAFETY: from a `Box`, and the table that borrows it is never used again.
            drop(unsafe { Box::from_raw(self.owned) });
        }
    }
}

/// The settings, with numbers for names.
#[derive(Clone, Copy)]
struct Settings {
    rate: Rate,
    burst: u64,
    when_full: i32,
    seed: [u64; 2],
}

impl Settings {
    fn when_full(self) -> Result<WhenFull, Refused<'static>> {
        const REJECT: i32 = fb_when_full::FB_WHEN_FULL_REJECT as i32;
        const ADMIT: i32 = fb_when_full::FB_WHEN_FULL_ADMIT as i32;
        const SHARE_OVERFLOW: i32 = fb_when_full::FB_WHEN_FULL_SHARE_OVERFLOW as i32;
        match self.when_full {
            REJECT => Ok(WhenFull::Reject),
            ADMIT => Ok(WhenFull::Admit),
            SHARE_OVERFLOW => Ok(WhenFull::ShareOverflow),
            unknown => Err(Refused::Member {
                field: "when_full",
                given: i64::from(unknown),
                allowed: "FB_WHEN_FULL_REJECT (0), FB_WHEN_FULL_ADMIT (1), \
                          FB_WHEN_FULL_SHARE_OVERFLOW (2)",
            }),
        }
    }

    fn table(
        self,
        entries: &'static [KeyedEntry],
    ) -> Result<KeyedTable<'static>, Refused<'static>> {
        Ok(KeyedTable::try_new(
            entries,
            self.rate,
            self.burst,
            self.when_full()?,
        )?)
    }
}

/// So many empty places on the heap.
#[cfg(feature = "std")]
fn places(capacity: usize) -> Result<Box<[KeyedEntry]>, fb_status> {
    let mut places = Vec::new();
    places
        .try_reserve_exact(capacity)
        .map_err(|_| fb_status::FB_ENOMEM)?;
    places.resize_with(capacity, KeyedEntry::new);
    Ok(places.into_boxed_slice())
}

/// # Safety
///
/// The pointers are null or valid for a write.
#[cfg(feature = "std")]
unsafe fn make(
    capacity: usize,
    settings: Settings,
    out: *mut *mut fb_keyed,
    error: *mut fb_error,
) -> Result<fb_status, fb_status> {
    let owned = Box::into_raw(places(capacity)?);
    // SAFETY: alive until `fb_keyed` is dropped, which frees it and ends with the table.
    let made = settings.table(unsafe { &*owned });
    let free_places = || {
        // SAFETY: from the `Box` above, and the table that borrowed it is gone.
        drop(unsafe { Box::from_raw(owned) });
    };
    match made {
        Err(refused) => {
            free_places();
            // SAFETY: the caller's promise is the same.
            Err(unsafe { error::report(error, &refused) })
        }
        Ok(core) => {
            let seed = settings.seed;
            // On a failure the value is dropped, and its places with it.
            // SAFETY: the caller's promise is the same.
            unsafe { handle::give(Place::Heap, out, fb_keyed { core, seed, owned }) }
        }
    }
}

/// Makes a keyed limiter, every bucket full, whose places nobody outside can choose keys for.
///
/// `units`, `per_ns`, `burst`: each key's rate and burst, as for fb_token_bucket_new. `capacity`:
/// how many keys have a place at the same time; take twice as many as there are. `when_full`: an
/// fb_when_full. `out`: the new handle, for fb_keyed_free; NULL unless FB_OK. `error`: may be NULL;
/// names the refused setting, "rate", "burst", "entries" (the capacity) or "when_full".
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ENOMEM. Threads: any. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_keyed_new(
    units: u64,
    per_ns: u64,
    burst: u64,
    capacity: usize,
    when_full: i32,
    out: *mut *mut fb_keyed,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        error::clear(error)?;
        handle::write(out, ptr::null_mut())?;
        let random = RandomState::new();
        let settings = Settings {
            rate: Rate::new(units, Nanos::new(per_ns)),
            burst,
            when_full,
            seed: [random.hash_one(0), random.hash_one(1)],
        };
        make(capacity, settings, out, error)
    })
}

/// How many bytes fb_keyed_init needs for so many places, wherever they begin.
///
/// `capacity`: as for fb_keyed_init.
/// Returns: the number; SIZE_MAX where there is no such memory. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_keyed_size(capacity: usize) -> usize {
    capacity
        .saturating_mul(size_of::<KeyedEntry>())
        .saturating_add(handle::room::<fb_keyed>() + align_of::<KeyedEntry>() - 1)
}

/// fb_keyed_new in memory of the caller, which stays where it is as long as the handle is used and
/// is never given to fb_keyed_free.
///
/// `memory`, `memory_size`: at least fb_keyed_size(capacity) bytes. `seed`: two numbers that nobody
/// outside can guess, so that nobody can choose keys that fill the table. The rest: as for
/// fb_keyed_new.
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ESIZE when the memory is too small. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_keyed_init(
    memory: *mut c_void,
    memory_size: usize,
    units: u64,
    per_ns: u64,
    burst: u64,
    capacity: usize,
    when_full: i32,
    seed: *const u64,
    out: *mut *mut fb_keyed,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type, `seed` for two numbers, and the
    // memory is as large as said, nobody else's, and stays.
    entry(|| unsafe {
        error::clear(error)?;
        handle::write(out, ptr::null_mut())?;
        let settings = Settings {
            rate: Rate::new(units, Nanos::new(per_ns)),
            burst,
            when_full,
            seed: *handle::shared(seed.cast::<[u64; 2]>())?,
        };
        if memory_size < fb_keyed_size(capacity) {
            handle::usable(memory)?;
            return Err(fb_status::FB_ESIZE);
        }
        let (_, behind, left) = handle::carve::<fb_keyed>(memory, memory_size)?;
        let places = if capacity == 0 {
            ptr::NonNull::dangling().as_ptr()
        } else {
            handle::carve::<KeyedEntry>(behind, left)?.0
        };
        for place in 0..capacity {
            places.add(place).write(KeyedEntry::new());
        }
        let entries: &'static [KeyedEntry] = core::slice::from_raw_parts(places, capacity);
        let core = settings
            .table(entries)
            .map_err(|refused| error::report(error, &refused))?;
        let keyed = fb_keyed {
            core,
            seed: settings.seed,
            #[cfg(feature = "std")]
            owned: ptr::slice_from_raw_parts_mut(ptr::null_mut(), 0),
        };
        handle::give(Place::Memory(memory, memory_size), out, keyed)
    })
}

/// Frees a keyed limiter.
///
/// `keyed`: from fb_keyed_new, not used by any thread any more; or NULL, then nothing happens.
/// Returns: nothing. Threads: one. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_keyed_free(keyed: *mut fb_keyed) {
    entry(|| {
        // SAFETY: from fb_keyed_new and given up, by the contract above.
        unsafe { handle::free(keyed) };
        Ok(())
    });
}

// Last, so that the header tells of making first.
pub mod asking;
