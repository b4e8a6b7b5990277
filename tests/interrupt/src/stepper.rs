//! Stopping code at any of its instructions, and running other code there.
//!
//! [`trace`] runs code once under the processor's trap flag, which raises a signal after each instruction, and keeps the
//! addresses. [`run`] then stops it at one of them by a breakpoint: one signal for a stop instead of one for each instruction before it.

use std::arch::asm;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// The trap flag's bit in RFLAGS.
const TRAP: i64 = 0x100;
/// The one-byte instruction `int3`.
const BREAKPOINT: u8 = 0xCC;
/// So many instructions mean that the code waits: nothing in the core comes near.
pub const FOREVER: usize = 100_000;
/// As [`FOREVER`], for code that runs at full speed; seconds.
const FOREVER_SECONDS: u32 = if cfg!(fuseboard_faults) { 5 } else { 20 };
/// How deep interruptions may nest.
pub const DEPTH: usize = 3;

/// A moment in the run of some code: before it executes the instruction at `address` for the so-many-th time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    address: usize,
    /// From 1.
    occurrence: u32,
}

/// How a level runs.
#[derive(Clone, Copy)]
enum Mode {
    /// At full speed to its end.
    Free,
    /// Instruction by instruction, each address kept.
    Traced,
    /// To the stop, where the next level runs, then at full speed.
    Until(Stop),
}

/// What the signal handler knows; plain cells, for it may interrupt anything.
struct Machine {
    codes: [Cell<Option<*mut dyn FnMut()>>; DEPTH],
    modes: [Cell<Mode>; DEPTH],
    /// The level that runs; `DEPTH` when none does.
    current: Cell<usize>,
    /// Levels begun.
    begun: Cell<usize>,
    /// Where `trace` keeps addresses: the buffer and how many are in it.
    trace: Cell<*mut usize>,
    traced: Cell<usize>,
    /// The byte that the breakpoint replaced.
    replaced: Cell<u8>,
    /// Passes over the breakpoint.
    passes: Cell<u32>,
}

/// Code pages that were made writable, and stay so; zero is none. Changed under the lock of [`exclusively`].
static WRITABLE: [AtomicUsize; 64] = [const { AtomicUsize::new(0) }; 64];

thread_local! {
    // Const, so that the handler meets no lazy initialiser.
    static MACHINE: Machine = const {
        Machine {
            codes: [const { Cell::new(None) }; DEPTH],
            modes: [const { Cell::new(Mode::Free) }; DEPTH],
            current: Cell::new(DEPTH),
            begun: Cell::new(0),
            trace: Cell::new(ptr::null_mut()),
            traced: Cell::new(0),
            replaced: Cell::new(0),
            passes: Cell::new(0),
        }
    };
}

/// Runs the first code up to the first stop, there the second up to the second stop, and so on; the code behind the last
/// stop runs to its end. Says whether all of them ran.
///
/// # Panics
/// With more than [`DEPTH`] codes, or another number of stops than one less.
pub fn run(codes: &mut [&mut dyn FnMut()], stops: &[Stop]) -> bool {
    assert_eq!(
        stops.len() + 1,
        codes.len(),
        "each code but the last has a stop"
    );
    begin(codes, stops, Mode::Free) == codes.len()
}

/// As [`run`], with the last code run instruction by instruction: a stop before each.
///
/// # Panics
/// As [`run`].
pub fn trace(codes: &mut [&mut dyn FnMut()], stops: &[Stop]) -> Vec<Stop> {
    assert_eq!(
        stops.len() + 1,
        codes.len(),
        "each code but the last has a stop"
    );
    let mut addresses = vec![0; FOREVER];
    MACHINE.with(|machine| {
        machine.trace.set(addresses.as_mut_ptr());
        machine.traced.set(0);
    });
    begin(codes, stops, Mode::Traced);
    addresses.truncate(MACHINE.with(|machine| machine.traced.get()));
    // After the last one the trap flag is cleared, which is not the code's.
    addresses.truncate(addresses.len().saturating_sub(EPILOGUE));
    let mut passes = std::collections::HashMap::new();
    addresses
        .into_iter()
        .map(|address| {
            let occurrence = passes.entry(address).or_insert(0);
            *occurrence += 1;
            Stop {
                address,
                occurrence: *occurrence,
            }
        })
        .collect()
}

/// The instructions that clear the trap flag in [`enter`].
const EPILOGUE: usize = 3;

