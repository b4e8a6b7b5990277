//! Seeded faults: mistakes in the code that ships, each named where it is made, that the tests must catch.
//!
//! `fault!("name")` is the constant `false`, and the line that asks it is gone from the machine code. Only under the private
//! `--cfg fuseboard_faults` it is whether the environment variable `FUSEBOARD_FAULT` has that name, so one build
//! has all of them. `tests/faults/list.txt` says what each breaks.

#[cfg(not(fuseboard_faults))]
macro_rules! fault {
    ($name:literal) => {
        false
    };
}
#[cfg(fuseboard_faults)]
macro_rules! fault {
    ($name:literal) => {
        $crate::fault::is_seeded($name)
    };
}
pub(crate) use fault;

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
    seeded == name
}
