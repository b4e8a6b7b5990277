//! `cargo xtask peers`: what the breakers and limiters of other languages take, each measured by a program of its own language, with an
//! atomic addition in the same run, and beside them what ours takes from Rust.

mod redis;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::place::{Place, capture};

/// One language, or its limiters on a Redis server: its program lies in `benches/peers`, below its name.
pub struct Language {
    /// The word on the command line.
    pub name: &'static str,
    /// Programs that must be there, each with what makes it say its version.
    tools: &'static [(&'static str, &'static str)],
    /// Run in its folder, the last one to measure; `{built}` stands for a folder of its own below the build folder, `{root}` for the repository, `{url}` for a Redis server's address.
    steps: &'static [&'static [&'static str]],
    /// Who measures ours.
    ours: Ours,
}

/// Who measures ours, beside a language's libraries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ours {
    /// The language's own program.
    Itself,
    /// `cargo xtask ratios`.
    Ratios,
    /// `redis-speed`; and the program is told the address of a server as `{url}`.
    RedisSpeed,
}

impl Ours {
    /// What everything is held against.
    fn base(self) -> &'static str {
        match self {
            Self::Itself | Self::Ratios => ADDITION,
            Self::RedisSpeed => redis::INCR,
        }
    }
}

/// Every language.
pub const LANGUAGES: &[Language] = &[
    Language {
        name: "java",
        tools: &[("java", "-version"), ("mvn", "-version")],
        steps: &[
            &["mvn", "-q", "-B", "compile", "-Dplace={built}"],
            &[
                "java",
                "-Dcsp.sentinel.log.dir={built}/log",
                "-cp",
                "{built}/classes:{built}/lib/*",
                "peers.Main",
            ],
        ],
        ours: Ours::Ratios,
    },
    Language {
        name: "go",
        tools: &[("go", "version")],
        steps: &[&["go", "run", "-mod=readonly", "."]],
        ours: Ours::Ratios,
    },
    Language {
        name: "python",
        tools: &[("python3", "--version")],
        steps: &[
            &["python3", "-m", "venv", "{built}"],
            &[
                "{built}/bin/python",
                "-m",
                "pip",
                "install",
                "--quiet",
                "-r",
                "requirements.txt",
                "{root}/python",
            ],
            &["{built}/bin/python", "main.py"],
        ],
        ours: Ours::Itself,
    },
    Language {
        name: "node",
        tools: &[("node", "--version"), ("npm", "--version")],
        steps: &[
            &["npm", "ci", "--silent", "--no-audit", "--no-fund"],
            &["node", "main.js"],
        ],
        ours: Ours::Ratios,
    },
    Language {
        name: "redis-go",
        tools: &[("go", "version"), ("redis-server", "--version")],
        steps: &[&["go", "run", "-mod=readonly", ".", "{url}"]],
        ours: Ours::RedisSpeed,
    },
    Language {
        name: "redis-node",
        tools: &[
            ("node", "--version"),
            ("npm", "--version"),
            ("redis-server", "--version"),
        ],
        steps: &[
            &["npm", "ci", "--silent", "--no-audit", "--no-fund"],
            &["node", "main.js", "{url}"],
        ],
        ours: Ours::RedisSpeed,
    },
    Language {
        name: "redis-python",
        tools: &[("python3", "--version"), ("redis-server", "--version")],
        steps: &[
            &["python3", "-m", "venv", "{built}"],
            &[
                "{built}/bin/python",
                "-m",
                "pip",
                "install",
                "--quiet",
                "-r",
                "requirements.txt",
            ],
            &["{built}/bin/python", "main.py", "{url}"],
        ],
        ours: Ours::RedisSpeed,
    },
];

/// One line of a program.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    library: String,
    operation: String,
    value: f64,
}

const MACHINE: &str = "machine";
const ADDITION: &str = "atomic add";
/// What the other languages' operations are called in `cargo xtask ratios`.
const OURS: [(&str, &str); 6] = [
    (
        "closed call: call_blocking, coarse clock twice",
        "closed call",
    ),
    ("rejection: call_blocking, coarse clock", "rejection"),
    ("state read: state, adapter", "state read"),
    ("limiter, allow: monotonic clock", "limiter, allow"),
    ("limiter, deny: monotonic clock", "limiter, deny"),
    ("machine: fetch_add", ADDITION),
];

