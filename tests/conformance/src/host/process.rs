//! [`ProcessHost`]: another language's public API, in a program of its own that answers a line for each line.
//!
//! The words of the protocol are in the folder's README. Times are in nanoseconds, so that nothing is rounded on the way.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use anyhow::{Context, Result, anyhow};
use fuseboard_core::{Nanos, Outcome, Reason, State};

use super::{Admission, Answer, Host, PermitId, Refusal, Unanswered};
use crate::trace::{BreakerSetting, Control, Policy, Rate, Settling, Window};

/// A program that answers for a language. One serves all traces, one after the other.
#[derive(Clone)]
pub struct Program {
    pipes: Rc<RefCell<Pipes>>,
}

struct Pipes {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Program {
    /// Starts it, and waits until it says that it is ready.
    ///
    /// # Errors
    /// It cannot be started, or ends at once; what it printed on stderr says why.
    pub fn start(command: &mut Command) -> Result<Self> {
        let shown = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {shown}"))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (to, from) = pipes.context("the program has no pipes")?;
        let program = Self {
            pipes: Rc::new(RefCell::new(Pipes {
                child,
                to,
                from: BufReader::new(from),
            })),
        };
        match program.ask("reset") {
            Ok(_) => Ok(program),
            Err(why) => Err(anyhow!("{shown}: {why}")),
        }
    }

