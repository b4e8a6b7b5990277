//! [`BoxFuture`]: a response that several steps make.

use crate::call::CallError;
use crate::tower::error::{BoxError, boxed};
use std::pin::Pin;

/// A response that is under way, whatever makes it.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// A call's end, boxed.
pub(crate) async fn ended<T>(
    call: impl Future<Output = Result<T, CallError<BoxError>>>,
) -> Result<T, BoxError> {
    call.await.map_err(boxed)
}