/// Measures the languages in `names`, all when there are none, and prints a table for each. Gives those that were left out, and why.
///
/// # Errors
/// A program fails, or says what is no row.
pub fn peers(place: &Place, names: &[String]) -> Result<Vec<String>> {
    let is_wanted =
        |language: &&Language| names.is_empty() || names.iter().any(|name| name == language.name);
    let (mut left_out, mut ours) = (Vec::new(), Vec::<(Ours, Vec<Row>)>::new());
    for language in LANGUAGES.iter().filter(is_wanted) {
        let version = match version(place, language) {
            Ok(version) => version,
            Err(tool) => {
                let name = language.name;
                left_out.push(format!(
                    "{name} is left out: there is no `{tool}` on this machine"
                ));
                continue;
            }
        };
        let mut rows =
            measure(place, language).with_context(|| format!("the peers of {}", language.name))?;
        let known = ours.iter().find(|(from, _)| *from == language.ours);
        let own = match (language.ours, known) {
            (_, Some((_, own))) => own.clone(),
            (Ours::Itself, None) => Vec::new(),
            (Ours::Ratios, None) => from_rust(place)?,
            (Ours::RedisSpeed, None) => redis::from_rust(place)?,
        };
        rows.extend(own.iter().cloned());
        ours.push((language.ours, own));
        let title = format!("{} ({version})", language.name);
        println!("{}", table(&title, language.ours.base(), &rows));
    }
    Ok(left_out)
}

/// The first line of what the first tool says of itself; or the tool that is not there.
fn version(place: &Place, language: &Language) -> Result<String, &'static str> {
    let mut first = None;
    for (tool, version) in language.tools {
        let mut command = place.command(tool);
        command.arg(version);
        match capture(command) {
            Ok((status, said)) if status.success() => {
                first.get_or_insert(said.lines().next().unwrap_or_default().trim().to_owned());
            }
            _ => return Err(tool),
        }
    }
    Ok(first.unwrap_or_default())
}

fn measure(place: &Place, language: &Language) -> Result<Vec<Row>> {
    // `redis-go` lies in `redis/go`.
    let folder = place
        .root
        .join("benches/peers")
        .join(language.name.replace('-', "/"));
    let server = match language.ours {
        Ours::RedisSpeed => Some(redis::Server::start(place)?),
        Ours::Itself | Ours::Ratios => None,
    };
    let url = server.as_ref().map_or("", |server| server.url.as_str());
    let built = place.target.join("peers").join(language.name);
    std::fs::create_dir_all(&built).with_context(|| format!("cannot make {}", built.display()))?;
    let fill = |argument: &str| {
        argument
            .replace("{built}", &built.to_string_lossy())
            .replace("{root}", &place.root.to_string_lossy())
            .replace("{url}", url)
    };
    let mut output = String::new();
    for step in language.steps {
        let arguments: Vec<String> = step.iter().copied().map(fill).collect();
        eprintln!("  $ {}", arguments.join(" "));
        output = run(place, &folder, &arguments)?;
    }
    // Some libraries talk.
    let rows: Vec<Row> = output
        .lines()
        .filter(|line| line.contains('\t'))
        .map(row)
        .collect::<Result<_>>()?;
    if rows.is_empty() {
        bail!("the program gave no row:\n{output}");
    }
    Ok(rows)
}

/// Its standard output; the rest is shown where it fails.
fn run(place: &Place, folder: &PathBuf, arguments: &[String]) -> Result<String> {
    let (program, arguments) = arguments.split_first().context("a step names a program")?;
    let mut command = place.command(program);
    command.current_dir(folder).args(arguments);
    said(command)
}

fn said(mut command: Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?} failed ({}):\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn row(line: &str) -> Result<Row> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [library, operation, value] = fields[..] else {
        bail!("`{line}` is not a library, an operation and a number with tabs between");
    };
    Ok(Row {
        library: library.to_owned(),
        operation: operation.to_owned(),
        value: value
            .parse()
            .with_context(|| format!("`{value}` is no number"))?,
    })
}

