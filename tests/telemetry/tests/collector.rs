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

const TAKEN: &str = "Address already in use";
const PATIENCE: Duration = Duration::from_secs(20);

/// The collector, where it listens and what it writes down.
struct Running {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Ports are free until somebody else takes them: then others are.
    fn start(protocol: &str) -> Self {
        let begun = Instant::now();
        loop {
            let mut rotel = Self::try_start(protocol);
            let text = loop {
                if TcpStream::connect(("127.0.0.1", rotel.port)).is_ok() {
                    return rotel;
                }
                let text = fs::read_to_string(&rotel.log).unwrap_or_default();
                let is_over = rotel.child.try_wait().expect("our child").is_some();
                if is_over || text.contains(TAKEN) || begun.elapsed() > PATIENCE {
                    break text;
                }
                thread::sleep(Duration::from_millis(50));
            };
            let again = text.contains(TAKEN) && begun.elapsed() < PATIENCE;
            assert!(again, "rotel does not listen: {text}");
        }
    }

    fn try_start(protocol: &str) -> Self {
        // Both held until both are known, so that they differ.
        let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let [http, grpc] = free.map(|port| port.local_addr().expect("an address").port());
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rotel-{http}.log"));
        let file = fs::File::create(&log).expect("a file");
        let child = Command::new(program())
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
        let port = if protocol == "grpc" { grpc } else { http };
        Self { child, port, log }
    }
}

#[test]
fn o1_another_collector_gets_all_three_over_http_and_grpc() {
    for protocol in ["http/protobuf", "grpc"] {
        let rotel = Running::start(protocol);
        let (port, log) = (rotel.port, &rotel.log);
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
            let text = fs::read_to_string(log).expect("the log");
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
