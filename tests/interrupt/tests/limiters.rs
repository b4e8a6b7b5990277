//! The limiters, interrupted at every instruction.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use fuseboard_core::{
    AdaptiveLimit, AdaptiveLimitConfig, Admission, Algorithm, CircuitBreaker, CircuitBreakerConfig,
    ConcurrencyLimit, FixedWindowRateLimiter, KeyedRateLimiter, LeakyBucket, Nanos, Outcome, Rate,
    RetryBudget, SlidingCounterRateLimiter, SlidingWindowRateLimiter, TokenBucketRateLimiter,
    WhenFull, Window,
};
use fuseboard_interrupt::script::{Hand, Script, Subject};
use fuseboard_interrupt::sweep;

const fn at(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

const NOBODY: [Hand; 3] = [Hand::NONE; 3];

static TOKEN_BUCKET: Subject<TokenBucketRateLimiter> = Subject {
    name: "token bucket, two tokens left",
    make: || {
        let limiter = TokenBucketRateLimiter::new(Rate::per_second(10), 3);
        assert!(limiter.try_acquire(at(1_000)).is_ok());
        (limiter, NOBODY)
    },
    observe: |limiter, _| {
        [1_000, 1_050, 1_100, 1_300, 9_000]
            .map(|now| limiter.available(at(now)))
            .into()
    },
    scripts: &[
        Script {
            name: "take one",
            steps: &[|l, hand| hand.tell(l.try_acquire(at(1_000)))],
        },
        Script {
            name: "take two, later",
            steps: &[|l, hand| hand.tell(l.try_acquire_many(2, at(1_100)))],
        },
        Script {
            name: "take what is there",
            steps: &[|l, hand| hand.tell(l.try_acquire_up_to(5, at(1_000)))],
        },
        Script {
            name: "take, with an old time",
            steps: &[|l, hand| hand.tell(l.try_acquire(at(10)))],
        },
        Script {
            name: "take and give back",
            steps: &[
                |l, hand| hand.tell(l.try_acquire(at(1_000))),
                |l, _| l.refund(1, at(1_000)),
            ],
        },
        Script {
            name: "reserve",
            steps: &[|l, hand| {
                let wait = l
                    .reserve(3, at(5_000), at(1_000))
                    .map_or(0, |reserved| reserved.wait().get());
                hand.tell(wait);
            }],
        },
        Script {
            name: "drain",
            steps: &[|l, _| l.drain(at(1_000))],
        },
        Script {
            name: "reset",
            steps: &[|l, _| l.reset()],
        },
        Script {
            name: "available",
            steps: &[|l, hand| hand.tell(l.available(at(1_000)))],
        },
    ],
};

static SLIDING_WINDOW: Subject<SlidingWindowRateLimiter<3>> = Subject {
    name: "sliding log, two places left",
    make: || {
        let limiter = SlidingWindowRateLimiter::new(3, at(1_000));
        assert!(limiter.try_acquire(at(100)).is_ok());
        (limiter, NOBODY)
    },
    observe: |limiter, _| {
        [200, 1_099, 1_100, 1_150, 1_200, 2_200, 9_000]
            .map(|now| limiter.available(at(now)).into())
            .into()
    },
    scripts: &[
        Script {
            name: "take one",
            steps: &[|l, hand| hand.tell(l.try_acquire(at(1_100)))],
        },
        Script {
            name: "take two",
            steps: &[|l, hand| hand.tell(l.try_acquire_many(2, at(1_100)))],
        },
        Script {
            name: "an old time",
            steps: &[|l, hand| hand.tell(l.try_acquire_many(3, at(1_099)))],
        },
        Script {
            name: "take three",
            steps: &[|l, hand| hand.tell(l.try_acquire_many(3, at(1_100)))],
        },
        Script {
            name: "available",
            steps: &[|l, hand| hand.tell(u64::from(l.available(at(1_100))))],
        },
    ],
};

static SLIDING_COUNTER: Subject<SlidingCounterRateLimiter> = Subject {
    name: "sliding counter",
    make: || {
        let limiter = SlidingCounterRateLimiter::new(4, at(1_000));
        assert!(limiter.try_acquire_many(2, at(500)).is_ok());
        (limiter, NOBODY)
    },
    observe: |limiter, _| {
        [900, 1_000, 1_250, 1_500, 1_999, 2_500, 9_000]
            .map(|now| limiter.available(at(now)).into())
            .into()
    },
    scripts: &[
        Script {
            name: "take one",
            steps: &[|l, hand| hand.tell(l.try_acquire(at(600)))],
        },
        Script {
            name: "take two",
            steps: &[|l, hand| hand.tell(l.try_acquire_many(2, at(600)))],
        },
        Script {
            name: "take in the next window",
            steps: &[|l, hand| hand.tell(l.try_acquire(at(1_300)))],
        },
        Script {
            name: "take and give back",
            steps: &[
                |l, hand| hand.tell(l.try_acquire(at(600))),
                |l, _| l.refund(1, at(600)),
            ],
        },
        Script {
            name: "reset",
            steps: &[|l, _| l.reset()],
        },
    ],
};

static FIXED_WINDOW: Subject<FixedWindowRateLimiter> = Subject {
    name: "fixed window",
    make: || {
        let limiter = FixedWindowRateLimiter::new(3, at(1_000));
        assert!(limiter.try_acquire(at(500)).is_ok());
        (limiter, NOBODY)
    },
    observe: |limiter, _| {
        [900, 1_000, 1_250, 2_500]
            .map(|now| limiter.available(at(now)))
            .into()
    },
    scripts: &[
        Script {
            name: "take one",
            steps: &[|l, hand| hand.tell(l.try_acquire(at(600)))],
        },
        Script {
            name: "take two",
            steps: &[|l, hand| hand.tell(l.try_acquire_many(2, at(600)))],
        },
        Script {
            name: "take in the next window",
            steps: &[|l, hand| hand.tell(l.try_acquire(at(1_300)))],
        },
        Script {
            name: "take and give back",
            steps: &[
                |l, hand| hand.tell(l.try_acquire(at(600))),
                |l, _| l.refund(1, at(600)),
            ],
        },
        Script {
            name: "reset",
            steps: &[|l, _| l.reset()],
        },
    ],
};

static LEAKY_BUCKET: Subject<LeakyBucket> = Subject {
    name: "leaky bucket",
    make: || (LeakyBucket::new(Rate::per_second(10), 2), NOBODY),
    observe: |limiter, _| {
        [1_000, 1_100, 1_250, 2_500]
            .map(|now| limiter.available(at(now)))
            .into()
    },
    scripts: &[
        Script {
            name: "take",
            steps: &[|l, hand| hand.tell(l.try_acquire(at(1_000)))],
        },
        Script {
            name: "queue",
            steps: &[|l, hand| {
                let wait = l
                    .reserve(at(1_000))
                    .map_or(u64::MAX, |reserved| reserved.wait().get());
                hand.tell(wait);
            }],
        },
        Script {
            name: "queue two",
            steps: &[|l, hand| {
                let wait = l
                    .reserve_many(2, at(5_000), at(1_000))
                    .map_or(u64::MAX, |reserved| reserved.wait().get());
                hand.tell(wait);
            }],
        },
    ],
};

static KEYED: Subject<KeyedRateLimiter<2>> = Subject {
    name: "keyed, one place taken",
    make: || {
        let limiter = KeyedRateLimiter::new(Rate::per_second(10), 2, WhenFull::Reject);
        assert!(limiter.try_acquire(1, at(1_000)).is_ok());
        (limiter, NOBODY)
    },
    observe: |limiter, _| {
        [1, 2, 3]
            .into_iter()
            .flat_map(|key| [1_000, 1_050, 1_100, 9_000].map(|now| limiter.available(key, at(now))))
            .collect()
    },
    scripts: &[
        Script {
            name: "the key that is there",
            steps: &[|l, hand| hand.tell(l.try_acquire(1, at(1_000)))],
        },
        Script {
            name: "a second key",
            steps: &[|l, hand| hand.tell(l.try_acquire(2, at(1_000)))],
        },
        Script {
            name: "a third key",
            steps: &[|l, hand| hand.tell(l.try_acquire(3, at(1_000)))],
        },
        Script {
            name: "two of the second key",
            steps: &[|l, hand| hand.tell(l.try_acquire_many(2, 2, at(1_000)))],
        },
    ],
};

static TAKEN_OVER: Subject<KeyedRateLimiter<1>> = Subject {
    name: "keyed, a place to take over",
    make: || {
        let limiter = KeyedRateLimiter::new(Rate::per_second(10), 2, WhenFull::Reject);
        assert!(limiter.try_acquire(1, at(1_000)).is_ok());
        (limiter, NOBODY)
    },
    observe: |limiter, _| {
        [1, 2, 3]
            .into_iter()
            .flat_map(|key| [1_100, 1_150, 1_200, 9_000].map(|now| limiter.available(key, at(now))))
            .collect()
    },
    scripts: &[
        Script {
            name: "the old key again",
            steps: &[|l, hand| hand.tell(l.try_acquire(1, at(1_100)))],
        },
        Script {
            name: "a second key",
            steps: &[|l, hand| hand.tell(l.try_acquire(2, at(1_100)))],
        },
        Script {
            name: "a third key",
            steps: &[|l, hand| hand.tell(l.try_acquire(3, at(1_100)))],
        },
        Script {
            name: "all of the second key",
            steps: &[|l, hand| hand.tell(l.try_acquire_many(2, 2, at(1_100)))],
        },
    ],
};

static CONCURRENCY: Subject<ConcurrencyLimit> = Subject {
    name: "concurrency limit, one place left",
    make: || {
        let limit = ConcurrencyLimit::new(3);
        assert!(limit.acquire_raw().is_ok() && limit.acquire_raw().is_ok());
        (limit, NOBODY)
    },
    observe: |limit, _| vec![limit.in_flight().into(), limit.limit().into()],
    scripts: &[
        Script {
            name: "enter",
            steps: &[|l, hand| hand.tell(l.acquire_raw())],
        },
        Script {
            name: "leave",
            steps: &[|l, hand| hand.tell(l.release_raw())],
        },
        Script {
            name: "enter twice",
            steps: &[
                |l, hand| hand.tell(l.acquire_raw()),
                |l, hand| hand.tell(l.acquire_raw()),
            ],
        },
        Script {
            name: "leave and enter",
            steps: &[
                |l, hand| hand.tell(l.release_raw()),
                |l, hand| hand.tell(l.acquire_raw()),
            ],
        },
        Script {
            name: "lower the limit",
            steps: &[|l, hand| hand.tell(l.set_limit(2).is_ok())],
        },
        Script {
            name: "read",
            steps: &[|l, hand| hand.tell(u64::from(l.in_flight()))],
        },
    ],
};

static ADAPTIVE: Subject<AdaptiveLimit> = Subject {
    name: "adaptive limit",
    make: || {
        let limit = AdaptiveLimit::new(
            AdaptiveLimitConfig::new(Algorithm::Aimd)
                .initial_limit(3)
                .max_limit(4)
                .window(at(10))
                .min_samples(1),
        );
        assert!(limit.acquire_raw().is_ok() && limit.acquire_raw().is_ok());
        (limit, NOBODY)
    },
    // What was found is an estimate; the places are not.
    observe: |limit, _| {
        vec![
            limit.in_flight().into(),
            u64::from((1..=4).contains(&limit.limit())),
        ]
    },
    scripts: &[
        Script {
            name: "enter",
            steps: &[|l, hand| hand.tell(l.acquire_raw())],
        },
        Script {
            name: "leave",
            steps: &[|l, hand| hand.tell(l.release_raw(at(1), Outcome::Success, at(5)))],
        },
        Script {
            name: "leave, and move the limit",
            steps: &[|l, hand| hand.tell(l.release_raw(at(100), Outcome::Success, at(120)))],
        },
        Script {
            name: "a failure that lowers the limit",
            steps: &[|l, _| {
                l.release_raw(at(100), Outcome::Failure, at(130));
            }],
        },
        Script {
            name: "configure",
            steps: &[|l, hand| {
                let config = AdaptiveLimitConfig::new(Algorithm::Aimd)
                    .max_limit(4)
                    .window(at(10))
                    .min_samples(1);
                hand.tell(l.configure(config).is_ok());
            }],
        },
    ],
};

static RETRY_BUDGET: Subject<RetryBudget<2>> = Subject {
    name: "retry budget, one retry left",
    make: || {
        let budget = RetryBudget::new(0.5, 0, at(1_000));
        for _ in 0..4 {
            budget.deposit(at(100));
        }
        assert!(budget.withdraw(at(100)).is_ok());
        (budget, NOBODY)
    },
    observe: |budget, _| {
        [100, 400, 499, 600, 3_000]
            .map(|now| budget.available(at(now)))
            .into()
    },
    scripts: &[
        Script {
            name: "withdraw",
            steps: &[|b, hand| hand.tell(b.withdraw(at(100)))],
        },
        Script {
            name: "deposit",
            steps: &[|b, _| b.deposit(at(100))],
        },
        Script {
            name: "two deposits",
            steps: &[|b, _| b.deposit(at(100)), |b, _| b.deposit(at(100))],
        },
        Script {
            name: "withdraw twice",
            steps: &[
                |b, hand| hand.tell(b.withdraw(at(100))),
                |b, hand| hand.tell(b.withdraw(at(100))),
            ],
        },
    ],
};

/// A breaker, a concurrency limit and a token bucket as one.
struct Composed {
    breaker: CircuitBreaker<2, 1>,
    places: ConcurrencyLimit,
    tokens: TokenBucketRateLimiter,
}

impl Composed {
    fn admission(&self) -> Admission<'_, 2, 1> {
        Admission::new(&self.breaker)
            .concurrency(&self.places)
            .limiter(&self.tokens)
    }

    fn take(&self, hand: &mut Hand) {
        let decision = self.admission().acquire(1, at(2_000), &());
        hand.take(decision);
    }

    fn settle(&self, hand: &mut Hand, outcome: Outcome) {
        if let Some(permit) = hand.permit.take() {
            hand.tell(self.admission().settle(permit, outcome, at(2_000), &()));
        }
    }
}

