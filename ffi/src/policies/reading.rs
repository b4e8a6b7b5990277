//! Configurations as C gives them: texts and paths, and all that is wrong with them.

use crate::boundary::entry;
use crate::error::{self, Refused, fb_error};
use crate::handle;
use crate::policies::{Refusal, refused};
use crate::status::fb_status;
use core::ffi::{CStr, c_char, c_void};
use fuseboard::config::{Config, ConfigFileError, Finding, Format, Severity};
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;

/// How a configuration is written down; all three say the same things.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fb_format {
    /// TOML.
    FB_FORMAT_TOML = 0,
    /// YAML.
    FB_FORMAT_YAML = 1,
    /// JSON.
    FB_FORMAT_JSON = 2,
}

fn format(number: i32) -> Result<Format, fb_status> {
    const TOML: i32 = fb_format::FB_FORMAT_TOML as i32;
    const YAML: i32 = fb_format::FB_FORMAT_YAML as i32;
    const JSON: i32 = fb_format::FB_FORMAT_JSON as i32;
    match number {
        TOML => Ok(Format::Toml),
        YAML => Ok(Format::Yaml),
        JSON => Ok(Format::Json),
        _ => Err(fb_status::FB_EINVAL),
    }
}

impl From<ConfigFileError> for Refusal {
    fn from(error: ConfigFileError) -> Self {
        let is_error = |finding: &&Finding| finding.severity == Severity::Error;
        let mut errors = error.findings().iter().filter(is_error);
        let first = errors.next();
        let path = first.map_or("", |finding| finding.path.as_str());
        let mut message = first.map_or_else(String::new, Finding::to_string);
        // What is cut off at its end is not the news that there is more.
        match errors.count() {
            0 => {}
            more => message.insert_str(0, &format!("{} errors, the first: ", more + 1)),
        }
        Self {
            status: fb_status::FB_ECONFIG,
            field: path.rsplit('.').next().unwrap_or_default().to_owned(),
            message,
        }
    }
}

/// # Safety
///
/// `text` is null or ends in a NUL.
pub(super) unsafe fn bytes<'a>(text: *const c_char) -> Result<&'a CStr, fb_status> {
    handle::usable(text)?;
    // SAFETY: not null, and the caller promises the NUL.
    Ok(unsafe { CStr::from_ptr(text) })
}

/// Reads a text, or says what is wrong with it.
///
/// # Safety
///
/// `text` is null or ends in a NUL; `error` is null or valid for a write.
pub(super) unsafe fn read_text(
    text: *const c_char,
    number: i32,
    error: *mut fb_error,
) -> Result<Config, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let format = format(number)?;
        let text = bytes(text)?.to_str().map_err(|_| {
            let not_utf8 = Refused::Text {
                field: "text",
                given: "not UTF-8",
                allowed: "a configuration in UTF-8",
            };
            error::report(error, &not_utf8)
        })?;
        Config::from_text(text, format).map_err(|why| refused(error, &why.into()))
    }
}

/// Reads a file, or says what is wrong with it.
///
/// # Safety
///
/// `path` is null or ends in a NUL; `error` is null or valid for a write.
pub(super) unsafe fn read_path(
    path: *const c_char,
    error: *mut fb_error,
) -> Result<Config, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let path = OsStr::from_bytes(bytes(path)?.to_bytes());
        Config::from_path(path).map_err(|why| refused(error, &why.into()))
    }
}

/// Is told of one finding. `user` is what was given; `is_error` is 0 for what is allowed and will
/// probably do harm; `finding` is one line, valid during the call. It must not throw a C++ exception,
/// or longjmp out.
pub type fb_finding_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, is_error: i32, finding: *const c_char)>;

/// Tells all that is wrong with a configuration, and what will probably do harm, in the order of the
/// text: what the program `fuseboard check` says. Makes nothing.
///
/// `text`, `format`: as for fb_policies_from_text. `on_finding`: called for each, before this function
/// returns. `user`: passed to it; may be NULL.
/// Returns: FB_OK when the configuration can be used; FB_ECONFIG; FB_EINVAL. Threads: any. Signals: not
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_policies_check(
    text: *const c_char,
    format: i32,
    on_finding: fb_finding_fn,
    user: *mut c_void,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type, and the text ends in a NUL.
    entry(|| unsafe {
        let function = on_finding.ok_or(fb_status::FB_EINVAL)?;
        let format = self::format(format)?;
        let tell = |finding: &Finding| {
            // What was read from a C string has no NUL inside, but a text may say "\u0000".
            let line = CString::new(finding.to_string().replace('\0', "\u{fffd}"));
            let is_error = i32::from(finding.severity == Severity::Error);
            function(user, is_error, line.unwrap_or_default().as_ptr());
        };
        let Ok(text) = bytes(text)?.to_str() else {
            function(user, 1, c"the text is not UTF-8; save it as UTF-8".as_ptr());
            return Ok(fb_status::FB_ECONFIG);
        };
        match Config::from_text(text, format) {
            Ok(config) => {
                config.warnings().iter().for_each(tell);
                Ok(fb_status::FB_OK)
            }
            Err(error) => {
                error.findings().iter().for_each(tell);
                Ok(fb_status::FB_ECONFIG)
            }
        }
    })
}
