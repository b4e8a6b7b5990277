//! One breaker, one limiter and one concurrency limit, shared by the `SysTick` handler and the main loop of a microcontroller.
//!
//! The handler fires while the main loop is anywhere inside an operation, and does the same operations. The image ends by semihosting: exit
//! code 0 when every invariant held. `cargo xtask test firmware` builds and runs it in an emulator.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod actor;
#[cfg(target_os = "none")]
mod machine;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is an image for a microcontroller; `cargo xtask test firmware` runs it");
    std::process::exit(2);
}
