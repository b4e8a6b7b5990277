//! fb_policies: breakers and limits that a configuration names.

use crate::board::fb_board;
use crate::boundary::entry;
use crate::breaker::fb_breaker;
use crate::concurrency::fb_concurrency;
use crate::error::{self, fb_error};
use crate::handle::{self, Place};
use crate::policies::kinds::Limit;
use crate::policies::reading::{bytes, read_path, read_text};
use crate::policies::reload::{Live, Running};
use crate::sliding_log::fb_sliding_log;
use crate::status::fb_status;
use crate::token_bucket::fb_token_bucket;
use core::ffi::c_char;
use fuseboard::Board;
use fuseboard::config::Config;
use std::fmt;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

pub mod reading;

mod kinds;
mod reload;

/// The breakers, rate limits and concurrency limits that a configuration names, running; the settings
/// stand in docs/configuration.md. What a configuration says of timeouts, retries and hedges is
/// checked and is for programs in Rust. The handles that it gives are its own: they stay the same
/// through every reload, and go with it. A child that was forked while another thread reloaded cannot
/// look names up: take the handles before.
pub struct fb_policies {
    /// Where what is shared lives.
    board: Option<Board>,
    /// What the configuration says about it; a reload cannot change that.
    named_board: Option<PathBuf>,
    running: RwLock<Running>,
}

/// Why a configuration is refused.
struct Refusal {
    status: fb_status,
    field: String,
    message: String,
}

impl Refusal {
    fn setting(section: &str, name: &str, field: &str, message: impl fmt::Display) -> Self {
        Self {
            status: fb_status::FB_ECONFIG,
            field: field.to_owned(),
            message: format!("{section}.{name}.{field}: {message}"),
        }
    }
}

/// Tells what was refused.
///
/// # Safety
///
/// `error` is null or valid for a write.
unsafe fn refused(error: *mut fb_error, why: &Refusal) -> fb_status {
    // SAFETY: the caller's promise is the same.
    match unsafe { error::fill(error, &why.field, &why.message) } {
        Ok(()) => why.status,
        Err(misuse) => misuse,
    }
}

/// Makes the policies of a configuration.
///
/// # Safety
///
/// `board` is null or a live handle; the others are null or valid for a write.
unsafe fn make(
    read: impl FnOnce() -> Result<Config, fb_status>,
    board: *const fb_board,
    out: *mut *mut fb_policies,
    error: *mut fb_error,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        error::clear(error)?;
        handle::write(out, core::ptr::null_mut())?;
        let given = if board.is_null() {
            None
        } else {
            Some(handle::shared(board)?.board.clone())
        };
        let config = read()?;
        let made = fb_policies::made(&config, given).map_err(|why| refused(error, &why))?;
        handle::give(Place::Heap, out, made)
    }
}

impl fb_policies {
    fn made(config: &Config, given: Option<Board>) -> Result<Self, Refusal> {
        let board = match (given, config.board()) {
            (Some(board), _) => Some(board),
            (None, None) => None,
            (None, Some(path)) => Some(Board::open(path).map_err(|why| Refusal {
                status: crate::board::status_of(&why).0,
                field: "board".to_owned(),
                message: crate::board::words_of(&why),
            })?),
        };
        let policies = Self {
            board,
            named_board: config.board().map(PathBuf::from),
            running: RwLock::default(),
        };
        policies.take_over(config)?;
        Ok(policies)
    }

    fn take_over(&self, config: &Config) -> Result<(), Refusal> {
        if config.board() != self.named_board.as_deref() {
            return Err(Refusal {
                status: fb_status::FB_ECONFIG,
                field: "board".to_owned(),
                message: "board: cannot change while policies run; keep it, or restart the program"
                    .to_owned(),
            });
        }
        let mut running = (self.running.write()).unwrap_or_else(PoisonError::into_inner);
        running.take_over(self.board.as_ref(), config)
    }
}

/// Makes the policies that a text names: on its board, where it names one, else in this process alone.
/// What runs on the board under these names already takes the settings over and keeps its state.
///
/// `text`: ends in a NUL; at most 1 MiB. `format`: an fb_format. `board`: may be NULL; a board to use
/// whatever the configuration says about one, which may be closed afterwards. `out`: the new handle,
/// for fb_policies_free; NULL unless FB_OK. `error`: may be NULL; says what is wrong first, with its
/// place in the text, and how many more there are: fb_policies_check tells all.
/// Returns: FB_OK; FB_ECONFIG; those of fb_board_open and fb_board_breaker where there is a board;
/// FB_EINVAL; FB_ENOMEM. Threads: any. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_policies_from_text(
    text: *const c_char,
    format: i32,
    board: *const fb_board,
    out: *mut *mut fb_policies,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type, and the text ends in a NUL.
    entry(|| unsafe { make(|| read_text(text, format, error), board, out, error) })
}

/// fb_policies_from_text of a file.
///
/// `path`: ends in a NUL; its extension says the format: toml, yaml, yml or json. The rest, and
/// Returns: as there. Threads: any. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_policies_from_path(
    path: *const c_char,
    board: *const fb_board,
    out: *mut *mut fb_policies,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type, and the path ends in a NUL.
    entry(|| unsafe { make(|| read_path(path, error), board, out, error) })
}

