//! What is deployed, as the tools judge it that those who deploy would use: hadolint, kubernetes-validate, promtool; and whether it
//! asks of the program what the program has. An image cannot be built without an engine: its command is run with its environment instead.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use orders::observe::lane::METRICS;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn read(name: &str) -> String {
    let path = deploy().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifests() -> Vec<PathBuf> {
    let folder = fs::read_dir(deploy().join("kubernetes")).expect("manifests");
    let mut files: Vec<_> = folder.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    files
}

/// A program of the suite's virtual environment.
fn tool(name: &str) -> Command {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    );
    Command::new(target.join("venv/bin").join(name))
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&text).into_owned()
}

fn judged(mut command: Command) -> (bool, String) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    (output.status.success(), said(&output))
}

#[test]
fn o5_the_dockerfile_is_what_hadolint_wants() {
    let lint = |file: &Path| {
        let mut hadolint = tool("hadolint");
        hadolint.arg(file);
        judged(hadolint)
    };
    let (is_good, text) = lint(&deploy().join("Dockerfile"));
    assert!(is_good, "{text}");
    let spoiled = tempfile::NamedTempFile::new().expect("a file");
    let text = read("Dockerfile").replace("rust:1.95-slim-bookworm", "rust:latest");
    fs::write(spoiled.path(), text).expect("it is written");
    let (is_good, text) = lint(spoiled.path());
    assert!(!is_good && text.contains("DL3007"), "{text}");
}

#[test]
fn o5_the_manifests_are_what_kubernetes_knows() {
    let validate = |file: &Path| {
        let mut validate = tool("kubernetes-validate");
        validate.arg("--strict").arg(file);
        judged(validate)
    };
    for file in manifests() {
        let (is_good, text) = validate(&file);
        assert!(is_good, "{}: {text}", file.display());
    }
    let spoiled = tempfile::Builder::new()
        .suffix(".yaml")
        .tempfile()
        .expect("a file");
    let text = read("kubernetes/gateway.yaml").replace("livenessProbe", "livenesProbe");
    fs::write(spoiled.path(), text).expect("it is written");
    let (is_good, text) = validate(spoiled.path());
    assert!(!is_good && text.contains("livenesProbe"), "{text}");
}

#[test]
fn o5_every_deployment_is_bounded_probed_scraped_and_budgeted() {
    for part in ["gateway", "command", "query"] {
        let text = read(&format!("kubernetes/{part}.yaml"));
        for wanted in [
            "prometheus.io/scrape: \"true\"",
            "prometheus.io/port: \"9090\"",
            "containerPort: 8080",
            "containerPort: 9090",
            "value: \"http://otel-collector:4317\"",
            "requests: {memory: 64Mi, cpu: 100m}",
            "limits: {memory: 128Mi, cpu: 500m}",
            "path: /livez",
            "path: /readyz",
            "path: /startupz",
            "kind: PodDisruptionBudget",
            "runAsNonRoot: true",
            "readOnlyRootFilesystem: true",
        ] {
            assert!(text.contains(wanted), "{part}: {wanted}");
        }
        let policy = format!("name: orders-{part}\n");
        assert!(read("kubernetes/network.yaml").contains(&policy), "{part}");
    }
}

/// What a command of the program takes, flags and variables.
fn help(command: &str) -> String {
    let mut orders = Command::new(env!("CARGO_BIN_EXE_orders"));
    orders.args([command, "--help"]);
    let (is_good, text) = judged(orders);
    assert!(is_good, "{command}: {text}");
    text
}

