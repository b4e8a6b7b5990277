//! What a firmware without an operating system does on a panic, which only a defect of this library could cause.

use core::panic::PanicInfo;

/// There is nobody to tell: the watchdog ends it.
#[panic_handler]
fn stop(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
