//! [`LimiterOptions`], [`Lease`] and [`FailurePolicy`]: how a limiter deals with the distance to its engine.

use super::error::SetUpError;
use std::time::Duration;

/// What is decided while the engine does not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FailurePolicy {
    /// Everything is admitted.
    Open,
    /// Nothing is.
    Closed,
    /// Each process limits for itself, to this share of the rate and of the limit (more than 0, at most 1): one divided by the number
    /// of processes keeps to the whole limit.
    LocalShare(f64),
    /// What is left of a lease is handed out, though its time is over; then nothing is admitted.
    KeepLease,
}

/// Units are fetched ahead, many with one trip, and handed out here.
///
/// They are paid for when they are fetched, so no more is admitted in the long run. But what is fetched in one moment may be used in
/// another: in any time `t` at most `burst + rate x t` *and the live leases of all processes*: `most x processes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Most units of a key that are fetched ahead; fewer while less is used. 1 to 1,000,000.
    pub most: u64,
    /// How long they are good; then they are forgotten. 1 ms to 10 s. Default 1 s.
    pub expires_after: Duration,
    /// Shortest time between two trips for a key that was not served in full, so that one who is over the limit does not
    /// travel for each unit. At most 10 s. Default 10 ms.
    pub least_trip_interval: Duration,
}

impl Lease {
    /// Up to `most` units ahead, with the defaults.
    pub fn up_to(most: u64) -> Self {
        Self {
            most,
            expires_after: Duration::from_secs(1),
            least_trip_interval: Duration::from_millis(10),
        }
    }

    fn check(self) -> Result<(), SetUpError> {
        let longest = Duration::from_secs(10);
        SetUpError::integer("lease.most", self.most, 1..=1_000_000, "1 to 1,000,000")?;
        let shortest = Duration::from_millis(1);
        SetUpError::span(
            "lease.expires_after",
            self.expires_after,
            shortest..=longest,
            "1 ms to 10 s",
        )?;
        let interval = self.least_trip_interval;
        SetUpError::span(
            "lease.least_trip_interval",
            interval,
            Duration::ZERO..=longest,
            "0 to 10 s",
        )?;
        Ok(())
    }
}

/// What a limiter does between its callers and its engine.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "options limit nothing by themselves"]
pub struct LimiterOptions {
    pub(super) prefix: String,
    pub(super) on_failure: FailurePolicy,
    pub(super) lease: Option<Lease>,
    pub(super) keys: usize,
}

impl LimiterOptions {
    /// What is decided while the engine does not has no default: it depends on what the limit protects.
    pub fn new(on_failure: FailurePolicy) -> Self {
        Self {
            prefix: "fuseboard".to_owned(),
            on_failure,
            lease: None,
            keys: 65_536,
        }
    }

    /// What all keys on the engine begin with; two limiters of one prefix and algorithm share their limits. Default `fuseboard`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Fetches units ahead. Default: not.
    pub fn lease(mut self, lease: Lease) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Keys of which denials and leases are remembered here, 64 to 16,777,216; more are decided by the engine alone. Default 65,536.
    pub fn remembered_keys(mut self, keys: usize) -> Self {
        self.keys = keys;
        self
    }

    pub(super) fn check(&self) -> Result<(), SetUpError> {
        if let FailurePolicy::LocalShare(share) = self.on_failure
            && !(share > 0.0 && share <= 1.0)
        {
            let (field, given) = ("on_failure.local_share", share.to_string());
            let allowed = "more than 0, at most 1";
            return Err(SetUpError::Setting {
                field,
                given,
                allowed,
            });
        }
        if self.on_failure == FailurePolicy::KeepLease && self.lease.is_none() {
            let (field, given) = ("on_failure", "KeepLease without a lease".to_owned());
            let allowed = "KeepLease with `lease`, or another policy";
            return Err(SetUpError::Setting {
                field,
                given,
                allowed,
            });
        }
        if self.prefix.len() > 128 || self.prefix.contains(['{', '}']) {
            let (field, given) = ("prefix", format!("{:?}", self.prefix));
            let allowed = "at most 128 bytes, without braces";
            return Err(SetUpError::Setting {
                field,
                given,
                allowed,
            });
        }
        let keys = self.keys as u64;
        SetUpError::integer("remembered_keys", keys, 64..=1 << 24, "64 to 16,777,216")?;
        self.lease.map_or(Ok(()), Lease::check)
    }
}
