//! The soak's own promise: it finds seeded faults of the core, says which invariant and seed, and ends with one line.
//!
//! Shows B3 B7 B8 H1 B10 K1 K2 L1 W3 X1 O1.
#![cfg(fuseboard_faults)]

use std::process::Command;

fn soak(fault: &str) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_fuseboard-soak"))
        .args(["--seconds", "2", "--seed", "7"])
        .env("FUSEBOARD_FAULT", fault)
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text)
}

#[test]
fn b10_l1_k1_a_sound_core_has_no_violation() {
    let (code, text) = soak("");
    assert_eq!(code, Some(0), "{text}");
    let last = text.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("soak: ") && last.ends_with(" operations, 0 violations"),
        "{text}"
    );
}

#[test]
fn b3_b8_k1_l1_h1_w3_x1_seeded_faults_are_violations() {
    for (fault, id) in [
        ("half_open_admits_all", "B3"),
        ("probe_without_generation", "B3"),
        ("jitter_shortens", "B7"),
        ("lease_never_ends", "B10"),
        ("limit_change_forgets_calls", "K1"),
        ("place_not_given_back", "K2"),
        ("window_store", "L1"),
        ("cancelled_call_fails", "O1"),
        ("record_in_two_steps", "W3"),
        // Two writers lose what either counts: a call, a rejection, or the failure that trips.
        ("handle_claim_twice", ""),
        ("minimum_must_be_exceeded", "B8 H1"),
        ("admission_keeps_place", "X1"),
    ] {
        let (code, text) = soak(fault);
        assert_eq!(code, Some(1), "{fault}: {text}");
        assert!(text.contains(&format!("  {id}")), "{fault}: {text}");
        assert!(text.contains("seed 7, round"), "{fault}: {text}");
        assert!(!text.contains(" 0 violations"), "{fault}: {text}");
    }
}