#[test]
fn o5_what_is_deployed_asks_for_what_the_program_takes() {
    let variables = |text: &str| -> Vec<String> {
        let words = text.split(|one: char| !(one.is_ascii_uppercase() || one == '_'));
        let own = words.filter(|word| word.starts_with("ORDERS_"));
        own.map(str::to_owned).collect()
    };
    for part in ["gateway", "command", "query"] {
        let (text, known) = (read(&format!("kubernetes/{part}.yaml")), help(part));
        assert!(text.contains(&format!("args: [{part}]")), "{part}");
        let asked = variables(&text);
        assert!(asked.len() >= 4, "{asked:?}");
        for variable in asked {
            assert!(
                known.contains(&format!("[env: {variable}")),
                "{part}: {variable}"
            );
        }
    }
    let known = ["serve", "gateway"].map(help).concat();
    // What compose itself is told.
    let others = ["ORDERS_DATABASE_PASSWORD", "ORDERS_TOKENS_FILE"];
    for file in ["Dockerfile", "compose.yaml"] {
        for variable in variables(&read(file)) {
            let is_known = known.contains(&format!("[env: {variable}"));
            assert!(
                is_known || others.contains(&variable.as_str()),
                "{file}: {variable}"
            );
        }
    }
    for line in read("compose.yaml").lines() {
        let Some(command) = line.trim().strip_prefix("command: [") else {
            continue;
        };
        let words: Vec<_> = command.trim_end_matches(']').split(", ").collect();
        if words[0] == "redis-server" {
            continue;
        }
        let known = help(words[0]);
        for flag in &words[1..] {
            let name = flag.split('=').next().unwrap_or_default();
            assert!(known.contains(name), "{line}");
        }
    }
}

#[test]
fn o5_the_images_command_runs_with_its_environment() {
    let text = read("Dockerfile");
    assert!(text.contains("USER 65532:65532") && text.contains("CMD [\"serve\"]"));
    let folder = tempfile::tempdir().expect("a folder");
    let mut orders = Command::new(env!("CARGO_BIN_EXE_orders"));
    orders.arg("serve").current_dir(folder.path());
    for pair in text
        .split_whitespace()
        .filter(|word| word.starts_with("ORDERS_"))
    {
        let (name, value) = pair.split_once('=').expect("a pair");
        // Ports of this machine may be taken.
        let value = if value.chars().all(|one| one.is_ascii_digit()) {
            "0"
        } else {
            value
        };
        orders.env(name, value);
    }
    let log = folder.path().join("out");
    let file = fs::File::create(&log).expect("a file");
    let mut child = orders.stdout(file).spawn().expect("it starts");
    let begun = std::time::Instant::now();
    let up = loop {
        let said = fs::read_to_string(&log).expect("a file");
        if said.contains("Try it") || begun.elapsed().as_secs() > 60 {
            break said;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    assert!(up.contains("http://0.0.0.0:"), "{up}");
}

fn promtool(arguments: &[&str]) -> String {
    let mut promtool = Command::new("promtool");
    promtool
        .args(arguments)
        .current_dir(deploy().join("prometheus"));
    let (is_good, text) = judged(promtool);
    assert!(is_good, "promtool {arguments:?}: {text}");
    text
}

#[test]
fn o5_the_alerts_fire_when_they_should_and_ask_for_what_is_exported() {
    let rules = read("prometheus/orders.rules.yml");
    promtool(&["check", "rules", "orders.rules.yml"]);
    promtool(&["test", "rules", "orders.test.yml"]);
    let tests = read("prometheus/orders.test.yml");
    for alert in rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
    {
        assert!(
            tests.contains(&format!("alertname: {alert}\n        exp_alerts:\n")),
            "{alert} never fires in a test"
        );
    }
    let exported: Vec<_> = METRICS
        .iter()
        .map(|metric| metric.prometheus_name())
        .collect();
    let words = rules.split(|one: char| !(one.is_ascii_alphanumeric() || one == '_'));
    let mut asked = 0;
    for word in words.filter(|word| word.starts_with("orders_") && *word != "orders_alerts") {
        assert!(
            exported.iter().any(|name| name == word),
            "{word} is not exported"
        );
        asked += 1;
    }
    assert!(asked >= 10, "{asked}");
}
