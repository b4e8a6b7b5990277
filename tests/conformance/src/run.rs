//! Plays a trace against a host and compares.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;

use fuseboard_core::Nanos;

use crate::host::{Admission, Host, PermitId, Refusal, Unanswered};
use crate::trace::{Declaration, Expect, Item, Step, Trace, Verb};

/// The first step of a trace that did not hold. What follows it stands on a state that the trace
/// does not describe, so the run ends there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The file's path as it was given.
    pub path: String,
    /// Line number, from 1.
    pub line: usize,
    /// The line itself.
    pub text: String,
    /// What should have held.
    pub expected: String,
    /// What the host answered.
    pub got: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            text,
            expected,
            got,
        } = self;
        write!(
            f,
            "{path}:{line}: {text}\n  expected: {expected}\n  got:      {got}"
        )
    }
}

/// Plays the whole trace; the host must be fresh.
///
/// Returns a [`Failure`] for the first declaration or step that does not hold.
pub fn run(trace: &Trace, host: &mut dyn Host) -> Result<(), Failure> {
    let mut player = Player {
        host,
        permits: HashMap::new(),
        acquisitions: 0,
    };
    for line in &trace.lines {
        let held = match &line.item {
            Item::Declaration(declaration) => player.declare(declaration),
            Item::Step(step) => player.step(step),
        };
        held.map_err(|mismatch| Failure {
            path: trace.path.clone(),
            line: line.number,
            text: line.text.clone(),
            expected: mismatch.expected,
            got: mismatch.got,
        })?;
    }
    Ok(())
}

struct Mismatch {
    expected: String,
    got: String,
}

/// What one repetition of a step answered.
enum Reply {
    Admission(Admission),
    Settled { stale: bool },
    Refused { field: String, message: String },
    Done,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admission(admission) => admission.fmt(f),
            Self::Settled { stale: true } => f.write_str("stale"),
            Self::Settled { stale: false } => f.write_str("recorded"),
            Self::Refused { field, message } => write!(f, "error({field}): {message}"),
            Self::Done => f.write_str("done"),
        }
    }
}

/// The permits that one `acquire P` step was given. A later step that is given a permit of the same
/// name takes the name over, and the earlier ones are never settled.
#[derive(Default)]
struct Group {
    permits: Vec<PermitId>,
    settled: usize,
}

impl Group {
    /// The next one to settle; once all are, the last one again.
    fn next(&mut self) -> Option<PermitId> {
        let next = self.permits.get(self.settled).or(self.permits.last());
        self.settled += 1;
        next.copied()
    }
}

struct Player<'a> {
    host: &'a mut dyn Host,
    /// By policy and permit name.
    permits: HashMap<(String, String), Group>,
    acquisitions: u64,
}

