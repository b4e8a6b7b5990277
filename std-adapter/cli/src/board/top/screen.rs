//! The live view's loop: a reading each interval, a drawing after each reading or key, and the terminal given back however it ends.

use super::super::rows::Place;
use super::super::steer::{self, Verb};
use super::draw;
use super::palette::Palette;
use super::sample::Sampler;
use super::view::{View, Wish};
use crate::failure::Failure;
use anstream::adapter::strip_str;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a signal may go unseen.
const GLANCE: Duration = Duration::from_millis(100);

/// Carries a verb out; what came of it, in words.
fn steer(sampler: &Sampler, place: &Place, verb: Verb) -> String {
    match steer::carry_out(sampler.board(), place, verb) {
        Ok(text) => strip_str(&text).to_string(),
        Err(failure) => failure.message().unwrap_or_default(),
    }
}

/// Shows the board until the user or a signal ends it.
pub(crate) fn run(mut sampler: Sampler, interval: Duration) -> Result<ExitCode, Failure> {
    let signal = Arc::new(AtomicUsize::new(0));
    for number in [SIGINT, SIGTERM, SIGHUP] {
        let number_seen = usize::try_from(number).unwrap_or_default();
        signal_hook::flag::register_usize(number, Arc::clone(&signal), number_seen)?;
    }
    // Its hook gives the terminal back before a panic is told.
    let terminal = ratatui::try_init();
    let ended = terminal
        .map_err(Failure::from)
        .and_then(|mut terminal| watch(&mut terminal, &mut sampler, interval, &signal));
    ratatui::restore();
    ended
}

fn watch(
    terminal: &mut DefaultTerminal,
    sampler: &mut Sampler,
    interval: Duration,
    signal: &AtomicUsize,
) -> Result<ExitCode, Failure> {
    let (mut view, palette) = (View::default(), Palette::of_stdout());
    let mut sample = sampler.sample();
    let mut read_at = Instant::now();
    loop {
        terminal.draw(|frame| draw::draw(frame, &mut view, &sample, sampler, palette))?;
        loop {
            // Relaxed: nothing else is read with it.
            let number = signal.load(Ordering::Relaxed);
            if number != 0 {
                return Ok(ExitCode::from(128 + number as u8));
            }
            let due = interval.saturating_sub(read_at.elapsed());
            if due.is_zero() {
                if !view.is_paused {
                    sample = sampler.sample();
                }
                read_at = Instant::now();
                break;
            }
            if !event::poll(due.min(GLANCE))? {
                continue;
            }
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => {
                    match view.key(key, &sample) {
                        Wish::Draw => {}
                        Wish::Quit => return Ok(ExitCode::SUCCESS),
                        Wish::Interrupt => return Ok(ExitCode::from(130)),
                        Wish::Steer(verb, place) => {
                            view.message = Some(steer(sampler, &place, verb));
                            sample = sampler.sample();
                            read_at = Instant::now();
                        }
                    }
                    break;
                }
                Event::Resize(..) => break,
                _ => {}
            }
        }
    }
}
