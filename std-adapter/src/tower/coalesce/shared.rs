//! [`SharedError`]: one error for all who waited for the same call.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The error of a call that several requests waited for. It says what the service's own said, which is its
/// [`get_ref`](Self::get_ref).
#[derive(Clone)]
pub struct SharedError(Arc<dyn Error + Send + Sync>);

impl SharedError {
    pub(super) fn new(error: crate::tower::BoxError) -> Self {
        Self(error.into())
    }

    /// The service's own error, to be downcast.
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl fmt::Debug for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
