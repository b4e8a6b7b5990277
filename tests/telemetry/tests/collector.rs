//! A collector that is not ours: Rotel, from `PyPI`, over HTTP and gRPC.

use std::env;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Where the suite has put it.
fn program() -> PathBuf {
    let libraries = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../venv/lib");
    let pythons = fs::read_dir(&libraries).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; run `cargo xtask test collector`",
            libraries.display()
        )
    });
    let programs = pythons.map(|python| {
        let packages = python.expect("a readable folder").path();
        packages.join("site-packages/rotel/rotel-agent")
    });
    programs
        .into_iter()
        .find(|program| program.exists())
        .expect("rotel is installed by `cargo xtask test collector`")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn o1_another_collector_gets_all_three_over_http_and_grpc() {
    for protocol in ["http/protobuf", "grpc"] {
        let (http, grpc) = (free_port(), free_port());
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rotel-{http}.log"));
        let file = fs::File::create(&log).expect("a file");
        let rotel = Command::new(program())
            .args([
                "start",
                "--exporter",
                "blackhole",
                "--debug-log-verbosity",
                "detailed",
            ])
            .args([
                "--debug-log",
                "traces",
                "--debug-log",
                "metrics",
                "--debug-log",
                "logs",
            ])
            .args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")])
            .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")])
            .stdout(file.try_clone().expect("the same file"))
            .stderr(file)
            .stdin(Stdio::null())
            .spawn()
            .expect("rotel starts");
        let rotel = Running(rotel);
        let port = if protocol == "grpc" { grpc } else { http };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let text = fs::read_to_string(&log).unwrap_or_default();
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "rotel does not listen: {text}"
            );
            thread::sleep(Duration::from_millis(50));
        }
        for runtime in ["current-thread", "multi-thread", "none"] {
            let output = Command::new(env!("CARGO_BIN_EXE_fuseboard-telemetry"))
                .arg(runtime)
                .env(
                    "OTEL_EXPORTER_OTLP_ENDPOINT",
                    format!("http://127.0.0.1:{port}"),
                )
                .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
                .output()
                .expect("the service starts");
            let text = String::from_utf8_lossy(&output.stdout);
            let complaints = String::from_utf8_lossy(&output.stderr);
            assert!(
                text.contains("true"),
                "{protocol}, {runtime}: {text}{complaints}"
            );
        }
        let wanted = [
            "fuseboard.calls",
            "fuseboard.circuit_breaker.state.time",
            "circuit_breaker.call.payments",
            "fuseboard.circuit_breaker.state_changed",
        ];
        let begun = Instant::now();
        loop {
            let text = fs::read_to_string(&log).expect("the log");
            let missing: Vec<_> = wanted
                .iter()
                .filter(|name| !text.contains(**name))
                .collect();
            if missing.is_empty() {
                break;
            }
            let late = begun.elapsed() > Duration::from_secs(20);
            assert!(!late, "{protocol}: {missing:?} not in {}", log.display());
            thread::sleep(Duration::from_millis(50));
        }
        drop(rotel);
    }
}
