//! The agent beside processes that use a board.

use crate::traffic::{Traffic, program, run};
use reqwest::blocking::Client;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const TOKEN: &str = "0123456789abcdef";

/// An agent that is running.
struct Agent {
    child: Child,
    url: String,
}

impl Agent {
    fn start(arguments: &[&str]) -> Self {
        let mut child = program()
            .args(["agent", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
        lines.read_line(&mut line).expect("a line");
        // What else it says must not fill the pipe.
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http"));
        let url = url
            .unwrap_or_else(|| panic!("no address in {line:?}"))
            .trim_end_matches('/');
        Self {
            child,
            url: url.to_owned(),
        }
    }

    fn get(&self, path: &str) -> String {
        let answer = Client::new().get(format!("{}{path}", self.url)).send();
        answer
            .and_then(reqwest::blocking::Response::text)
            .expect("it answers")
    }

    /// Ends it as a service manager does; how long that took, and whether it was well.
    fn end(mut self) -> (Duration, bool) {
        let begun = Instant::now();
        let id = self.child.id().to_string();
        let told = Command::new("kill")
            .arg(id)
            .status()
            .expect("kill is there");
        assert!(told.success());
        let status = self.child.wait().expect("it ends");
        (begun.elapsed(), status.success())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_shows_what_other_processes_do_and_steers_it() {
    let mut traffic = Traffic::new();
    traffic.does("succeed payments 3");
    traffic.does("fail search 20");
    traffic.does("try search 5");
    traffic.does("hold reports 2");
    let board = traffic.board().to_owned();
    let file = std::env::temp_dir().join(format!("fuseboard-token-{}", std::process::id()));
    fs::write(&file, format!("{TOKEN}\n")).expect("a file");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("its mode");
    let file = file.to_str().expect("text");
    let agent = Agent::start(&[&board, "--token-file", file]);

    let name = board.rsplit('/').next().expect("a name");
    let text = agent.get("/metrics");
    for (of, more) in [
        ("calls_total", r#"outcome="success"} 3"#),
        ("circuit_breaker_state", r#"state="closed"} 1"#),
    ] {
        let line =
            format!(r#"fuseboard_{of}{{fuseboard_name="payments",fuseboard_board="{name}",{more}"#);
        assert!(text.contains(&line), "{line} in {text}");
    }
    assert!(
        text.contains(r#"fuseboard_concurrency_usage{fuseboard_name="reports""#),
        "{text}"
    );
    assert!(agent.get("/readyz").contains("ok"));
    assert!(agent.get("/").contains("</html>"));

    let answer = Client::new()
        .post(format!("{}/control", agent.url))
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(format!(
            r#"{{"board":"{name}","name":"payments","verb":"force_open"}}"#
        ))
        .send();
    assert_eq!(answer.expect("it answers").status(), 204);
    assert_eq!(traffic.get("payments")["state"], "forced_open");
    let (took, well) = agent.end();
    assert!(well && took < Duration::from_secs(2), "{took:?}");
    fs::remove_file(file).expect("it is there");
}

#[test]
fn it_sends_metrics_and_changes_to_a_collector() {
    let mut traffic = Traffic::new();
    traffic.does("succeed payments 1");
    let board = traffic.board().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let collector = format!("http://{}", listener.local_addr().expect("an address"));
    let (came, requests) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let came = came.clone();
            thread::spawn(move || receive(BufReader::new(stream), &came));
        }
    });
    let agent = Agent::start(&[&board, "--otlp", &collector]);
    run(&["force-open", "payments", "--board", &board]);
    thread::sleep(Duration::from_millis(600));
    let (took, well) = agent.end();
    assert!(well && took < Duration::from_secs(2), "{took:?}");
    let requests: Vec<(String, String)> = requests.try_iter().collect();
    let sent = |path: &str, text: &str| {
        let mut own = requests.iter().filter(|(own, _)| own == path);
        own.any(|(_, body)| body.contains(text))
    };
    assert!(
        sent("/v1/metrics", "fuseboard.circuit_breaker.state"),
        "{requests:?}"
    );
    assert!(sent("/v1/logs", "closed -> forced_open"), "{requests:?}");
}

/// Takes requests for as long as they come.
fn receive(mut stream: BufReader<std::net::TcpStream>, came: &mpsc::Sender<(String, String)>) {
    loop {
        let (mut path, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(rest) = line.strip_prefix("POST ") {
                rest.split(' ')
                    .next()
                    .unwrap_or_default()
                    .clone_into(&mut path);
            }
            if let Some(("content-length", value)) = line.to_lowercase().trim().split_once(": ") {
                length = value.parse().unwrap_or(0);
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let text = String::from_utf8_lossy(&body).into_owned();
        if stream.get_mut().write_all(answer).is_err() || came.send((path, text)).is_err() {
            return;
        }
    }
}

#[test]
fn a_token_that_others_can_read_or_guess_is_refused() {
    let mut traffic = Traffic::new();
    traffic.does("succeed payments 1");
    let board = traffic.board().to_owned();
    let file = std::env::temp_dir().join(format!("fuseboard-bad-token-{}", std::process::id()));
    let path = file.to_str().expect("text");
    for (mode, token, why) in [
        (0o644, TOKEN, "allowed: 0600"),
        (0o600, "short", "allowed: 16 or more"),
    ] {
        fs::write(&file, token).expect("a file");
        fs::set_permissions(&file, Permissions::from_mode(mode)).expect("its mode");
        let said = run(&[
            "agent",
            &board,
            "--listen",
            "127.0.0.1:0",
            "--token-file",
            path,
        ]);
        assert_eq!(said.status, 2, "{said:?}");
        assert!(said.error.contains(why), "{said:?}");
    }
    fs::remove_file(file).expect("it is there");
    let nowhere = run(&["agent", "/dev/shm/fuseboard-not-there"]);
    assert_eq!(nowhere.status, 3, "{nowhere:?}");
}
