//! [`View`]: what the user has chosen to see, and what a key makes of it.

use super::super::rows::{Kind, Place};
use super::super::steer::Verb;
use super::sample::{Key, Live, Sample};
use fuseboard::CircuitState;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::widgets::TableState;
use std::cmp::Ordering;

/// By what rows are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    /// What needs a look comes first.
    #[default]
    State,
    Name,
    Calls,
    Failures,
    Rejected,
}

impl Sort {
    fn next(self) -> Self {
        match self {
            Self::State => Self::Name,
            Self::Name => Self::Calls,
            Self::Calls => Self::Failures,
            Self::Failures => Self::Rejected,
            Self::Rejected => Self::State,
        }
    }
}

/// Where keys go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Rows,
    /// They make the filter.
    Filter,
    /// One more says whether it is meant.
    Confirm(Verb, Place),
    Help,
}

/// What a key asks of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Draw again.
    Draw,
    Steer(Verb, Place),
    Quit,
    Interrupt,
}

/// What the user has chosen.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) sort: Sort,
    pub(crate) filter: String,
    pub(crate) mode: Mode,
    pub(crate) is_paused: bool,
    /// What the last verb did, until the next key.
    pub(crate) message: Option<String>,
    selected: Option<Key>,
    pub(crate) table: TableState,
}

impl View {
    /// The rows to show, in order; the one that the user selected stays selected wherever it goes.
    pub(crate) fn rows<'sample>(&mut self, sample: &'sample Sample) -> Vec<&'sample Live> {
        let wanted = self.filter.to_lowercase();
        let shown = sample.rows.iter().filter(|live| {
            let row = &live.row;
            wanted.is_empty()
                || live.name().to_lowercase().contains(&wanted)
                || row.place.kind.short().contains(&wanted)
                || live
                    .state()
                    .is_some_and(|state| state.as_str().contains(&wanted))
        });
        let mut shown: Vec<&Live> = shown.collect();
        shown.sort_by(|a, b| self.compare(a, b).then_with(|| by_name(a, b)));
        // Until the user has chosen one it is the first, whichever that is.
        let index = self.selected.map_or(0, |key| {
            let found = shown.iter().position(|live| live.key() == key);
            // One that is gone leaves the selection where it was.
            found.or(self.table.selected()).unwrap_or_default()
        });
        let last = shown.len().checked_sub(1);
        self.table.select(last.map(|last| index.min(last)));
        shown
    }

    fn compare(&self, a: &Live, b: &Live) -> Ordering {
        let rate = |live: &Live| live.rates.unwrap_or_default();
        match self.sort {
            Sort::Name => Ordering::Equal,
            Sort::State => severity(b).cmp(&severity(a)),
            Sort::Calls => rate(b).calls.total_cmp(&rate(a).calls),
            Sort::Failures => rate(b).failures.total_cmp(&rate(a).failures),
            Sort::Rejected => rate(b).rejected.total_cmp(&rate(a).rejected),
        }
    }

    /// Takes a key.
    pub(crate) fn key(&mut self, key: KeyEvent, sample: &Sample) -> Wish {
        self.message = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Wish::Interrupt,
                _ => Wish::Draw,
            };
        }
        match std::mem::take(&mut self.mode) {
            Mode::Rows => self.row_key(key.code, sample),
            Mode::Filter => {
                self.filter_key(key.code);
                Wish::Draw
            }
            Mode::Confirm(verb, place) => match key.code {
                KeyCode::Char('y' | 'Y') | KeyCode::Enter => Wish::Steer(verb, place),
                _ => Wish::Draw,
            },
            // Any key leaves the help.
            Mode::Help => Wish::Draw,
        }
    }

    fn row_key(&mut self, code: KeyCode, sample: &Sample) -> Wish {
        match code {
            KeyCode::Char('q') => return Wish::Quit,
            KeyCode::Down | KeyCode::Char('j') => self.step(sample, 1),
            KeyCode::Up | KeyCode::Char('k') => self.step(sample, -1),
            KeyCode::PageDown => self.step(sample, 10),
            KeyCode::PageUp => self.step(sample, -10),
            KeyCode::Home | KeyCode::Char('g') => self.step(sample, isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.step(sample, isize::MAX),
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char('p' | ' ') => self.is_paused = !self.is_paused,
            KeyCode::Char('?' | 'h') => self.mode = Mode::Help,
            KeyCode::Char('f') => self.ask(Verb::ForceOpen(None), sample),
            KeyCode::Char('d') => self.ask(Verb::Disable, sample),
            KeyCode::Char('m') => self.ask(Verb::MetricsOnly, sample),
            KeyCode::Char('r') => self.ask(Verb::Reset, sample),
            _ => {}
        }
        Wish::Draw
    }

    fn filter_key(&mut self, code: KeyCode) {
        self.mode = Mode::Filter;
        match code {
            KeyCode::Char(letter) => self.filter.push(letter),
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Enter => self.mode = Mode::Rows,
            KeyCode::Esc => {
                self.filter.clear();
                self.mode = Mode::Rows;
            }
            _ => {}
        }
    }

    fn step(&mut self, sample: &Sample, by: isize) {
        let rows = self.rows(sample);
        let last = rows.len().saturating_sub(1);
        let index = self.table.selected().unwrap_or_default();
        let next = index.saturating_add_signed(by).min(last);
        self.selected = rows.get(next).map(|live| live.key());
    }

    /// What is selected.
    pub(crate) fn selected<'sample>(&mut self, sample: &'sample Sample) -> Option<&'sample Live> {
        let rows = self.rows(sample);
        let index = self.table.selected()?;
        rows.get(index).copied()
    }

    fn ask(&mut self, verb: Verb, sample: &Sample) {
        let Some(live) = self.selected(sample) else {
            return;
        };
        let place = &live.row.place;
        let fits =
            place.kind == Kind::Breaker || (place.kind == Kind::TokenBucket && verb == Verb::Reset);
        if fits {
            self.mode = Mode::Confirm(verb, place.clone());
        } else {
            self.message = Some(format!("{} is a {}: not for it", place.name, place.kind));
        }
    }
}

/// How much a row needs a look.
fn severity(live: &Live) -> u8 {
    match live.state() {
        Some(CircuitState::ForcedOpen) => 6,
        Some(CircuitState::Open) => 5,
        Some(CircuitState::HalfOpen) => 4,
        Some(CircuitState::Disabled) => 3,
        Some(CircuitState::MetricsOnly) => 2,
        Some(CircuitState::Closed) => 1,
        None => 0,
    }
}

fn by_name(a: &Live, b: &Live) -> Ordering {
    let by = |live: &Live| (live.row.place.kind, live.name().to_owned());
    by(a).cmp(&by(b))
}
