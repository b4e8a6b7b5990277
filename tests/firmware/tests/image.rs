//! Builds the images, runs them in an emulator, and reads their symbols.

#[path = "image/c.rs"]
mod c;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

/// A microcontroller that the emulator knows.
struct Machine {
    target: &'static str,
    name: &'static str,
    processor: &'static str,
}

const CORTEX_M4: Machine = Machine {
    target: "thumbv7em-none-eabi",
    name: "mps2-an386",
    processor: "cortex-m4",
};
const CORTEX_M3: Machine = Machine {
    target: "thumbv7m-none-eabi",
    name: "lm3s6965evb",
    processor: "cortex-m3",
};
/// Without compare-and-swap of any width.
const CORTEX_M0: Machine = Machine {
    target: "thumbv6m-none-eabi",
    name: "microbit",
    processor: "cortex-m0",
};

/// A healthy run takes less than a second; this one is stuck.
const STUCK: Duration = Duration::from_secs(20);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A build folder of its own: the outer cargo holds the other one.
fn folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// What a small binary chooses: no other windows than those of time, and no overdue calls.
const TIME_WINDOWS_ONLY: &str = "--cfg fuseboard_time_windows_only";

fn cargo(task: &str, target: &str, features: &str, flags: &str) -> Output {
    Command::new(env!("CARGO"))
        .current_dir(root())
        .args([task, "--quiet", "--package", "fuseboard-firmware"])
        .args(["--profile", "firmware", "--target", target])
        .args(["--features", features])
        .arg("--target-dir")
        .arg(folder())
        .env("RUSTFLAGS", flags)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo starts again")
}

/// Builds an image, and puts it where the next set of features does not overwrite it.
fn image(target: &str, features: &str, name: &str) -> PathBuf {
    image_with(target, features, name, "")
}

