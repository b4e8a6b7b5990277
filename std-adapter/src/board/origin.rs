//! Whose clock the times on a board are of: this boot's, in this time namespace.

use super::error::BoardError;
use fuseboard_core::ClockOrigin;
use rustix::fs::stat;
use std::fs;

/// The origin of `CLOCK_MONOTONIC` in this process. Kernels before 5.6 have no time namespaces: that is namespace 0.
pub(super) fn of_this_process() -> Result<ClockOrigin, BoardError> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_err(BoardError::system("read the boot id"))?;
    let digits: String = boot.chars().filter(char::is_ascii_hexdigit).collect();
    let id = u128::from_str_radix(&digits, 16).unwrap_or_default();
    Ok(ClockOrigin {
        boot: [(id >> 64) as u64, id as u64],
        time_namespace: stat("/proc/self/ns/time").map_or(0, |namespace| namespace.st_ino),
    })
}
