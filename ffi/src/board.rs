//! fb_board: named breakers and limits that all processes of a host share.

use crate::boundary::entry;
use crate::breaker::fb_breaker;
use crate::breaker::words::Elsewhere;
use crate::concurrency::fb_concurrency;
use crate::config::{self, fb_breaker_config};
use crate::error::{self, Refused, fb_error};
use crate::handle::{self, Place};
use crate::status::fb_status;
use crate::token_bucket::fb_token_bucket;
use core::ffi::{CStr, c_char};
use fuseboard::{Board, BoardError, BoardOptions, ClaimError, WhenDifferent};
use fuseboard_core::{Nanos, Rate};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// For fb_board_open: a file outside of tmpfs is taken too. Then its pages are written to disk from
/// time to time, which can stop a call for a while.
pub const FB_BOARD_ON_DISK: u32 = 1;
/// For fb_board_open: a board that is not there is not made.
pub const FB_BOARD_EXISTING: u32 = 2;

/// What to do about a name that runs with another configuration.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fb_when_different {
    /// FB_EDIFFERS.
    FB_WHEN_DIFFERENT_REFUSE = 0,
    /// Take this configuration over for all processes; the state stays.
    FB_WHEN_DIFFERENT_UPDATE = 1,
    /// Leave it as it runs.
    FB_WHEN_DIFFERENT_KEEP = 2,
}

/// A board: 64 named breakers, 64 token buckets and 64 concurrency limits, for at most 128
/// processes at once. A process that is killed holds nobody up: its probes come back with their
/// lease, its places when somebody finds the limit full, at most 50 ms later. A forked child may use
/// every handle that it inherits; permits that it inherits stay its parent's.
pub struct fb_board {
    pub(crate) board: Board,
}

/// Says why a board, or a name on it, was refused.
///
/// # Safety
///
/// `error` is null or valid for a write.
unsafe fn refused(error: *mut fb_error, why: &BoardError) -> fb_status {
    let (status, field) = status_of(why);
    // SAFETY: the caller's promise is the same.
    match unsafe { error::fill(error, field, &words_of(why)) } {
        Ok(()) => status,
        Err(misuse) => misuse,
    }
}

/// A refusal in words. The adapter names its own option; here it is a flag.
pub(crate) fn words_of(why: &BoardError) -> String {
    (why.to_string()).replace("`BoardOptions::on_disk`", "FB_BOARD_ON_DISK")
}

/// The status of a refusal, and what of the board is refused.
pub(crate) fn status_of(why: &BoardError) -> (fb_status, &'static str) {
    match why {
        BoardError::File { field, .. } => (fb_status::FB_EFILE, *field),
        BoardError::Layout(_) => (fb_status::FB_ELAYOUT, "layout"),
        BoardError::NoOwner { .. } => (fb_status::FB_ENOOWNER, "owners"),
        BoardError::Claim(ClaimError::Config(refused)) => (fb_status::FB_ECONFIG, refused.field()),
        BoardError::Claim(ClaimError::Name { .. }) => (fb_status::FB_ECONFIG, "name"),
        BoardError::Claim(ClaimError::Differs) => (fb_status::FB_EDIFFERS, "config"),
        BoardError::Claim(_) => (fb_status::FB_ENOSLOT, "slots"),
        _ => (fb_status::FB_ESYSTEM, "system"),
    }
}

/// Gives a board to C, or says why there is none.
///
/// # Safety
///
/// The pointers are null or valid for a write.
unsafe fn give(
    board: impl FnOnce() -> Result<Board, BoardError>,
    out: *mut *mut fb_board,
    error: *mut fb_error,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        error::clear(error)?;
        handle::write(out, core::ptr::null_mut())?;
        let board = board().map_err(|why| refused(error, &why))?;
        handle::give(Place::Heap, out, fb_board { board })
    }
}

/// # Safety
///
/// `text` is null or ends in a NUL.
unsafe fn text<'a>(text: *const c_char) -> Result<&'a CStr, fb_status> {
    handle::usable(text)?;
    // SAFETY: not null, and the caller promises the NUL.
    Ok(unsafe { CStr::from_ptr(text) })
}

