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

#[test]
fn quickstart() {
    let shown = run("quickstart");
    for line in [
        "4: the sensor is disconnected",
        "closed → open",
        "half_open → closed",
    ] {
        assert!(shown.contains(line), "{line:?} is missing in\n{shown}");
    }
}

#[test]
fn http_client() {
    let shown = run("http_client");
    for line in ["1: Ada\n", "8: Ada (cached)\n", "9: Ada\n"] {
        assert!(shown.contains(line), "{line:?} is missing in\n{shown}");
    }
}

#[test]
fn rate_limit() {
    let shown = run("rate_limit");
    assert!(shown.contains("request 5 passed"), "{shown}");
}

#[test]
fn config_file() {
    let shown = run("config_file");
    for line in [
        "the cache fails: Open\n",
        "reloaded: changed: rate_limits.api\n",
        "and the cache is still Open\n",
        "shop.toml:2:1: breakers.cache.open_timout: there is no such setting; did you mean `open_timeout`?",
    ] {
        assert!(shown.contains(line), "{line:?} is missing in\n{shown}");
    }
}
