//! A history: who asked what, who was answered what, in the order in which it happened.
//!
//! Recording takes no step that shuttle schedules, so it orders nothing: the mutex below is std's, and in
//! shuttle nobody ever waits for it.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

/// One operation, from its call to its answer.
#[derive(Clone, Debug)]
enum Event<C, A> {
    Call(usize, C),
    Answer(usize, A),
}

/// A history under way. Each thread has at most one operation open.
#[derive(Debug)]
pub struct History<C, A>(Arc<Mutex<Vec<Event<C, A>>>>);

impl<C, A> Clone for History<C, A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C, A> Default for History<C, A> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<C: Clone + Debug, A: Clone + Debug> History<C, A> {
    /// Runs one operation of `thread` and records it.
    pub fn record(&self, thread: usize, call: C, operation: impl FnOnce() -> A) -> A {
        self.push(Event::Call(thread, call));
        let answer = operation();
        self.push(Event::Answer(thread, answer.clone()));
        answer
    }

    fn push(&self, event: Event<C, A>) {
        self.0.lock().expect("nobody panics here").push(event);
    }

    /// Whether `specification` could have given these answers, each operation having happened at one moment between
    /// its call and its answer.
    ///
    /// `parts` says of which such moments an operation consists: mostly of one. Where it is several, the specification
    /// says in which order they come, and the documentation of the specification why they are not one.
    ///
    /// # Panics
    /// When it could not.
    pub fn must_be_linearizable<S>(
        &self,
        specification: S,
        parts: impl Fn(&C, &A) -> Vec<(S::Op, S::Ret)>,
    ) where
        S: SequentialSpec + Clone,
        S::Op: Clone + Debug,
        S::Ret: Clone + Debug,
    {
        let events = self.0.lock().expect("nobody panics here");
        let mut tester = LinearizabilityTester::new(specification);
        let mut open = Vec::new();
        for (at, event) in events.iter().enumerate() {
            match event {
                Event::Call(thread, call) => {
                    let answer = events[at..].iter().find_map(|later| match later {
                        Event::Answer(of, answer) if of == thread => Some(answer),
                        _ => None,
                    });
                    let parts = parts(call, answer.expect("every operation has ended"));
                    for (part, (operation, _)) in parts.iter().enumerate() {
                        tester
                            .on_invoke((*thread, part), operation.clone())
                            .expect("one operation of a thread at a time");
                    }
                    open.push((thread, parts));
                }
                Event::Answer(thread, _) => {
                    let called = open.iter().position(|(of, _)| of == &thread);
                    let (_, parts) = open.swap_remove(called.expect("called before"));
                    for (part, (_, answer)) in parts.into_iter().enumerate() {
                        tester
                            .on_return((*thread, part), answer)
                            .expect("called before");
                    }
                }
            }
        }
        assert!(
            tester.is_consistent(),
            "no order of these operations gives these answers: {:#?}",
            *events
        );
    }
}
