//! Every script interrupted at every instruction by every other, and the oracle: some order of whole operations explains
//! what everybody was told and what is there at the end.

use std::fmt;

use crate::script::{Answer, Hand, STEPS, Script, Subject};
use crate::stepper::{self, DEPTH, Stop};

/// What was told to each actor, and what can be seen at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ending {
    told: Vec<[Option<Answer>; STEPS]>,
    seen: Vec<u64>,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for told in &self.told {
            let told: Vec<_> = told.iter().flatten().collect();
            write!(f, "{told:?} ")?;
        }
        write!(f, "{:?}", self.seen)
    }
}

/// What a sweep came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Interruptions made.
    pub stops: u64,
    /// Different endings that were seen, over all pairs.
    pub endings: usize,
    /// The most instructions that an interrupting script took.
    pub longest: usize,
    /// Endings that nothing explains, one of each combination of scripts.
    pub unexplained: Vec<String>,
}

/// The instructions that a script takes when nobody else is there, without those of the empty script.
pub fn alone<S>(subject: &Subject<S>, script: &Script<S>) -> usize {
    let nothing = Script {
        name: "nothing",
        steps: &[],
    };
    stops(subject, &[script], &[]).len() - stops(subject, &[&nothing], &[]).len()
}

/// Every pair of scripts of a subject: the second runs at every instruction of the first.
///
/// # Panics
/// When an ending has no explanation: all of them are named.
pub fn pairs<S>(subject: &Subject<S>) -> Swept {
    let mut swept = Swept::default();
    for first in subject.scripts {
        for second in subject.scripts {
            if is_settled(&swept) {
                break;
            }
            sweep(subject, &[first, second], &mut swept);
        }
    }
    report(subject, &swept);
    swept
}

/// Every triple: the third runs at every instruction of the second, which runs at every `stride`-th of the first.
///
/// # Panics
/// As [`pairs`].
pub fn triples<S>(subject: &Subject<S>, stride: usize) -> Swept {
    let mut swept = Swept::default();
    for first in subject.scripts {
        for second in subject.scripts {
            for third in subject.scripts {
                if is_settled(&swept) {
                    break;
                }
                sweep_nested(subject, &[first, second, third], stride, &mut swept);
            }
        }
    }
    report(subject, &swept);
    swept
}

/// Where a seeded fault is sought, one ending that it explains is enough.
fn is_settled(swept: &Swept) -> bool {
    cfg!(fuseboard_faults) && !swept.unexplained.is_empty()
}

fn report<S>(subject: &Subject<S>, swept: &Swept) {
    let Swept {
        stops,
        endings,
        longest,
        unexplained,
    } = swept;
    println!(
        "{}: {} scripts, {stops} interruptions, {endings} different endings, at most {longest} instructions in one",
        subject.name,
        subject.scripts.len()
    );
    assert!(
        unexplained.is_empty(),
        "no order of whole operations explains these:\n{}",
        unexplained.join("\n")
    );
}

fn sweep<S>(subject: &Subject<S>, scripts: &[&Script<S>], swept: &mut Swept) {
    let mut seen = Seen::of(explanations(subject, scripts));
    for (number, stop) in stops(subject, &scripts[..1], &[]).into_iter().enumerate() {
        if is_settled(swept) {
            break;
        }
        if number % SAMPLE == 0 {
            swept.longest = swept.longest.max(stops(subject, scripts, &[stop]).len());
        }
        try_one(subject, scripts, &[stop], &mut seen, swept);
    }
    swept.endings += seen.found.len();
}

fn sweep_nested<S>(subject: &Subject<S>, scripts: &[&Script<S>], stride: usize, swept: &mut Swept) {
    let mut seen = Seen::of(explanations(subject, scripts));
    for outer in stops(subject, &scripts[..1], &[])
        .into_iter()
        .step_by(stride)
    {
        let within = stops(subject, &scripts[..2], &[outer]);
        swept.longest = swept.longest.max(within.len());
        for inner in within {
            try_one(subject, scripts, &[outer, inner], &mut seen, swept);
        }
    }
    swept.endings += seen.found.len();
}

