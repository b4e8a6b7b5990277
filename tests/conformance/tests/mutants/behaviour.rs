//! Faults in what a host does with right settings.

use std::collections::HashMap;

use fuseboard_conformance::host::rust::RustHost;
use fuseboard_conformance::host::{Admission, Answer, Host, PermitId, Refusal};
use fuseboard_conformance::trace::{Control, Policy, Settling};
use fuseboard_core::{Nanos, Outcome, Reason, State};

use crate::history::History;

macro_rules! behaviours {
    ($($(#[$meta:meta])* $name:ident,)*) => {
        /// One fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Behaviour {
            $($(#[$meta])* $name,)*
        }

        impl Behaviour {
            /// Every fault.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

behaviours! {
    /// The generation of a permit is ignored: a late outcome counts as if it were of now.
    LateOutcomesCount,
    /// The generation is only ignored in the answer.
    StaleAnswersRecorded,
    /// A recorded settling is answered as stale.
    RecordedAnswersStale,
    CancelIsSuccess,
    CancelIsFailure,
    CancelKeepsThePlace,
    IgnoreKeepsThePlace,
    WeightIgnored,
    /// Successes are not counted while closed, so they neither dilute nor reach the minimum.
    SuccessesNotCounted,
    /// Every success is judged, so one can trip on what merely expired.
    EverySuccessJudged,
    /// A success that completes the minimum is not judged: the next failure is.
    SuccessNeverJudged,
    /// A call counts when it began.
    CountsAtTheStart,
    OwnRejectionsCount,
    ClosingKeepsTheWindow,
    ResetKeepsTheWindow,
    /// Everybody gets in while half-open.
    HerdAdmitted,
    /// Looking at the state makes an overdue transition.
    LookingProbes,
    ForceOpenIgnored,
    UntilIgnored,
    DisableIgnored,
    DisabledCounts,
    MetricsOnlyIgnored,
    MetricsOnlyTrips,
    ResetIgnored,
    ConfigureIgnored,
    ConfigureResets,
    RetryAfterOneShort,
    RetryAfterInWholeMillis,
    RetryAfterMissing,
    /// Time never goes back: an old `now` is taken for the latest.
    ClockClamped,
    /// A `now` that goes back begins a new time, so what follows is as if much time had passed.
    ClockBackMeansLater,
    ClockInWholeMillis,
    /// 53 bits: exact for 104 days.
    ClockInFloats,
    /// Milliseconds in 32 bits: 49 days.
    ClockInNarrowMillis,
    CostIgnored,
    MaxWaitIgnored,
    /// A reservation is refused unless it is free at once.
    NeverWaits,
    WaitOneShort,
    RefundIgnored,
    RefundTwice,
    /// A refused request takes what there is.
    RefusalTakes,
    NeverIsOnlyLimited,
    AvailableOneMore,
    /// The bucket or the log is refilled at fixed times.
    RefillsInCycles,
    ReleaseIgnored,
    /// Giving back twice frees the place of somebody else.
    ReleaseTwiceFrees,
    InFlightForgotten,
    AnythingAccepted,
    WrongFieldNamed,
}

/// The Rust host with one fault around it.
pub struct Misbehaving {
    fault: Behaviour,
    inner: RustHost,
    policies: HashMap<String, Policy>,
    histories: HashMap<String, History>,
    /// When a permit was given, and by whom.
    given: HashMap<PermitId, (String, Nanos)>,
    own_rejections: HashMap<String, u32>,
    latest: Nanos,
    /// What is added to every time, for a clock that misunderstands going back.
    leap: Nanos,
    /// The cycle and what was taken in it.
    cycles: HashMap<String, (u64, u64)>,
    own_permits: u64,
}

impl Misbehaving {
    pub fn new(fault: Behaviour) -> Self {
        Self {
            fault,
            inner: RustHost::default(),
            policies: HashMap::new(),
            histories: HashMap::new(),
            given: HashMap::new(),
            own_rejections: HashMap::new(),
            latest: Nanos::ZERO,
            leap: Nanos::ZERO,
            cycles: HashMap::new(),
            own_permits: u64::MAX,
        }
    }

    fn is(&self, fault: Behaviour) -> bool {
        self.fault == fault
    }

    /// The time as this host takes it.
    fn clock(&mut self, now: Nanos) -> Nanos {
        let back = now < self.latest;
        let before = self.latest;
        self.latest = if self.is(Behaviour::ClockClamped) {
            self.latest.max(now)
        } else {
            now
        };
        match self.fault {
            Behaviour::ClockClamped => self.latest,
            Behaviour::ClockBackMeansLater => {
                if back {
                    let gap = before.saturating_sub(now);
                    self.leap = self.leap.saturating_add(gap).saturating_add(gap);
                }
                now.saturating_add(self.leap)
            }
            Behaviour::ClockInWholeMillis => Nanos::new(now.get() / 1_000_000 * 1_000_000),
            Behaviour::ClockInFloats => Nanos::new(now.get() as f64 as u64),
            Behaviour::ClockInNarrowMillis => {
                let nanos = now.get();
                let millis = u64::from((nanos / 1_000_000) as u32);
                Nanos::new(millis * 1_000_000 + nanos % 1_000_000)
            }
            _ => now,
        }
    }

    fn admission(&self, answer: Admission) -> Admission {
        let Admission::Rejected {
            reason,
            retry_after,
        } = answer
        else {
            return answer;
        };
        let retry_after = match self.fault {
            Behaviour::RetryAfterOneShort => {
                retry_after.map(|after| after.saturating_sub(Nanos::new(1)))
            }
            Behaviour::RetryAfterInWholeMillis => retry_after
                .map(|after| Nanos::new(after.get().div_ceil(1_000_000).saturating_mul(1_000_000))),
            Behaviour::RetryAfterMissing => None,
            _ => retry_after,
        };
        let reason = if self.is(Behaviour::NeverIsOnlyLimited) && reason == Reason::Never {
            Reason::Limited
        } else {
            reason
        };
        Admission::Rejected {
            reason,
            retry_after,
        }
    }

    fn refusal(&self, answer: Result<(), Refusal>) -> Result<(), Refusal> {
        match (answer, self.fault) {
            (Err(Refusal::Field { .. }), Behaviour::AnythingAccepted) => Ok(()),
            (Err(Refusal::Field { message, .. }), Behaviour::WrongFieldNamed) => {
                Err(Refusal::Field {
                    field: "config".to_owned(),
                    message,
                })
            }
            (answer, _) => answer,
        }
    }

    /// A call of this host's own, with this outcome at once.
    fn call(&mut self, name: &str, settling: Settling, now: Nanos) -> Answer<()> {
        self.own_permits -= 1;
        let permit = PermitId(self.own_permits);
        let answer = self.inner.acquire_permit(name, permit, now)?;
        if matches!(answer, Admission::Admitted { .. }) {
            self.inner.settle(name, permit, settling, now)?;
        }
        Ok(())
    }

    fn replay(&mut self, name: &str) -> Answer<()> {
        let history = self.histories.remove(name).unwrap_or_default();
        for (at, failed) in history.outcomes {
            let outcome = if failed {
                Outcome::Failure
            } else {
                Outcome::Success
            };
            self.call(name, Settling::Outcome { outcome, weight: 1 }, at)?;
        }
        Ok(())
    }

    fn breaker_state(&mut self, name: &str, now: Nanos) -> Option<State> {
        match self.policies.get(name) {
            Some(Policy::Breaker(_)) => self.inner.state(name, now).ok(),
            _ => None,
        }
    }

    /// What this host makes of a settling; `None`: nothing at all, and says that all is well.
    fn settling(&self, settling: Settling, state: Option<State>) -> Option<Settling> {
        let outcome = |outcome| Settling::Outcome { outcome, weight: 1 };
        let cancels = matches!(settling, Settling::Drop)
            || matches!(
                settling,
                Settling::Outcome {
                    outcome: Outcome::Ignored,
                    ..
                }
            );
        let is_breaker = state.is_some();
        match (self.fault, settling) {
            (Behaviour::CancelIsSuccess, _) if cancels && is_breaker => {
                Some(outcome(Outcome::Success))
            }
            (Behaviour::CancelIsFailure, _) if cancels && is_breaker => {
                Some(outcome(Outcome::Failure))
            }
            (Behaviour::CancelKeepsThePlace, Settling::Drop)
            | (
                Behaviour::IgnoreKeepsThePlace,
                Settling::Outcome {
                    outcome: Outcome::Ignored,
                    ..
                },
            )
            | (Behaviour::ReleaseIgnored, Settling::Release) => None,
            (Behaviour::WeightIgnored, Settling::Outcome { outcome: held, .. }) => {
                Some(outcome(held))
            }
            (
                Behaviour::SuccessesNotCounted,
                Settling::Outcome {
                    outcome: Outcome::Success,
                    ..
                },
            ) if state == Some(State::Closed) => Some(outcome(Outcome::Ignored)),
            _ => Some(settling),
        }
    }

    /// Remembers what the breaker was told, and does what the faults that need it do then.
    fn remember(
        &mut self,
        name: &str,
        settling: Settling,
        before: State,
        now: Nanos,
    ) -> Answer<()> {
        let after = self.inner.state(name, now)?;
        let Settling::Outcome { outcome, .. } = settling else {
            return Ok(());
        };
        if before == State::Closed && outcome != Outcome::Ignored {
            let history = self.histories.entry(name.to_owned()).or_default();
            history.outcomes.push((now, outcome == Outcome::Failure));
        }
        let closes = before == State::HalfOpen && after == State::Closed;
        match self.fault {
            Behaviour::EverySuccessJudged if after != State::Closed => {
                self.histories.remove(name);
            }
            Behaviour::EverySuccessJudged if outcome == Outcome::Success => {
                let trips = match (self.histories.get(name), self.policies.get(name)) {
                    (Some(history), Some(policy)) => history.trips(policy),
                    _ => false,
                };
                if trips {
                    let until = Some(now.saturating_add(Nanos::from_secs(1)));
                    self.inner
                        .control(name, Control::ForceOpen { until }, now)?;
                }
            }
            // A trip by a success is taken back.
            Behaviour::SuccessNeverJudged
                if outcome == Outcome::Success && after == State::Open =>
            {
                self.inner.control(name, Control::Reset, now)?;
            }
            Behaviour::ClosingKeepsTheWindow if closes => self.replay(name)?,
            Behaviour::OwnRejectionsCount if closes => {
                for _ in 0..self.own_rejections.remove(name).unwrap_or(0) {
                    self.call(
                        name,
                        Settling::Outcome {
                            outcome: Outcome::Failure,
                            weight: 1,
                        },
                        now,
                    )?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A limiter that counts in cycles, each as long as its burst or window takes.
    fn acquire_in_cycles(&mut self, name: &str, cost: u64, now: Nanos) -> Option<Admission> {
        let (limit, length) = match self.policies.get(name)? {
            Policy::TokenBucket { rate, burst } => {
                let nanos = u128::from(rate.per.get()) * u128::from(*burst);
                (*burst, (nanos / u128::from(rate.units)) as u64)
            }
            Policy::SlidingLog { limit, window } => (u64::from(*limit), window.get()),
            _ => return None,
        };
        let number = now.get() / length.max(1);
        let cycle = self.cycles.entry(name.to_owned()).or_default();
        if cycle.0 != number {
            *cycle = (number, 0);
        }
        Some(if cycle.1.saturating_add(cost) <= limit {
            cycle.1 += cost;
            Admission::Admitted { wait: Nanos::ZERO }
        } else {
            let end = (number + 1).saturating_mul(length);
            Admission::Rejected {
                reason: if cost > limit {
                    Reason::Never
                } else {
                    Reason::Limited
                },
                retry_after: (cost <= limit).then(|| Nanos::new(end).saturating_sub(now)),
            }
        })
    }
}

impl Host for Misbehaving {
    fn name(&self) -> &'static str {
        "misbehaving"
    }

    fn declare(&mut self, name: &str, policy: &Policy) -> Result<(), Refusal> {
        self.policies.insert(name.to_owned(), policy.clone());
        let answer = self.inner.declare(name, policy);
        self.refusal(answer)
    }

    fn configure(&mut self, name: &str, policy: &Policy, now: Nanos) -> Result<(), Refusal> {
        let now = self.clock(now);
        if self.is(Behaviour::ConfigureIgnored) {
            return Ok(());
        }
        let answer = self.inner.configure(name, policy, now);
        if self.is(Behaviour::ConfigureResets) && answer.is_ok() {
            // The usual way to do it: a new one in the old one's place.
            self.inner.declare(name, policy)?;
        }
        self.refusal(answer)
    }

    fn acquire_permit(&mut self, name: &str, permit: PermitId, now: Nanos) -> Answer<Admission> {
        let now = self.clock(now);
        let answer = self.inner.acquire_permit(name, permit, now)?;
        match answer {
            Admission::Admitted { .. } => {
                self.given.insert(permit, (name.to_owned(), now));
            }
            Admission::Rejected {
                reason: Reason::HalfOpenFull,
                ..
            } if self.is(Behaviour::HerdAdmitted) => {
                return Ok(Admission::Admitted { wait: Nanos::ZERO });
            }
            Admission::Rejected { .. } => {
                *self.own_rejections.entry(name.to_owned()).or_default() += 1;
            }
        }
        Ok(self.admission(answer))
    }

    fn settle(
        &mut self,
        name: &str,
        permit: PermitId,
        settling: Settling,
        now: Nanos,
    ) -> Answer<bool> {
        let mut now = self.clock(now);
        if self.is(Behaviour::CountsAtTheStart)
            && let Some((_, start)) = self.given.get(&permit)
        {
            now = *start;
        }
        let before = self.breaker_state(name, now);
        let Some(settling) = self.settling(settling, before) else {
            return Ok(true);
        };
        self.given.remove(&permit);
        let mut recorded = self.inner.settle(name, permit, settling, now)?;
        match self.fault {
            Behaviour::StaleAnswersRecorded => recorded = true,
            Behaviour::RecordedAnswersStale => recorded = false,
            Behaviour::LateOutcomesCount if !recorded && before.is_some() => {
                self.call(name, settling, now)?;
                recorded = true;
            }
            Behaviour::ReleaseTwiceFrees if !recorded => {
                let other = self.given.iter().find(|(_, (policy, _))| policy == name);
                if let Some(other) = other.map(|(other, _)| *other) {
                    self.given.remove(&other);
                    recorded = self.inner.settle(name, other, settling, now)?;
                }
            }
            _ => {}
        }
        if let Some(before) = before
            && recorded
        {
            self.remember(name, settling, before, now)?;
        }
        Ok(recorded)
    }

    fn control(&mut self, name: &str, control: Control, now: Nanos) -> Answer<()> {
        let now = self.clock(now);
        let control = match (self.fault, control) {
            (Behaviour::ForceOpenIgnored, Control::ForceOpen { .. })
            | (Behaviour::DisableIgnored, Control::Disable)
            | (Behaviour::MetricsOnlyIgnored, Control::MetricsOnly)
            | (Behaviour::ResetIgnored, Control::Reset) => return Ok(()),
            (Behaviour::UntilIgnored, Control::ForceOpen { .. }) => {
                Control::ForceOpen { until: None }
            }
            (Behaviour::DisabledCounts, Control::Disable) => Control::MetricsOnly,
            (Behaviour::MetricsOnlyTrips, Control::MetricsOnly) => Control::Reset,
            (_, control) => control,
        };
        self.inner.control(name, control, now)?;
        match (self.fault, control) {
            (Behaviour::ResetKeepsTheWindow, Control::Reset) => self.replay(name),
            (Behaviour::EverySuccessJudged, _) => {
                self.histories.remove(name);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn acquire(&mut self, name: &str, cost: u64, now: Nanos) -> Answer<Admission> {
        let now = self.clock(now);
        let cost = if self.is(Behaviour::CostIgnored) {
            1
        } else {
            cost
        };
        if self.is(Behaviour::RefillsInCycles)
            && let Some(answer) = self.acquire_in_cycles(name, cost, now)
        {
            return Ok(answer);
        }
        let answer = self.inner.acquire(name, cost, now)?;
        if self.is(Behaviour::RefusalTakes) && matches!(answer, Admission::Rejected { .. }) {
            let rest = self.inner.available(name, now)?;
            self.inner.acquire(name, rest, now)?;
        }
        Ok(self.admission(answer))
    }

    fn reserve(
        &mut self,
        name: &str,
        cost: u64,
        max_wait: Option<Nanos>,
        now: Nanos,
    ) -> Answer<Admission> {
        let now = self.clock(now);
        let cost = if self.is(Behaviour::CostIgnored) {
            1
        } else {
            cost
        };
        let max_wait = match self.fault {
            Behaviour::MaxWaitIgnored => None,
            Behaviour::NeverWaits => Some(Nanos::ZERO),
            _ => max_wait,
        };
        match self.inner.reserve(name, cost, max_wait, now)? {
            Admission::Admitted { wait } if self.is(Behaviour::WaitOneShort) => {
                let wait = wait.saturating_sub(Nanos::new(1));
                Ok(Admission::Admitted { wait })
            }
            answer => Ok(self.admission(answer)),
        }
    }

    fn refund(&mut self, name: &str, cost: u64, now: Nanos) -> Answer<()> {
        let now = self.clock(now);
        match self.fault {
            Behaviour::RefundIgnored => Ok(()),
            Behaviour::RefundTwice => self.inner.refund(name, cost.saturating_mul(2), now),
            _ => self.inner.refund(name, cost, now),
        }
    }

    fn state(&mut self, name: &str, now: Nanos) -> Answer<State> {
        let now = self.clock(now);
        let state = self.inner.state(name, now)?;
        if self.is(Behaviour::LookingProbes) && state == State::Open {
            let settling = Settling::Drop;
            self.call(name, settling, now)?;
            return self.inner.state(name, now);
        }
        Ok(state)
    }

    fn available(&mut self, name: &str, now: Nanos) -> Answer<u64> {
        let now = self.clock(now);
        let available = self.inner.available(name, now)?;
        Ok(if self.is(Behaviour::AvailableOneMore) {
            available + 1
        } else {
            available
        })
    }

    fn in_flight(&mut self, name: &str, now: Nanos) -> Answer<u32> {
        let now = self.clock(now);
        if self.is(Behaviour::InFlightForgotten) {
            return Ok(0);
        }
        self.inner.in_flight(name, now)
    }
}