static ADMISSION: Subject<Composed> = Subject {
    name: "admission, half-open",
    make: || {
        let composed = Composed {
            breaker: CircuitBreaker::new(
                CircuitBreakerConfig::new()
                    .minimum_requests(1)
                    .window(Window::Count(4))
                    .open_timeout(at(1_000))
                    .half_open_requests(2),
            ),
            places: ConcurrencyLimit::new(3),
            tokens: TokenBucketRateLimiter::new(Rate::per_second(1), 3),
        };
        let permit = composed.breaker.acquire(at(500), &()).expect("closed");
        let _ = composed
            .breaker
            .settle(permit, Outcome::Failure, at(1_000), &());
        (composed, NOBODY)
    },
    // Quiet, each place is held by a probe in flight, and nothing else.
    observe: |it, _| {
        let breaker = it.breaker.snapshot(at(2_000));
        vec![
            breaker.state as u64,
            breaker.in_flight.into(),
            it.places.in_flight().into(),
            it.tokens.available(at(2_000)),
        ]
    },
    scripts: &[
        Script {
            name: "probe",
            steps: &[|it, hand| it.take(hand)],
        },
        Script {
            name: "probe that succeeds",
            steps: &[
                |it, hand| it.take(hand),
                |it, hand| it.settle(hand, Outcome::Success),
            ],
        },
        Script {
            name: "probe that fails",
            steps: &[
                |it, hand| it.take(hand),
                |it, hand| it.settle(hand, Outcome::Failure),
            ],
        },
        Script {
            name: "probe that is cancelled",
            steps: &[
                |it, hand| it.take(hand),
                |it, hand| it.settle(hand, Outcome::Ignored),
            ],
        },
    ],
};