/// As `image`, with flags for the compiler.
fn image_with(target: &str, features: &str, name: &str, flags: &str) -> PathBuf {
    static ONE: Mutex<()> = Mutex::new(());
    let one_at_a_time = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let output = cargo("build", target, features, flags);
    assert!(
        output.status.success(),
        "{target} with `{features}` does not build; `rustup target add {target}` may help:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let built = folder().join(target).join("firmware").join(name);
    let kept = folder().join(format!("{name}-{target}-{features}-{flags}"));
    std::fs::copy(built, &kept).expect("the image is there");
    drop(one_at_a_time);
    kept
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Held(String),
    Failed(String),
    Stuck,
}

/// Runs an image. Its time is that of its instructions, not the host's, so a busy host starves nobody.
fn run(machine: &Machine, image: &Path, patience: Duration) -> Ended {
    let mut child = Command::new("qemu-system-arm")
        .args([
            "-cpu",
            machine.processor,
            "-machine",
            machine.name,
            "-nographic",
            "-monitor",
            "none",
        ])
        .args(["-icount", "shift=5,align=off,sleep=off"])
        .args(["-semihosting-config", "enable=on,target=native"])
        .arg("-kernel")
        .arg(image)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("qemu-system-arm starts; `cargo xtask test firmware` installs it");
    let start = Instant::now();
    loop {
        if child
            .try_wait()
            .expect("the emulator can be asked")
            .is_some()
        {
            let output = child.wait_with_output().expect("the emulator has ended");
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).trim().to_owned();
            return if output.status.success() {
                Ended::Held(text)
            } else {
                Ended::Failed(text)
            };
        }
        if start.elapsed() > patience {
            child.kill().expect("the emulator can be ended");
            child.wait().expect("the emulator has ended");
            return Ended::Stuck;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn holds(machine: &Machine) {
    let image = image(machine.target, "single-core", "firmware");
    match run(machine, &image, STUCK) {
        Ended::Held(text) => {
            println!("{}: {text}", machine.name);
            assert!(text.contains("lock-free: true"), "{text}");
        }
        other => panic!("{}: {other:?}", machine.name),
    }
}

/// The handler fires while the main loop writes; all invariants hold and nobody waits.
#[test]
fn r1_r7_b3_b6_k1_l1_w3_cortex_m4() {
    holds(&CORTEX_M4);
}

#[test]
fn r1_r7_r8_cortex_m3() {
    holds(&CORTEX_M3);
}

/// A machine without compare-and-swap.
#[test]
fn r1_r7_r8_cortex_m0() {
    holds(&CORTEX_M0);
}

/// Why the firmware has to choose: without the switch a 64-bit word takes a lock, and a handler that comes upon it waits for ever.
#[test]
fn r7_without_the_switch_the_handler_waits_for_ever() {
    let image = image(CORTEX_M4.target, "", "firmware");
    assert_eq!(run(&CORTEX_M4, &image, STUCK), Ended::Stuck);
}

/// And how nobody gets there unawares.
#[test]
fn r7_require_lock_free_refuses_to_build_without_the_switch() {
    let output = cargo("check", CORTEX_M4.target, "require-lock-free", "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success()
            && said.contains("64-bit atomics are not lock-free on this target"),
        "{said}"
    );
    let output = cargo(
        "check",
        CORTEX_M4.target,
        "require-lock-free,single-core",
        "",
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

const KIB: u64 = 1024;

struct Symbols {
    names: Vec<String>,
    /// Bytes of the functions that are the core's or were made from it.
    core: u64,
    /// Bytes of all code.
    code: u64,
}

fn read(image: &Path) -> Symbols {
    let bytes = std::fs::read(image).expect("the image is there");
    let file = object::File::parse(&*bytes).expect("an ELF file");
    let named = |symbol: object::Symbol<'_, '_>| symbol.name().ok().map(str::to_owned);
    let names: Vec<_> = file.symbols().filter_map(named).collect();
    let code = file
        .sections()
        .filter(|section| section.kind() == SectionKind::Text)
        .map(|section| section.size())
        .sum();
    let core = file
        .symbols()
        .filter(|symbol| {
            let ours = |name: &str| {
                let is_start = name.contains("cortex_m_rt");
                (name.contains("fuseboard_core") || name.contains("hot_path")) && !is_start
            };
            symbol.kind() == SymbolKind::Text && symbol.name().is_ok_and(ours)
        })
        .map(|symbol| symbol.size())
        .sum();
    Symbols { names, core, code }
}

/// The names that only a way to a panic links.
fn panics(symbols: &Symbols) -> Vec<&str> {
    let tells =
        |name: &&String| name.contains("panicking") || name.contains("a_panic_is_reachable");
    symbols
        .names
        .iter()
        .filter(tells)
        .map(String::as_str)
        .collect()
}

/// The hot path links no way to a panic, and no allocator or system call either: there is none on bare metal.
#[test]
fn r3_the_hot_path_links_no_panic() {
    for machine in [CORTEX_M4, CORTEX_M0] {
        let symbols = read(&image(machine.target, "single-core", "hot-path"));
        assert!(
            symbols.names.iter().any(|name| name.contains("settle")),
            "the image has no symbols to read"
        );
        assert_eq!(panics(&symbols), [""; 0], "{}", machine.target);
    }
}

/// The same reading finds a panic where there is one.
#[test]
fn r3_a_panic_would_be_seen() {
    let symbols = read(&image(CORTEX_M4.target, "single-core", "firmware"));
    assert!(
        !panics(&symbols).is_empty(),
        "the image with assertions shows none"
    );
}

/// One breaker and one token bucket. The core's own functions, and all code of the image: the compiler's arithmetic and start-up too.
/// What `code_size.txt` says is what was measured, to 2 %.
#[test]
fn r3_code_size_is_bounded() {
    let mut measured = "# Bytes of code: the core's own functions, the whole image. \
         Written by FUSEBOARD_BLESS=1 cargo test -p fuseboard-firmware --test image\n"
        .to_owned();
    for (machine, flags, most_core, most_code) in [
        (CORTEX_M4, TIME_WINDOWS_ONLY, 8 * KIB, 9 * KIB + 256),
        (CORTEX_M0, TIME_WINDOWS_ONLY, 9 * KIB, 11 * KIB + 128),
        (CORTEX_M4, "", 13 * KIB, 14 * KIB + 512),
        (CORTEX_M0, "", 14 * KIB, 16 * KIB + 512),
    ] {
        let image = image_with(machine.target, "single-core", "hot-path", flags);
        let Symbols { core, code, .. } = read(&image);
        let windows = if flags.is_empty() {
            "all windows"
        } else {
            "time windows only"
        };
        let line = format!("{core} {code} {}, {windows}", machine.target);
        println!("{line}");
        assert!(
            core <= most_core && code <= most_code,
            "{line}; at most {most_core} and {most_code}"
        );
        assert!(core > 4 * KIB, "{line}: the hot path is missing");
        measured = measured + &line + "\n";
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("code_size.txt");
    if std::env::var_os("FUSEBOARD_BLESS").is_some_and(|bless| bless == "1") {
        std::fs::write(&path, &measured).expect("the file can be written");
    }
    let committed = std::fs::read_to_string(&path).expect("the sizes are committed");
    assert!(
        are_alike(&committed, &measured),
        "{} says\n{committed}and measured is\n{measured}\
         Update it with: FUSEBOARD_BLESS=1 cargo test -p fuseboard-firmware --test image",
        path.display()
    );
}

/// The same lines, with numbers that differ by a fiftieth at most.
fn are_alike(committed: &str, measured: &str) -> bool {
    let (committed, measured) = (committed.split_whitespace(), measured.split_whitespace());
    committed.clone().count() == measured.clone().count()
        && committed.zip(measured).all(|(was, is)| {
            let numbers = was.parse::<u64>().ok().zip(is.parse::<u64>().ok());
            numbers.map_or(was == is, |(was, is)| was.abs_diff(is) * 50 <= was)
        })
}

#[test]
fn sizes_that_differ_by_more_than_a_fiftieth_are_not_alike() {
    let committed = "# text\n5000 6000 target, all windows\n";
    assert!(are_alike(
        committed,
        "# text\n5100 5900 target, all windows\n"
    ));
    assert!(!are_alike(
        committed,
        "# text\n5101 6000 target, all windows\n"
    ));
    assert!(!are_alike(
        committed,
        "# text\n5000 6000 other, all windows\n"
    ));
    assert!(!are_alike(committed, "# text\n"));
}

/// What was left out is refused, not taken for something else.
#[test]
fn r6_a_window_that_was_left_out_does_not_build() {
    let features = "single-core,count-window";
    for (flags, builds) in [("", true), (TIME_WINDOWS_ONLY, false)] {
        let output = cargo("check", CORTEX_M4.target, features, flags);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), builds, "{said}");
        assert!(
            builds || said.contains("bad circuit breaker configuration"),
            "{said}"
        );
    }
}
