use super::run;
use crate::host::rust::RustHost;
use crate::parse::parse;

fn play(text: &str) -> Result<(), String> {
    let trace = parse("t.trace", text.as_bytes()).unwrap();
    run(&trace, &mut RustHost::default()).map_err(|failure| failure.to_string())
}

const BREAKER: &str =
    "breaker b minimum_requests=2 open_timeout=1s half_open_requests=1 window=time(1s,2)\n";

#[test]
fn what_holds_passes() {
    play(&format!(
        "{BREAKER}0s b x2 call failure -> admitted state=open"
    ))
    .unwrap();
}

#[test]
fn what_does_not_hold_is_told_with_its_place() {
    let text =
        format!("{BREAKER}0s b x2 call failure\n\n0.5s b acquire p -> admitted state=closed # no");
    assert_eq!(
        play(&text).unwrap_err(),
        "t.trace:4: 0.5s b acquire p -> admitted state=closed\n  expected: admitted state=closed\n  got:      rejected(open) retry_after=500ms state=open"
    );
}

#[test]
fn each_expectation_can_fail() {
    for (step, got) in [
        (
            "0s b x3 call failure -> admitted",
            "rejected(open) retry_after=1s (number 3 of 3)",
        ),
        ("0s b x3 call failure -> admitted=3", "admitted=2"),
        ("0s b acquire p -> rejected", "admitted"),
        ("0s b acquire p -> rejected(open)", "admitted"),
        (
            "0s b x3 call failure -> retry_after=999ms",
            "rejected(open) retry_after=1s",
        ),
        ("0s b acquire p\n0s b success p -> stale", "recorded"),
        (
            "0s b acquire p\n0s b success p\n0s b success p -> recorded",
            "stale",
        ),
        ("0s b state -> state=open", "state=closed"),
        ("0s b state -> in_flight=1", "in_flight=0"),
        ("0s b configure ramp_up=1s -> error(ramp_up)", "done"),
        (
            "0s b configure minimum_requests=0",
            "error(minimum_requests): ",
        ),
        (
            "0s b configure minimum_requests=0 -> error(window)",
            "error(minimum_requests): ",
        ),
        (
            "token_bucket t rate=1/s burst=2\n0s t available -> available=3",
            "available=2",
        ),
        ("breaker c window=count(0)", "error(window): "),
        ("breaker c -> error(window)", "accepted"),
        (
            "breaker c window=count(0) -> error(ramp_up)",
            "error(window): ",
        ),
    ] {
        let message = play(&format!("{BREAKER}{step}")).unwrap_err();
        assert!(
            message.contains(&format!("got:      {got}")),
            "{step}: {message}"
        );
    }
}

#[test]
fn what_the_host_lacks_never_passes() {
    for text in [
        "fixed_window f limit=1 window=1s\n0s f configure window=2s",
        "sliding_log s limit=1 window=1s\n0s s refund 1",
    ] {
        let message = play(text).unwrap_err();
        assert!(
            message.contains("unsupported: this host has no"),
            "{text}: {message}"
        );
    }
}

#[test]
fn a_name_holds_all_permits_of_its_step() {
    play(&format!(
        "{BREAKER}0s b x2 acquire p -> admitted
         0s b failure p -> state=closed
         0s b failure p -> state=open
         0s b x2 failure p -> stale"
    ))
    .unwrap();
}

#[test]
fn only_an_admitted_permit_takes_a_name_over() {
    play(
        "concurrency c limit=1
         0s c acquire p -> admitted
         0s c acquire p -> rejected(full)
         0s c acquire q -> rejected(full)
         0s c release q -> stale
         0s c release p -> in_flight=0
         0s c release p -> stale",
    )
    .unwrap();
}
