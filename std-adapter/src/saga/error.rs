//! [`SagaError`].

use crate::saga::Progress;

/// Why a saga did not reach its end.
#[derive(Debug, thiserror::Error)]
pub enum SagaError<E> {
    /// A step failed, and everything is undone.
    #[error("step {step:?} failed and everything was undone: {error}")]
    Undone {
        /// Which one.
        step: &'static str,
        /// Why.
        #[source]
        error: E,
    },
    /// It was taken up while it was being undone, and everything is undone now.
    #[error("everything was undone; it had failed before it was taken up again")]
    UndoneLater,
    /// An undo failed: the steps up to it stand. Run the saga again with `progress`.
    #[error("undo of {step:?} failed: {error}; run it again with {progress}")]
    UndoFailed {
        /// Whose undo.
        step: &'static str,
        /// Why.
        #[source]
        error: E,
        /// Where to go on.
        progress: Progress,
    },
    /// The progress is not one of this saga: it has fewer steps.
    #[error(
        "{progress} does not exist: the saga has {steps} steps; run it with the progress of this saga"
    )]
    NoSuchStep {
        /// What was given.
        progress: Progress,
        /// How many there are.
        steps: usize,
    },
}
