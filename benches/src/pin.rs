//! Keeps a thread on one processor and, for the length of a burst, ahead of other programs. Both only where the
//! system has it and allows it.

/// Keeps the calling thread on the so-manieth of the processors that the program may use. Whether it worked.
#[must_use]
pub fn pin(place: usize) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::thread::{CpuSet, sched_setaffinity};

        let allowed = allowed();
        let Some(cpu) = allowed.get(place % allowed.len().max(1)) else {
            return false;
        };
        let mut set = CpuSet::new();
        set.set(*cpu);
        sched_setaffinity(None, &set).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = place;
        false
    }
}

/// The processors that the program could use when it was first asked.
#[cfg(target_os = "linux")]
fn allowed() -> &'static [usize] {
    use rustix::thread::{CpuSet, sched_getaffinity};
    use std::sync::LazyLock;

    static ALLOWED: LazyLock<Vec<usize>> = LazyLock::new(|| {
        let set = sched_getaffinity(None).unwrap_or_default();
        (0..CpuSet::MAX_CPU)
            .filter(|cpu| set.is_set(*cpu))
            .collect()
    });
    &ALLOWED
}

/// Puts the calling thread ahead of all ordinary ones, or back among them. Whether it worked.
#[must_use]
pub fn lead(ahead: bool) -> bool {
    #[cfg(target_os = "linux")]
    {
        let (policy, sched_priority) = if ahead {
            (libc::SCHED_FIFO, 1)
        } else {
            (libc::SCHED_OTHER, 0)
        };
        let parameter = libc::sched_param { sched_priority };
        // SAFETY: the call reads the parameter and changes only how this thread is scheduled.
        unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) == 0 }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = ahead;
        false
    }
}
