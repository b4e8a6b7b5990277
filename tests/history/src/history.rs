//! A history: who asked what, who was answered what, in the order in which it happened.
//!
//! Recording takes no step that shuttle schedules, so it orders nothing: the mutex below is std's, and in
//! shuttle nobody ever waits for it.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use stateright::semantics::SequentialSpec;

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

    /// The newest answer.
    ///
    /// # Panics
    /// After a panic of another recorder.
    pub fn last_answer(&self) -> Option<A> {
        let events = self.0.lock().expect("nobody panics here");
        events.iter().rev().find_map(|event| match event {
            Event::Answer(_, answer) => Some(answer.clone()),
            Event::Call(..) => None,
        })
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
        S: SequentialSpec + Clone + Eq + Hash,
        S::Op: Clone + Debug,
        S::Ret: Clone + Debug,
    {
        let events = self.0.lock().expect("nobody panics here");
        let mut steps = Vec::new();
        for (called, event) in events.iter().enumerate() {
            let Event::Call(thread, call) = event else {
                continue;
            };
            let mut later = events[called..].iter().enumerate();
            let (after, answer) = later
                .find_map(|(after, event)| match event {
                    Event::Answer(of, answer) if of == thread => Some((after, answer)),
                    _ => None,
                })
                .expect("every operation has ended");
            for (operation, answer) in parts(call, answer) {
                steps.push(Step {
                    called,
                    ended: called + after,
                    operation,
                    answer,
                });
            }
        }
        steps.sort_by_key(|step| step.ended);
        let lines = || {
            let lines = events.iter().map(|event| match event {
                Event::Call(thread, call) => format!("{thread} asks     {call:?}"),
                Event::Answer(thread, answer) => format!("{thread} is told {answer:?}"),
            });
            lines.collect::<Vec<_>>().join("\n")
        };
        assert!(
            has_order(&steps, specification),
            "no order of these operations gives these answers:\n{}",
            lines()
        );
    }
}

/// One part of one operation.
#[derive(Debug)]
pub struct Step<S: SequentialSpec> {
    /// When it was called, in events of the history.
    pub called: usize,
    /// When it had ended.
    pub ended: usize,
    /// What was asked.
    pub operation: S::Op,
    /// What was answered.
    pub answer: S::Ret,
}

/// Whether the steps have an order in which `specification` gives these answers, and in which each comes after those that
/// had ended before it was called.
///
/// J. Wing, C. Gong, "Testing and verifying concurrent objects" (1993), with the memory of G. Lowe, "Testing for linearizability"
/// (2017): what was reached once, in any order, is not tried again. Without it operations of several parts take for ever,
/// which is why this is not stateright's tester; `tests/judges.rs` shows that both say the same.
///
/// `steps` are in the order in which they ended.
///
/// # Panics
/// On more than 128 steps.
pub fn has_order<S>(steps: &[Step<S>], specification: S) -> bool
where
    S: SequentialSpec + Clone + Eq + Hash,
{
    assert!(steps.len() <= 128, "a history has at most 128 parts");
    let all = u128::MAX.checked_shr(128 - steps.len() as u32).unwrap_or(0);
    let mut tried = HashSet::new();
    let mut open = vec![(0_u128, specification)];
    while let Some((done, state)) = open.pop() {
        if done == all {
            return true;
        }
        let left = || {
            steps
                .iter()
                .enumerate()
                .filter(|(at, _)| done >> at & 1 == 0)
        };
        let first_end = left()
            .map(|(_, step)| step.ended)
            .min()
            .unwrap_or(usize::MAX);
        let next = left().filter(|(_, step)| step.called < first_end);
        let mut reached: Vec<_> = next
            .filter_map(|(at, step)| {
                let mut state = state.clone();
                let fits = state.is_valid_step(&step.operation, &step.answer);
                fits.then_some((done | 1 << at, state))
            })
            .filter(|reached| tried.insert(reached.clone()))
            .collect();
        // The one that ended first is tried first.
        reached.reverse();
        open.append(&mut reached);
    }
    false
}
