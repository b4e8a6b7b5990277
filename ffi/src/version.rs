//! Which library this is, at compile time and at run time.

use core::ffi::{CStr, c_char};

/// Raised whenever a program compiled with an older header could misbehave with this library.
pub const FB_ABI_VERSION: u32 = 1;
/// First part of the version of this header.
pub const FB_VERSION_MAJOR: u32 = 0;
/// Second part of the version of this header.
pub const FB_VERSION_MINOR: u32 = 1;
/// Third part of the version of this header.
pub const FB_VERSION_PATCH: u32 = 0;

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("a version has no NUL inside"),
    };

// The header needs literals; the package's version is the truth.
const _: () = {
    assert!(FB_VERSION_MAJOR == number(env!("CARGO_PKG_VERSION_MAJOR")));
    assert!(FB_VERSION_MINOR == number(env!("CARGO_PKG_VERSION_MINOR")));
    assert!(FB_VERSION_PATCH == number(env!("CARGO_PKG_VERSION_PATCH")));
};

const fn number(text: &str) -> u32 {
    match u32::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => panic!("a part of the version is not a number"),
    }
}

/// The ABI number of the library that is loaded; equal to FB_ABI_VERSION where header and library
/// fit.
///
/// Returns: the number. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_abi_version() -> u32 {
    FB_ABI_VERSION
}

/// The version of the library that is loaded, as text: "0.1.0".
///
/// Returns: a static string, never NULL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_version_string() -> *const c_char {
    VERSION.as_ptr()
}