impl Player<'_> {
    fn declare(&mut self, declaration: &Declaration) -> Result<(), Mismatch> {
        let expected = match &declaration.refused_field {
            Some(field) => format!("error({field})"),
            None => "accepted".to_owned(),
        };
        let reply = match self.host.declare(&declaration.name, &declaration.policy) {
            Ok(()) if declaration.refused_field.is_none() => return Ok(()),
            Ok(()) => "accepted".to_owned(),
            Err(Refusal::Field { field, .. })
                if declaration.refused_field.as_ref() == Some(&field) =>
            {
                return Ok(());
            }
            Err(Refusal::Field { field, message }) => Reply::Refused { field, message }.to_string(),
            Err(Refusal::Unanswered(why)) => why.to_string(),
        };
        Err(Mismatch {
            expected,
            got: reply,
        })
    }

    fn step(&mut self, step: &Step) -> Result<(), Mismatch> {
        let unanswered = |why: Unanswered| Mismatch {
            expected: if step.expect.is_empty() {
                "an answer".to_owned()
            } else {
                join(step.expect.iter())
            },
            got: why.to_string(),
        };
        let replies = self.replies(step).map_err(unanswered)?;
        if let Some(refused @ Reply::Refused { .. }) = replies.last()
            && !step.expect.iter().any(|e| matches!(e, Expect::Error(_)))
        {
            return Err(Mismatch {
                expected: "accepted".to_owned(),
                got: refused.to_string(),
            });
        }
        let (mut expected, mut got) = (Vec::new(), Vec::new());
        for expect in &step.expect {
            if let Some(instead) = self.instead(step, expect, &replies).map_err(unanswered)? {
                expected.push(expect);
                if !got.contains(&instead) {
                    got.push(instead);
                }
            }
        }
        if expected.is_empty() {
            return Ok(());
        }
        Err(Mismatch {
            expected: join(expected),
            got: join(got),
        })
    }

    fn replies(&mut self, step: &Step) -> Result<Vec<Reply>, Unanswered> {
        let mut group = Group::default();
        let mut replies = Vec::new();
        for _ in 0..step.times {
            replies.push(self.perform(step, &mut group)?);
        }
        if let Verb::AcquirePermit(permit) = &step.verb
            && !group.permits.is_empty()
        {
            self.permits
                .insert((step.name.clone(), permit.clone()), group);
        }
        Ok(replies)
    }

    /// Does the step's verb once; permits admitted go to `group`.
    fn perform(&mut self, step: &Step, group: &mut Group) -> Result<Reply, Unanswered> {
        let (name, now) = (step.name.as_str(), step.at);
        Ok(match &step.verb {
            Verb::AcquirePermit(_) => {
                let (id, admission) = self.acquire_permit(name, now)?;
                if matches!(admission, Admission::Admitted { .. }) {
                    group.permits.push(id);
                }
                Reply::Admission(admission)
            }
            Verb::Settle(permit, settling) => {
                let key = (name.to_owned(), permit.clone());
                let held = self.permits.get_mut(&key).and_then(Group::next);
                let stale = match held {
                    Some(id) => !self.host.settle(name, id, *settling, now)?,
                    // Every acquisition of this name was rejected: there is nothing to settle.
                    None => true,
                };
                Reply::Settled { stale }
            }
            Verb::Call { settling, took } => {
                let (id, admission) = self.acquire_permit(name, now)?;
                if matches!(admission, Admission::Admitted { .. }) {
                    let end = now.saturating_add(*took);
                    self.host.settle(name, id, *settling, end)?;
                }
                Reply::Admission(admission)
            }
            Verb::Control(control) => {
                self.host.control(name, *control, now)?;
                Reply::Done
            }
            Verb::Configure(policy) => match self.host.configure(name, policy, now) {
                Ok(()) => Reply::Done,
                Err(Refusal::Field { field, message }) => Reply::Refused { field, message },
                Err(Refusal::Unanswered(why)) => return Err(why),
            },
            Verb::Acquire { cost } => Reply::Admission(self.host.acquire(name, *cost, now)?),
            Verb::Reserve { cost, max_wait } => {
                Reply::Admission(self.host.reserve(name, *cost, *max_wait, now)?)
            }
            Verb::Refund { cost } => {
                self.host.refund(name, *cost, now)?;
                Reply::Done
            }
            Verb::Look => Reply::Done,
        })
    }

    fn acquire_permit(
        &mut self,
        name: &str,
        now: Nanos,
    ) -> Result<(PermitId, Admission), Unanswered> {
        self.acquisitions += 1;
        let id = PermitId(self.acquisitions);
        Ok((id, self.host.acquire_permit(name, id, now)?))
    }

    /// What holds instead of the expectation; nothing where it holds.
    fn instead(
        &mut self,
        step: &Step,
        expect: &Expect,
        replies: &[Reply],
    ) -> Result<Option<String>, Unanswered> {
        let name = step.name.as_str();
        let now = match &step.verb {
            Verb::Call { took, .. } => step.at.saturating_add(*took),
            _ => step.at,
        };
        let seen = match expect {
            Expect::State(_) => Expect::State(self.host.state(name, now)?),
            Expect::Available(_) => Expect::Available(self.host.available(name, now)?),
            Expect::InFlight(_) => Expect::InFlight(self.host.in_flight(name, now)?),
            Expect::AdmittedCount(_) => {
                let admitted = replies.iter().filter(|reply| is_admitted(reply)).count();
                Expect::AdmittedCount(admitted as u32)
            }
            Expect::RetryAfter(_) | Expect::Wait(_) | Expect::Error(_) => {
                return Ok(replies
                    .last()
                    .filter(|reply| !holds(expect, reply))
                    .map(Reply::to_string));
            }
            Expect::Admitted | Expect::Rejected(_) | Expect::Stale | Expect::Recorded => {
                return Ok(first_that_fails(expect, replies));
            }
        };
        Ok((seen != *expect).then(|| seen.to_string()))
    }
}

fn is_admitted(reply: &Reply) -> bool {
    matches!(reply, Reply::Admission(Admission::Admitted { .. }))
}

/// Whether one reply meets an expectation about replies.
fn holds(expect: &Expect, reply: &Reply) -> bool {
    match (expect, reply) {
        (Expect::Admitted, reply) => is_admitted(reply),
        (Expect::Rejected(wanted), Reply::Admission(Admission::Rejected { reason, .. })) => {
            wanted.is_none_or(|wanted| wanted == *reason)
        }
        (Expect::RetryAfter(wanted), Reply::Admission(Admission::Rejected { retry_after, .. })) => {
            *retry_after == Some(*wanted)
        }
        (Expect::Wait(wanted), Reply::Admission(Admission::Admitted { wait })) => wait == wanted,
        (Expect::Stale, Reply::Settled { stale }) => *stale,
        (Expect::Recorded, Reply::Settled { stale }) => !*stale,
        (Expect::Error(wanted), Reply::Refused { field, .. }) => field == wanted,
        _ => false,
    }
}

fn first_that_fails(expect: &Expect, replies: &[Reply]) -> Option<String> {
    let index = replies.iter().position(|reply| !holds(expect, reply))?;
    Some(match replies {
        [only] => only.to_string(),
        all => format!("{} (number {} of {})", all[index], index + 1, all.len()),
    })
}

fn join(words: impl IntoIterator<Item = impl fmt::Display>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| word.to_string()).collect();
    words.join(" ")
}