/// Breakpoints are seen by all threads, so one at a time has them.
fn exclusively() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    // A test that failed while it held the lock has left no breakpoint.
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn begin(codes: &mut [&mut dyn FnMut()], stops: &[Stop], last: Mode) -> usize {
    let _exclusive = exclusively();
    install();
    MACHINE.with(|machine| {
        for (level, code) in codes.iter_mut().enumerate() {
            let code: *mut (dyn FnMut() + '_) = ptr::from_mut(*code);
            #[expect(
                clippy::transmute_ptr_to_ptr,
                reason = "a cast may not change the lifetime"
            )]
            // SAFETY: only the lifetime changes. The pointer is used while `run_level` below runs, which `codes` outlives,
            // and forgotten after that.
            let code = unsafe {
                std::mem::transmute::<*mut (dyn FnMut() + '_), *mut (dyn FnMut() + 'static)>(code)
            };
            machine.codes[level].set(Some(code));
            machine.modes[level].set(stops.get(level).map_or(last, |&stop| Mode::Until(stop)));
        }
        machine.begun.set(0);
        // SAFETY: no pointer is involved; ends the process when the code waits for ever.
        unsafe { libc::alarm(FOREVER_SECONDS) };
        run_level(machine, 0);
        // SAFETY: as above, calls that off.
        unsafe { libc::alarm(0) };
        for code in &machine.codes {
            code.set(None);
        }
        machine.begun.get()
    })
}

/// Runs the code of a level in its mode.
fn run_level(machine: &Machine, level: usize) {
    let Some(code) = machine.codes[level].get() else {
        return;
    };
    let before = machine.current.replace(level);
    machine.begun.set(level + 1);
    machine.passes.set(0);
    let mode = machine.modes[level].get();
    if let Mode::Until(stop) = mode {
        machine.replaced.set(patch(stop.address, BREAKPOINT));
    }
    let flags = if matches!(mode, Mode::Traced) {
        TRAP
    } else {
        0
    };
    // SAFETY: `begin` keeps the code alive until the lowest level has ended, and each runs at one place only.
    enter(unsafe { &mut *code }, flags);
    if let Mode::Until(stop) = mode
        && machine.begun.get() == level + 1
    {
        // It ended without coming to its stop.
        patch(stop.address, machine.replaced.get());
    }
    machine.current.set(before);
}

/// Runs `code` with more flags. Not inlined: in every mode the same instructions are at the same addresses.
#[inline(never)]
fn enter(code: &mut dyn FnMut(), flags: i64) {
    // SAFETY: sets the trap flag or nothing. Without `nostack` the compiler keeps nothing in the red zone that `pushfq` writes to.
    unsafe { asm!("pushfq", "or qword ptr [rsp], {flags}", "popfq", flags = in(reg) flags) };
    code();
    // SAFETY: as above, clears it.
    unsafe { asm!("pushfq", "and qword ptr [rsp], {clear}", "popfq", clear = const !TRAP) };
}

/// Puts a byte into the code; gives the one that was there.
fn patch(address: usize, byte: u8) -> u8 {
    make_writable(address);
    let place = ptr::with_exposed_provenance_mut::<u8>(address);
    // SAFETY: the page is writable, and only this thread runs code at that place, see `exclusively`. Volatile, since
    // the processor reads it and not the program.
    unsafe {
        let before = place.read_volatile();
        place.write_volatile(byte);
        before
    }
}

/// Makes the code page of `address` writable, unless it is.
fn make_writable(address: usize) {
    const PAGE: usize = 4096;
    let page = address & !(PAGE - 1);
    // Relaxed: one thread at a time, which the lock orders.
    let known = WRITABLE.iter().find(|known| {
        matches!(known.load(Ordering::Relaxed), 0) || known.load(Ordering::Relaxed) == page
    });
    if known.is_some_and(|known| known.load(Ordering::Relaxed) == page) {
        return;
    }
    let access = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    // SAFETY: the address was executed, so its page is mapped; it stays readable and executable.
    if unsafe { libc::mprotect(ptr::with_exposed_provenance_mut(page), PAGE, access) } != 0 {
        end(b"the system allows no breakpoint: code pages cannot be made writable\n");
    }
    if let Some(known) = known {
        known.store(page, Ordering::Relaxed);
    }
}

fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let on_trap: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_trap;
        let on_alarm: extern "C" fn(c_int) = on_alarm;
        // NODEFER: what runs inside the handler is traced as well.
        handle(
            libc::SIGTRAP,
            on_trap as usize,
            libc::SA_SIGINFO | libc::SA_NODEFER,
        );
        handle(libc::SIGALRM, on_alarm as usize, 0);
    });
}

fn handle(signal: c_int, handler: usize, flags: c_int) {
    // SAFETY: zero is a valid value of every field of this C structure.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: `handler` has the signature that the flags ask for, and `action` is valid.
    let failed = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    assert_eq!(failed, 0, "signal {signal} cannot be handled here");
}

extern "C" fn on_trap(_signal: c_int, _info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel gives a valid context to a handler with SA_SIGINFO, which is ours until we return.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    MACHINE.with(|machine| {
        let level = machine.current.get();
        match machine.modes.get(level).map(Cell::get) {
            Some(Mode::Traced) => keep(machine, registers[libc::REG_RIP as usize] as usize),
            Some(Mode::Until(stop)) => at_breakpoint(machine, level, stop, registers),
            // Another thread ran into the breakpoint: it tries again until it is gone.
            _ => registers[libc::REG_RIP as usize] -= 1,
        }
    });
}

fn keep(machine: &Machine, address: usize) {
    let traced = machine.traced.get();
    if traced >= FOREVER {
        end(b"R1 violated: an operation waits for one that is stopped (100,000 instructions without an end)\n");
    }
    // SAFETY: `trace` made room for FOREVER addresses, and keeps it while the code runs.
    unsafe { machine.trace.get().add(traced).write(address) };
    machine.traced.set(traced + 1);
}

fn at_breakpoint(machine: &Machine, level: usize, stop: Stop, registers: &mut [i64; 23]) {
    let flags = &mut registers[libc::REG_EFL as usize];
    if *flags & TRAP != 0 {
        // One step behind the breakpoint: put it back.
        *flags &= !TRAP;
        patch(stop.address, BREAKPOINT);
        return;
    }
    patch(stop.address, machine.replaced.get());
    let passes = machine.passes.get() + 1;
    machine.passes.set(passes);
    if passes < stop.occurrence {
        *flags |= TRAP;
    } else {
        run_level(machine, level + 1);
    }
    // The breakpoint's byte was executed; now the instruction itself.
    registers[libc::REG_RIP as usize] -= 1;
}

extern "C" fn on_alarm(_signal: c_int) {
    end(b"R1 violated: an operation waits for one that is stopped (seconds without an end)\n");
}

/// Ends the process: what waits inside a signal handler can never be left.
fn end(message: &[u8]) -> ! {
    // SAFETY: writes a constant to standard error and ends the process; both may be done in a handler.
    unsafe {
        libc::write(2, message.as_ptr().cast(), message.len());
        libc::_exit(101)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn r1_every_instruction_is_a_stop() {
        let word = AtomicU64::new(0);
        let mut add_twice = || {
            for _ in 0..2 {
                std::hint::black_box(&word).fetch_add(1, Ordering::Relaxed);
            }
        };
        let stops = trace(&mut [&mut add_twice], &[]);
        let mut seen = Vec::new();
        for stop in &stops {
            word.store(0, Ordering::Relaxed);
            let mut at = 9;
            assert!(run(
                &mut [&mut add_twice, &mut || at = word.load(Ordering::Relaxed)],
                &[*stop]
            ));
            assert_eq!(word.load(Ordering::Relaxed), 2);
            seen.push(at);
        }
        assert!(seen.is_sorted(), "{seen:?}");
        assert!(
            [0, 1, 2].iter().all(|number| seen.contains(number)),
            "{seen:?}"
        );
    }

    #[test]
    fn r1_three_levels_nest() {
        let order = std::cell::RefCell::new(Vec::with_capacity(1_000));
        let say = |what: &'static str| order.borrow_mut().push(what);
        let (mut outer, mut middle, mut inner) =
            (|| say("outer"), || say("middle"), || say("inner"));
        let outer_stop = trace(&mut [&mut outer], &[])[0];
        let middle_stop = trace(&mut [&mut outer, &mut middle], &[outer_stop])[0];
        order.borrow_mut().clear();
        assert!(run(
            &mut [&mut outer, &mut middle, &mut inner],
            &[outer_stop, middle_stop]
        ));
        assert_eq!(*order.borrow(), ["inner", "middle", "outer"]);
    }
}