#[test]
fn r1_l1_l2_l3_token_bucket() {
    sweep::pairs(&TOKEN_BUCKET);
}

#[test]
fn r1_l1_l2_sliding_windows() {
    sweep::pairs(&SLIDING_WINDOW);
    sweep::pairs(&SLIDING_COUNTER);
    sweep::pairs(&FIXED_WINDOW);
}

#[test]
fn r1_l11_leaky_bucket() {
    sweep::pairs(&LEAKY_BUCKET);
}

#[test]
fn r1_l1_keyed() {
    sweep::pairs(&KEYED);
    sweep::pairs(&TAKEN_OVER);
}

#[test]
fn r1_k1_k3_k4_concurrency() {
    sweep::pairs(&CONCURRENCY);
    sweep::pairs(&ADAPTIVE);
}

#[test]
fn r1_w3_retry_budget() {
    sweep::pairs(&RETRY_BUDGET);
}

#[test]
fn r1_x1_b3_k1_admission() {
    sweep::pairs(&ADMISSION);
}

/// Each of these is found. `log_waits_for_its_writer` waits indeed: what R1 rules out.
#[cfg(fuseboard_faults)]
#[test]
fn r1_seeded_faults_are_found() {
    fuseboard_interrupt::replay::must_be_found(&[
        ("tat_store", "r1_l1_l2_l3_token_bucket"),
        ("log_waits_for_its_writer", "r1_l1_l2_sliding_windows"),
        ("log_store", "r1_l1_l2_sliding_windows"),
        ("counter_store", "r1_l1_l2_sliding_windows"),
        ("window_store", "r1_l1_l2_sliding_windows"),
        ("tat_store", "r1_l11_leaky_bucket"),
        ("keyed_tat_store", "r1_l1_keyed"),
        ("keyed_torn_entry", "r1_l1_keyed"),
        ("concurrency_check_then_add", "r1_k1_k3_k4_concurrency"),
        ("limit_store", "r1_k1_k3_k4_concurrency"),
        ("retry_budget_store", "r1_w3_retry_budget"),
        ("admission_keeps_tokens", "r1_x1_b3_k1_admission"),
    ]);
}
