//! [`Source`]: something that a registry reads.

use super::changes::Change;
use super::lane::LaneMetric;
use super::report::Report;

/// Something observed.
pub(super) trait Source: Send + Sync {
    /// What it is; a name is unique among its kind.
    fn kind(&self) -> &'static str;

    /// Its name.
    fn name(&self) -> &str;

    /// Adds what it is at this moment to `report`, and the changes that it finds to `found`.
    fn read(&self, report: &mut Report, found: &mut Vec<Change>);

    /// The metrics of its own.
    #[cfg_attr(
        not(feature = "otel"),
        allow(dead_code, reason = "an exporter of instruments asks for them")
    )]
    fn metrics(&self) -> &'static [&'static LaneMetric] {
        &[]
    }

    /// Does to the breaker of this name what an operator asks, if it has it.
    fn steer(&self, _board: Option<&str>, _name: &str, _verb: Verb) -> bool {
        false
    }
}

/// What an operator may ask of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    ForceOpen,
    Disable,
    MetricsOnly,
    Reset,
}

#[cfg_attr(
    not(feature = "http-endpoints"),
    expect(dead_code, reason = "the dashboard's controls")
)]
impl Verb {
    pub(super) const ALL: [Self; 4] = [
        Self::ForceOpen,
        Self::Disable,
        Self::MetricsOnly,
        Self::Reset,
    ];

    /// The name that it has in every language.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::ForceOpen => "force_open",
            Self::Disable => "disable",
            Self::MetricsOnly => "metrics_only",
            Self::Reset => "reset",
        }
    }
}
