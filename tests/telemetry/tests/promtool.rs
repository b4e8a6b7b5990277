//! Prometheus' own tool on our rules and on what is exported.

use fuseboard::telemetry::{Registry, prometheus_text};
use fuseboard::{Board, CircuitBreaker, CircuitBreakerConfig};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

fn rules() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../deploy/prometheus"
    ))
}

/// What it says, when it is content.
fn promtool(arguments: &[&str], input: &str) -> String {
    let mut program = Command::new("promtool")
        .args(arguments)
        .current_dir(rules())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool (Debian package prometheus) starts");
    let mut stdin = program.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = program.wait_with_output().expect("it ends");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "promtool {arguments:?}: {text}");
    text
}

#[test]
fn o1_the_rules_are_rules() {
    let said = promtool(&["check", "rules", "fuseboard.rules.yml"], "");
    assert!(said.contains("17 rules found"), "{said}");
}

#[test]
fn o1_alerts_fire_when_they_should_and_only_then() {
    promtool(&["test", "rules", "fuseboard.test.yml"], "");
}

#[test]
fn o1_what_is_exported_is_named_as_prometheus_likes_it() {
    let registry = Registry::new();
    let config = CircuitBreakerConfig {
        record_latency: true,
        ..CircuitBreakerConfig::default()
    };
    let breaker = CircuitBreaker::new("payments \"and\" more", config);
    registry.add_breaker(&breaker);
    breaker.try_acquire().expect("closed").success();
    breaker.force_open();
    let board = Board::private();
    board.concurrency_limit("database", 9).expect("a free slot");
    registry.add_board("shop", &board);
    let said = promtool(&["check", "metrics"], &prometheus_text(&registry.report()));
    assert_eq!(said.trim(), "");
}
