//! Every command on a real board that another process uses.

use crate::traffic::{Traffic, program, run, said};

#[test]
fn what_one_process_does_another_sees_and_steers() {
    let mut traffic = Traffic::new();
    traffic.does("succeed payments 3");
    traffic.does("fail search 20");
    traffic.does("try search 5");
    traffic.does("spend api 4");
    traffic.does("hold reports 2");
    let board = traffic.board();

    let list = run(&["list", "--board", board]);
    assert_eq!(list.status, 0, "{list:?}");
    let names: Vec<&str> = list
        .out
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names, ["NAME", "payments", "search", "api", "reports"]);

    let search = traffic.get("search");
    assert_eq!(search["state"], "open");
    assert_eq!(
        [&search["totals"]["failures"], &search["totals"]["rejected"]],
        [20, 5]
    );
    assert!(
        search["retry_after_seconds"].as_f64() <= Some(5.0),
        "{search}"
    );
    assert_eq!(search["latency"]["calls"], 20, "{search}");
    assert_eq!(traffic.get("api")["available"], 16);
    assert_eq!(traffic.get("reports")["in_flight"], 2);

    for (verb, state) in [
        ("force-open", "forced_open"),
        ("disable", "disabled"),
        ("metrics-only", "metrics_only"),
        ("reset", "closed"),
    ] {
        let done = run(&[verb, "payments", "--board", board]);
        assert_eq!(done.status, 0, "{done:?}");
        assert!(done.out.contains(state), "{done:?}");
        assert_eq!(traffic.get("payments")["state"], state);
    }
    run(&["reset", "api", "--board", board]);
    assert_eq!(traffic.get("api")["available"], 20);
}

#[test]
fn a_forced_opening_may_end_by_itself() {
    let mut traffic = Traffic::new();
    traffic.does("succeed payments 1");
    let board = traffic.board();
    let done = run(&[
        "force-open",
        "payments",
        "--for",
        "1m 30s",
        "--board",
        board,
        "--json",
    ]);
    let row: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(row["state"], "forced_open");
    let retry_after = row["retry_after_seconds"].as_f64().unwrap();
    assert!(retry_after <= 90.0, "{row}");
    traffic.does("try payments 2");
    assert_eq!(traffic.get("payments")["totals"]["rejected"], 2);
}

#[test]
fn settings_change_live_and_the_state_stays() {
    let mut traffic = Traffic::new();
    traffic.does("fail search 20");
    traffic.does("spend api 4");
    traffic.does("hold reports 2");
    let board = traffic.board();
    let changed = run(&[
        "configure",
        "search",
        "--failure-threshold",
        "0.3",
        "--open-timeout",
        "1h",
        "--board",
        board,
    ]);
    assert_eq!(changed.status, 0, "{changed:?}");
    assert_eq!(
        changed.out,
        "search: failure_threshold 0.5 → 0.3, open_timeout 5s → 1h\n"
    );
    let search = traffic.get("search");
    assert_eq!(search["state"], "open");
    assert_eq!(search["config"]["failure_threshold"], 0.3);
    assert_eq!(search["config"]["open_timeout"], "1h");
    assert_eq!(search["config"]["minimum_requests"], 20);
    assert_eq!(search["totals"]["failures"], 20);

    let again = run(&[
        "configure",
        "search",
        "--open-timeout",
        "60m",
        "--board",
        board,
    ]);
    assert_eq!(again.out, "search: runs with that already\n");
    let bucket = run(&[
        "configure",
        "api",
        "--rate",
        "3/s",
        "--burst",
        "50",
        "--board",
        board,
    ]);
    assert_eq!(bucket.out, "api: rate 1/h → 3/s, burst 20 → 50\n");
    let limit = run(&["configure", "reports", "--limit", "9", "--board", board]);
    assert_eq!(limit.out, "reports: limit 4 → 9\n");
    assert_eq!(traffic.get("reports")["in_flight"], 2);

    for (arguments, part) in [
        (
            &["search", "--failure-threshold", "2"][..],
            "failure_threshold is 2; allowed: more than 0, at most 1; nothing was changed",
        ),
        (&["search"], "no setting given"),
        (
            &["search", "--limit", "3", "--burst", "4"],
            "give those of one kind",
        ),
        (
            &["search", "--limit", "3"],
            "search is a breaker, and this is for a concurrency limit",
        ),
        (
            &["search", "--open-timeout", "5 parsecs"],
            "allowed: a number and a unit",
        ),
    ] {
        let refused = run(&[&["configure", "--board", board], arguments].concat());
        assert_eq!(refused.status, 2, "{refused:?}");
        assert!(refused.error.contains(part), "{refused:?}");
    }
    assert_eq!(traffic.get("search")["config"], search["config"]);
}

