//! The program, started as its users start it.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than any start or end takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn orders() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
    // What the tests' own environment says is not for it.
    for (name, _) in std::env::vars_os() {
        let is_ours = name
            .to_str()
            .is_some_and(|name| name.starts_with("ORDERS_") || name.starts_with("OTEL_"));
        if is_ours {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// A service, until it is dropped.
pub struct Service {
    child: Child,
    /// What it said when it began.
    pub said: Vec<String>,
    pub clients: String,
    pub operations: String,
    err: Option<std::thread::JoinHandle<String>>,
    out: Option<std::thread::JoinHandle<String>>,
}

impl Service {
    /// `serve` on free ports, with its data in `folder`.
    pub fn start(folder: &Path, change: impl FnOnce(&mut Command)) -> Self {
        Self::start_as("serve", |command| {
            command.arg("--data").arg(folder);
            change(command);
        })
    }

    /// One of the program's services, on free ports.
    pub fn start_as(role: &str, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = orders();
        command.args([role, "--port=0", "--operations-port=0"]);
        change(&mut command);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut err = child.stderr.take().expect("it is piped");
        let err = std::thread::spawn(move || {
            let mut text = String::new();
            err.read_to_string(&mut text).expect("it is text");
            text
        });
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let (mut said, mut clients, mut operations) = (Vec::new(), None, None);
        for line in lines.by_ref() {
            let line = line.expect("it is text");
            let after = |word: &str| {
                let rest = line.trim().strip_prefix(word)?.trim();
                Some(
                    rest.split_whitespace()
                        .next()?
                        .trim_end_matches('/')
                        .to_owned(),
                )
            };
            clients = clients.or_else(|| after("clients "));
            operations = operations.or_else(|| after("operations "));
            let is_last = line.contains("-d '{") || line.starts_with("  tokens ");
            said.push(line);
            if is_last {
                break;
            }
        }
        let out =
            std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
        Self {
            child,
            clients: clients.unwrap_or_else(|| panic!("no address in {said:?}")),
            operations: operations.unwrap_or_else(|| panic!("no address in {said:?}")),
            said,
            err: Some(err),
            out: Some(out),
        }
    }

    /// The token that it made for somebody.
    pub fn token(&self, subject: &str) -> String {
        let line = self.said.iter().find(|line| {
            let line = line.trim_start();
            line.starts_with("token") && line.contains(subject)
        });
        let line = line.unwrap_or_else(|| panic!("no token of {subject} in {:?}", self.said));
        line.rsplit(' ').next().expect("a word").to_owned()
    }

    /// SIGTERM, and what it wrote until its end.
    pub fn end(mut self) -> (ExitStatus, String) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is there");
        let status = ended(&mut self.child);
        let out = self
            .out
            .take()
            .map(|thread| thread.join().expect("it reads"));
        let err = self
            .err
            .take()
            .map(|thread| thread.join().expect("it reads"));
        (status, out.unwrap_or_default() + &err.unwrap_or_default())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ended(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it is ours") {
            return status;
        }
        assert!(begun.elapsed() < PATIENCE, "it did not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn lamp() -> Value {
    serde_json::json!({
        "items": [{ "sku": "lamp", "quantity": 2, "unit_price": { "amount_minor": 1999, "currency": "EUR" } }],
    })
}

/// One order, made and paid.
pub async fn pay_for_a_lamp(service: &Service) -> Value {
    pay_with(service, &service.token("alice")).await
}

/// The same, with this token.
pub async fn pay_with(service: &Service, token: &str) -> Value {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let base = &service.clients;
    let made = client
        .post(format!("{base}/orders"))
        .bearer_auth(token)
        .json(&lamp());
    let made = made.send().await.expect("an answer");
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await.expect("JSON");
    let id = made["order"]["order_id"].as_str().expect("an id");
    let paid = client
        .post(format!("{base}/orders/{id}/pay"))
        .bearer_auth(token);
    let paid = paid.send().await.expect("an answer");
    assert_eq!(paid.status(), 200);
    paid.json().await.expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn o3_it_serves_at_once_with_what_it_prints_and_ends_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(folder.path(), |_| {});
    let paid = pay_for_a_lamp(&service).await;
    assert_eq!(paid["order"]["status"], "paid");
    for probe in ["livez", "readyz", "startupz"] {
        let url = format!("{}/{probe}", service.operations);
        let answer = reqwest::get(url).await.expect("an answer");
        assert_eq!(answer.status(), 200, "{probe}");
    }
    // The dashboard has a row of the event store's own.
    let url = format!("{}/snapshot", service.operations);
    let shown = reqwest::get(url).await.expect("an answer");
    let shown: Value = shown.json().await.expect("JSON");
    let lane = &shown["lanes"][0];
    assert_eq!(lane["name"], "Event sourcing");
    let values = lane["values"].as_array().expect("numbers");
    let stored = values.iter().find(|own| own["label"] == "events stored");
    assert_eq!(stored.expect("a number")["value"], 3.0);
    let (status, log) = service.end();
    assert!(status.success(), "{status}: {log}");
    assert!(
        log.contains("told to end") && log.contains("ended"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn o3_nothing_secret_is_in_the_log_whatever_is_logged() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(folder.path(), |command| {
        command.env("RUST_LOG", "trace").args(["--log", "json"]);
    });
    let tokens = ["alice", "bob", "clerk"].map(|subject| service.token(subject));
    pay_for_a_lamp(&service).await;
    let client = reqwest::Client::new();
    let url = format!("{}/orders", service.clients);
    let wrong = client
        .post(&url)
        .bearer_auth("a-token-that-nobody-knows")
        .json(&lamp());
    assert_eq!(wrong.send().await.expect("an answer").status(), 401);
    let (status, log) = service.end();
    assert!(status.success());
    assert!(
        log.contains("\"level\":\"DEBUG\""),
        "nothing was logged: {log}"
    );
    for secret in tokens
        .iter()
        .map(String::as_str)
        .chain(["a-token-that-nobody-knows"])
    {
        assert!(!log.contains(secret), "{secret} stands in the log");
    }
}

#[test]
fn o3_a_wrong_argument_and_a_taken_port_say_what_to_do() {
    let run = |arguments: &[&str]| {
        let output = orders().args(arguments).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), text)
    };
    let (status, said) = run(&["serve", "--postgres", "mysql://orders:hunter2@db/orders"]);
    assert_eq!(status, Some(2), "{said}");
    assert!(
        said.contains("--postgres") && said.contains("postgres://"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let (status, said) = run(&["serve", "--port", &port]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains(&port) && said.contains("--port"), "{said}");

    let (status, said) = run(&["command", "--port=0", "--operations-port=0"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("--postgres and --redis"), "{said}");
}
