use fuseboard_core::{Nanos, Outcome, Reason, State};
use proptest::prelude::*;

use super::number::duration;
use super::parse;
use crate::trace::{BreakerSetting, Declaration, Expect, Item, Policy, Settling, Step, Verb};

const BREAKER: &str = "breaker b minimum_requests=2";

fn items(text: &str) -> Vec<Item> {
    let trace = parse("t.trace", text.as_bytes()).unwrap();
    trace.lines.into_iter().map(|line| line.item).collect()
}

/// The last line's step.
fn step(text: &str) -> Step {
    match items(text).pop() {
        Some(Item::Step(step)) => step,
        other => panic!("{other:?}"),
    }
}

/// A text that cannot be read, and a part of the message.
fn assert_error(text: &str, expected: &str) {
    let message = parse("t.trace", text.as_bytes()).unwrap_err().to_string();
    assert!(message.contains(expected), "{text:?}: {message}");
}

#[test]
fn comments_and_blank_lines_are_nothing_but_count_as_lines() {
    let trace = parse(
        "t.trace",
        b"# a comment \xff\n\n  breaker b  # and why\r\n0s b state",
    )
    .unwrap();
    let numbers: Vec<usize> = trace.lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, [3, 4]);
    assert_eq!(trace.lines[0].text, "breaker b");
}

#[test]
fn a_declaration_has_settings_and_may_be_refused() {
    let declared =
        items("breaker b failure_threshold=1.01 open_timeout=1.5s -> error(failure_threshold)");
    let expected = Declaration {
        name: "b".into(),
        policy: Policy::Breaker(vec![
            BreakerSetting::FailureThreshold(1.01),
            BreakerSetting::OpenTimeout(Nanos::from_millis(1_500)),
        ]),
        refused_field: Some("failure_threshold".into()),
    };
    assert_eq!(declared, [Item::Declaration(expected)]);
}

#[test]
fn a_step_has_a_time_a_count_a_verb_and_expectations() {
    let text =
        format!("{BREAKER}\n1ms b x3 call failure took=2ms weight=4 -> admitted=2 state=half_open");
    let expected = Step {
        at: Nanos::from_millis(1),
        name: "b".into(),
        times: 3,
        verb: Verb::Call {
            settling: Settling::Outcome {
                outcome: Outcome::Failure,
                weight: 4,
            },
            took: Nanos::from_millis(2),
        },
        expect: vec![Expect::AdmittedCount(2), Expect::State(State::HalfOpen)],
    };
    assert_eq!(step(&text), expected);
}

#[test]
fn expectations_are_printed_as_they_are_written() {
    for expect in [
        "admitted",
        "admitted=7",
        "rejected",
        "rejected(half_open_full)",
        "retry_after=29.999s",
        "state=metrics_only",
        "in_flight=1",
    ] {
        let step = step(&format!("{BREAKER}\n0s b acquire p -> {expect}"));
        assert_eq!(step.expect[0].to_string(), expect);
    }
    let reserve =
        step("leaky_bucket l rate=1/s queue=2\n0s l reserve 3 max_wait=1s -> wait=1ns available=4");
    assert_eq!(reserve.expect[0].to_string(), "wait=1ns");
    assert_eq!(reserve.expect[1].to_string(), "available=4");
}

#[test]
fn every_reason_has_its_word() {
    for reason in Reason::ALL {
        let text = format!("{BREAKER}\n0s b acquire p -> rejected({})", reason.as_str());
        assert_eq!(step(&text).expect, [Expect::Rejected(Some(reason))]);
    }
}

#[test]
fn configure_lays_its_settings_over_those_that_hold() {
    let declaration = "token_bucket t rate=1/s burst=2\n";
    let burst = |text: &str| match step(text).verb {
        Verb::Configure(Policy::TokenBucket { rate, burst }) => (rate.units, burst),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        burst(&format!("{declaration}0s t configure burst=3")),
        (1, 3)
    );
    assert_eq!(
        burst(&format!(
            "{declaration}0s t configure burst=3\n0s t configure rate=9/s"
        )),
        (9, 3)
    );
    // What must be refused changes nothing.
    assert_eq!(
        burst(&format!(
            "{declaration}0s t configure burst=0 -> error(burst)\n0s t configure rate=9/s"
        )),
        (9, 2)
    );
}

