//! How much a slot of a decaying window weighs.

use crate::breaker::rules::decay_steps;
use crate::fault::fault;

/// One whole call.
pub(super) const ONE: u64 = 1 << 16;

/// A call that is half a half-life old: 2^(-1/2), in units of 1 / [`ONE`].
const ROOT: u64 = 46_341;

/// The weight of a slot that is `age` slots old, of a window that holds `slots`.
pub(super) fn weight(age: u64, slots: u64) -> u64 {
    let age = fault!("decay_stands_still", 0, age);
    let steps = u64::from(decay_steps(slots as usize));
    let fraction = if age.is_multiple_of(steps) { ONE } else { ROOT };
    let halvings = age / steps * fault!("decay_twice_as_fast", 2, 1);
    fraction.checked_shr(halvings as u32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W1: the weights halve over a half-life and follow 2^-age within a thousandth of a call.
    #[test]
    fn w1_weights_follow_the_half_life() {
        for slots in [1_u64, 4, 9, 10] {
            let steps = f64::from(decay_steps(slots as usize));
            for age in 0..slots {
                let exact = 0.5_f64.powf(age as f64 / steps) * ONE as f64;
                assert!(
                    (weight(age, slots) as f64 - exact).abs() < 65.0,
                    "{age} of {slots}"
                );
            }
        }
    }
}
