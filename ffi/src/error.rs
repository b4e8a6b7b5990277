//! Which setting was refused and why, in memory that the caller owns.

use crate::handle::{self, Place};
use crate::status::fb_status;
use core::ffi::c_char;
use core::fmt::{self, Write};
use fuseboard_core::ConfigError;

/// Bytes of fb_error.field, its NUL included.
pub const FB_ERROR_FIELD_SIZE: usize = 32;
/// Bytes of fb_error.message, its NUL included.
pub const FB_ERROR_MESSAGE_SIZE: usize = 224;

/// Why a setting, or a board, was refused. Owned by the caller and written by the functions that
/// take one, which set both texts to "" unless they refuse something. Its size never changes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fb_error {
    /// The setting's name, or what of a board is refused: the same in every language; the member of fb_breaker_config has the
    /// unit behind it: "failure_threshold" is failure_threshold_ppm.
    pub field: [c_char; FB_ERROR_FIELD_SIZE],
    /// Name, value, allowed range and what to do, in UTF-8, cut off where it does not fit.
    pub message: [c_char; FB_ERROR_MESSAGE_SIZE],
}

/// A refused setting, found by the core or here.
pub(crate) enum Refused<'a> {
    Config(ConfigError),
    /// What a text says.
    Text {
        field: &'a str,
        given: &'a str,
        allowed: &'static str,
    },
    Member {
        field: &'a str,
        given: i64,
        allowed: &'static str,
    },
}

impl From<ConfigError> for Refused<'_> {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl Refused<'_> {
    fn field(&self) -> &str {
        match self {
            Self::Config(error) => error.field(),
            Self::Member { field, .. } | Self::Text { field, .. } => field,
        }
    }
}

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Member {
                field,
                given,
                allowed,
            } => write!(f, "{field} is {given}; allowed: {allowed}"),
            Self::Text {
                field,
                given,
                allowed,
            } => {
                let (field, given) = (Cut(field), Cut(given));
                write!(f, "{field} is {given}; allowed: {allowed}")
            }
        }
    }
}

/// A text of the caller's, cut where it would leave no place for what is said about it.
struct Cut<'a>(&'a str);

impl fmt::Display for Cut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 40;
        match self.0.char_indices().nth(LONGEST) {
            None => f.write_str(self.0),
            Some((end, _)) => write!(f, "{}...", self.0.split_at(end).0),
        }
    }
}

/// Empties `error`, if wanted; `FB_EINVAL` for a pointer that cannot be used.
///
/// # Safety
///
/// The pointer is null or valid for a write.
pub(crate) unsafe fn clear(error: *mut fb_error) -> Result<(), fb_status> {
    let empty = fb_error {
        field: [0; FB_ERROR_FIELD_SIZE],
        message: [0; FB_ERROR_MESSAGE_SIZE],
    };
    // SAFETY: the caller's promise is the same.
    unsafe { handle::write_if_wanted(error, empty) }
}

/// Fills `error`, if wanted, and gives the status to answer with.
///
/// # Safety
///
/// The pointer is null or valid for a write.
pub(crate) unsafe fn report(error: *mut fb_error, refused: &Refused<'_>) -> fb_status {
    // SAFETY: the caller's promise is the same.
    match unsafe { fill(error, refused.field(), refused) } {
        Ok(()) => fb_status::FB_ECONFIG,
        Err(status) => status,
    }
}

/// Fills `error`, if wanted.
///
/// # Safety
///
/// The pointer is null or valid for a write.
pub(crate) unsafe fn fill(
    error: *mut fb_error,
    field: &str,
    message: &dyn fmt::Display,
) -> Result<(), fb_status> {
    let filled = fb_error {
        field: text(&field),
        message: text(message),
    };
    // SAFETY: the caller's promise is the same.
    unsafe { handle::write_if_wanted(error, filled) }
}

/// Gives what was made to C, or says what was refused.
///
/// # Safety
///
/// As for [`handle::give`] and [`report`].
pub(crate) unsafe fn give<T>(
    place: Place,
    out: *mut *mut T,
    error: *mut fb_error,
    made: Result<T, ConfigError>,
) -> Result<fb_status, fb_status> {
    match made {
        // SAFETY: the caller's promises are the same.
        Ok(value) => unsafe { handle::give(place, out, value) },
        // SAFETY: the caller's promises are the same.
        Err(refused) => Err(unsafe { report(error, &refused.into()) }),
    }
}

/// `FB_OK`, or says what was refused.
///
/// # Safety
///
/// As for [`report`].
pub(crate) unsafe fn done(
    error: *mut fb_error,
    changed: Result<(), ConfigError>,
) -> Result<fb_status, fb_status> {
    match changed {
        Ok(()) => Ok(fb_status::FB_OK),
        // SAFETY: the caller's promise is the same.
        Err(refused) => Err(unsafe { report(error, &refused.into()) }),
    }
}

/// The text in a fixed array that always ends in a NUL.
fn text<const N: usize>(content: &dyn fmt::Display) -> [c_char; N] {
    let mut buffer = Fixed {
        bytes: [0; N],
        used: 0,
    };
    // It fails when the buffer is full; then the text is cut off, as documented.
    let _ = write!(buffer, "{content}");
    buffer.bytes
}

struct Fixed<const N: usize> {
    bytes: [c_char; N],
    used: usize,
}

impl<const N: usize> Write for Fixed<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            let mut encoded = [0; 4];
            let encoded = letter.encode_utf8(&mut encoded).as_bytes();
            // A letter is never cut in half, and the last byte stays NUL.
            if self.used + encoded.len() >= N {
                return Err(fmt::Error);
            }
            for &byte in encoded {
                self.bytes[self.used] = byte.cast_signed() as c_char;
                self.used += 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_letters_and_ends_in_nul() {
        let bytes = text::<6>(&"abcdéf").map(|byte| byte as u8);
        assert_eq!(&bytes, b"abcd\0\0");
        let bytes = text::<6>(&"abcde").map(|byte| byte as u8);
        assert_eq!(&bytes, b"abcde\0");
    }
}
