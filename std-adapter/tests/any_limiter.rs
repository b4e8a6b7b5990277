//! Every limiter of this process behind the one trait.

use fuseboard::{
    Acquire, Clock, Decision, DecisionSource, FixedWindowRateLimiter, Keyed,
    LeakyBucketRateLimiter, Limiter, ManualClock, Nanos, Quota, Rate, Rejected,
    SlidingCounterRateLimiter, SlidingWindowRateLimiter, TokenBucketRateLimiter, Unavailable,
};
use std::sync::Arc;
use std::time::Duration;

const LIMIT: u64 = 4;
const WINDOW: Duration = Duration::from_secs(8);

/// A clock that the limiters and the test share.
#[derive(Clone)]
struct Shared(Arc<ManualClock>);

impl Clock for Shared {
    fn now(&self) -> Nanos {
        self.0.now()
    }
}

fn clock() -> Shared {
    Shared(Arc::new(ManualClock::new(Nanos::from_secs(800))))
}

fn bucket(clock: &Shared) -> TokenBucketRateLimiter<Shared> {
    let rate = Rate::new(LIMIT, Nanos::from(WINDOW));
    TokenBucketRateLimiter::with_clock(rate, LIMIT, clock.clone()).unwrap()
}

/// Each but the one that paces, which has no limit at once.
fn each(clock: &Shared) -> [(&'static str, Arc<dyn Limiter>); 5] {
    let narrow = u32::try_from(LIMIT).unwrap();
    let window = SlidingWindowRateLimiter::<8, _>::with_clock(narrow, WINDOW, clock.clone());
    let counter = SlidingCounterRateLimiter::with_clock(narrow, WINDOW, clock.clone());
    let fixed = FixedWindowRateLimiter::with_clock(LIMIT, WINDOW, clock.clone());
    let for_keys = clock.clone();
    let keyed = Keyed::new(10, move |_| bucket(&for_keys), |_| true);
    [
        ("token bucket", Arc::new(bucket(clock))),
        ("sliding window", Arc::new(window.unwrap())),
        ("sliding counter", Arc::new(counter.unwrap())),
        ("fixed window", Arc::new(fixed.unwrap())),
        ("keyed", Arc::new(keyed.unwrap())),
    ]
}

/// Those of this process need not be waited for.
fn ask(limiter: &dyn Limiter, key: &str, cost: u64) -> Decision {
    limiter.acquire(key, cost).decided().expect("at once")
}

#[test]
fn l2_each_admits_its_limit_and_says_what_is_left() {
    for (name, limiter) in each(&clock()) {
        let quota = Quota {
            limit: LIMIT,
            window: WINDOW,
        };
        assert_eq!(limiter.quota(), quota, "{name}");
        for left in (0..LIMIT).rev() {
            let decision = ask(&limiter, "ada", 1);
            assert!(decision.is_allowed, "{name}");
            assert_eq!(
                (decision.limit, decision.remaining, decision.retry_after),
                (LIMIT, Some(left), Some(Duration::ZERO)),
                "{name}"
            );
            assert_eq!(decision.source, DecisionSource::Local);
            assert!(decision.reset_after > Duration::ZERO, "{name}");
        }
        let denied = ask(&limiter, "ada", 1);
        assert!(!denied.is_allowed, "{name}");
        assert_eq!(denied.remaining, Some(0), "{name}");
    }
}

#[test]
fn l8_who_comes_back_when_told_is_admitted() {
    for index in 0..5 {
        let clock = clock();
        let (name, limiter) = each(&clock).into_iter().nth(index).unwrap();
        assert!(ask(&limiter, "ada", LIMIT).is_allowed);
        let denied = ask(&limiter, "ada", 1);
        let wait = Nanos::from(denied.retry_after.expect("there will be room"));
        assert!(wait > Nanos::ZERO, "{name}");
        clock.0.advance(wait.saturating_sub(Nanos::new(1)));
        assert!(!ask(&limiter, "ada", 1).is_allowed, "{name}: too early");
        clock.0.advance(Nanos::new(1));
        assert!(ask(&limiter, "ada", 1).is_allowed, "{name}: in time");
    }
}

#[test]
fn l9_a_look_and_a_denial_take_nothing() {
    for (name, limiter) in each(&clock()) {
        assert!(ask(&limiter, "ada", LIMIT - 1).is_allowed);
        assert!(!ask(&limiter, "ada", 2).is_allowed, "{name}");
        for _ in 0..3 {
            let look = ask(&limiter, "ada", 0);
            assert_eq!((look.is_allowed, look.remaining), (true, Some(1)), "{name}");
        }
        assert!(ask(&limiter, "ada", 1).is_allowed);
        let look = ask(&limiter, "ada", 0);
        assert!(!look.is_allowed, "{name}");
        assert!(look.retry_after.is_some_and(|wait| wait > Duration::ZERO));
    }
}

#[test]
fn l5_what_costs_more_than_the_limit_is_told_never() {
    for (name, limiter) in each(&clock()) {
        for cost in [LIMIT + 1, u64::from(u32::MAX) + 1, u64::MAX] {
            let never = ask(&limiter, "ada", cost);
            assert_eq!(
                (never.is_allowed, never.retry_after),
                (false, None),
                "{name}"
            );
            let reason = never.rejected().map(|rejected: Rejected| rejected.reason);
            assert_eq!(reason, Some(fuseboard::Reason::Never), "{name}");
        }
        assert_eq!(ask(&limiter, "ada", 0).remaining, Some(LIMIT), "{name}");
    }
}

#[test]
fn l7_all_is_there_again_when_told() {
    for index in 0..5 {
        let clock = clock();
        let (name, limiter) = each(&clock).into_iter().nth(index).unwrap();
        let taken = ask(&limiter, "ada", 3);
        clock.0.advance(taken.reset_after.into());
        let look = ask(&limiter, "ada", 0);
        assert_eq!(look.remaining, Some(LIMIT), "{name}");
        assert_eq!(look.reset_after, Duration::ZERO, "{name}");
    }
}

#[test]
fn l1_keys_have_a_limit_each_where_a_limiter_knows_them() {
    for (name, limiter) in each(&clock()) {
        assert!(ask(&limiter, "ada", LIMIT).is_allowed);
        assert_eq!(
            ask(&limiter, "bob", 1).is_allowed,
            name == "keyed",
            "{name}"
        );
    }
}

#[test]
fn l11_a_pacer_gives_one_turn_in_each_interval() {
    let clock = clock();
    let rate = Rate::per_second(2);
    let pacer = LeakyBucketRateLimiter::with_clock(rate, clock.clone()).unwrap();
    let half = Duration::from_millis(500);
    assert_eq!(
        pacer.quota(),
        Quota {
            limit: 1,
            window: half
        }
    );
    for _ in 0..3 {
        assert!(ask(&pacer, "", 1).is_allowed);
        let denied = ask(&pacer, "", 1);
        assert_eq!((denied.is_allowed, denied.retry_after), (false, Some(half)));
        assert_eq!(ask(&pacer, "", 0).remaining, Some(0));
        clock.0.advance(half.into());
    }
    assert_eq!(
        ask(&pacer, "", 2).retry_after,
        None,
        "two are never at once"
    );
    assert!(pacer.try_acquire().is_ok() && pacer.clone().try_acquire().is_err());
}

/// One whose decision is on its way.
#[derive(Clone)]
struct Distant(TokenBucketRateLimiter);

impl Limiter for Distant {
    fn acquire<'a>(&'a self, key: &'a str, cost: u64) -> Acquire<'a> {
        Acquire::later(async move {
            tokio::task::yield_now().await;
            self.0.acquire(key, cost).await
        })
    }

    fn quota(&self) -> Quota {
        self.0.quota()
    }
}

#[tokio::test]
async fn p6_one_that_must_be_waited_for_takes_nothing_before() {
    let bucket = TokenBucketRateLimiter::new(Rate::per_hour(1), 2);
    let distant = Distant(bucket.clone());
    let shared = distant.clone();
    let keyed = Keyed::new(1, move |_| shared.clone(), |_| true).unwrap();
    for limiter in [&distant as &dyn Limiter, &keyed] {
        let waiting = limiter.acquire("ada", 1).decided().unwrap_err();
        assert_eq!(format!("{waiting:?}"), "on its way");
        drop(waiting);
        drop(limiter.acquire("ada", 1));
    }
    assert_eq!(bucket.available(), 2);
    assert!(keyed.acquire("ada", 1).await.is_allowed);
    assert!(distant.acquire("ada", 1).await.is_allowed);
    assert_eq!(bucket.available(), 0);
}

#[test]
fn l8_a_denial_of_the_failure_policy_is_no_limit_that_is_used_up() {
    let decision = |is_allowed, source| Decision {
        is_allowed,
        limit: 1,
        remaining: None,
        retry_after: Some(Duration::from_secs(1)),
        reset_after: Duration::ZERO,
        source,
        may_have_taken: false,
    };
    let away = DecisionSource::Fallback(Unavailable::BreakerOpen);
    let reason = |decision: Decision| decision.rejected().map(|rejected| rejected.reason);
    assert_eq!(reason(decision(true, away)), None);
    assert_eq!(reason(decision(false, away)), Some(fuseboard::Reason::Open));
    let used_up = decision(false, DecisionSource::Engine);
    assert_eq!(reason(used_up), Some(fuseboard::Reason::Limited));
}
