//! A share of a number: one multiplication and division that cannot overflow, in one place.

/// `value * times / over` as whole part and rest; the whole part saturates. `over` zero counts as one.
///
/// Not inlined: 128-bit division is a kilobyte on a 32-bit machine, and no caller is in a hurry.
#[inline(never)]
pub(crate) fn share(value: u64, times: u64, over: u64) -> (u64, u64) {
    let product = u128::from(value) * u128::from(times);
    let over = u128::from(over.max(1));
    let (whole, rest) = (product / over, product % over);
    // The rest is below `over`, which has 64 bits.
    (u64::try_from(whole).unwrap_or(u64::MAX), rest as u64)
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
}
