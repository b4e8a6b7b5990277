//! What grows, and what each of our operations does meanwhile.

use crate::rows::breaker::{fail, succeed, succeed_in_turn};
use crate::rows::keyed::workers as keyed;
use crate::rows::peers::limiters::keyed as governor;
use crate::rows::{Worker, handle};
use fuseboard::Nanos;
use fuseboard_core::{CircuitBreakerConfig, Window};
use std::thread;

/// A diagram.
pub struct Curve {
    /// Its file.
    pub name: &'static str,
    /// What grows.
    pub grows: &'static str,
    /// Whether the ordinate is the calls of all threads together, in millions a second; else nanoseconds a call.
    pub is_throughput: bool,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// One operation.
pub struct Line {
    /// Its name.
    pub name: &'static str,
    /// How large it is and what is run then.
    pub points: Vec<(f64, Point)>,
}

/// Makes what is run.
pub type Point = Box<dyn Fn() -> Vec<Worker>>;

fn point(make: impl Fn() -> Vec<Worker> + 'static) -> Point {
    Box::new(make)
}

fn window(length: Nanos, slots: usize) -> CircuitBreakerConfig {
    let slots = slots as u32;
    CircuitBreakerConfig::new().window(Window::Time { length, slots })
}

/// One line over a list of constants.
macro_rules! over {
    ($name:expr, [$($size:literal),*], |$constant:ident| $make:expr) => {
        Line {
            name: $name,
            points: vec![$({
                const $constant: usize = $size;
                (f64::from($size), point(move || $make))
            }),*],
        }
    };
}

/// Every diagram. `deep`: up to ten million keys and a hundred thousand breakers.
pub fn all(deep: bool) -> Vec<Curve> {
    vec![
        threads(),
        slots(),
        stripes(),
        keys(deep),
        breakers(deep),
        windows(),
    ]
}

fn threads() -> Curve {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let line = |name, make: fn(usize) -> Vec<Worker>| Line {
        name,
        points: (1..=cores)
            .map(|threads| (threads as f64, point(move || make(threads))))
            .collect(),
    };
    Curve {
        name: "threads",
        grows: "threads",
        is_throughput: true,
        lines: vec![
            line("closed call, shared", |threads| {
                succeed::<10, 1>(threads, CircuitBreakerConfig::new())
            }),
            line("closed call, 8 stripes", |threads| {
                succeed::<10, 8>(threads, CircuitBreakerConfig::new())
            }),
            line("closed call, handles", handle::succeed),
        ],
    }
}

fn slots() -> Curve {
    let config = |slots| window(Nanos::from_secs(10), slots);
    Curve {
        name: "slots",
        grows: "slots of the window",
        is_throughput: false,
        lines: vec![
            over!("closed call", [1, 5, 10, 20, 40, 63], |SLOTS| {
                succeed::<SLOTS, 1>(1, config(SLOTS))
            }),
            over!("failed call", [1, 5, 10, 20, 40, 63], |SLOTS| {
                fail::<SLOTS, 1>(1, config(SLOTS))
            }),
        ],
    }
}

fn stripes() -> Curve {
    let config = CircuitBreakerConfig::new();
    Curve {
        name: "stripes",
        grows: "stripes",
        is_throughput: false,
        lines: vec![
            over!("closed call", [1, 2, 4, 8, 16, 32], |STRIPES| {
                succeed::<10, STRIPES>(1, config)
            }),
            over!("failed call", [1, 2, 4, 8, 16, 32], |STRIPES| {
                fail::<10, STRIPES>(1, config)
            }),
        ],
    }
}

fn keys(deep: bool) -> Curve {
    let most = if deep { 23 } else { 20 };
    let line = |name, make: fn(usize, u64) -> Vec<Worker>| Line {
        name,
        points: [0, 4, 8, 12, 16, 18, 20, 23]
            .into_iter()
            .filter(|bits| *bits <= most)
            .map(|bits| 1 << bits)
            .map(|keys: u64| (keys as f64, point(move || make(1, keys))))
            .collect(),
    };
    Curve {
        name: "keys",
        grows: "keys",
        is_throughput: false,
        lines: vec![line("keyed limiter", keyed), line("governor", governor)],
    }
}

fn breakers(deep: bool) -> Curve {
    let most = if deep { 100_000 } else { 10_000 };
    Curve {
        name: "breakers",
        grows: "breakers, called in turn",
        is_throughput: false,
        lines: vec![Line {
            name: "closed call",
            points: [1, 10, 100, 1_000, 10_000, 100_000]
                .into_iter()
                .filter(|breakers| *breakers <= most)
                .map(|breakers| (breakers as f64, point(move || succeed_in_turn(breakers))))
                .collect(),
        }],
    }
}

fn windows() -> Curve {
    Curve {
        name: "windows",
        grows: "seconds in the window",
        is_throughput: false,
        lines: vec![Line {
            name: "closed call",
            points: [1, 10, 60, 600, 3_600]
                .into_iter()
                .map(|seconds| {
                    let config = window(Nanos::from_secs(seconds), 10);
                    (seconds as f64, point(move || succeed::<10, 1>(1, config)))
                })
                .collect(),
        }],
    }
}
