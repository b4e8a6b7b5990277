//! Saving a breaker as bytes and restoring it: across restarts, or from one short-lived process to the
//! next.
//!
//! The layout, version 1: words of eight bytes, little-endian.
//!
//! ```text
//!  0  magic "fb\0brk" in the upper six bytes, version in the lower two
//!  1  state word: state, generation, openings (its round is not kept)
//!  2  time since the state's moment
//!  3  window kind (2 bits) and size
//!  4  length of a slot
//!  5  time until a timed forced opening ends, else 0
//!  6… totals: calls, failures, slow, rejected, ignored
//! 11… the window: time and decay: for each slot, newest first, calls, failures, slow;
//!                 count: the outcomes, oldest first, 32 to a word, two bits each, before them their number;
//!                 consecutive: failures and slow calls in a row
//! ```

use crate::breaker::CircuitBreaker;
use crate::breaker::rules::SLOTS_MAX;
use crate::breaker::word::Word;
use crate::event::{Counts, State};
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::snapshot::Totals;
use core::fmt;
use heapless::Vec;

const MAGIC: u64 = u64::from_be_bytes(*b"fb\0brk\0\0");
const VERSION: u64 = 1;
const HEADER_WORDS: usize = 11;
/// Bytes that any saved breaker fits into.
pub const SAVED_MAX: usize = (HEADER_WORDS + 3 * SLOTS_MAX) * 8;
const _: () = assert!(
    HEADER_WORDS + 1 + SLOTS_MAX * 24 / 32 < SAVED_MAX / 8,
    "the largest count window fits"
);

/// A breaker as bytes.
pub type Saved = Vec<u8, SAVED_MAX>;

/// Bytes from which no breaker can be restored; the breaker is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// They were not saved by a breaker, or their end is missing.
    NotABreaker,
    /// They have another layout version.
    OtherVersion {
        /// The version that they name.
        found: u16,
    },
    /// They come from a breaker with a window of another kind or size.
    OtherWindow,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotABreaker => f.write_str("the bytes are not a saved breaker, or not all of it"),
            Self::OtherVersion { found } => {
                write!(
                    f,
                    "the saved breaker has layout version {found}; this library reads {VERSION}"
                )
            }
            Self::OtherWindow => f.write_str(
                "the saved breaker has another window; make this one with the same kind and size",
            ),
        }
    }
}

impl core::error::Error for RestoreError {}

/// Reads words off the bytes.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn next(&mut self) -> Result<u64, RestoreError> {
        let (word, rest) = self
            .0
            .split_first_chunk()
            .ok_or(RestoreError::NotABreaker)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*word))
    }
}

fn push(saved: &mut Saved, word: u64) {
    let word = fault!("saved_big_endian", word.swap_bytes(), word);
    // `SAVED_MAX` bounds what any shape of window needs.
    let _ = saved.extend_from_slice(&word.to_le_bytes());
}

