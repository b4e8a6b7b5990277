//! The rows: the machine's own limits, our operations and those of the peers, each told once, for every program
//! that measures.

mod abi;
mod adapter;
pub(crate) mod breaker;
pub(crate) mod handle;
pub(crate) mod keyed;
mod limiter;
mod machine;
#[cfg(feature = "peers")]
pub(crate) mod peers;

use fuseboard::Nanos;
use std::fmt;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

/// Runs an operation so many times.
pub type Worker = Box<dyn FnMut(u64) + Send>;

/// Where the rows with time passed in begin.
const START: Nanos = Nanos::from_secs(1_000);
/// How far time moves from call to call there: about as much as a call takes, so that windows rotate as
/// often as they would.
const STEP: Nanos = Nanos::new(10);
/// Far beyond any run: what is open stays open.
const NEVER: Duration = Duration::from_secs(3_600_000);

/// Whose a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// What the machine can do at best.
    Machine,
    /// Ours.
    Fuseboard,
    /// Another library's.
    Peer,
}

/// What is promised of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// At most so many times the limit.
    Limit(f64),
    /// At most so many times the best peer.
    Peer(f64),
    /// At most so many times another row of the group, with as many threads.
    Row(f64, &'static str),
    /// At most so many times the limit more than another row of the group, with as many threads.
    Adds(f64, &'static str),
    /// At least so many times the calls of one thread.
    Scales(f64),
    /// At most so many nanoseconds.
    Nanos(f64),
    /// At least so many millions of calls a second, all threads together.
    Millions(f64),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(most) => write!(f, "<= {most} x limit"),
            Self::Peer(most) => write!(f, "<= {most} x best peer"),
            Self::Row(most, name) => write!(f, "<= {most} x {name}"),
            Self::Adds(most, name) => write!(f, "<= {name} + {most} x limit"),
            Self::Scales(least) => write!(f, ">= {least} x 1 thread"),
            Self::Nanos(most) => write!(f, "<= {most} ns"),
            Self::Millions(least) => write!(f, ">= {least} M/s"),
        }
    }
}

/// One operation.
pub struct Row {
    /// What rows are beside each other.
    pub group: &'static str,
    /// The operation, and of peers the library.
    pub name: &'static str,
    /// Whose it is.
    pub who: Who,
    /// The row of the machine that it is a ratio to.
    pub limit: &'static str,
    /// What is promised with so many threads.
    pub targets: Vec<(usize, Target)>,
    /// Whether many threads can run it at once.
    pub shared: bool,
    /// Whether it reads a clock of the system.
    pub reads_clock: bool,
    /// How many calls there are at least before those that are measured.
    pub warm_up: u64,
    make: Box<dyn Fn(usize) -> Vec<Worker>>,
}

impl Row {
    fn new(
        (group, limit): (&'static str, &'static str),
        who: Who,
        name: &'static str,
        make: impl Fn(usize) -> Vec<Worker> + 'static,
    ) -> Self {
        Self {
            group,
            name,
            who,
            limit,
            targets: Vec::new(),
            shared: true,
            reads_clock: false,
            warm_up: 0,
            make: Box::new(make),
        }
    }

    fn target(mut self, threads: usize, target: Target) -> Self {
        self.targets.push((threads, target));
        self
    }

    fn with_clock(mut self) -> Self {
        self.reads_clock = true;
        self
    }

    fn warmed_up_by(mut self, calls: u64) -> Self {
        self.warm_up = calls;
        self
    }

    #[cfg(feature = "peers")]
    fn one_thread(mut self) -> Self {
        self.shared = false;
        self
    }

    /// Its workers, one for each thread, on one object. What they share lives as long as the program.
    pub fn workers(&self, threads: usize) -> Vec<Worker> {
        (self.make)(threads)
    }
}

/// Every row, in the order of the tables.
pub fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    machine::add(&mut rows);
    breaker::add(&mut rows);
    handle::add(&mut rows);
    adapter::add(&mut rows);
    abi::add(&mut rows);
    limiter::add(&mut rows);
    keyed::add(&mut rows);
    #[cfg(feature = "peers")]
    peers::add(&mut rows);
    // Stable: within a group the order stays.
    rows.sort_by_key(|row| {
        groups::ORDER
            .iter()
            .position(|(group, _)| *group == row.group)
    });
    rows
}

/// The groups, each with the row of the machine that its ratios are to.
mod groups {
    use super::machine::{CAS_LOOP, FETCH_ADD};

    type Group = (&'static str, &'static str);

    pub(super) const MACHINE: Group = ("machine", FETCH_ADD);
    pub(super) const CLOSED: Group = ("closed call", FETCH_ADD);
    pub(super) const ASYNC: Group = ("call on a ready future", FETCH_ADD);
    pub(super) const FAILED: Group = ("failed call", FETCH_ADD);
    pub(super) const REJECTION: Group = ("rejection", FETCH_ADD);
    pub(super) const STATE: Group = ("state read", FETCH_ADD);
    pub(super) const ALLOW: Group = ("limiter, allow", CAS_LOOP);
    pub(super) const DENY: Group = ("limiter, deny", CAS_LOOP);
    pub(super) const ONE_KEY: Group = ("keyed limiter, 1 key", CAS_LOOP);
    pub(super) const MILLION_KEYS: Group = ("keyed limiter, a million keys", CAS_LOOP);
    pub(super) const MILLION_WARM: Group = (
        "keyed limiter, a million keys, all asked for just before",
        CAS_LOOP,
    );
    pub(super) const LOG: Group = ("sliding log", CAS_LOOP);
    pub(super) const CONCURRENCY: Group = ("concurrency", FETCH_ADD);

    /// As the tables have them.
    pub(super) const ORDER: [Group; 13] = [
        MACHINE,
        CLOSED,
        ASYNC,
        FAILED,
        REJECTION,
        STATE,
        ALLOW,
        DENY,
        ONE_KEY,
        MILLION_KEYS,
        MILLION_WARM,
        LOG,
        CONCURRENCY,
    ];
}

/// Workers that share one value.
fn share<T, W>(threads: usize, value: T, worker: impl Fn(&'static T) -> W) -> Vec<Worker>
where
    T: Sync + 'static,
    W: FnMut(u64) + Send + 'static,
{
    let value: &T = Box::leak(Box::new(value));
    (0..threads)
        .map(|_| Box::new(worker(value)) as Worker)
        .collect()
}

/// The loop that every row has around its operation.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a call for each call would be measured with it"
)]
fn repeat<R>(times: u64, mut operation: impl FnMut() -> R) {
    for _ in 0..times {
        black_box(operation());
    }
}

/// As [`repeat`], with a time that moves on from call to call.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
fn repeat_in_time<R>(times: u64, from: &mut Nanos, mut operation: impl FnMut(Nanos) -> R) {
    // A local, so that moving it costs one instruction and no memory.
    let mut now = *from;
    for _ in 0..times {
        now = Nanos::new(now.get() + STEP.get());
        black_box(operation(now));
    }
    *from = now;
}

/// Polls a future that is ready.
fn poll_once<F: Future>(future: F) -> bool {
    let future = pin!(future);
    future
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}
