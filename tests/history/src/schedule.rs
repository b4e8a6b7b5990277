//! Which thread goes on: chances of two kinds, counted.

use std::cell::RefCell;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

/// Steps after which a history that does not end has failed; the longest here takes some hundreds.
const STEPS_MAX: usize = 20_000;

std::thread_local! {
    /// Steps that each task of the running history has taken.
    static STEPS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

fn own_steps() -> u64 {
    let task = usize::from(shuttle::current::me());
    STEPS.with_borrow(|steps| steps.get(task).copied().unwrap_or(0))
}

/// The steps of one operation of the calling task, and its result.
pub fn steps_of<T>(operation: impl FnOnce() -> T) -> (u64, T) {
    let before = own_steps();
    let result = operation();
    (own_steps() - before, result)
}

/// Whether another task took a step during an operation of the calling task, and its result.
pub fn interrupted<T>(operation: impl FnOnce() -> T) -> (bool, T) {
    let all = || STEPS.with_borrow(|steps| steps.iter().sum::<u64>());
    let before = all();
    let (own, result) = steps_of(operation);
    (all() - before > own, result)
}

/// Counts the steps of each task.
#[derive(Debug)]
pub struct Counted<S>(pub S);

impl<S: Scheduler> Scheduler for Counted<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        STEPS.with_borrow_mut(Vec::clear);
        self.0.new_execution()
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let next = self.0.next_task(runnable, current, is_yielding)?;
        STEPS.with_borrow_mut(|steps| {
            let task = usize::from(next);
            if steps.len() <= task {
                steps.resize(task + 1, 0);
            }
            steps[task] += 1;
        });
        Some(next)
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// How shuttle runs here.
pub fn config() -> Config {
    let mut config = Config::new();
    // The judge recurses once for each operation.
    config.stack_size = 1 << 20;
    config.failure_persistence = FailurePersistence::Print;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    // All orderings are taken as SeqCst; the weaker ones are for loom and Miri.
    config.silence_warnings = true;
    config
}

/// Whether larger bounds are wanted (`cargo xtask test --deep`).
pub fn is_deep() -> bool {
    std::env::var_os("FUSEBOARD_DEEP").is_some()
}

/// The seed of all schedules: `FUSEBOARD_SEED`, else one that is always the same.
fn seed() -> u64 {
    std::env::var("FUSEBOARD_SEED").map_or(0x5EED, |seed| {
        seed.parse().expect("FUSEBOARD_SEED is a number")
    })
}

/// Runs `history` under so many schedules, ten times as many when deep: three quarters PCT (few preemptions at the worst
/// places: Burckhardt and others, "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", 2010), one
/// quarter random.
///
/// # Panics
/// When a history fails; shuttle prints its schedule.
pub fn explore(name: &str, histories: usize, history: impl Fn() + Clone + Send + Sync + 'static) {
    let (histories, seed) = (histories * if is_deep() { 10 } else { 1 }, seed());
    let mut run = 0;
    for depth in [2, 3, 5] {
        let pct = PctScheduler::new_from_seed(seed ^ depth as u64, depth, histories / 4);
        run += Runner::new(Counted(pct), config()).run(history.clone());
    }
    let random = RandomScheduler::new_from_seed(seed, histories - run);
    run += Runner::new(Counted(random), config()).run(history);
    println!("{name}: {run} histories, seed {seed}");
    assert_eq!(run, histories, "{name}: shuttle ended early");
}
