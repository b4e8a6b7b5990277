//! [`Overlap`]: whether two trips for a key at once, each with half of those who ask, are faster than one with all of them.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use tokio::task::yield_now;

/// Requests that are worth a trip of their own: it costs about as much as they do. Only keys for which more wait have two halves.
pub(super) const FEW: usize = 32;
/// How often a driver looks whether its answer has come before it sleeps, once round the runtime each: some 50 microseconds where nobody
/// else has anything to do.
const LOOKS: u32 = 64;
/// Trips in two halves that must be answered too late, more than in time, before it is given up.
const PATIENCE: u8 = 16;
/// Trips before it is tried again.
const REST: u16 = 1_000;

/// While this process tells one half what was decided, the engine decides on the other: then neither sleeps, and to sleep and be woken takes
/// longer than a trip. That needs an engine that is near and has a core of its own, so it goes on only while answers come in time.
#[derive(Debug)]
pub(super) struct Overlap {
    patience: u8,
    rest: u16,
}

impl Overlap {
    pub(super) fn new() -> Self {
        Self {
            patience: PATIENCE,
            rest: 0,
        }
    }

    pub(super) fn pays(&self) -> bool {
        self.patience > 0
    }

    /// A trip is over. Whether its answer came in time, where it was looked for.
    pub(super) fn note(&mut self, came: Option<bool>) {
        match came {
            Some(true) => self.patience = (self.patience + 1).min(PATIENCE),
            Some(false) => {
                self.patience = self.patience.saturating_sub(1);
                self.rest = REST;
            }
            None => {
                self.rest = self.rest.saturating_sub(1);
                if self.rest == 0 {
                    self.patience = PATIENCE;
                }
            }
        }
    }
}

/// What comes of `work`, and whether it came before there was nothing to do but sleep.
pub(super) async fn look_for<T>(work: impl Future<Output = T>) -> (T, bool) {
    let mut work = pin!(work);
    let mut looks = LOOKS;
    poll_fn(|context| {
        if let Poll::Ready(result) = work.as_mut().poll(context) {
            return Poll::Ready((result, looks > 0));
        }
        if looks > 0 {
            looks -= 1;
            // It is woken when the runtime has looked at the network and all others have run.
            let _ = pin!(yield_now()).poll(context);
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn two_halves_are_given_up_when_answers_come_late_and_tried_again_later() {
        let mut overlap = Overlap::new();
        for _ in 0..100 {
            overlap.note(Some(true));
        }
        for late in 0..PATIENCE {
            assert!(overlap.pays(), "{late} late");
            overlap.note(Some(false));
        }
        for trip in 0..REST {
            assert!(!overlap.pays(), "{trip} trips later");
            overlap.note(None);
        }
        assert!(overlap.pays());
        // One in time makes up for one that is late.
        for _ in 0..100 {
            overlap.note(Some(false));
            overlap.note(Some(true));
            assert!(overlap.pays());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_in_time_that_comes_while_others_run_and_not_after_a_sleep() {
        let soon = async {
            for _ in 1..LOOKS {
                yield_now().await;
            }
        };
        assert_eq!(look_for(soon).await, ((), true));
        let late = tokio::time::sleep(Duration::from_secs(1));
        assert_eq!(look_for(late).await, ((), false));
    }
}
