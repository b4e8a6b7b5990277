//! The screen: a progress line in a terminal, plain lines otherwise.

use super::load::Load;
use super::script::{Phase, SCRIPT, Script};
use super::upstream::WORKERS;
use anstyle::{AnsiColor, Style};
use fuseboard::{Cause, CircuitBreakerConfig, CircuitState, Transition};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What a shell reports for a program whose reader has gone.
const BROKEN_PIPE: i32 = 141;
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// Everything the demo shows.
pub(crate) struct Screen {
    colour: bool,
    /// The progress line, where there is a terminal to draw it.
    bar: Option<ProgressBar>,
    /// The last moment for which progress was shown.
    shown: Mutex<Duration>,
}

impl Screen {
    /// For runs of `script`.
    pub(crate) fn new(script: Script) -> Self {
        let stdout = std::io::stdout();
        let colour = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
        let bar = stdout.is_terminal().then(|| {
            let length = script.length().as_millis() as u64;
            let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stdout());
            let line = if colour {
                "  {bar:16.cyan/dim} {msg}"
            } else {
                "  {bar:16} {msg}"
            };
            let style = ProgressStyle::with_template(line)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("━╸─");
            bar.with_style(style)
        });
        Self {
            colour,
            bar,
            shown: Mutex::default(),
        }
    }

    /// Prints one or more lines, above the progress line if there is one.
    pub(crate) fn line(&self, text: &str) {
        let text = if self.colour {
            text.to_owned()
        } else {
            anstream::adapter::strip_str(text).to_string()
        };
        let print = || {
            let mut stdout = std::io::stdout().lock();
            if writeln!(stdout, "{text}")
                .and_then(|()| stdout.flush())
                .is_err()
            {
                // As a program that the signal for it had ended: nobody reads any more.
                std::process::exit(BROKEN_PIPE);
            }
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    pub(crate) fn heading(&self, text: &str) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Duration::ZERO;
        self.line(&format!("\n{BOLD}{text}{BOLD:#}"));
        if let Some(bar) = &self.bar {
            bar.reset();
        }
    }

    /// Takes the progress line away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Says what is going to happen.
    pub(crate) fn introduce(
        &self,
        upstream: SocketAddr,
        load: &Load,
        config: &CircuitBreakerConfig,
    ) {
        let (spike_at, spike) = load.spike;
        self.line(&format!(
            "{BOLD}The same load on the same failing HTTP server, without a breaker and with one.{BOLD:#}\n\
             {DIM}\
             upstream  http://{upstream}, {WORKERS} workers; its faults follow a {:.1} s script\n\
             load      {} calls a second, {spike} more at {:.1} s; callers give up after {} ms\n\
             limiter   token bucket: {} a second, {} at once\n\
             breaker   opens at {} failed or {} slow (over {} ms) of {}+ calls in {} ms;\n\
             \u{20}         stays open {} ms, then {} probes decide\
             {DIM:#}",
            SCRIPT.length().as_secs_f64(),
            load.rate,
            spike_at.as_secs_f64(),
            load.timeout.as_millis(),
            load.limit.0,
            load.limit.1,
            percent(config.failure_threshold),
            percent(config.slow_call_threshold),
            config.slow_call_duration.unwrap_or_default().as_millis(),
            config.minimum_requests,
            config.window_size.as_millis(),
            config.open_timeout.as_millis(),
            config.half_open_requests,
        ));
    }

    /// The upstream has changed.
    pub(crate) fn phase(&self, at: Duration, phase: &Phase) {
        let colour = if phase.sick {
            AnsiColor::Red
        } else {
            AnsiColor::Green
        };
        let style = Style::new().fg_color(Some(colour.into()));
        self.line(&format!("  {}  upstream {style}{phase}{style:#}", time(at)));
    }

    /// The breaker has changed.
    pub(crate) fn transition(
        &self,
        at: Duration,
        transition: &Transition,
        config: &CircuitBreakerConfig,
    ) {
        self.line(&format!(
            "  {}  breaker  {} → {}: {}",
            time(at),
            state(transition.from),
            state(transition.to),
            reason(transition, config),
        ));
    }

    /// The run has come to `at`: ten times a second in a terminal, else once.
    pub(crate) fn progress(&self, at: Duration, text: impl FnOnce() -> String) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let gap = Duration::from_millis(if self.bar.is_some() { 100 } else { 1_000 });
        if at < *shown + gap {
            return;
        }
        *shown = at;
        match &self.bar {
            Some(bar) => {
                bar.set_position(at.as_millis() as u64);
                bar.set_message(text());
            }
            None => self.line(&format!("  {}  {}", time(at), text())),
        }
    }
}

fn time(at: Duration) -> String {
    format!("{DIM}t={:.1}s{DIM:#}", at.as_secs_f64())
}

fn state(state: CircuitState) -> String {
    let (name, colour) = match state {
        CircuitState::Closed => ("closed", AnsiColor::Green),
        CircuitState::HalfOpen => ("half-open", AnsiColor::Yellow),
        other => (other.as_str(), AnsiColor::Red),
    };
    let style = Style::new().bold().fg_color(Some(colour.into()));
    format!("{style}{name}{style:#}")
}

/// Why, with the counts that were judged and the setting that they reached.
fn reason(transition: &Transition, config: &CircuitBreakerConfig) -> String {
    let counts = &transition.counts;
    let slow = config.slow_call_duration.unwrap_or_default().as_millis();
    match transition.cause {
        Cause::FailureRate => format!(
            "failure rate {} of {} calls ≥ {}",
            percent(counts.failure_rate()),
            counts.calls,
            percent(config.failure_threshold),
        ),
        Cause::SlowCallRate => format!(
            "slow calls {} of {} calls ≥ {}",
            percent(counts.slow_call_rate()),
            counts.calls,
            percent(config.slow_call_threshold),
        ),
        Cause::OpenTimeoutElapsed => {
            format!("{} ms are over, probing", config.open_timeout.as_millis())
        }
        Cause::ProbesSucceeded => {
            format!(
                "{} of {} probes succeeded",
                counts.calls - counts.failures,
                counts.calls
            )
        }
        Cause::ProbeFailed => {
            let plural = if counts.failures == 1 { "" } else { "s" };
            format!(
                "{} probe{plural} failed or took over {slow} ms",
                counts.failures
            )
        }
        other => other.to_string(),
    }
}

fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}
