//! A share of a number: one multiplication and division that cannot overflow, in one place.

use core::num::NonZeroU64;
#[cfg(any(test, target_pointer_width = "64"))]
use core::num::NonZeroU128;

/// `value * times / over` as whole part and rest; the whole part saturates. `over` zero counts as one.
///
/// Not inlined: no caller is in a hurry.
#[inline(never)]
pub(crate) fn share(value: u64, times: u64, over: u64) -> (u64, u64) {
    let product = u128::from(value) * u128::from(times);
    let over = NonZeroU64::new(over).unwrap_or(NonZeroU64::MIN);
    #[cfg(target_pointer_width = "64")]
    let divided = at_once(product, over);
    #[cfg(not(target_pointer_width = "64"))]
    let divided = bit_by_bit(product, over);
    divided
}

#[cfg(any(test, target_pointer_width = "64"))]
fn at_once(product: u128, over: NonZeroU64) -> (u64, u64) {
    let over = NonZeroU128::from(over);
    // The rest is below `over`, which has 64 bits.
    let (whole, rest) = (product / over, (product % over) as u64);
    (u64::try_from(whole).unwrap_or(u64::MAX), rest)
}

/// As `at_once`, where the compiler's 128-bit division would be a tenth of a small image.
#[cfg(any(test, not(target_pointer_width = "64")))]
fn bit_by_bit(product: u128, over: NonZeroU64) -> (u64, u64) {
    let (high, low) = ((product >> 64) as u64, product as u64);
    let (mut whole, mut rest) = (0, high % over);
    for bit in (0..u64::BITS).rev() {
        let carry = rest >> 63;
        rest = rest << 1 | low >> bit & 1;
        whole <<= 1;
        if carry == 1 || rest >= over.get() {
            rest = rest.wrapping_sub(over.get());
            whole |= 1;
        }
    }
    let saturates = high >= over.get();
    (if saturates { u64::MAX } else { whole }, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l5_shares_are_exact_and_saturate() {
        assert_eq!(share(7, 3, 2), (10, 1));
        assert_eq!(share(u64::MAX, u64::MAX, u64::MAX), (u64::MAX, 0));
        assert_eq!(share(u64::MAX, 2, 1), (u64::MAX, 0));
        assert_eq!(share(u64::MAX, 1_000_000, 999_999).1, {
            let product = u128::from(u64::MAX) * 1_000_000;
            (product % 999_999) as u64
        });
        assert_eq!(share(5, 1, 0), (5, 0));
    }

    /// L5: both ways of dividing are the same, next to every power of two.
    #[test]
    fn l5_dividing_bit_by_bit_is_dividing() {
        let near = |bit: u32| {
            let power = 1_u64.checked_shl(bit).unwrap_or(0);
            [power.wrapping_sub(1), power, power.wrapping_add(1)]
        };
        let numbers = || (0..=u64::BITS).step_by(3).chain([64]).flat_map(near);
        for (value, times) in numbers().flat_map(|value| numbers().map(move |times| (value, times)))
        {
            let product = u128::from(value) * u128::from(times);
            for over in numbers().filter_map(NonZeroU64::new) {
                assert_eq!(
                    bit_by_bit(product, over),
                    at_once(product, over),
                    "{product} / {over}"
                );
            }
        }
    }
}
