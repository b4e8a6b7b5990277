//! [`PipelineError`].

use crate::call::PolicyKind;
use fuseboard_core::ConfigError;

/// Why a pipeline cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// A setting of one of its policies.
    #[error("pipeline: {policy}: {error}")]
    Setting {
        /// Whose.
        policy: PolicyKind,
        /// Which.
        #[source]
        error: ConfigError,
    },
    /// Two policies in an order that defeats itself.
    #[error("pipeline: {inner} inside of {outer}: {why}")]
    Order {
        /// Which is outside.
        outer: PolicyKind,
        /// Which is inside.
        inner: PolicyKind,
        /// Why it cannot work, and what to do.
        why: &'static str,
    },
    /// No policy at all.
    #[error("pipeline: no policies; allowed: at least 1")]
    Empty,
}
