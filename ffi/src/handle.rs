//! Pointers from C become references, values or a refusal here, and nowhere else.

use crate::status::fb_status;
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

/// Gives a new object to C.
///
/// # Safety
///
/// As for [`write`].
pub(crate) unsafe fn give<T>(out: *mut *mut T, value: T) -> Result<fb_status, fb_status> {
    usable(out)?;
    let handle = Box::into_raw(boxed(value)?);
    // SAFETY: the caller's promise is the same.
    unsafe { write(out, handle) }?;
    Ok(fb_status::FB_OK)
}

/// Takes an object back from C and drops it; nothing for NULL.
///
/// # Safety
///
/// The pointer is null or came from [`give`], was not freed, and nobody uses it any more.
pub(crate) unsafe fn free<T>(pointer: *mut T) {
    if !pointer.is_null() {
        // SAFETY: `give` made it from a `Box` and the caller gives it up.
        drop(unsafe { Box::from_raw(pointer) });
    }
}