/// Every so-many-th interruption is stepped through, to count its instructions.
const SAMPLE: usize = 101;

/// What is allowed, and what was found of it.
struct Seen {
    allowed: Vec<Ending>,
    found: Vec<Ending>,
}

impl Seen {
    fn of(allowed: Vec<Ending>) -> Self {
        Self {
            allowed,
            found: Vec::new(),
        }
    }
}

/// The scripts as code on a new subject.
fn with_codes<S, T>(
    subject: &Subject<S>,
    scripts: &[&Script<S>],
    then: impl FnOnce(&mut [&mut dyn FnMut()]) -> T,
) -> (T, Ending) {
    let (it, mut hands) = (subject.make)();
    let result = {
        let it = &it;
        let mut codes: Vec<_> = scripts
            .iter()
            .zip(&mut hands)
            .map(|(script, hand)| move || play(it, script.steps, hand))
            .collect();
        let mut codes: Vec<&mut dyn FnMut()> = codes.iter_mut().map(|code| code as _).collect();
        then(&mut codes)
    };
    let ending = ending(subject, &it, &hands, scripts.len());
    (result, ending)
}

/// The stops of the last script, with those before it stopped.
fn stops<S>(subject: &Subject<S>, scripts: &[&Script<S>], before: &[Stop]) -> Vec<Stop> {
    with_codes(subject, scripts, |codes| stepper::trace(codes, before)).0
}

/// One interruption.
fn try_one<S>(
    subject: &Subject<S>,
    scripts: &[&Script<S>],
    stops: &[Stop],
    seen: &mut Seen,
    swept: &mut Swept,
) {
    let (all_ran, ending) = with_codes(subject, scripts, |codes| stepper::run(codes, stops));
    assert!(all_ran, "{}: the same code took another path", subject.name);
    swept.stops += 1;
    if seen.found.contains(&ending) {
        return;
    }
    if !seen.allowed.contains(&ending) {
        let names: Vec<_> = scripts.iter().map(|script| script.name).collect();
        let orders: Vec<_> = seen
            .allowed
            .iter()
            .map(|ending| format!("  allowed: {ending}"))
            .collect();
        swept.unexplained.push(format!(
            "{}: `{}`\n  found:   {ending}\n{}",
            subject.name,
            names.join("` interrupted by `"),
            orders.join("\n")
        ));
    }
    seen.found.push(ending);
}

fn play<S>(it: &S, steps: &[crate::script::Operation<S>], hand: &mut Hand) {
    for step in steps {
        step(it, hand);
    }
}

fn ending<S>(subject: &Subject<S>, it: &S, hands: &[Hand; DEPTH], actors: usize) -> Ending {
    Ending {
        told: hands[..actors].iter().map(Hand::answers).collect(),
        seen: (subject.observe)(it, &hands[..actors]),
    }
}

/// The endings of all orders of the scripts' steps, each run alone.
fn explanations<S>(subject: &Subject<S>, scripts: &[&Script<S>]) -> Vec<Ending> {
    let mut orders = Vec::new();
    let mut left: Vec<usize> = scripts.iter().map(|script| script.steps.len()).collect();
    merge(&mut left, &mut Vec::new(), &mut orders);
    let mut endings = Vec::new();
    for order in orders {
        let (it, mut hands) = (subject.make)();
        let mut done = [0; DEPTH];
        for actor in order {
            scripts[actor].steps[done[actor]](&it, &mut hands[actor]);
            done[actor] += 1;
        }
        let ending = ending(subject, &it, &hands, scripts.len());
        if !endings.contains(&ending) {
            endings.push(ending);
        }
    }
    endings
}

/// Every order in which the actors can take the steps that are left to them.
fn merge(left: &mut [usize], order: &mut Vec<usize>, orders: &mut Vec<Vec<usize>>) {
    if left.iter().all(|&steps| steps == 0) {
        orders.push(order.clone());
        return;
    }
    for actor in 0..left.len() {
        if left[actor] > 0 {
            left[actor] -= 1;
            order.push(actor);
            merge(left, order, orders);
            order.pop();
            left[actor] += 1;
        }
    }
}
