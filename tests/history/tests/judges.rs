//! The judge of the histories against stateright's tester: they say the same, and both say yes and no.
#![cfg(fuseboard_shuttle)]

use fuseboard_history::history::{Step, has_order};
use fuseboard_model::concurrency::Concurrency;
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

const HISTORIES: u64 = 20_000;
const THREADS: u64 = 3;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Places(Concurrency);

#[derive(Clone, Debug, PartialEq)]
enum Call {
    Acquire,
    Release,
    InFlight,
}

impl SequentialSpec for Places {
    type Op = Call;
    type Ret = u32;

    fn invoke(&mut self, call: &Call) -> u32 {
        match call {
            Call::Acquire => u32::from(self.0.acquire()),
            Call::Release => u32::from(self.0.release()),
            Call::InFlight => self.0.in_flight,
        }
    }
}

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

/// Twelve random events of three threads, with answers by chance.
#[test]
fn both_judges_say_the_same() {
    let mut chance = Chance(1);
    let mut said = [0_u32; 2];
    for _ in 0..HISTORIES {
        let start = Places(Concurrency::new(2));
        let mut tester = LinearizabilityTester::new(start.clone());
        let mut open: Vec<(u64, usize, Call)> = Vec::new();
        let mut steps = Vec::new();
        for event in 0..12 + THREADS as usize {
            let thread = chance.below(THREADS);
            let at = open.iter().position(|(of, _, _)| *of == thread);
            // At the end whoever is open ends.
            let at = if event < 12 {
                at
            } else {
                open.len().checked_sub(1)
            };
            if let Some(at) = at {
                let (thread, called, operation) = open.swap_remove(at);
                let answer = chance.below(2) as u32;
                tester.on_return(thread, answer).unwrap();
                steps.push(Step {
                    called,
                    ended: event,
                    operation,
                    answer,
                });
            } else if event < 12 {
                let call = [Call::Acquire, Call::Release, Call::InFlight];
                let call = call[chance.below(3) as usize].clone();
                tester.on_invoke(thread, call.clone()).unwrap();
                open.push((thread, event, call));
            }
        }
        let verdict = has_order(&steps, start);
        assert_eq!(verdict, tester.is_consistent(), "{steps:?}");
        said[usize::from(verdict)] += 1;
    }
    println!("{} linearizable, {} not", said[1], said[0]);
    assert!(said.iter().all(|&times| times > 100), "{said:?}");
}
