//! Pairs: a policy of the core and its model, which do everything together and must answer alike.

pub mod breaker;
pub mod limiter;

use std::env;
use std::fmt;
use std::sync::OnceLock;

/// With `FUSEBOARD_FUZZ_TELL` set, an input's operations are printed: what to read when one has failed.
fn tell(operation: fmt::Arguments<'_>) {
    static TELLS: OnceLock<bool> = OnceLock::new();
    if *TELLS.get_or_init(|| env::var_os("FUSEBOARD_FUZZ_TELL").is_some()) {
        eprintln!("{operation}");
    }
}
