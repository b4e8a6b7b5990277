//! The fixed window, pure: values in, a decision out. What the word means stands in `state.rs`.

use crate::fault::fault;

/// The window that `now` lies in: its start, and what is taken of it. `None`: the word is of a later one.
fn current(word: u64, now: u64, window: u64) -> (u64, Option<u64>) {
    let start = now - now % window;
    match word.checked_sub(start) {
        None if fault!("old_window_counts") => (start, Some(word % window)),
        None => (start, Some(0)),
        Some(taken) if taken < window => (start, Some(taken)),
        Some(_) if fault!("clock_back_empties_the_window") => (start, Some(0)),
        Some(_) => (start, None),
    }
}

/// The next word, or how long to wait; `Err(None)`: the clock is at its end.
pub(crate) fn admit(
    word: u64,
    now: u64,
    cost: u64,
    limit: u64,
    window: u64,
) -> Result<u64, Option<u64>> {
    let after = |start: u64, taken: u64| start.checked_add(taken)?.checked_add(cost);
    let (start, taken) = match current(word, now, window) {
        (start, Some(taken))
            if taken.saturating_add(cost)
                <= limit + u64::from(fault!("window_admits_one_more")) =>
        {
            return after(start, taken).ok_or(None);
        }
        (start, Some(taken)) => (start, taken),
        (_, None) => (word - word % window, word % window),
    };
    // Full, or the clock went back: the first window that has room.
    let open = if taken.saturating_add(cost) <= limit {
        after(start, taken).map(|_| start)
    } else {
        start
            .checked_add(window)
            .filter(|&start| after(start, 0).is_some())
    };
    Err(open.and_then(|open| open.checked_sub(now)))
}

/// The word with `cost` units fewer in the window of `now`, where it has any.
pub(crate) fn refund(word: u64, now: u64, cost: u64, window: u64) -> Option<u64> {
    match current(word, now, window) {
        (start, Some(taken)) if taken > 0 => Some(start + taken.saturating_sub(cost)),
        _ => None,
    }
}

/// Units that would be admitted.
pub(crate) fn available(word: u64, now: u64, limit: u64, window: u64) -> u64 {
    match current(word, now, window) {
        (start, Some(taken)) => limit.saturating_sub(taken).min(fault!(
            "window_past_the_end",
            u64::MAX,
            u64::MAX - start - taken
        )),
        (_, None) => 0,
    }
}
