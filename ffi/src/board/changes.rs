//! What has changed on a board, whichever process caused it.

use crate::board::fb_board;
use crate::boundary::entry;
use crate::event::fb_transition;
use crate::handle;
use crate::status::fb_status;
use core::ffi::{c_char, c_void};
use fuseboard_core::{BoardTransition, TransitionCursor};

/// Bytes of a name on a board, its NUL included.
pub const FB_BOARD_NAME_SIZE: usize = 65;

/// How far somebody has read a board's log of changes: a plain value, one for each reader. All zero
/// begins with the board's first change.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fb_board_cursor {
    /// Not to be read or written.
    pub opaque_: [u64; 2],
}

/// One change of a breaker's state on a board. Later versions add members at the end only.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fb_board_transition {
    /// Bytes that the library has filled in.
    pub struct_size: usize,
    /// The process that caused it, by the id that it had then; 0 for one that was not attached.
    pub process: u64,
    /// The change.
    pub transition: fb_transition,
    /// The breaker's name at that time, which ends in a NUL.
    pub name: [c_char; FB_BOARD_NAME_SIZE],
}

impl From<&BoardTransition> for fb_board_transition {
    fn from(change: &BoardTransition) -> Self {
        let mut name = [0; FB_BOARD_NAME_SIZE];
        // A name has at most 64 bytes, so a NUL stays.
        for (place, byte) in name.iter_mut().zip(change.name.as_str().bytes()) {
            *place = byte.cast_signed() as c_char;
        }
        Self {
            struct_size: size_of::<Self>(),
            process: change.process,
            transition: (&change.transition).into(),
            name,
        }
    }
}

/// Is told of one change. `user` is what was given; `transition` is valid during the call. It must not
/// throw a C++ exception, or longjmp out.
pub type fb_board_transition_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, transition: *const fb_board_transition)>;

/// Tells the changes of all breakers that came after a cursor, oldest first, and moves it on. This is
/// how a process learns of what others caused; fb_breaker_on_transition tells only its own. Ask as
/// often as you like: nobody is waited for. The board keeps the last 128.
///
/// `cursor`: read and written. `on_transition`: called for each, before this function returns. `user`:
/// passed to it; may be NULL. `lost`: may be NULL; written: changes that are not there any more.
/// Returns: FB_OK; FB_EINVAL. Threads: any, each with a cursor of its own. Signals: safe if the
/// function is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_board_transitions(
    board: *const fb_board,
    cursor: *mut fb_board_cursor,
    on_transition: fb_board_transition_fn,
    user: *mut c_void,
    lost: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        let board = &handle::shared(board)?.board;
        let function = on_transition.ok_or(fb_status::FB_EINVAL)?;
        let mut at = TransitionCursor::from_words(handle::shared(cursor)?.opaque_);
        let gone = board.words().transitions_since(&mut at, |change| {
            let change = fb_board_transition::from(&change);
            function(user, &raw const change);
        });
        handle::write(
            cursor,
            fb_board_cursor {
                opaque_: at.to_words(),
            },
        )?;
        handle::write_if_wanted(lost, gone)?;
        Ok(fb_status::FB_OK)
    })
}

/// The cursor of somebody who wants to know only what changes from now on.
///
/// `cursor`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_board_transitions_end(
    board: *const fb_board,
    cursor: *mut fb_board_cursor,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        let at = handle::shared(board)?.board.transitions_end();
        handle::write(
            cursor,
            fb_board_cursor {
                opaque_: at.to_words(),
            },
        )?;
        Ok(fb_status::FB_OK)
    })
}
