//! The machine: `SysTick`, the main loop, and how the image ends.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{entry, exception};
use cortex_m_semihosting::{debug, hprintln};
use fuseboard_core::Nanos;

use crate::actor::{Actor, BREAKER, Counted, TICK, check_at_the_end};

/// How often the handler fires.
const FIRINGS: u32 = 4_000;
/// Clock cycles between two firings: long enough for the main loop to get on, never the same, so that every instruction has its turn.
const CYCLES: u32 = 12_000;
const CYCLES_SPREAD: u32 = 1_024;

/// Firings so far: the clock. Written by the handler only.
static FIRED: AtomicU32 = AtomicU32::new(0);
/// Whether the main loop is inside an operation.
static INSIDE: AtomicBool = AtomicBool::new(false);
/// How often the handler found it there.
static FOUND_INSIDE: AtomicU32 = AtomicU32::new(0);
/// What the handler counted; written once, by its last firing.
static HANDLER: [AtomicU32; 5] = [const { AtomicU32::new(0) }; 5];
static HANDLER_ENDED: AtomicBool = AtomicBool::new(false);

fn now() -> Nanos {
    // Relaxed: one core; a handler sees all that it interrupted.
    Nanos::new(TICK.get() * u64::from(FIRED.load(Ordering::Relaxed)))
}

#[entry]
fn main() -> ! {
    let mut peripherals = cortex_m::Peripherals::take().expect("taken once");
    let systick = &mut peripherals.SYST;
    systick.set_clock_source(SystClkSource::Core);
    systick.set_reload(CYCLES);
    systick.clear_current();
    systick.enable_counter();
    systick.enable_interrupt();

    let mut actor = Actor::new(0x2545_F491);
    // Acquire and Relaxed: as in `now`; the handler's sums were written before the flag.
    while !HANDLER_ENDED.load(Ordering::Acquire) {
        INSIDE.store(true, Ordering::Relaxed);
        actor.step(now());
        INSIDE.store(false, Ordering::Relaxed);
    }
    actor.settle_all(now());
    finish(&actor.counted)
}

#[exception]
fn SysTick() {
    static mut ACTOR: Actor = Actor::new(0x9E37_79B9);
    // Relaxed, throughout: as in `now`.
    let fired = FIRED.load(Ordering::Relaxed) + 1;
    FIRED.store(fired, Ordering::Relaxed);
    if INSIDE.load(Ordering::Relaxed) {
        FOUND_INSIDE.store(FOUND_INSIDE.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
    if fired < FIRINGS {
        ACTOR.step(now());
        set_reload(CYCLES + ACTOR.random(CYCLES_SPREAD));
    } else if fired == FIRINGS {
        ACTOR.settle_all(now());
        let Counted {
            calls,
            tokens,
            probes,
            rejected,
            full,
        } = ACTOR.counted;
        for (place, counted) in HANDLER.iter().zip([calls, tokens, probes, rejected, full]) {
            place.store(counted, Ordering::Relaxed);
        }
        // Release: pairs with the main loop's look at it.
        HANDLER_ENDED.store(true, Ordering::Release);
    }
}

fn set_reload(cycles: u32) {
    // SAFETY: the register is only written here and before the counter was enabled; a write of a 24-bit value is allowed at any time.
    unsafe { (*SYST::PTR).rvr.write(cycles) };
}

fn finish(main: &Counted) -> ! {
    // Relaxed: written before the flag that the main loop has seen.
    let [calls, tokens, probes, rejected, full] = HANDLER
        .each_ref()
        .map(|place| place.load(Ordering::Relaxed));
    let handler = Counted {
        calls,
        tokens,
        probes,
        rejected,
        full,
    };
    let now = now();
    check_at_the_end(main, &handler, now);
    let inside = FOUND_INSIDE.load(Ordering::Relaxed);
    let generation = BREAKER.snapshot(now).generation;
    hprintln!(
        "lock-free: {}; {} firings, {} of them inside an operation; {} + {} calls counted, {} + {} probes, {} + {} rejections, {} state changes",
        fuseboard_core::LOCK_FREE,
        FIRINGS,
        inside,
        main.calls,
        handler.calls,
        main.probes,
        handler.probes,
        main.rejected,
        handler.rejected,
        generation
    );
    // Each *always* has its *sometimes*: the cases that the run is about were reached.
    assert!(
        inside > FIRINGS / 2,
        "the handler hardly ever interrupted an operation"
    );
    assert!(main.probes > 0 && handler.probes > 0 && main.rejected > 0 && handler.rejected > 0);
    assert!(generation > 50, "the breaker hardly ever changed its state");
    end(debug::EXIT_SUCCESS)
}

fn end(status: debug::ExitStatus) -> ! {
    loop {
        debug::exit(status);
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    cortex_m::interrupt::disable();
    hprintln!("{}", info);
    end(debug::EXIT_FAILURE)
}
