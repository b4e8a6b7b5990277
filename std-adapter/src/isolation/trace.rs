//! The caller's trace goes along to where its call runs.

#[cfg(feature = "otel")]
mod kept {
    use opentelemetry::Context;
    use opentelemetry::trace::FutureExt;

    /// The operation, in the context of whoever asked for it.
    pub fn task<F: Future>(operation: F) -> impl Future<Output = F::Output> {
        operation.with_current_context()
    }

    /// The operation, in the context of whoever asked for it.
    pub fn thread<T>(operation: impl FnOnce() -> T) -> impl FnOnce() -> T {
        let context = Context::current();
        move || {
            let _entered = context.attach();
            operation()
        }
    }
}

/// Nobody traces.
#[cfg(not(feature = "otel"))]
mod kept {
    /// The operation itself.
    pub fn task<F: Future>(operation: F) -> F {
        operation
    }

    /// The operation itself.
    pub fn thread<T, F: FnOnce() -> T>(operation: F) -> F {
        operation
    }
}

pub(super) use kept::{task, thread};