    fn ask(&self, line: &str) -> Answer<String> {
        let mut pipes = self.pipes.borrow_mut();
        let failed =
            |error: std::io::Error| Unanswered(format!("the host does not answer: {error}"));
        writeln!(pipes.to, "{line}").map_err(failed)?;
        pipes.to.flush().map_err(failed)?;
        let mut answer = String::new();
        if pipes.from.read_line(&mut answer).map_err(failed)? == 0 {
            return Err(Unanswered("the host ended".to_owned()));
        }
        let answer = answer.trim_end();
        match answer.strip_prefix("unanswered ") {
            Some(why) => Err(Unanswered(why.to_owned())),
            None => Ok(answer.to_owned()),
        }
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        // It ends by itself when its input does; if it hangs, not.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Plays a trace against a [`Program`].
pub struct ProcessHost {
    name: &'static str,
    program: Program,
}

impl ProcessHost {
    /// One that knows nothing of the trace before.
    ///
    /// # Errors
    /// The program does not answer any more.
    pub fn new(name: &'static str, program: Program) -> Result<Self> {
        program.ask("reset").map_err(|why| anyhow!("{why}"))?;
        Ok(Self { name, program })
    }

    fn done(&self, line: &str) -> Answer<()> {
        match self.program.ask(line)?.as_str() {
            "ok" => Ok(()),
            other => Err(unknown(other)),
        }
    }

    fn made(&self, line: &str) -> Result<(), Refusal> {
        let answer = self.program.ask(line)?;
        if let Some(refused) = answer.strip_prefix("refused ") {
            let (field, message) = refused.split_once(' ').unwrap_or((refused, ""));
            return Err(Refusal::Field {
                field: field.to_owned(),
                message: message.to_owned(),
            });
        }
        if answer == "ok" {
            Ok(())
        } else {
            Err(unknown(&answer).into())
        }
    }

    fn admission(&self, line: &str) -> Answer<Admission> {
        let answer = self.program.ask(line)?;
        let words: Vec<_> = answer.split(' ').collect();
        match words[..] {
            ["admitted", wait] => Ok(Admission::Admitted {
                wait: nanos(wait, &answer)?,
            }),
            ["rejected", reason, retry_after] => {
                let reason = Reason::ALL
                    .into_iter()
                    .find(|known| known.as_str() == reason);
                Ok(Admission::Rejected {
                    reason: reason.ok_or_else(|| unknown(&answer))?,
                    retry_after: match retry_after {
                        "-" => None,
                        span => Some(nanos(span, &answer)?),
                    },
                })
            }
            _ => Err(unknown(&answer)),
        }
    }

    fn number(&self, line: &str) -> Answer<u64> {
        let answer = self.program.ask(line)?;
        answer.parse().map_err(|_| unknown(&answer))
    }
}

fn unknown(answer: &str) -> Unanswered {
    Unanswered(format!("the host says {answer:?}, which is no answer"))
}

fn nanos(word: &str, answer: &str) -> Answer<Nanos> {
    word.parse().map(Nanos::new).map_err(|_| unknown(answer))
}

impl Host for ProcessHost {
    fn name(&self) -> &'static str {
        self.name
    }

    fn declare(&mut self, name: &str, policy: &Policy) -> Result<(), Refusal> {
        self.made(&format!("declare 0 {name}{}", settings(policy)))
    }

    fn configure(&mut self, name: &str, policy: &Policy, now: Nanos) -> Result<(), Refusal> {
        let now = now.get();
        self.made(&format!("configure {now} {name}{}", settings(policy)))
    }

    fn acquire_permit(&mut self, name: &str, permit: PermitId, now: Nanos) -> Answer<Admission> {
        self.admission(&format!("acquire_permit {} {name} {}", now.get(), permit.0))
    }

    fn settle(
        &mut self,
        name: &str,
        permit: PermitId,
        settling: Settling,
        now: Nanos,
    ) -> Answer<bool> {
        let (how, weight) = match settling {
            Settling::Outcome { outcome, weight } => match outcome {
                Outcome::Success => ("success", weight),
                Outcome::Failure => ("failure", weight),
                Outcome::Ignored => ("ignore", weight),
            },
            Settling::Drop => ("drop", 1),
            Settling::Release => ("release", 1),
        };
        let (now, permit) = (now.get(), permit.0);
        match self
            .program
            .ask(&format!("settle {now} {name} {permit} {how} {weight}"))?
            .as_str()
        {
            "recorded" => Ok(true),
            "stale" => Ok(false),
            other => Err(unknown(other)),
        }
    }

    fn control(&mut self, name: &str, control: Control, now: Nanos) -> Answer<()> {
        let mut line = format!("control {} {name} {}", now.get(), control.as_str());
        if let Control::ForceOpen { until: Some(until) } = control {
            // Writing to a string cannot fail.
            let _ = write!(line, " {}", until.get());
        }
        self.done(&line)
    }

    fn acquire(&mut self, name: &str, cost: u64, now: Nanos) -> Answer<Admission> {
        self.admission(&format!("acquire {} {name} {cost}", now.get()))
    }

    fn reserve(
        &mut self,
        name: &str,
        cost: u64,
        max_wait: Option<Nanos>,
        now: Nanos,
    ) -> Answer<Admission> {
        let max_wait = max_wait.map_or_else(|| "-".to_owned(), |span| span.get().to_string());
        self.admission(&format!("reserve {} {name} {cost} {max_wait}", now.get()))
    }

    fn refund(&mut self, name: &str, cost: u64, now: Nanos) -> Answer<()> {
        self.done(&format!("refund {} {name} {cost}", now.get()))
    }

    fn state(&mut self, name: &str, now: Nanos) -> Answer<State> {
        let answer = self.program.ask(&format!("state {} {name}", now.get()))?;
        let state = State::ALL
            .into_iter()
            .find(|known| known.as_str() == answer);
        state.ok_or_else(|| unknown(&answer))
    }

    fn available(&mut self, name: &str, now: Nanos) -> Answer<u64> {
        self.number(&format!("available {} {name}", now.get()))
    }

    fn in_flight(&mut self, name: &str, now: Nanos) -> Answer<u32> {
        let number = self.number(&format!("in_flight {} {name}", now.get()))?;
        u32::try_from(number).map_err(|_| unknown(&number.to_string()))
    }
}

/// ` KIND key=value…`
fn settings(policy: &Policy) -> String {
    let kind = policy.kind().as_str();
    let rate = |rate: &Rate| format!("{}:{}", rate.units, rate.per.get());
    match policy {
        Policy::Breaker(settings) => {
            let mut line = format!(" {kind}");
            for setting in settings {
                // Writing to a string cannot fail.
                let _ = write!(line, " {}", breaker_setting(*setting));
            }
            line
        }
        Policy::TokenBucket { rate: given, burst } => {
            format!(" {kind} rate={} burst={burst}", rate(given))
        }
        Policy::LeakyBucket { rate: given, queue } => {
            format!(" {kind} rate={} queue={queue}", rate(given))
        }
        Policy::SlidingLog { limit, window }
        | Policy::SlidingCounter { limit, window }
        | Policy::FixedWindow { limit, window } => {
            format!(" {kind} limit={limit} window={}", window.get())
        }
        Policy::Concurrency { limit } => format!(" {kind} limit={limit}"),
    }
}

fn breaker_setting(setting: BreakerSetting) -> String {
    use BreakerSetting as Setting;
    match setting {
        Setting::FailureThreshold(share) => format!("failure_threshold={share}"),
        Setting::MinimumRequests(calls) => format!("minimum_requests={calls}"),
        Setting::OpenTimeout(span) => format!("open_timeout={}", span.get()),
        Setting::HalfOpenRequests(probes) => format!("half_open_requests={probes}"),
        Setting::Window(window) => match window {
            Window::Time { length, slots } => format!("window=time:{}:{slots}", length.get()),
            Window::Count(calls) => format!("window=count:{calls}"),
            Window::Decay { half_life } => format!("window=decay:{}", half_life.get()),
            Window::Consecutive(failures) => format!("window=consecutive:{failures}"),
        },
        Setting::SlowCallDuration(span) => format!("slow_call_duration={}", span.get()),
        Setting::SlowCallThreshold(share) => format!("slow_call_threshold={share}"),
        Setting::CountOverdue(on) => format!("count_overdue={}", u8::from(on)),
        Setting::HalfOpenSuccesses(probes) => format!("half_open_successes={probes}"),
        Setting::HalfOpenFailures(probes) => format!("half_open_failures={probes}"),
        Setting::ProbeLease(span) => format!("probe_lease={}", span.get()),
        Setting::OpenBackoff(factor) => format!("open_backoff={factor}"),
        Setting::OpenTimeoutMax(span) => format!("open_timeout_max={}", span.get()),
        Setting::OpenJitter(share) => format!("open_jitter={share}"),
        Setting::RampUp(span) => format!("ramp_up={}", span.get()),
    }
}
