//! The hot path of one breaker and one token bucket, and nothing else: what it costs in bytes, and that it cannot panic.
//!
//! The panic handler calls a function of a telling name. It is in the image only when the linker found a way to it.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod image {
    use core::hint::black_box;

    use cortex_m_rt::entry;
    use fuseboard_core::{
        CircuitBreaker, CircuitBreakerConfig, Nanos, Outcome, Rate, RawPermit, Rejected, Settled,
        TokenBucketRateLimiter, Window,
    };

    const WINDOW: Window = if cfg!(feature = "count-window") {
        Window::Count(20)
    } else {
        Window::Time {
            length: Nanos::from_secs(10),
            slots: 10,
        }
    };
    static BREAKER: CircuitBreaker =
        CircuitBreaker::new(CircuitBreakerConfig::new().window(WINDOW));
    static LIMITER: TokenBucketRateLimiter = TokenBucketRateLimiter::new(Rate::per_second(100), 10);

    /// Each a function of its own, with arguments that the compiler does not know.
    #[inline(never)]
    fn acquire(now: Nanos) -> Result<RawPermit, Rejected> {
        BREAKER.acquire(now, &())
    }

    #[inline(never)]
    fn settle(permit: RawPermit, outcome: Outcome, now: Nanos) -> Settled {
        BREAKER.settle(permit, outcome, now, &())
    }

    #[inline(never)]
    fn take(cost: u64, now: Nanos) -> Result<(), Rejected> {
        LIMITER.try_acquire_many(cost, now)
    }

    #[entry]
    fn main() -> ! {
        loop {
            let now = Nanos::new(black_box(0));
            if black_box(take(black_box(1), now)).is_ok()
                && let Ok(permit) = black_box(acquire(now))
            {
                let outcome = black_box(Outcome::Failure);
                black_box(settle(permit, outcome, now));
            }
        }
    }

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        a_panic_is_reachable()
    }

    #[unsafe(no_mangle)]
    #[inline(never)]
    extern "C" fn a_panic_is_reachable() -> ! {
        loop {
            black_box(0);
        }
    }
}

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is an image for a microcontroller; `cargo xtask test firmware` reads it");
    std::process::exit(2);
}