/// Opens the board in a file, which is made if it is not there. All processes that open the same
/// path share it; it is there until the file is removed or the machine starts anew.
///
/// `path`: ends in a NUL; a file on tmpfs, such as "/dev/shm/shop-board". `flags`: 0, or
/// FB_BOARD_ON_DISK | FB_BOARD_EXISTING. `out`: the new handle, for fb_board_close; NULL unless
/// FB_OK. `error`: may be NULL; says what was refused, how it is, how it has to be and what to do.
/// Returns: FB_OK; FB_ESYSTEM; FB_EFILE; FB_ELAYOUT; FB_EINVAL; FB_ENOMEM. Threads: any. Signals: not
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_board_open(
    path: *const c_char,
    flags: u32,
    out: *mut *mut fb_board,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type, and the path ends in a NUL.
    entry(|| unsafe {
        error::clear(error)?;
        handle::write(out, core::ptr::null_mut())?;
        let path = OsStr::from_bytes(text(path)?.to_bytes());
        if path.is_empty() {
            let empty = "path is empty; allowed: a file on tmpfs, such as \"/dev/shm/shop-board\"";
            error::fill(error, "path", &empty)?;
            return Err(fb_status::FB_EFILE);
        }
        if flags & !(FB_BOARD_ON_DISK | FB_BOARD_EXISTING) != 0 {
            return Err(fb_status::FB_EINVAL);
        }
        let options = BoardOptions::new()
            .on_disk(flags & FB_BOARD_ON_DISK != 0)
            .existing(flags & FB_BOARD_EXISTING != 0);
        give(|| options.open(path), out, error)
    })
}

/// Makes a board without a name, for this process and the children that it forks from now on.
///
/// `out`: the new handle, for fb_board_close; NULL unless FB_OK. `error`: may be NULL; as for
/// fb_board_open.
/// Returns: FB_OK; FB_ESYSTEM; FB_EINVAL; FB_ENOMEM. Threads: any. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_board_open_anonymous(
    out: *mut *mut fb_board,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe { give(Board::anonymous, out, error) })
}

/// Makes a board of this process alone: for where there can be none to share.
///
/// `out`: the new handle, for fb_board_close; NULL unless FB_OK.
/// Returns: FB_OK; FB_EINVAL; FB_ENOMEM. Threads: any. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_board_open_private(out: *mut *mut fb_board) -> fb_status {
    // SAFETY: the contract of the header: the pointer is null or valid for its type.
    entry(|| unsafe { give(|| Ok(Board::private()), out, core::ptr::null_mut()) })
}

/// Closes a board. Handles of its names stay usable, and are freed on their own; what they share
/// stays in the file.
///
/// `board`: from fb_board_open or its like, not used by any thread any more; or NULL, then nothing
/// happens.
/// Returns: nothing. Threads: one. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_board_close(board: *mut fb_board) {
    entry(|| {
        // SAFETY: from fb_board_open and given up, by the contract above.
        unsafe { handle::free(board) };
        Ok(())
    });
}

/// Whether other processes can see the board.
///
/// `is_shared`: written; 0 for one of fb_board_open_private, else 1.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_board_is_shared(
    board: *const fb_board,
    is_shared: *mut i32,
) -> fb_status {
    entry(|| {
        // SAFETY: the contract of the header: each pointer is null or valid for its type.
        unsafe { handle::write(is_shared, handle::shared(board)?.board.is_shared().into()) }?;
        Ok(fb_status::FB_OK)
    })
}

/// What is claimed, and how.
struct Claim<'a> {
    board: &'a Board,
    name: &'a str,
    when_different: WhenDifferent,
}

/// Reads what every claim is told.
///
/// # Safety
///
/// `board` is null or a live handle; `name` is null or ends in a NUL; the others are null or valid for a write.
unsafe fn claim<'a, T>(
    board: *const fb_board,
    name: *const c_char,
    when_different: i32,
    out: *mut *mut T,
    error: *mut fb_error,
) -> Result<Claim<'a>, fb_status> {
    const REFUSE: i32 = fb_when_different::FB_WHEN_DIFFERENT_REFUSE as i32;
    const UPDATE: i32 = fb_when_different::FB_WHEN_DIFFERENT_UPDATE as i32;
    const KEEP: i32 = fb_when_different::FB_WHEN_DIFFERENT_KEEP as i32;
    // SAFETY: the caller's promises are the same.
    unsafe {
        error::clear(error)?;
        handle::write(out, core::ptr::null_mut())?;
        let when_different = match when_different {
            REFUSE => WhenDifferent::Refuse,
            UPDATE => WhenDifferent::Update,
            KEEP => WhenDifferent::Keep,
            _ => return Err(fb_status::FB_EINVAL),
        };
        let name = text(name)?.to_str().map_err(|_| {
            let refused = Refused::Text {
                field: "name",
                given: "not UTF-8",
                allowed: "1 to 64 bytes of UTF-8 without control characters",
            };
            error::report(error, &refused)
        })?;
        Ok(Claim {
            board: &handle::shared(board)?.board,
            name,
            when_different,
        })
    }
}

