//! The tables of queues, adaptive limits, load shedding and throttles.

use super::SEED_MAX;
use crate::config::overload::{
    AdaptiveSettings, QueueSettings, SheddingSettings, ThrottleSettings,
};
use crate::config::setting::{Section, Setting, Take};
use fuseboard_core::Algorithm;

/// Most places, as for a concurrency limit.
const PLACES_MAX: u64 = u32::MAX as u64;

/// `[queues.NAME]`.
pub(in crate::config) const QUEUES: Section<QueueSettings> = Section {
    name: "queues",
    about: "A concurrency limit with a line before it: so many calls in flight at once, and others that wait for a place.",
    settings: &[
        Setting::new(
            "limit",
            Take::Count {
                least: 1,
                most: PLACES_MAX,
                set: |to, limit| to.limit = limit as u32,
            },
            None,
            "Most calls in flight at once.",
        ),
        Setting::new(
            "max_waiting",
            Take::Count {
                least: 1,
                most: PLACES_MAX,
                set: |to, calls| to.max_waiting = calls as u32,
            },
            None,
            "Most calls that wait for a place; more are rejected at once.",
        ),
        Setting::new(
            "max_wait",
            Take::Span {
                from_zero: false,
                set: |to, span| to.max_wait = Some(span),
            },
            Some("no bound"),
            "The longest wait; then the call is rejected.",
        ),
        Setting::new(
            "shed_target",
            Take::Span {
                from_zero: false,
                set: |to, span| to.shed_target = Some(span),
            },
            Some("nobody is shed"),
            "When every call has waited longer than this for a whole `shed_interval`, the line stands, and calls that have waited longer are shed until one has not (CoDel); at most `shed_interval`.",
        ),
        Setting::new(
            "shed_interval",
            Take::Span {
                from_zero: false,
                set: |to, span| to.shed_interval = span,
            },
            Some("\"100ms\""),
            "The time in which a line that does not stand drains; at least 1.024us.",
        ),
    ],
};

/// `[adaptive.NAME]`.
pub(in crate::config) const ADAPTIVE: Section<AdaptiveSettings> = Section {
    name: "adaptive",
    about: "A concurrency limit that finds itself: it follows the latency of the calls.",
    settings: &[
        Setting::new(
            "algorithm",
            Take::Word {
                words: &["gradient2", "vegas", "aimd"],
                set: |to, word| {
                    to.algorithm = match word {
                        "vegas" => Algorithm::Vegas,
                        "aimd" => Algorithm::Aimd,
                        _ => Algorithm::Gradient2,
                    };
                },
            },
            Some("\"gradient2\""),
            "How the limit moves. `gradient2`: by the mean latency beside its long-term mean, for mixed calls. `vegas`: by the shortest latency beside the shortest ever, for calls of one kind. `aimd`: up a place, down by `backoff` when a call is dropped or takes longer than `latency_limit`.",
        ),
        Setting::new(
            "initial_limit",
            Take::Count {
                least: 1,
                most: 1_000_000,
                set: |to, calls| to.initial_limit = calls as u32,
            },
            Some("20"),
            "The limit at the start, `min_limit` to `max_limit`.",
        ),
        Setting::new(
            "min_limit",
            Take::Count {
                least: 1,
                most: 1_000_000,
                set: |to, calls| to.min_limit = calls as u32,
            },
            Some("1"),
            "The limit never goes below this.",
        ),
        Setting::new(
            "max_limit",
            Take::Count {
                least: 1,
                most: 1_000_000,
                set: |to, calls| to.max_limit = calls as u32,
            },
            Some("200"),
            "The limit never goes above this.",
        ),
        Setting::new(
            "window",
            Take::Span {
                from_zero: false,
                set: |to, span| to.window = span,
            },
            Some("\"100ms\""),
            "The limit moves at most once in this time; at least 1us.",
        ),
        Setting::new(
            "min_samples",
            Take::Count {
                least: 1,
                most: 10_000,
                set: |to, samples| to.min_samples = samples as u32,
            },
            Some("10"),
            "A window without a dropped call goes on until it has so many samples.",
        ),
        Setting::new(
            "latency_limit",
            Take::Span {
                from_zero: false,
                set: |to, span| to.latency_limit = span,
            },
            Some("\"5s\""),
            "With `aimd`: a call that took longer counts as dropped; 1us to 4m.",
        ),
        Setting::new(
            "backoff",
            Take::Factor {
                least: 0.5,
                most: 0.999,
                set: |to, share| to.backoff = share,
            },
            Some("0.9"),
            "What remains of the limit after a window in which a call was dropped.",
        ),
        Setting::new(
            "tolerance",
            Take::Factor {
                least: 1.0,
                most: 4.0,
                set: |to, times| to.tolerance = times,
            },
            Some("1.5"),
            "With `gradient2`: so many times the usual latency is no reason to shrink.",
        ),
        Setting::new(
            "smoothing",
            Take::Share {
                from_zero: false,
                set: |to, share| to.smoothing = share,
            },
            Some("0.2"),
            "With `gradient2`: the share of a change that is made in one window.",
        ),
        Setting::new(
            "baseline_windows",
            Take::Count {
                least: 10,
                most: u32::MAX as u64,
                set: |to, windows| to.baseline_windows = windows as u32,
            },
            Some("600"),
            "With `vegas` and `gradient2`: after so many windows the usual latency is learnt anew.",
        ),
    ],
};

/// `[shedding.NAME]`.
pub(in crate::config) const SHEDDING: Section<SheddingSettings> = Section {
    name: "shedding",
    about: "Load shedding: when places get short, the less important calls are rejected first.",
    settings: &[
        Setting::new(
            "limit",
            Take::Count {
                least: 1,
                most: PLACES_MAX,
                set: |to, limit| to.limit = limit as u32,
            },
            None,
            "Most calls in flight at once, of the highest priority.",
        ),
        Setting::new(
            "sheds_from",
            Take::Share {
                from_zero: true,
                set: |to, share| to.sheds_from = share,
            },
            Some("0.5"),
            "The share of `limit` that calls of priority 0 may fill; those of 255 may fill all of it, others a share between.",
        ),
    ],
};

/// `[throttles.NAME]`.
pub(in crate::config) const THROTTLES: Section<ThrottleSettings> = Section {
    name: "throttles",
    about: "A client throttle: rejects the share of calls that the backend would refuse.",
    settings: &[
        Setting::new(
            "multiplier",
            Take::Factor {
                least: 1.0,
                most: 1_000.0,
                set: |to, times| to.multiplier = times,
            },
            Some("2.0"),
            "Rejecting begins when fewer than one in so many calls is accepted; smaller rejects more.",
        ),
        Setting::new(
            "window",
            Take::Span {
                from_zero: false,
                set: |to, span| to.window = span,
            },
            Some("\"2m\""),
            "The time that is looked back on; at least 100ms.",
        ),
        Setting::new(
            "minimum_requests",
            Take::Count {
                least: 0,
                most: u32::MAX as u64,
                set: |to, calls| to.minimum_requests = calls as u32,
            },
            Some("10"),
            "Nothing is rejected while the window holds fewer calls.",
        ),
        Setting::new(
            "seed",
            Take::Count {
                least: 0,
                most: SEED_MAX,
                set: |to, seed| to.seed = seed,
            },
            Some("0"),
            "Where the draws start; give each process its own, so that a fleet does not reject in step.",
        ),
    ],
};