/// Frees the policies, and every handle that they gave.
///
/// `policies`: from fb_policies_from_text or its like, not used by any thread any more, nor any handle
/// of theirs; or NULL, then nothing happens.
/// Returns: nothing. Threads: one. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_policies_free(policies: *mut fb_policies) {
    entry(|| {
        // SAFETY: from `make` and given up, by the contract above.
        unsafe { handle::free(policies) };
        Ok(())
    });
}

/// # Safety
///
/// `policies` is null or a live handle; `error` is null or valid for a write.
unsafe fn reload(
    policies: *const fb_policies,
    read: impl FnOnce() -> Result<Config, fb_status>,
    error: *mut fb_error,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        error::clear(error)?;
        let policies = handle::shared(policies)?;
        let config = read()?;
        policies
            .take_over(&config)
            .map_err(|why| refused(error, &why))?;
        Ok(fb_status::FB_OK)
    }
}

/// Takes over another text: settings that differ are changed where they run, new names are added, and
/// names that are gone run on, because somebody may hold them. No state is lost. It is all or nothing.
///
/// `text`, `format`, `error`: as for fb_policies_from_text.
/// Returns: as there; also FB_ECONFIG for what cannot change while it runs: the board, the kind and
/// size of a window, count_overdue, record_latency, a rate's algorithm and a sliding window's rate.
/// Threads: any; one waits for another that is here, and so do look-ups. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_policies_reload_text(
    policies: *const fb_policies,
    text: *const c_char,
    format: i32,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type, and the text ends in a NUL.
    entry(|| unsafe { reload(policies, || read_text(text, format, error), error) })
}

/// fb_policies_reload_text of a file.
///
/// `path`, `error`: as for fb_policies_from_path.
/// Returns: as fb_policies_reload_text. Threads: as there. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_policies_reload_path(
    policies: *const fb_policies,
    path: *const c_char,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type, and the path ends in a NUL.
    entry(|| unsafe { reload(policies, || read_path(path, error), error) })
}

/// Looks a name up.
///
/// # Safety
///
/// `policies` is null or a live handle; `name` is null or ends in a NUL; `out` is null or valid for a write.
unsafe fn look_up<T>(
    policies: *const fb_policies,
    name: *const c_char,
    out: *mut *const T,
    find: impl FnOnce(&Running, &str) -> Option<*const T>,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        handle::write(out, core::ptr::null())?;
        let policies = handle::shared(policies)?;
        let name = bytes(name)?.to_str().map_err(|_| fb_status::FB_ENONAME)?;
        let running = (policies.running.read()).unwrap_or_else(PoisonError::into_inner);
        let found = find(&running, name).ok_or(fb_status::FB_ENONAME)?;
        handle::write(out, found)?;
    }
    Ok(fb_status::FB_OK)
}

/// The breaker of this name. Keep the handle where calls are frequent: a look-up takes a lock.
///
/// `name`: ends in a NUL. `out`: the handle, which goes with the policies and is not for
/// fb_breaker_free; NULL unless FB_OK.
/// Returns: FB_OK; FB_ENONAME where no configuration so far had it; FB_EINVAL. Threads: any. Signals:
/// not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_policies_breaker(
    policies: *const fb_policies,
    name: *const c_char,
    out: *mut *const fb_breaker,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type, and the name ends in a NUL.
    entry(|| unsafe {
        look_up(policies, name, out, |running, name| {
            running.breakers.get(name).map(Live::handle)
        })
    })
}

/// The rate limit of this name, where its algorithm is token_bucket, the default.
///
/// `name`, `out`: as for fb_policies_breaker.
/// Returns: as there; also FB_ENONAME where it is a sliding window. Threads: any. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_policies_token_bucket(
    policies: *const fb_policies,
    name: *const c_char,
    out: *mut *const fb_token_bucket,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type, and the name ends in a NUL.
    entry(|| unsafe {
        look_up(policies, name, out, |running, name| {
            match running.rate_limits.get(name)?.policy() {
                Limit::Bucket(bucket) => Some(&raw const **bucket),
                Limit::Log(_) => None,
            }
        })
    })
}

/// The rate limit of this name, where its algorithm is sliding_window.
///
/// `name`, `out`: as for fb_policies_breaker.
/// Returns: as there; also FB_ENONAME where it is a token bucket. Threads: any. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_policies_sliding_log(
    policies: *const fb_policies,
    name: *const c_char,
    out: *mut *const fb_sliding_log,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type, and the name ends in a NUL.
    entry(|| unsafe {
        look_up(policies, name, out, |running, name| {
            match running.rate_limits.get(name)?.policy() {
                Limit::Log(log) => Some(&raw const **log),
                Limit::Bucket(_) => None,
            }
        })
    })
}

/// The concurrency limit of this name.
///
/// `name`, `out`: as for fb_policies_breaker.
/// Returns: as there. Threads: any. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_policies_concurrency(
    policies: *const fb_policies,
    name: *const c_char,
    out: *mut *const fb_concurrency,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type, and the name ends in a NUL.
    entry(|| unsafe {
        look_up(policies, name, out, |running, name| {
            running.concurrency.get(name).map(Live::handle)
        })
    })
}
