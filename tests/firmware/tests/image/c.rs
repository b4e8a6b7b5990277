//! Firmware in C, linked with the library that has no operating system under it: `examples/c/firmware.c`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{CORTEX_M4, Ended, STUCK, folder, root, run};

/// A C compiler for Arm: any of these makes code for a microcontroller.
fn compiler() -> &'static str {
    let works = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    ["arm-none-eabi-gcc", "arm-linux-gnueabi-gcc"]
        .into_iter()
        .find(works)
        .expect("a C compiler for Arm; `cargo xtask test firmware` installs one")
}

fn succeeds(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The library as `docs/c.md` says to build it.
fn library() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(root())
        .args(["rustc", "--quiet", "--package", "fuseboard-ffi", "--lib"])
        .args(["--crate-type", "staticlib", "--no-default-features"])
        .args(["--features", "single-core", "--profile", "firmware"])
        .args(["--target", CORTEX_M4.target, "--target-dir"])
        .arg(folder());
    succeeds(&mut cargo);
    folder()
        .join(CORTEX_M4.target)
        .join("firmware/libfuseboard.a")
}

/// R7, L1, P7: a breaker and a token bucket in memory of the program, which an interrupt handler shares; no libc is linked.
#[test]
fn r7_l1_p7_firmware_in_c() {
    let image = folder().join("firmware-c");
    let example = |name: &str| root().join("examples/c").join(name);
    let mut cc = Command::new(compiler());
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-Os"])
        .args(["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft"])
        .args(["-ffreestanding", "-fno-pie", "-fno-stack-protector"])
        .args(["-nostdlib", "-static", "-no-pie", "-Wl,--gc-sections"])
        .arg("-Wl,--build-id=none")
        .arg("-I")
        .arg(root().join("ffi/include"))
        .arg("-T")
        .arg(example("firmware.ld"))
        .arg(example("firmware.c"))
        .arg(library())
        .arg("-o")
        .arg(&image);
    succeeds(&mut cc);
    assert_eq!(
        run(&CORTEX_M4, Path::new(&image), STUCK),
        Ended::Held("firmware: ok".to_owned())
    );
}
