//! Pointers from C become references, values or a refusal here, and nowhere else.

use crate::status::fb_status;
use core::ffi::c_void;
#[cfg(feature = "std")]
use std::alloc::{Layout, alloc};

/// A struct shared with C whose first member is `size_t struct_size`.
///
/// # Safety
///
/// The type is `repr(C)` and its first field is a `usize` that holds the size its user compiled.
pub(crate) unsafe trait LeadingSize {}

/// `FB_EINVAL` unless the pointer may be used at all.
pub(crate) fn usable<T>(pointer: *const T) -> Result<(), fb_status> {
    if pointer.is_null() || !pointer.is_aligned() {
        Err(fb_status::FB_EINVAL)
    } else {
        Ok(())
    }
}

/// Whether both pointers are [`usable`]: their alignment in one comparison, for fast paths.
#[inline]
pub(crate) fn are_usable<T, U>(first: *const T, second: *const U) -> bool {
    const { assert!(align_of::<T>() >= align_of::<U>()) };
    // The second one's low bits are moved up to where the first one's highest bits that must be zero are.
    let bits = second.addr() << (align_of::<T>() / align_of::<U>()).ilog2() | first.addr();
    !first.is_null() && !second.is_null() && bits.is_multiple_of(align_of::<T>())
}

/// `FB_EINVAL` or `FB_ESIZE` unless the struct behind the pointer is of the size known here.
///
/// # Safety
///
/// The pointer is null, or its first member may be read.
pub(crate) unsafe fn sized<T: LeadingSize>(pointer: *const T) -> Result<(), fb_status> {
    usable(pointer)?;
    // SAFETY: usable, and the trait promises that a `usize` stands first. The rest may still be
    // uninitialised, so no reference is made.
    let size = unsafe { pointer.cast::<usize>().read() };
    if size == size_of::<T>() {
        Ok(())
    } else {
        Err(fb_status::FB_ESIZE)
    }
}

/// The object behind a handle, or `FB_EINVAL`.
///
/// # Safety
///
/// The pointer is null, or points to a `T` that outlives the call and is not mutated except
/// through atomics.
#[inline]
pub(crate) unsafe fn shared<'a, T>(pointer: *const T) -> Result<&'a T, fb_status> {
    usable(pointer)?;
    // SAFETY: not null, aligned, and valid for the call by this function's contract.
    Ok(unsafe { &*pointer })
}

/// Writes an output parameter that must be there.
///
/// # Safety
///
/// The pointer is null, or valid for a write of `T`.
#[inline]
pub(crate) unsafe fn write<T>(out: *mut T, value: T) -> Result<(), fb_status> {
    usable(out)?;
    // SAFETY: not null, aligned, and writable by this function's contract; nothing is dropped.
    unsafe { out.write(value) };
    Ok(())
}

/// Writes an output parameter that may be NULL.
///
/// # Safety
///
/// As for [`write`].
#[inline]
pub(crate) unsafe fn write_if_wanted<T>(out: *mut T, value: T) -> Result<(), fb_status> {
    if out.is_null() {
        return Ok(());
    }
    // SAFETY: the caller's promise is the same.
    unsafe { write(out, value) }
}

/// Puts a value on the heap; `FB_ENOMEM` where `Box::new` would abort the host.
#[cfg(feature = "std")]
pub(crate) fn boxed<T>(value: T) -> Result<Box<T>, fb_status> {
    const { assert!(size_of::<T>() > 0) };
    // SAFETY: the size is not zero.
    let memory = unsafe { alloc(Layout::new::<T>()) }.cast::<T>();
    if memory.is_null() {
        return Err(fb_status::FB_ENOMEM);
    }
    // SAFETY: fresh memory of the global allocator with T's layout: what `Box` owns.
    Ok(unsafe {
        memory.write(value);
        Box::from_raw(memory)
    })
}

/// Where a new object is put.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// On the heap, to be freed.
    #[cfg(feature = "std")]
    Heap,
    /// At the first fitting address of the caller's memory, which has so many bytes.
    Memory(*mut c_void, usize),
}

/// How many bytes hold a `T`, wherever they begin.
pub(crate) const fn room<T>() -> usize {
    size_of::<T>() + align_of::<T>() - 1
}

/// The first address of the memory that fits a `T`, and what is behind it; `FB_ESIZE` where it does not fit in.
///
/// # Safety
///
/// The pointer is null or points to so many bytes.
pub(crate) unsafe fn carve<T>(
    memory: *mut c_void,
    size: usize,
) -> Result<(*mut T, *mut c_void, usize), fb_status> {
    usable(memory)?;
    let memory = memory.cast::<u8>();
    let skip = memory.align_offset(align_of::<T>());
    let used = skip.saturating_add(size_of::<T>());
    let left = size.checked_sub(used).ok_or(fb_status::FB_ESIZE)?;
    // SAFETY: both stay inside of the memory, or one behind its end.
    unsafe { Ok((memory.add(skip).cast(), memory.add(used).cast(), left)) }
}

/// Gives a new object to C.
///
/// # Safety
///
/// As for [`write`]; a place in memory is as large as it says and nobody else's.
pub(crate) unsafe fn give<T>(
    place: Place,
    out: *mut *mut T,
    value: T,
) -> Result<fb_status, fb_status> {
    usable(out)?;
    let handle = match place {
        #[cfg(feature = "std")]
        Place::Heap => Box::into_raw(boxed(value)?),
        Place::Memory(memory, size) => {
            // SAFETY: the caller's promise is the same; the address fits.
            unsafe {
                let (handle, ..) = carve::<T>(memory, size)?;
                handle.write(value);
                handle
            }
        }
    };
    // SAFETY: the caller's promise is the same.
    unsafe { write(out, handle) }?;
    Ok(fb_status::FB_OK)
}

/// Takes an object back from C and drops it; nothing for NULL.
///
/// # Safety
///
/// The pointer is null or came from [`give`] on the heap, was not freed, and nobody uses it any more.
#[cfg(feature = "std")]
pub(crate) unsafe fn free<T>(pointer: *mut T) {
    if !pointer.is_null() {
        // SAFETY: `give` made it from a `Box` and the caller gives it up.
        drop(unsafe { Box::from_raw(pointer) });
    }
}
