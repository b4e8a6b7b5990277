//! [`Saga`]: steps that are undone when a later one fails.

mod error;
mod run;

pub use error::SagaError;
pub use run::{Progress, ProgressError};

use crate::tally::{Tally, did};
use std::fmt;
use std::pin::Pin;

type Boxed<E> = Pin<Box<dyn Future<Output = Result<(), E>> + Send>>;
type Action<C, E> = Box<dyn Fn(C) -> Boxed<E> + Send + Sync>;

/// A transaction over several services: each step has an undo, and when a step fails the ones before it are undone, the last
/// first. (H. Garcia-Molina, K. Salem, *Sagas*, 1987.)
///
/// The failed step is undone too, because it may have done half of its work. So an undo must succeed where there is nothing to undo;
/// and because a saga may be taken up again after a crash, steps and undos must be safe to repeat: give them an id to recognise.
///
/// ```
/// use fuseboard::{Progress, Saga};
/// use std::io;
///
/// # async fn reserve(_: u64) -> io::Result<()> { Ok(()) }
/// # async fn release(_: u64) -> io::Result<()> { Ok(()) }
/// # async fn charge(_: u64) -> io::Result<()> { Ok(()) }
/// # async fn refund(_: u64) -> io::Result<()> { Ok(()) }
/// # async fn example() -> Result<(), fuseboard::SagaError<io::Error>> {
/// let place_order = Saga::new()
///     .step("reserve", reserve, release)
///     .step("charge", charge, refund);
/// let order = 1001;
/// // Kept wherever it survives a crash; taken up again with the last one kept.
/// place_order.run(order, Progress::START, |progress| println!("{order}: {progress}")).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation
///
/// Dropped in the middle, or after a panic of a step, nothing is undone by itself: run it again from the last progress kept, or from
/// [`Progress::undo`] of it.
pub struct Saga<C, E> {
    steps: Vec<Step<C, E>>,
    tally: Tally,
}

struct Step<C, E> {
    name: &'static str,
    make: Action<C, E>,
    undo: Action<C, E>,
}

impl<C: Clone, E> Saga<C, E> {
    /// Without steps yet.
    pub fn new() -> Self {
        Self {
            steps: Vec::new(),
            tally: Tally::new::<did::Saga>(),
        }
    }

    /// How its runs ended.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A further step and its undo. `context` is cloned for each: an id, or an `Arc`.
    #[must_use]
    pub fn step<M, U>(
        mut self,
        name: &'static str,
        make: impl Fn(C) -> M + Send + Sync + 'static,
        undo: impl Fn(C) -> U + Send + Sync + 'static,
    ) -> Self
    where
        M: Future<Output = Result<(), E>> + Send + 'static,
        U: Future<Output = Result<(), E>> + Send + 'static,
    {
        self.steps.push(Step {
            name,
            make: Box::new(move |context| Box::pin(make(context))),
            undo: Box::new(move |context| Box::pin(undo(context))),
        });
        self
    }
}

impl<C: Clone, E> Default for Saga<C, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C, E> fmt::Debug for Saga<C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.steps.iter().map(|step| step.name))
            .finish()
    }
}
