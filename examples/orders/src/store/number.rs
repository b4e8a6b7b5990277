//! Numbers on their way into and out of SQL, which has no unsigned ones.

use super::event::StoreError;

/// A count or position; none comes near 2^63.
pub fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count or position as the tables have it: their checks allow none below zero.
pub fn from_sql(name: &str, number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt(format!("{name} is {number}")))
}