/// What the same calls take of a Rust program, its own addition among them.
fn from_rust(place: &Place) -> Result<Vec<Row>> {
    let mut command = place.command(&place.cargo);
    command.args([
        "run",
        "--quiet",
        "--profile",
        "bench",
        "-p",
        "fuseboard-benches",
    ]);
    command.args(["--bin", "ratios", "--", "--quick", "--json"]);
    command.args(["call_blocking", "state, adapter", "monotonic clock"]);
    eprintln!("  $ cargo xtask ratios --quick, for ours");
    let (status, output) = capture(command).context("cannot start cargo")?;
    if !status.success() {
        bail!("cargo xtask ratios failed ({status}):\n{output}");
    }
    let mut rows = Vec::new();
    for line in output.lines().filter(|line| line.starts_with('{')) {
        let object: Value = serde_json::from_str(line).context("a line of ratios --json")?;
        let ours = OURS.iter().find(|(name, _)| object["name"] == *name);
        if let (Some((_, operation)), Some(1), Some(value)) =
            (ours, object["threads"].as_u64(), object["ns"].as_f64())
        {
            let operation = (*operation).to_owned();
            rows.push(Row {
                library: "fuseboard, from Rust".to_owned(),
                operation,
                value,
            });
        }
    }
    rows.dedup_by(|one, other| one.operation == other.operation);
    Ok(rows)
}

/// A table of Markdown, the rows of an operation together.
fn table(title: &str, base: &str, rows: &[Row]) -> String {
    let addition = |library: &str| {
        let of = |wanted: &str| {
            let is_it = |row: &&Row| row.library == wanted && row.operation == base;
            rows.iter().find(is_it).map(|row| row.value)
        };
        of(library).or_else(|| of(MACHINE))
    };
    let mut best = BTreeMap::<&str, f64>::new();
    for row in rows
        .iter()
        .filter(|row| !is_ours(row) && row.library != MACHINE)
    {
        let least = best.entry(&row.operation).or_insert(row.value);
        *least = least.min(row.value);
    }
    let mut order: Vec<&str> = Vec::new();
    for row in rows {
        if !order.contains(&row.operation.as_str()) {
            order.push(&row.operation);
        }
    }
    let mut text = format!(
        "\n### {title}\n\n| operation | library | ns, or bytes | x {base} | x best peer |\n|---|---|--:|--:|--:|\n"
    );
    for operation in order {
        for row in rows.iter().filter(|row| row.operation == operation) {
            let is_time = !operation.starts_with("bytes");
            let to_addition = addition(&row.library).filter(|_| is_time);
            let to_best = best.get(operation).filter(|_| is_ours(row));
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {operation} | {} | {} | {} | {} |",
                row.library,
                number(Some(row.value)),
                number(to_addition.map(|addition| row.value / addition)),
                number(to_best.map(|best| row.value / best)),
            );
        }
    }
    text
}

fn is_ours(row: &Row) -> bool {
    row.library.starts_with("fuseboard")
}

/// Three digits, more or less.
fn number(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) if value >= 0.1 => format!("{value:.2}"),
        Some(value) => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_three_fields() {
        let read = row("opossum 9.0\tclosed call\t120.5").unwrap();
        assert_eq!((read.library.as_str(), read.value), ("opossum 9.0", 120.5));
        assert!(row("INFO: started").is_err() && row("a\tb\tc").is_err());
    }

    #[test]
    fn ratios_are_to_the_addition_of_the_same_run_and_to_the_best_peer() {
        let rows: Vec<Row> = [
            "machine\tatomic add\t5",
            "peer\tclosed call\t50",
            "other\tclosed call\t100",
            "other\tbytes of a breaker\t512",
            "fuseboard, from Rust\tclosed call\t10",
            "fuseboard, from Rust\tatomic add\t4",
        ]
        .into_iter()
        .map(|line| row(line).unwrap())
        .collect();
        let table = table("go", ADDITION, &rows);
        assert!(
            table.contains("| closed call | peer | 50.0 | 10.0 |  |"),
            "{table}"
        );
        assert!(
            table.contains("| closed call | fuseboard, from Rust | 10.0 | 2.50 | 0.20 |"),
            "{table}"
        );
        assert!(
            table.contains("| bytes of a breaker | other | 512 |  |  |"),
            "{table}"
        );
    }
}
