//! The script: what is wrong with the upstream, and when.

use std::time::Duration;

/// What the upstream does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// 200 after this long.
    Answer(Duration),
    /// 503 after this long.
    Fail(Duration),
    /// Nothing until the phase is over.
    Hang,
}

/// One part of the script.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) lasts: Duration,
    pub(crate) behaviour: Behaviour,
    /// Whether callers should leave it alone.
    pub(crate) sick: bool,
}

const fn phase(name: &'static str, lasts_ms: u64, behaviour: Behaviour, sick: bool) -> Phase {
    Phase {
        name,
        lasts: Duration::from_millis(lasts_ms),
        behaviour,
        sick,
    }
}

const QUICK: Duration = Duration::from_millis(5);

/// What happens, in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script(&'static [Phase]);

/// The script of the run without a breaker and of the one with.
pub(crate) const SCRIPT: Script = Script(&[
    phase("healthy", 1_000, Behaviour::Answer(QUICK), false),
    phase(
        "slow",
        1_000,
        Behaviour::Answer(Duration::from_millis(250)),
        true,
    ),
    phase("healthy again", 1_000, Behaviour::Answer(QUICK), false),
    phase("failing", 1_000, Behaviour::Fail(QUICK), true),
    phase("hung", 1_200, Behaviour::Hang, true),
    phase(
        "recovering",
        800,
        Behaviour::Answer(Duration::from_millis(60)),
        false,
    ),
    phase("healthy", 800, Behaviour::Answer(QUICK), false),
]);

/// The phase in which the upstream is well again for good.
pub(crate) const HEALED: usize = 5;

/// The script of the workers: well, down, well again.
pub(crate) const OUTAGE: Script = Script(&[
    phase("healthy", 1_000, Behaviour::Answer(QUICK), false),
    phase("down", 3_500, Behaviour::Fail(QUICK), true),
    phase("healthy again", 1_000, Behaviour::Answer(QUICK), false),
]);

impl Script {
    pub(crate) const fn phases(self) -> &'static [Phase] {
        self.0
    }

    /// Length of the whole script.
    pub(crate) fn length(self) -> Duration {
        self.0.iter().map(|phase| phase.lasts).sum()
    }

    /// When phase `index` begins.
    pub(crate) fn begins(self, index: usize) -> Duration {
        self.0[..index].iter().map(|phase| phase.lasts).sum()
    }

    /// The phase at `elapsed`; the last one goes on for ever.
    pub(crate) fn index_at(self, elapsed: Duration) -> usize {
        (1..self.0.len())
            .rev()
            .find(|&index| elapsed >= self.begins(index))
            .unwrap_or(0)
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.name;
        match self.behaviour {
            Behaviour::Answer(after) => write!(f, "{name}, answers in {} ms", after.as_millis()),
            Behaviour::Fail(after) => write!(f, "{name}, status 503 in {} ms", after.as_millis()),
            Behaviour::Hang => write!(f, "{name}, answers nothing"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_holds_from_its_beginning_to_the_next() {
        assert_eq!(SCRIPT.index_at(Duration::ZERO), 0);
        for index in 1..SCRIPT.phases().len() {
            let just_before = SCRIPT.begins(index).saturating_sub(Duration::from_nanos(1));
            assert_eq!(SCRIPT.index_at(just_before), index - 1);
            assert_eq!(SCRIPT.index_at(SCRIPT.begins(index)), index);
        }
        assert_eq!(
            SCRIPT.index_at(SCRIPT.length() * 2),
            SCRIPT.phases().len() - 1
        );
    }

    #[test]
    fn it_is_well_from_healed_to_the_end() {
        assert!(SCRIPT.phases()[HEALED..].iter().all(|phase| !phase.sick));
        assert!(SCRIPT.phases()[HEALED - 1].sick);
    }
}
