//! How long an opening lasts: it follows from the word and the settings alone.

use crate::breaker::rules::{FACTOR_ONE, OpenRules, PPM};
use crate::breaker::word::Word;
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::ratio::share;

/// `timeout * factor^openings`, capped at `timeout_max` (but never below `timeout`), then
/// lengthened by a share of `jitter` that is drawn from the seed and the generation.
#[inline]
pub(crate) fn open_duration(word: Word, rules: &OpenRules) -> Nanos {
    if word.openings() == 0 && rules.jitter_ppm == 0 {
        return rules.timeout;
    }
    let OpenRules {
        timeout,
        timeout_max,
        factor,
        jitter_ppm,
        seed,
    } = *rules;
    grown(word, timeout, timeout_max, factor, jitter_ppm, seed)
}

/// The rules in six registers: in memory they would cost every rejection their stores.
#[cold]
fn grown(
    word: Word,
    timeout: Nanos,
    timeout_max: Nanos,
    factor: u64,
    jitter_ppm: u32,
    seed: u64,
) -> Nanos {
    let cap = fault!(
        "back_off_without_cap",
        u64::MAX,
        timeout_max.max(timeout).get()
    );
    let mut duration = timeout.get();
    for _ in 0..word.openings() {
        if duration >= cap {
            break;
        }
        duration = share(duration, factor.max(FACTOR_ONE), FACTOR_ONE)
            .0
            .min(cap);
    }
    let spread = share(duration, jitter_ppm.into(), PPM.into()).0;
    let draw = splitmix64(seed ^ u64::from(word.generation()));
    let jitter = ((u128::from(spread) * u128::from(draw)) >> 64) as u64;
    let duration = fault!(
        "jitter_shortens",
        duration - 2 * jitter.min(duration / 2),
        duration
    );
    Nanos::new(duration.saturating_add(jitter))
}

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014).
fn splitmix64(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