/// The breaker of this name, made closed if there is none. Every fb_breaker function works on it;
/// times given to those that end in _at must be of CLOCK_MONOTONIC, which all processes read. The
/// changes of state that it tells of are those that this handle causes. Its name can be removed by
/// an operator: its next use claims it anew, or answers FB_FULL where there is no slot left.
///
/// `name`: ends in a NUL; 1 to 64 bytes of UTF-8. `config`: the settings, copied. `when_different`:
/// an fb_when_different. `out`: the new handle, for fb_breaker_free; NULL unless FB_OK. `error`: may
/// be NULL; says what was refused.
/// Returns: FB_OK; FB_ECONFIG; FB_EDIFFERS; FB_ENOSLOT; FB_ENOOWNER; FB_ESYSTEM; FB_EINVAL; FB_ESIZE;
/// FB_ENOMEM. Threads: any. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_board_breaker(
    board: *const fb_board,
    name: *const c_char,
    config: *const fb_breaker_config,
    when_different: i32,
    out: *mut *mut fb_breaker,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type, and the name ends in a NUL.
    entry(|| unsafe {
        let claim = claim(board, name, when_different, out, error)?;
        let config = config::read(config, error)?;
        let slot = claim
            .board
            .raw_breaker(claim.name, config, claim.when_different)
            .map_err(|why| refused(error, &why))?;
        handle::give(
            Place::Heap,
            out,
            fb_breaker::elsewhere(Elsewhere::Board(slot)),
        )
    })
}

/// The token bucket of this name, made full if there is none. Every fb_token_bucket function works
/// on it; what is said of names and times of fb_board_breaker holds for it too.
///
/// `name`, `when_different`, `error`: as for fb_board_breaker. `units`, `per_ns`, `burst`: as for
/// fb_token_bucket_new. `out`: the new handle, for fb_token_bucket_free; NULL unless FB_OK.
/// Returns: as fb_board_breaker. Threads: any. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_board_token_bucket(
    board: *const fb_board,
    name: *const c_char,
    units: u64,
    per_ns: u64,
    burst: u64,
    when_different: i32,
    out: *mut *mut fb_token_bucket,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type, and the name ends in a NUL.
    entry(|| unsafe {
        let claim = claim(board, name, when_different, out, error)?;
        let rate = Rate::new(units, Nanos::new(per_ns));
        let slot = claim
            .board
            .raw_token_bucket(claim.name, rate, burst, claim.when_different)
            .map_err(|why| refused(error, &why))?;
        handle::give(Place::Heap, out, fb_token_bucket::on_board(slot))
    })
}

/// The concurrency limit of this name, made with nothing in flight if there is none. The
/// fb_concurrency functions work on it, but for fb_concurrency_try_acquire_prioritized. A process
/// can give back only what it took itself; what it holds when it dies comes back by itself.
///
/// `name`, `when_different`, `error`: as for fb_board_breaker. `limit`: calls in flight at once among
/// all processes, 1 to 65535. `out`: the new handle, for fb_concurrency_free; NULL unless FB_OK.
/// Returns: as fb_board_breaker. Threads: any. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_board_concurrency(
    board: *const fb_board,
    name: *const c_char,
    limit: u32,
    when_different: i32,
    out: *mut *mut fb_concurrency,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type, and the name ends in a NUL.
    entry(|| unsafe {
        let claim = claim(board, name, when_different, out, error)?;
        let slot = claim
            .board
            .raw_concurrency_limit(claim.name, limit, claim.when_different)
            .map_err(|why| refused(error, &why))?;
        handle::give(Place::Heap, out, fb_concurrency::on_board(slot))
    })
}

// Last, so that the header tells of boards and names first.
pub mod changes;
