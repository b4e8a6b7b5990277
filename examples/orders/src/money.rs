//! Money: whole minor units of one currency. No floating point anywhere.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The currencies that are accepted (ISO 4217).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// Swiss franc.
    Chf,
    /// Euro.
    Eur,
    /// Pound sterling.
    Gbp,
    /// Yen: no minor unit.
    Jpy,
    /// Kuwaiti dinar: a thousandth is its minor unit.
    Kwd,
    /// US dollar.
    Usd,
}

impl Currency {
    /// Decimal places of the minor unit.
    pub fn exponent(self) -> u32 {
        match self {
            Self::Jpy => 0,
            Self::Chf | Self::Eur | Self::Gbp | Self::Usd => 2,
            Self::Kwd => 3,
        }
    }

    /// The three letters.
    pub fn code(self) -> &'static str {
        match self {
            Self::Chf => "CHF",
            Self::Eur => "EUR",
            Self::Gbp => "GBP",
            Self::Jpy => "JPY",
            Self::Kwd => "KWD",
            Self::Usd => "USD",
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount in minor units (cents for EUR). Never negative where an order is concerned; [`Money::checked_sub`] keeps to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// How many minor units.
    pub amount_minor: i64,
    /// Of which currency.
    pub currency: Currency,
}

/// Why amounts cannot be combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Two currencies.
    #[error("{left} and {right} cannot be added: give all amounts of an order in one currency")]
    Mixed {
        /// Of the first amount.
        left: Currency,
        /// Of the second.
        right: Currency,
    },
    /// Past what 64 bits hold, or below zero.
    #[error(
        "an amount is out of range: it must be from 0 to {} minor units",
        i64::MAX
    )]
    OutOfRange,
}

impl Money {
    /// An amount.
    pub fn new(amount_minor: i64, currency: Currency) -> Self {
        Self {
            amount_minor,
            currency,
        }
    }

    /// Nothing, of a currency.
    pub fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// The sum; an error when the currencies differ or it does not fit.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let sum = self.amount_minor.checked_add(other.amount_minor);
        Ok(Self::new(sum.ok_or(MoneyError::OutOfRange)?, self.currency))
    }

    /// The difference; an error when the currencies differ or it would be below zero.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        match self.amount_minor.checked_sub(other.amount_minor) {
            Some(rest) if rest >= 0 => Ok(Self::new(rest, self.currency)),
            _ => Err(MoneyError::OutOfRange),
        }
    }

    /// So many of it; an error when that does not fit.
    pub fn checked_mul(self, quantity: u32) -> Result<Self, MoneyError> {
        let product = self.amount_minor.checked_mul(i64::from(quantity));
        Ok(Self::new(
            product.ok_or(MoneyError::OutOfRange)?,
            self.currency,
        ))
    }

    /// Shares by weight that add up to the whole, the remainder going to the largest fractions (largest-remainder method).
    /// All weights zero: the first gets everything. No weights: no shares.
    pub fn split(self, weights: &[u32]) -> Vec<Self> {
        let total: i128 = weights.iter().copied().map(i128::from).sum();
        let whole = i128::from(self.amount_minor);
        if total == 0 {
            let first = weights.first().map(|_| self);
            let rest = weights.iter().skip(1).map(|_| Self::zero(self.currency));
            return first.into_iter().chain(rest).collect();
        }
        let mut shares: Vec<i128> = weights
            .iter()
            .map(|&weight| whole * i128::from(weight) / total)
            .collect();
        let mut by_fraction: Vec<usize> = (0..weights.len()).collect();
        by_fraction
            .sort_by_key(|&index| std::cmp::Reverse(whole * i128::from(weights[index]) % total));
        let left = whole - shares.iter().sum::<i128>();
        for &index in by_fraction.iter().take(left as usize) {
            shares[index] += 1;
        }
        // Each share is at most the whole, which fits.
        shares
            .into_iter()
            .map(|share| Self::new(share as i64, self.currency))
            .collect()
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::Mixed {
                left: self.currency,
                right: other.currency,
            })
        }
    }
}

impl fmt::Display for Money {
    /// As people write it: `12.34 EUR`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.currency.exponent() as usize;
        let unit = 10_u64.pow(self.currency.exponent());
        let sign = if self.amount_minor < 0 { "-" } else { "" };
        let amount = self.amount_minor.unsigned_abs();
        write!(f, "{sign}{}", amount / unit)?;
        if places > 0 {
            write!(f, ".{:0places$}", amount % unit)?;
        }
        write!(f, " {}", self.currency)
    }
}
