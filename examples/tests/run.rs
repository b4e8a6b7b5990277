//! Runs every example; `cargo test` has built them beside this test.

use std::path::PathBuf;
use std::process::{Command, Stdio};

fn run(example: &str) -> String {
    // .../deps/run-1234 -> .../examples/NAME
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(format!("{example}{}", std::env::consts::EXE_SUFFIX));
    let output = Command::new(&path)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "{}: {error}; `cargo test -p fuseboard-examples` builds it",
                path.display()
            )
        });
    let shown = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{example}: {}\n{shown}\n{errors}",
        output.status
    );
    shown
}

/// Each program, and lines that it shows.
const PROGRAMS: &[(&str, &[&str])] = &[
    (
        "adaptive",
        &[
            "after calls that timed out: ",
            "after calls that were fast: ",
        ],
    ),
    (
        "axum_server",
        &[
            "200 OK retry-after: None",
            "429 Too Many Requests retry-after: Some(\"60\")",
            "503 Service Unavailable",
        ],
    ),
    ("blocking", &["contents at attempt 2, 1 failure counted"]),
    (
        "call_external_service_with_circuit_breaker",
        &[
            "answered: hello",
            "failed: HTTP status server error (503 Down)",
            "not called: the circuit breaker is open",
        ],
    ),
    (
        "chaos",
        &["bare: 20 of 100 failed", "with retries: 0 of 100 failed"],
    ),
    ("coalesce", &["100 answers of 1 load"]),
    (
        "codel",
        &[
            "of a burst of 5, 5 were served",
            "of 60 in a line that stands, ",
        ],
    ),
    (
        "concurrency",
        &[
            "2 at once, 3 in line",
            "query 5 done",
            "not called (concurrency): the concurrency limit is reached",
        ],
    ),
    (
        "config_file",
        &[
            "the cache fails: Open\n",
            "reloaded: changed: rate_limits.api\n",
            "and the cache is still Open\n",
            "shop.toml:2:1: breakers.cache.open_timout: there is no such setting; did you mean `open_timeout`?",
        ],
    ),
    (
        "failover",
        &["hello from us-east\n  asking us-east\nhello from us-east\n"],
    ),
    (
        "fallback_service",
        &[
            "article 1: some left (first warehouse: closed)",
            "article 3: some left (first warehouse: open)",
        ],
    ),
    (
        "get_user_with_fallback",
        &["1: Ada\n", "8: Ada (cached)\n", "9: Ada\n"],
    ),
    (
        "grpc",
        &["NotFound\nNotFound\nUnavailable\nUnavailable\nnot called (breaker): "],
    ),
    ("hedge", &["row 7 after 2 reads, fast: true"]),
    (
        "isolation",
        &[
            "threads: no answer within 300ms",
            "threads: not called (isolation): ",
            "tasks: gave up: true",
        ],
    ),
    (
        "keyed",
        &[
            "100 hosts kept",
            "down.example.com is open",
            "up.example.com is closed",
        ],
    ),
    (
        "last_good",
        &[
            "Paris: 21°\nParis: 21° (as of before)",
            "Oslo: the operation failed",
        ],
    ),
    (
        "pipeline",
        &["200 OK Ada", "pipeline: timeout inside of timeout: "],
    ),
    (
        "quickstart",
        &[
            "4: the sensor is disconnected",
            "closed → open",
            "half_open → closed",
        ],
    ),
    ("rate_limit", &["request 5 passed"]),
    (
        "rate_limit_in_line",
        &[
            "1: after ",
            "6: after ",
            "12: the rate limit is used up; retry after ",
        ],
    ),
    (
        "reqwest_middleware",
        &[
            "GET, repeated: 200 OK",
            "POST, made once: 503 Service Unavailable",
        ],
    ),
    (
        "resilient_http_client",
        &[
            "1: Ada\n",
            "5: not sent: the circuit breaker is open",
            "the breaker is open",
        ],
    ),
    (
        "retry",
        &["the answer at attempt 3", "entity not found, at once"],
    ),
    (
        "saga",
        &[
            "  reserve\n  charge\n  refund\n  release\n",
            "kept last: undone",
        ],
    ),
    (
        "shedding",
        &["batch: 5 of 10", "search: 8 of 10", "payments: 10 of 10"],
    ),
    (
        "testing",
        &[
            "open: 2 of 5 calls were made",
            "half a minute later: closed",
        ],
    ),
    ("throttle", &[" requests: ", " accepted"]),
    ("timeout", &["gave up after 50ms"]),
    (
        "tower_stack",
        &[
            "found rust",
            "slow: no answer within 20ms",
            "rust: not called (breaker): ",
        ],
    ),
];

#[test]
fn every_program_shows_what_it_is_about() {
    let wrong: Vec<_> = PROGRAMS
        .iter()
        .flat_map(|(program, lines)| {
            let shown = run(program);
            let missing = lines.iter().filter(move |line| !shown.contains(**line));
            missing
                .map(move |line| format!("{program}: {line:?}"))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(wrong.is_empty(), "not shown: {wrong:#?}");
}

#[test]
fn every_program_is_run_and_in_the_table() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let mut programs: Vec<_> = std::fs::read_dir(folder.join("rust"))
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    programs.sort();
    let run: Vec<_> = PROGRAMS.iter().map(|(program, _)| *program).collect();
    assert_eq!(programs, run);
    for program in run {
        assert!(
            table.contains(&format!("--example {program}`")),
            "{program} is not in examples/README.md"
        );
    }
}