#[test]
fn a_removed_name_is_gone_until_somebody_uses_it() {
    let mut traffic = Traffic::new();
    traffic.does("fail search 20");
    let board = traffic.board();
    let removed = run(&["remove", "search", "--board", board]);
    assert_eq!(removed.status, 0, "{removed:?}");
    assert_eq!(run(&["get", "search", "--board", board]).status, 3);
    traffic.does("succeed search 1");
    assert_eq!(traffic.get("search")["state"], "closed");
}

#[test]
fn what_is_not_there_is_named_and_never_made() {
    let mut traffic = Traffic::new();
    traffic.does("succeed payments 1");
    traffic.does("succeed payment 1");
    traffic.does("succeed mail 1");
    let board = traffic.board();
    for command in [
        "get",
        "force-open",
        "disable",
        "metrics-only",
        "reset",
        "remove",
    ] {
        let near = run(&[command, "paymets", "--board", board]);
        assert_eq!(near.status, 3, "{near:?}");
        assert_eq!(
            near.error,
            "fuseboard: there is no \"paymets\"; near it: payments, payment\n"
        );
    }
    let far = run(&["get", "x", "--board", board]);
    assert!(
        far.error.contains("`fuseboard list` shows the 3 names"),
        "{far:?}"
    );
    let list = run(&["list", "--board", board, "--json"]);
    assert_eq!(list.out.lines().count(), 3);

    let missing = format!("{board}-missing");
    for command in [
        &["list"][..],
        &["get", "x"],
        &["reset", "x"],
        &["configure", "x", "--burst", "1"],
    ] {
        let none = run(&[command, &["--board", &missing]].concat());
        assert_eq!(none.status, 3, "{none:?}");
        assert!(none.error.contains(&missing), "{none:?}");
    }
    assert!(!std::path::Path::new(&missing).exists());
    // Who looks and steers is not one of its owners.
    assert_eq!(traffic.owners(), 1);
}

#[test]
fn a_file_that_is_no_board_is_named() {
    let traffic = Traffic::new();
    let other = format!("{}-other", traffic.board());
    std::fs::write(&other, "not a board").unwrap();
    let refused = run(&["list", "--board", &other]);
    std::fs::remove_file(&other).unwrap();
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(
        refused.error.contains(&other) && refused.error.contains("allowed: "),
        "{refused:?}"
    );
}

#[test]
fn the_board_may_be_named_by_the_environment() {
    let mut traffic = Traffic::new();
    traffic.does("succeed payments 1");
    let list = said(
        program()
            .arg("list")
            .env("FUSEBOARD_BOARD", traffic.board()),
    );
    assert!(list.out.contains("payments"), "{list:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_error_to_tell() {
    let mut traffic = Traffic::new();
    traffic.does("succeed payments 1");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = program()
        .args(["list", "--json", "--board", traffic.board()])
        .stdout(writer)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let status = child.wait().unwrap();
    let error = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert_eq!((status.code(), error.as_str()), (Some(141), ""));
}

#[test]
fn piped_and_unwanted_colours_are_left_out() {
    let mut traffic = Traffic::new();
    traffic.does("succeed payments 1");
    let piped = run(&["get", "payments", "--board", traffic.board()]);
    assert!(!piped.out.contains('\u{1b}'), "{piped:?}");
    let forced = said(
        program()
            .args(["get", "payments", "--board", traffic.board()])
            .env("CLICOLOR_FORCE", "1"),
    );
    assert!(
        forced.out.contains("\u{1b}[1m\u{1b}[32mclosed"),
        "{forced:?}"
    );
}

/// Words that something else has written: the header is left, so that it is still a board.
#[test]
fn s2_a_damaged_board_is_shown_steered_and_examined() {
    let mut traffic = Traffic::new();
    traffic.does("fail payments 20");
    traffic.does("spend api 4");
    traffic.does("hold reports 2");
    let board = traffic.board().to_owned();
    let whole = std::fs::read(&board).unwrap();
    // Xorshift, so that a failure can be played again.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..40 {
        let mut bytes = whole.clone();
        for _ in 0..4_000 {
            let at = 64 + (random() % (bytes.len() as u64 / 8 - 8) * 8) as usize;
            // Small, large and any numbers.
            let word = match random() % 3 {
                0 => random() % 4,
                1 => !(random() % 4),
                _ => random(),
            };
            bytes[at..at + 8].copy_from_slice(&word.to_ne_bytes());
        }
        std::fs::write(&board, &bytes).unwrap();
        for command in [
            &["list"][..],
            &["list", "--json"],
            &["get", "payments"],
            &["reset", "payments"],
            &["configure", "payments", "--open-timeout", "1s"],
            &["doctor"],
            &["top", "--once", "--interval", "50ms"],
        ] {
            let said = run(&[command, &["--board", &board]].concat());
            assert!(
                (0..=3).contains(&said.status),
                "round {round}: {command:?}: {said:?}"
            );
        }
    }
}
