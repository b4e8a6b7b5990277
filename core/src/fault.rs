//! Seeded faults: mistakes in the code that ships, each named where it is made, that the tests must catch.
//!
//! `fault!("name")` is the constant `false`, and `fault!("name", wrong, right)` is the right value: neither leaves a trace in the
//! machine code. Only under the private `--cfg fuseboard_faults` they ask whether the environment variable `FUSEBOARD_FAULT` has
//! that name, so one build has all of them. `tests/faults/list.txt` says what each breaks.

#[cfg(not(fuseboard_faults))]
macro_rules! fault {
    ($name:literal) => {
        false
    };
    ($name:literal, $wrong:expr, $right:expr) => {
        if false { $wrong } else { $right }
    };
}
#[cfg(fuseboard_faults)]
macro_rules! fault {
    ($name:literal) => {
        $crate::fault::is_seeded($name)
    };
    ($name:literal, $wrong:expr, $right:expr) => {
        if $crate::fault::is_seeded($name) {
            $wrong
        } else {
            $right
        }
    };
}
pub(crate) use fault;

/// A `const fn` in the code that ships; a fault is chosen while the program runs.
macro_rules! const_unless_faults {
    ($(#[$meta:meta])* $vis:vis const fn $($rest:tt)*) => {
        #[cfg(not(fuseboard_faults))]
        $(#[$meta])*
        $vis const fn $($rest)*
        #[cfg(fuseboard_faults)]
        // What only a `const fn` has to write out.
        #[allow(clippy::all, clippy::pedantic)]
        $(#[$meta])*
        $vis fn $($rest)*
    };
}
pub(crate) use const_unless_faults;

/// Whether `name` is the fault of this process. Plain std inside, which a model checker does not see.
#[cfg(fuseboard_faults)]
pub(crate) fn is_seeded(name: &str) -> bool {
    extern crate std;
    static SEEDED: std::sync::OnceLock<std::string::String> = std::sync::OnceLock::new();
    let seeded = SEEDED.get_or_init(|| {
        let seeded = std::env::var("FUSEBOARD_FAULT").unwrap_or_default();
        let mut known = include_str!("../../tests/faults/list.txt")
            .lines()
            .filter_map(|line| Some(line.split_once(": ")?.0));
        assert!(
            seeded.is_empty() || known.any(|fault| fault == seeded),
            "FUSEBOARD_FAULT: there is no fault `{seeded}`; tests/faults/list.txt has them all"
        );
        seeded
    });
    let is_seeded = seeded == name;
    if is_seeded {
        // Long enough for another thread to come between, on a single processor too.
        std::thread::yield_now();
    }
    is_seeded
}