impl<const SLOTS: usize, const STRIPES: usize, const HANDLES: usize>
    CircuitBreaker<SLOTS, STRIPES, HANDLES>
{
    /// State, window and totals at `now`, as bytes that [`restore`](Self::restore) takes.
    ///
    /// Probes in flight are not kept: nobody would report them. Callers that run meanwhile may be half in.
    ///
    /// ```
    /// use fuseboard_core::{CircuitBreaker, CircuitBreakerConfig, Nanos, State};
    ///
    /// let config = CircuitBreakerConfig::new().minimum_requests(1);
    /// let before: CircuitBreaker = CircuitBreaker::new(config);
    /// before.try_acquire(Nanos::from_secs(100)).unwrap().failure(Nanos::from_secs(100));
    /// let saved = before.save(Nanos::from_secs(110));
    ///
    /// // Another process, 5 seconds later, on a clock that is at 1000 seconds.
    /// let mut after: CircuitBreaker = CircuitBreaker::new(config);
    /// after.restore(&saved, Nanos::from_secs(1000), Nanos::from_secs(5))?;
    /// assert_eq!(after.state(), State::Open);
    /// assert_eq!(after.snapshot(Nanos::from_secs(1000)).retry_after, Some(Nanos::from_secs(15)));
    /// # Ok::<(), fuseboard_core::RestoreError>(())
    /// ```
    pub fn save(&self, now: Nanos) -> Saved {
        let snapshot = self.snapshot(now);
        let word = self.words.state.load();
        let geometry = self.settings.geometry();
        let moment = self.words.state.moment(word);
        let rest = if word.state() == State::ForcedOpen && word.is_timed() {
            self.words.state.until().saturating_sub(now)
        } else {
            Nanos::ZERO
        };
        let mut saved = Saved::new();
        push(&mut saved, MAGIC | VERSION);
        push(&mut saved, word.without_round().bits());
        push(&mut saved, now.saturating_sub(moment).get());
        push(&mut saved, geometry.to_bits());
        push(&mut saved, geometry.slot.get());
        push(&mut saved, rest.get());
        let Totals {
            calls,
            failures,
            slow,
            rejected,
            ignored,
        } = snapshot.totals;
        for total in [calls, failures, slow, rejected, ignored] {
            push(&mut saved, total);
        }
        self.words
            .window()
            .save(geometry, word.generation(), now, |word| {
                push(&mut saved, word);
            });
        saved
    }

    /// Takes over what [`save`](Self::save) gave, at `now`; `away` is the time that passed between the two
    /// (zero where nobody knows). Permits given before are stale.
    ///
    /// A state that began before the clock's zero begins with it. Half-open begins a new round.
    ///
    /// # Errors
    /// [`RestoreError`]; the breaker is as it was.
    pub fn restore(&mut self, saved: &[u8], now: Nanos, away: Nanos) -> Result<(), RestoreError> {
        let away = fault!("away_forgotten", Nanos::ZERO, away);
        let mut words = Words(saved);
        let head = words.next()?;
        if head & !0xFFFF != MAGIC {
            return Err(RestoreError::NotABreaker);
        }
        if head & 0xFFFF != VERSION && !fault!("any_version_restored") {
            return Err(RestoreError::OtherVersion { found: head as u16 });
        }
        let word = Word::from_bits(words.next()?).without_round();
        let span = Nanos::new(words.next()?);
        let geometry = self.settings.geometry();
        if words.next()? != geometry.to_bits() || words.next()? != geometry.slot.get() {
            return Err(RestoreError::OtherWindow);
        }
        let rest = Nanos::new(words.next()?);
        let totals = Totals {
            calls: words.next()?,
            failures: words.next()?,
            slow: words.next()?,
            rejected: words.next()?,
            ignored: words.next()?,
        };
        // Everything is read before anything is changed.
        let mut content: Vec<u64, { 3 * SLOTS_MAX }> = Vec::new();
        while !words.0.is_empty() {
            content
                .push(words.next()?)
                .map_err(|_| RestoreError::NotABreaker)?;
        }
        let moment = now.saturating_sub(span.saturating_add(away));
        let until = now.saturating_add(rest.saturating_sub(away));
        let next = word.renewed();
        let fresh = super::Words::new(next);
        let held = fresh
            .window()
            .restore(geometry, next.generation(), &content, now, away)
            .ok_or(RestoreError::NotABreaker)?;
        // What the window holds joins the totals again when it leaves.
        fresh.window().set_totals(Counts {
            calls: totals.calls.saturating_sub(held.calls),
            failures: totals.failures.saturating_sub(held.failures),
            slow: totals.slow.saturating_sub(held.slow),
        });
        fresh
            .window()
            .set_uncounted(totals.rejected, totals.ignored);
        fresh.state.restore(next, moment, until);
        self.words = fresh;
        Ok(())
    }
}
