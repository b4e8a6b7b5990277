//! The adaptive limit's settings as a plain struct that can grow at its end.

use crate::boundary::entry;
use crate::config::share;
use crate::error::{self, Refused, fb_error};
use crate::handle::{self, LeadingSize};
use crate::status::fb_status;
use fuseboard_core::{AdaptiveLimitConfig, Algorithm, Nanos};

/// How an adaptive limit moves.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fb_algorithm {
    /// One more place each window; backoff_ppm of them when a call failed or took longer than
    /// latency_limit_ns.
    FB_ALGORITHM_AIMD = 0,
    /// Keeps the queue that the shortest latencies tell of at a few calls. For calls of one kind.
    FB_ALGORITHM_VEGAS = 1,
    /// Shrinks by how much the mean latency is above the long-term one. For mixed calls.
    FB_ALGORITHM_GRADIENT2 = 2,
}

/// Settings of an adaptive limit. Fill it with fb_adaptive_config_init, then change what you need.
/// Later versions add members at the end only.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct fb_adaptive_config {
    /// sizeof(fb_adaptive_config), set by fb_adaptive_config_init.
    pub struct_size: usize,
    /// The limit moves at most once in this time; at least 1 us; default 100 ms.
    pub window_ns: u64,
    /// FB_ALGORITHM_AIMD: a call that took longer counts as failed; 1 us to 4 min; default 5 s.
    pub latency_limit_ns: u64,
    /// An fb_algorithm; default FB_ALGORITHM_GRADIENT2.
    pub algorithm: i32,
    /// The limit at the start; min_limit to max_limit; default 20.
    pub initial_limit: u32,
    /// The limit never goes below this; 1 to 1000000; default 1.
    pub min_limit: u32,
    /// The limit never goes above this; 1 to 1000000; default 200.
    pub max_limit: u32,
    /// A window without a failed call goes on until it has so many calls; 1 to 10000; default 10.
    pub min_samples: u32,
    /// FB_ALGORITHM_AIMD: what remains of the limit after a failure; 500000 to 999999; default
    /// 900000.
    pub backoff_ppm: u32,
    /// FB_ALGORITHM_GRADIENT2: so many times the usual latency is no reason to shrink; 1000000 to
    /// 4000000; default 1500000.
    pub tolerance_ppm: u32,
    /// FB_ALGORITHM_GRADIENT2: the share of a change that is made in one window; 1 to 1000000;
    /// default 200000.
    pub smoothing_ppm: u32,
    /// Vegas and Gradient2: the usual latency is measured anew in one of so many windows; at least
    /// 10; default 600.
    pub baseline_windows: u32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, and `struct_size` stands first.
unsafe impl LeadingSize for fb_adaptive_config {}

impl fb_adaptive_config {
    /// The defaults of `AdaptiveLimitConfig::new`; a test compares them.
    const DEFAULT: Self = Self {
        struct_size: size_of::<Self>(),
        window_ns: 100_000_000,
        latency_limit_ns: 5_000_000_000,
        algorithm: fb_algorithm::FB_ALGORITHM_GRADIENT2 as i32,
        initial_limit: 20,
        min_limit: 1,
        max_limit: 200,
        min_samples: 10,
        backoff_ppm: 900_000,
        tolerance_ppm: 1_500_000,
        smoothing_ppm: 200_000,
        baseline_windows: 600,
        reserved: 0,
    };

    fn core(&self) -> Result<AdaptiveLimitConfig, Refused<'static>> {
        const AIMD: i32 = fb_algorithm::FB_ALGORITHM_AIMD as i32;
        const VEGAS: i32 = fb_algorithm::FB_ALGORITHM_VEGAS as i32;
        const GRADIENT2: i32 = fb_algorithm::FB_ALGORITHM_GRADIENT2 as i32;
        let algorithm = match self.algorithm {
            AIMD => Algorithm::Aimd,
            VEGAS => Algorithm::Vegas,
            GRADIENT2 => Algorithm::Gradient2,
            unknown => {
                return Err(Refused::Member {
                    field: "algorithm",
                    given: i64::from(unknown),
                    allowed: "FB_ALGORITHM_AIMD (0), FB_ALGORITHM_VEGAS (1), FB_ALGORITHM_GRADIENT2 (2)",
                });
            }
        };
        if self.reserved != 0 {
            return Err(Refused::Member {
                field: "reserved",
                given: i64::from(self.reserved),
                allowed: "0; fill the struct with fb_adaptive_config_init",
            });
        }
        Ok(AdaptiveLimitConfig::new(algorithm)
            .initial_limit(self.initial_limit)
            .min_limit(self.min_limit)
            .max_limit(self.max_limit)
            .window(Nanos::new(self.window_ns))
            .min_samples(self.min_samples)
            .latency_limit(Nanos::new(self.latency_limit_ns))
            .backoff(share(self.backoff_ppm))
            .tolerance(share(self.tolerance_ppm))
            .smoothing(share(self.smoothing_ppm))
            .baseline_windows(self.baseline_windows))
    }
}

/// Reads the settings; their ranges are judged where they are used.
///
/// # Safety
///
/// `config` is null or an initialised struct; `error` is null or valid for a write.
pub(crate) unsafe fn read(
    config: *const fb_adaptive_config,
    error: *mut fb_error,
) -> Result<AdaptiveLimitConfig, fb_status> {
    // SAFETY: the caller's promise is the same.
    let config = unsafe {
        handle::sized(config)?;
        handle::shared(config)?
    };
    // SAFETY: the caller's promise is the same.
    config
        .core()
        .map_err(|refused| unsafe { error::report(error, &refused) })
}

/// Fills the settings with the defaults.
///
/// `config`: written. `struct_size`: sizeof(fb_adaptive_config), which tells the library the header
/// that the program was compiled with.
/// Returns: FB_OK; FB_EINVAL; FB_ESIZE when the header does not fit the library, then nothing is
/// written. Threads: any, one per struct. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_adaptive_config_init(
    config: *mut fb_adaptive_config,
    struct_size: usize,
) -> fb_status {
    entry(|| {
        handle::usable(config)?;
        if struct_size != size_of::<fb_adaptive_config>() {
            return Err(fb_status::FB_ESIZE);
        }
        // SAFETY: the caller says that the memory is as large as this struct.
        unsafe { handle::write(config, fb_adaptive_config::DEFAULT) }?;
        Ok(fb_status::FB_OK)
    })
}

/// Checks all settings, without a limit.
///
/// `config`: initialised. `error`: may be NULL; names the refused setting.
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ESIZE. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_adaptive_config_validate(
    config: *const fb_adaptive_config,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        error::clear(error)?;
        error::done(error, read(config, error)?.validate())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_core() {
        let core = fb_adaptive_config::DEFAULT
            .core()
            .unwrap_or_else(|refused| panic!("{refused}"));
        assert_eq!(core, AdaptiveLimitConfig::new(Algorithm::Gradient2));
    }
}
