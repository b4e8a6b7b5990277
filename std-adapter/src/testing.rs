//! [`ScriptedService`]: a dependency that does what a test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a scripted call does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scripted<T, E> {
    /// Answers at once.
    Answer(Result<T, E>),
    /// Answers later.
    After(Duration, Result<T, E>),
    /// Never answers.
    Hang,
    /// Panics.
    Panic,
}

/// A dependency whose calls do one after the other what a script says, then the last of it for ever. It counts them.
///
/// ```
/// use fuseboard::testing::{Scripted, ScriptedService};
///
/// # async fn example() {
/// let service = ScriptedService::new([Scripted::Answer(Err("down")), Scripted::Answer(Ok(7))]);
/// assert_eq!(service.call().await, Err("down"));
/// assert_eq!(service.call().await, Ok(7));
/// assert_eq!(service.calls(), 2);
/// # }
/// ```
///
/// A clone is another handle of the same script. A call that is dropped counts as no longer in flight.
#[derive(Debug)]
pub struct ScriptedService<T, E> {
    shared: Arc<Mutex<Script<T, E>>>,
}

#[derive(Debug)]
struct Script<T, E> {
    left: VecDeque<Scripted<T, E>>,
    calls: u32,
    in_flight: u32,
    most_in_flight: u32,
}

impl<T: Clone, E: Clone> ScriptedService<T, E> {
    /// A service with this script.
    ///
    /// # Panics
    /// On a script of no lines: there would be nothing to do.
    pub fn new(script: impl IntoIterator<Item = Scripted<T, E>>) -> Self {
        let left: VecDeque<_> = script.into_iter().collect();
        assert!(!left.is_empty(), "a script has at least one line");
        Self {
            shared: Arc::new(Mutex::new(Script {
                left,
                calls: 0,
                in_flight: 0,
                most_in_flight: 0,
            })),
        }
    }

    /// Makes a call.
    ///
    /// # Errors
    /// What the script says.
    ///
    /// # Panics
    /// Where the script says so.
    pub async fn call(&self) -> Result<T, E> {
        let line = self.begin();
        let _in_flight = InFlight(self);
        match line {
            Scripted::Answer(answer) => answer,
            Scripted::After(delay, answer) => {
                tokio::time::sleep(delay).await;
                answer
            }
            Scripted::Hang => std::future::pending().await,
            Scripted::Panic => panic!("the script says so"),
        }
    }

    fn begin(&self) -> Scripted<T, E> {
        let mut script = self.script();
        script.calls += 1;
        script.in_flight += 1;
        script.most_in_flight = script.most_in_flight.max(script.in_flight);
        let line = match script.left.len() {
            1 => script.left.front().cloned(),
            _ => script.left.pop_front(),
        };
        line.expect("a script has at least one line")
    }
}

impl<T, E> ScriptedService<T, E> {
    /// Calls that were made.
    pub fn calls(&self) -> u32 {
        self.script().calls
    }

    /// Calls that have not ended and were not dropped.
    pub fn in_flight(&self) -> u32 {
        self.script().in_flight
    }

    /// The most of them that there ever were at once.
    pub fn most_in_flight(&self) -> u32 {
        self.script().most_in_flight
    }

    fn script(&self) -> MutexGuard<'_, Script<T, E>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, E> Clone for ScriptedService<T, E> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

/// Whatever is asked, the script answers.
#[cfg(feature = "fallback")]
impl<R, T, E> crate::fallback::Service<R> for ScriptedService<T, E>
where
    R: Send,
    T: Clone + Send,
    E: Clone + Send,
{
    type Response = T;
    type Error = E;

    fn call(&self, _: R) -> impl Future<Output = Result<T, E>> + Send {
        Self::call(self)
    }
}

struct InFlight<'a, T, E>(&'a ScriptedService<T, E>);

impl<T, E> Drop for InFlight<'_, T, E> {
    fn drop(&mut self) {
        self.0.script().in_flight -= 1;
    }
}
