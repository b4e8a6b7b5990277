//! One process of a test with several: `worker COMMAND ARGUMENT...`. It says `ready`, waits for a line where it is to start with
//! others, and prints what it found. `hunt` and `victim` stand in this package's README.md.

#[cfg(target_os = "linux")]
mod hunt;
#[cfg(target_os = "linux")]
mod scratch;
#[cfg(target_os = "linux")]
mod victim;
#[cfg(target_os = "linux")]
mod worker;

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    worker::run(&arguments)
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("boards are for Linux");
}
