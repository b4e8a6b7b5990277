//! What handler and main loop both do.

use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, ConcurrencyLimit, Nanos, Outcome, Rate, RawPermit,
    Settled, State, TokenBucketRateLimiter, Window,
};

/// The time from one firing of the handler to the next, as the policies see it.
pub const TICK: Nanos = Nanos::from_millis(1);
const PROBES: u32 = 2;
const PLACES_MAX: u32 = 3;
pub const BURST: u64 = 20;
pub const TOKENS_PER_SECOND: u64 = 500;

pub static BREAKER: CircuitBreaker<4> = CircuitBreaker::new(
    CircuitBreakerConfig::new()
        .minimum_requests(8)
        .failure_threshold(0.5)
        .window(Window::Time {
            length: Nanos::from_millis(40),
            slots: 4,
        })
        .open_timeout(Nanos::from_millis(5))
        .half_open_requests(PROBES),
);
pub static LIMITER: TokenBucketRateLimiter =
    TokenBucketRateLimiter::new(Rate::per_second(TOKENS_PER_SECOND), BURST);
pub static PLACES: ConcurrencyLimit = ConcurrencyLimit::new(PLACES_MAX);

/// What an actor counted.
#[derive(Clone, Copy)]
pub struct Counted {
    /// Calls whose outcome the window took in.
    pub calls: u32,
    /// Tokens taken.
    pub tokens: u32,
    /// Probes admitted.
    pub probes: u32,
    /// Rejections by the open breaker.
    pub rejected: u32,
    /// Rejections for want of a place.
    pub full: u32,
}

/// One of the two.
pub struct Actor {
    random: u32,
    held: [Option<RawPermit>; 3],
    pub counted: Counted,
}

impl Actor {
    pub const fn new(seed: u32) -> Self {
        Self {
            random: seed,
            held: [None; 3],
            counted: Counted {
                calls: 0,
                tokens: 0,
                probes: 0,
                rejected: 0,
                full: 0,
            },
        }
    }

    /// xorshift; 0 to `below` - 1.
    pub fn random(&mut self, below: u32) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random % below
    }

    /// One request through all three, and now and then what an operator does.
    pub fn step(&mut self, now: Nanos) {
        let place = PLACES.acquire_raw().is_ok();
        self.counted.full += u32::from(!place);
        assert!(
            PLACES.in_flight() <= PLACES_MAX,
            "K1: more in flight than places"
        );
        self.counted.tokens += u32::from(LIMITER.try_acquire(now).is_ok());
        match BREAKER.acquire(now, &()) {
            Ok(permit) => {
                self.counted.probes += u32::from(permit.is_probe());
                let which = self.random(3) as usize;
                if let Some(earlier) = self.held[which].replace(permit) {
                    self.settle(earlier, now);
                }
            }
            Err(_) => self.counted.rejected += 1,
        }
        if self.random(4) == 0 {
            self.settle_all(now);
        }
        if self.random(512) == 0 {
            BREAKER.reset(now, &());
        }
        let seen = BREAKER.snapshot(now);
        assert!(
            seen.in_flight <= PROBES,
            "B3: more probes in flight than places"
        );
        assert!(
            seen.window.failures <= seen.window.calls,
            "W2: more failures than calls"
        );
        if place {
            assert!(
                PLACES.release_raw(),
                "K2: a place that was taken is there to be given back"
            );
        }
    }

    /// Settles what is held.
    pub fn settle_all(&mut self, now: Nanos) {
        for which in 0..self.held.len() {
            if let Some(permit) = self.held[which].take() {
                self.settle(permit, now);
            }
        }
    }

    fn settle(&mut self, permit: RawPermit, now: Nanos) {
        let outcome = match self.random(8) {
            0..3 => Outcome::Failure,
            3 => Outcome::Ignored,
            _ => Outcome::Success,
        };
        let settled = BREAKER.settle(permit, outcome, now, &());
        let counts =
            settled == Settled::Recorded && outcome != Outcome::Ignored && !permit.is_probe();
        self.counted.calls += u32::from(counts);
    }
}

/// Nothing is in flight, and the sums are what was counted.
pub fn check_at_the_end(main: &Counted, handler: &Counted, now: Nanos) {
    let seen = BREAKER.snapshot(now);
    assert!(
        seen.totals.calls == u64::from(main.calls) + u64::from(handler.calls),
        "W3: outcomes were lost or counted twice"
    );
    assert!(
        seen.totals.rejected == u64::from(main.rejected) + u64::from(handler.rejected),
        "O1: rejections were lost or counted twice"
    );
    assert!(
        seen.state != State::HalfOpen || seen.in_flight == 0,
        "B6: a probe is in flight after its end"
    );
    assert!(
        PLACES.in_flight() == 0,
        "K2: a place is taken after its end"
    );
    let tokens = u64::from(main.tokens) + u64::from(handler.tokens);
    let most = BURST + now.get() / (1_000_000_000 / TOKENS_PER_SECOND);
    assert!(
        tokens <= most,
        "L1: more admitted than burst and rate allow"
    );
    assert!(
        tokens + BURST + 2 >= most,
        "L2: fewer admitted than burst and rate allow"
    );
}
