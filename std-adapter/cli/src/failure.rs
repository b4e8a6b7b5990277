//! [`Failure`]: why a command did not do what it was asked, and the exit status that says so.

use std::io::ErrorKind;

/// What a shell reports for a program that the signal for a closed pipe ended.
pub(crate) const BROKEN_PIPE: u8 = 141;

/// Why a command ended.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was asked for what cannot be.
    Usage(String),
    /// There is no such board or name.
    NotFound(String),
    /// It could not be done.
    Failed(anyhow::Error),
}

impl Failure {
    /// The exit status; `main`'s help says what each means.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Failed(error) if is_broken_pipe(error) => BROKEN_PIPE,
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
        }
    }

    /// What to tell; nothing where nobody reads any more.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            Self::Failed(error) if is_broken_pipe(error) => None,
            Self::Failed(error) => Some(format!("{error:#}")),
            Self::Usage(message) | Self::NotFound(message) => Some(message.clone()),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == ErrorKind::BrokenPipe)
    })
}
