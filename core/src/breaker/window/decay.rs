//! How much a slot of a decaying window weighs.

use crate::breaker::rules::decay_steps;

/// One whole call.
pub(super) const ONE: u64 = 1 << 16;

/// 2^(-n/8), in units of 1 / [`ONE`].
const EIGHTHS: [u64; 8] = [
    65_536, 60_097, 55_109, 50_535, 46_341, 42_495, 38_968, 35_734,
];

/// The weight of a slot that is `age` slots old, of a window that holds `slots`.
pub(super) fn weight(age: u64, slots: u64) -> u64 {
    let steps = u64::from(decay_steps(slots as usize));
    let eighth = (age % steps) * 8 / steps;
    let fraction = EIGHTHS.get(eighth as usize).copied().unwrap_or(ONE);
    fraction.checked_shr((age / steps) as u32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W1: the weights halve over a half-life and follow 2^-age within a thousandth of a call.
    #[test]
    fn w1_weights_follow_the_half_life() {
        for slots in [1_u64, 4, 9, 10, 19, 20, 39, 40, 63] {
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