#[test]
fn an_error_in_a_declaration_says_where_and_what_was_expected() {
    for (text, expected) in [
        (
            "brekaer b",
            "t.trace:1: expected a kind (breaker, token_bucket, …) or a time such as 1.5s, got `brekaer`",
        ),
        (
            "\n\nbreaker",
            "t.trace:3: expected a name for it, got the end of the line",
        ),
        (
            "breaker b\nbreaker b",
            "t.trace:2: expected a name that is not taken, got `b`",
        ),
        (
            "0s b state",
            "t.trace:1: expected a policy declared above, got `b`",
        ),
        ("breaker b state=open", "got `state=open`"),
        (
            "breaker b ramp_up=1s ramp_up=1s",
            "expected each key once, got `ramp_up=1s`",
        ),
        (
            "breaker b minimum_requests=-1",
            "expected a whole number from 0 to 18446744073709551615, got `-1`",
        ),
        ("breaker b open_timeout=5", "expected a duration such as"),
        (
            "breaker b -> refused",
            "expected error(FIELD), got `refused`",
        ),
        (
            "breaker b ->",
            "expected an expectation after `->`, got the end of the line",
        ),
        (
            "token_bucket t rate=1/s",
            "expected burst=…, got the end of the line",
        ),
        (
            "token_bucket t rate=1/s burst=1 queue=2",
            "expected rate or burst, got `queue=2`",
        ),
        (
            "breaker b ramp_up=0s -> error(ramp_up)\n0s b state",
            "expected a policy whose declaration is not refused, got `b`",
        ),
    ] {
        assert_error(text, expected);
    }
}

#[test]
fn an_error_in_a_step_says_where_and_what_was_expected() {
    for (text, expected) in [
        (
            "breaker b\n0s b",
            "expected a verb, got the end of the line",
        ),
        (
            "breaker b\n0s b acquire",
            "expected a name for the permit, got the end of the line",
        ),
        ("breaker b\n0s b acquire 7", "expected a name (a letter"),
        (
            "breaker b\n0s b success p",
            "expected a permit of b acquired above, got `p`",
        ),
        (
            "breaker b\n0s b call maybe",
            "expected success, failure, ignore or drop, got `maybe`",
        ),
        (
            "breaker b\n0s b call success weight=2",
            "expected no weight on success, got `weight=2`",
        ),
        (
            "breaker b\n0s b call success took=1s took=1s",
            "expected took= once",
        ),
        ("breaker b\n0s b release p", "got `release`"),
        (
            "breaker b\n0s b x0 state",
            "expected x1 to x1000000, got `x0`",
        ),
        ("breaker b\n0s b x1000001 state", "got `x1000001`"),
        (
            "breaker b\n0s b force_open from=1s",
            "expected until=…, got `from=1s`",
        ),
        (
            "breaker b\n0s b reset until=1s",
            "expected nothing after reset, got `until=1s`",
        ),
        (
            "breaker b\n0s b state extra",
            "expected nothing after state, got `extra`",
        ),
        (
            "breaker b\n0s b configure",
            "expected key=value, got the end of the line",
        ),
        (
            "breaker b\n0s b state -> state=ajar",
            "expected closed or open or half_open",
        ),
        (
            "breaker b\n0s b acquire p -> rejected(tired)",
            "expected open or half_open_full",
        ),
        (
            "breaker b\n0s b acquire p -> happy",
            "expected admitted, admitted=K",
        ),
        (
            "breaker b\n0s b state -> admitted",
            "expected this expectation only on acquire, call or reserve, got `admitted`",
        ),
        (
            "breaker b\n0s b acquire p -> stale",
            "only on success, failure, ignore, drop or release",
        ),
        ("breaker b\n0s b state -> available=1", "only on a limiter"),
        (
            "concurrency c limit=1\n0s c state -> state=open",
            "only on a breaker",
        ),
        (
            "sliding_log s limit=1 window=1s\n0s s reserve",
            "got `reserve`",
        ),
        (
            "sliding_log s limit=1 window=1s\n0s s refund",
            "expected the units to give back",
        ),
        ("breaker b\u{e9}", "expected a name (a letter"),
    ] {
        assert_error(text, expected);
    }
}

#[test]
fn bytes_that_are_no_text_are_an_error() {
    let error = parse("t.trace", b"breaker b\n0s \xff state").unwrap_err();
    assert_eq!((error.line, error.expected.as_str()), (2, "UTF-8 text"));
}

/// Words that traces are made of, so that random lines get past the first one.
fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "breaker",
        "token_bucket",
        "leaky_bucket",
        "sliding_log",
        "concurrency",
        "b",
        "x3",
        "x",
        "0s",
        "1.5ms",
        "acquire",
        "reserve",
        "call",
        "failure",
        "drop",
        "release",
        "state",
        "configure",
        "->",
        "admitted",
        "rejected(open)",
        "error(window)",
        "stale",
        "state=open",
        "wait=",
        "took=1s",
        "rate=1/s",
        "burst=2",
        "limit=3",
        "window=1s",
        "window=time(1s,2)",
        "window=count(",
        "=",
        "#",
        "\n",
        "\n0s b",
        "\nbreaker b",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "\\PC{0,6}"]
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse("t.trace", &bytes);
    }

    #[test]
    fn no_words_make_it_panic(words in prop::collection::vec(word(), 0..40)) {
        let _ = parse("t.trace", words.join(" ").as_bytes());
    }

    #[test]
    fn a_duration_is_read_as_it_is_printed(nanos in prop_oneof![any::<u64>(), 0..10_000_000_000_u64]) {
        let printed = Nanos::new(nanos).to_string();
        prop_assert_eq!(duration(&printed), Ok(Nanos::new(nanos)));
    }
}
