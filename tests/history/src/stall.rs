//! One thread is stopped at one step until all others have ended, or at two steps.

use std::cell::Cell;

use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};
use shuttle::{FailurePersistence, MaxSteps, Runner};

use crate::schedule::config;

/// Steps that the others may take in all; alone they take some hundreds.
const STEPS_MAX: usize = 4_000;

std::thread_local! {
    /// Whether the stopped thread was really stopped in the running history.
    static STOPPED: Cell<bool> = const { Cell::new(false) };
}

/// Runs task 1 up to its step `stop` first, then never again while anybody else can run; the others take turns.
#[derive(Debug)]
struct Stall {
    stop: usize,
    steps: usize,
    has_run: bool,
}

impl Scheduler for Stall {
    fn new_execution(&mut self) -> Option<Schedule> {
        let has_run = std::mem::replace(&mut self.has_run, true);
        (!has_run).then(|| Schedule::new(0))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        _is_yielding: bool,
    ) -> Option<TaskId> {
        let is_victim = |task: &TaskId| usize::from(*task) == 1;
        let tasks: Vec<TaskId> = runnable.iter().map(|task| task.id()).collect();
        let victim = tasks.iter().copied().find(is_victim);
        if let (Some(victim), true) = (victim, self.steps < self.stop) {
            self.steps += 1;
            return Some(victim);
        }
        STOPPED.set(STOPPED.get() || victim.is_some());
        // The next after the current one, so that nobody but the victim is left out.
        let after = current.map_or(0, |task| usize::from(task) + 1);
        let mut others: Vec<_> = tasks
            .iter()
            .copied()
            .filter(|task| !is_victim(task))
            .collect();
        others.sort_by_key(|task| (usize::from(*task) < after, usize::from(*task)));
        others.first().copied().or(victim)
    }

    fn next_u64(&mut self) -> u64 {
        0
    }
}

/// Stops `victim` at each of its steps in turn, each time in a new world, while two threads run `others`. Gives the number
/// of steps at which it was stopped.
///
/// # Panics
/// When the others do not end: they wait for the one who was stopped.
pub fn at_every_step<W: Send + Sync + 'static>(
    world: fn() -> W,
    victim: fn(&W),
    others: fn(&W),
) -> usize {
    for stop in 1.. {
        let mut config = config();
        config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
        // The step at which the victim was stopped says it all.
        config.failure_persistence = FailurePersistence::None;
        STOPPED.set(false);
        let stall = Stall {
            stop,
            steps: 0,
            has_run: false,
        };
        Runner::new(stall, config).run(move || {
            let world = std::sync::Arc::new(world());
            let run = |operation: fn(&W)| {
                let world = std::sync::Arc::clone(&world);
                shuttle::thread::spawn(move || operation(&world))
            };
            let victim = run(victim);
            for other in [run(others), run(others)] {
                other.join().unwrap();
            }
            // Only now does it go on.
            victim.join().unwrap();
        });
        if !STOPPED.get() {
            return stop - 1;
        }
    }
    unreachable!("every operation ends")
}

/// Runs task 1 up to its step `stop`, task 2 to its end, task 1 for `more` steps, task 3 to its end, and task 1 to its own.
#[derive(Debug)]
struct TwoStops {
    stop: usize,
    more: usize,
    steps: usize,
    /// Whether task 2 was there, and is no more.
    second: Option<bool>,
    has_run: bool,
}

impl Scheduler for TwoStops {
    fn new_execution(&mut self) -> Option<Schedule> {
        let has_run = std::mem::replace(&mut self.has_run, true);
        (!has_run).then(|| Schedule::new(0))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        _current: Option<TaskId>,
        _is_yielding: bool,
    ) -> Option<TaskId> {
        let tasks: Vec<TaskId> = runnable.iter().map(|task| task.id()).collect();
        let find = |number: usize| {
            tasks
                .iter()
                .copied()
                .find(|task| usize::from(*task) == number)
        };
        let victim = find(1);
        if find(2).is_some() {
            self.second = Some(false);
        } else if self.second.is_some() {
            self.second = Some(true);
        }
        let has_ended = self.second == Some(true);
        let steps = self.stop + if has_ended { self.more } else { 0 };
        if victim.is_some() && self.steps < steps {
            self.steps += 1;
            return victim;
        }
        STOPPED.set(STOPPED.get() || has_ended && victim.is_some());
        // The one who starts the others comes first, so that they are there.
        find(0).or(find(2)).or(find(3)).or(victim)
    }

    fn next_u64(&mut self) -> u64 {
        0
    }
}

/// Stops `victim` at each of its steps in turn while another thread runs `first`, and then again at each later step while a third
/// one runs `then`; each time in a new world. Gives the number of pairs of steps.
///
/// # Panics
/// When one of the others does not end.
pub fn at_every_two_steps<W: Send + Sync + 'static>(
    world: fn() -> W,
    victim: fn(&W),
    [first, then]: [fn(&W); 2],
) -> usize {
    let mut pairs = 0;
    for stop in 1.. {
        for more in 1.. {
            let mut config = config();
            config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
            // As above.
            config.failure_persistence = FailurePersistence::None;
            STOPPED.set(false);
            let stops = TwoStops {
                stop,
                more,
                steps: 0,
                second: None,
                has_run: false,
            };
            Runner::new(stops, config).run(move || {
                let world = std::sync::Arc::new(world());
                let run = |operation: fn(&W)| {
                    let world = std::sync::Arc::clone(&world);
                    shuttle::thread::spawn(move || operation(&world))
                };
                for thread in [run(victim), run(first), run(then)] {
                    thread.join().unwrap();
                }
            });
            if !STOPPED.get() {
                if more == 1 {
                    return pairs;
                }
                break;
            }
            pairs += 1;
        }
    }
    unreachable!("every operation ends")
}
