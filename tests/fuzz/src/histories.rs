//! Bytes to a history: settings first, then operations until the bytes end.

use fuseboard_core::State;
use fuseboard_model::breaker::{BACKOFF_ONE, Config, Window};

use crate::bytes::{Bytes, Clock, SECOND};
use crate::pair::breaker::{BreakerPair, Pair, SLOTS};
use crate::pair::limiter::{END, LimiterPair};

/// Permits kept at a time; more are never settled, as lost ones are.
const PERMITS: usize = 24;

fn window(bytes: &mut Bytes<'_>) -> Window {
    const LENGTHS: [u64; 4] = [SECOND, SECOND / 4, 777_777_777, 10_000];
    match bytes.any::<u8>() % 4 {
        0 => Window::Time {
            slot: bytes.one_of(&LENGTHS),
            slots: bytes.within(1, SLOTS as u64),
        },
        1 => Window::Count(match bytes.any::<u8>() {
            0 => 240,
            1 => 24,
            size => 1 + usize::from(size) % 30,
        }),
        2 => Window::Consecutive(bytes.within(1, 8)),
        _ => Window::Decay {
            slot: bytes.one_of(&LENGTHS),
            slots: 10,
            steps: 2,
        },
    }
}

fn config(bytes: &mut Bytes<'_>, window: Window) -> Config {
    let minimum = bytes.setting(1, 12);
    let off = |bytes: &mut Bytes<'_>, value: fn(&mut Bytes<'_>) -> u64| {
        if bytes.any::<bool>() { value(bytes) } else { 0 }
    };
    Config {
        failure_ppm: bytes.setting(1, 1_000_000),
        minimum: match window {
            Window::Count(size) if minimum <= 1_000_000 => minimum.min(size as u64),
            _ => minimum,
        },
        open_timeout: bytes.setting(1, 4 * SECOND),
        open_timeout_max: bytes.setting(1, 20 * SECOND),
        backoff: BACKOFF_ONE + off(bytes, |bytes| bytes.within(0, 99 * BACKOFF_ONE)),
        jitter_ppm: off(bytes, |bytes| bytes.within(0, 1_000_000)),
        jitter_seed: bytes.any(),
        ramp_up: off(bytes, |bytes| bytes.setting(1, 5 * SECOND)),
        half_open_requests: bytes.setting(1, 4) as u32,
        half_open_successes: bytes.setting(1, 5) as u32,
        half_open_failures: bytes.setting(0, 3) as u32,
        probe_lease: bytes.setting(1, 4 * SECOND),
        window,
        slow_call: bytes.any::<bool>().then(|| bytes.setting(1, 2 * SECOND)),
        slow_ppm: bytes.setting(1, 1_000_000),
        count_overdue: bytes.any::<u8>().is_multiple_of(4),
    }
}

/// A breaker: every verb, at times that jump.
pub fn breaker(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let window = window(&mut bytes);
    let Some(mut pair) = BreakerPair::new(config(&mut bytes, window)) else {
        return;
    };
    let mut clock = Clock::default();
    let mut permits: Vec<Pair> = Vec::new();
    while !bytes.is_empty() {
        let now = clock.now;
        match bytes.any::<u8>() % 32 {
            0..10 => {
                if permits.len() == PERMITS {
                    let _lost = permits.remove(0);
                }
                permits.extend(pair.acquire(now));
            }
            10..20 if !permits.is_empty() => {
                let permit = permits.swap_remove(bytes.any::<u8>() as usize % permits.len());
                let weight = bytes.one_of(&[1, 1, 1, 2, 5, 0]);
                pair.settle(permit, bytes.outcome(), weight, now);
            }
            20 if !permits.is_empty() => {
                let permit = permits.swap_remove(bytes.any::<u8>() as usize % permits.len());
                pair.cancel(permit, now);
            }
            // A whole call at once: most of what a breaker sees.
            21..24 => {
                if let Some(permit) = pair.acquire(now) {
                    pair.settle(permit, bytes.outcome(), 1, now);
                }
            }
            24..27 => clock.ahead(bytes.span(SECOND), u64::MAX),
            27 => clock.back(bytes.span(SECOND)),
            28 => {
                let state = bytes.one_of(&[State::Closed, State::Disabled, State::MetricsOnly]);
                pair.operate(state, None, now);
            }
            29 => {
                let until = bytes
                    .any::<bool>()
                    .then(|| now.saturating_add(bytes.span(SECOND)));
                pair.operate(State::ForcedOpen, until, now);
            }
            30 => {
                let settings = config(&mut bytes, window);
                pair.configure(settings, now);
            }
            31 => {
                let away = bytes.span(SECOND);
                pair.restart(away, now);
            }
            _ => {}
        }
    }
}

/// A rate whose interval is exact, as the models need it.
fn rate(bytes: &mut Bytes<'_>) -> (u64, u64) {
    if bytes.any::<u8>().is_multiple_of(4) {
        bytes.one_of(&[
            (1, 86_400 * SECOND),
            (3, SECOND),
            (7, SECOND),
            (700_000, SECOND),
            (3_000_000, SECOND),
            (600_000_000, SECOND),
            (SECOND, SECOND),
        ])
    } else {
        let units = bytes.within(1, 8);
        (units, bytes.within(units, 1_000_000))
    }
}

/// One limiter: every verb, at times that jump.
pub fn limiter(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let limit = bytes.within(1, 20);
    let span = match bytes.any::<u8>() % 4 {
        0 => SECOND,
        1 => 60 * SECOND,
        _ => bytes.within(64, 100_000),
    };
    let (units, per) = rate(&mut bytes);
    let (made, scale) = match bytes.any::<u8>() % 6 {
        0 => (
            LimiterPair::token_bucket(units, per, limit.min(8)),
            per / units,
        ),
        1 => (
            LimiterPair::leaky_bucket(units, per, limit.min(6) - 1),
            per / units,
        ),
        2 => (LimiterPair::sliding_log(limit as u32, span), span),
        3 => (LimiterPair::sliding_counter(limit as u32, span), span),
        4 => (LimiterPair::fixed_window(limit, span), span),
        _ => (LimiterPair::concurrency(limit as u32), 1),
    };
    let Some(mut pair) = made else {
        return;
    };
    let mut clock = Clock::default();
    while !bytes.is_empty() {
        let now = clock.now;
        match bytes.any::<u8>() % 24 {
            0..8 => {
                pair.acquire(1, now);
            }
            8..11 => {
                pair.acquire(bytes.within(1, limit + 1), now);
            }
            11..16 => clock.ahead(bytes.span(scale), END),
            16 | 17 => clock.back(bytes.span(scale)),
            18 => pair.refund(bytes.within(1, 4), now),
            19 => {
                let longest = bytes.span(scale);
                pair.reserve(bytes.within(1, 4), longest, now);
            }
            20 => pair.acquire_up_to(bytes.within(0, limit), now),
            21 => pair.drain(now),
            _ => {
                let (_, per) = rate(&mut bytes);
                pair.configure(bytes.within(0, limit), per, now);
            }
        }
    }
}
