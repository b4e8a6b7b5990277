//! [`BoardTransitions`]: what has changed on a board, for whoever asks.

use super::{Board, Shared, SlotId};
use fuseboard_core::{BoardTransition, Observer, Owner, Transition, TransitionCursor};

/// What has changed since somebody last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoardTransitions {
    /// The changes, oldest first. One that was just being told comes with the next call, perhaps after newer ones.
    pub transitions: Vec<BoardTransition>,
    /// How many more there were: overwritten before they were read, or never finished because their process was stopped or killed.
    pub lost: u64,
}

impl Board {
    /// The changes of all breakers that came after `cursor`, whichever process caused them, and moves it on. The board keeps
    /// the last 128.
    ///
    /// This is how a process learns of what others caused: [`on_transition`](crate::CircuitBreaker::on_transition) tells only its own.
    /// Ask as often as you like: nobody is waited for, and no thread is needed.
    ///
    /// ```
    /// use fuseboard::{Board, CircuitBreakerConfig, TransitionCursor};
    ///
    /// let board = Board::anonymous()?;
    /// let mut cursor = TransitionCursor::OLDEST;
    /// board.breaker("payments", CircuitBreakerConfig::default())?.force_open();
    ///
    /// for change in board.transitions_since(&mut cursor).transitions {
    ///     println!("{}: {} ({})", change.name, change.transition.to, change.transition.cause);
    /// }
    /// // From here on only what is new.
    /// assert!(board.transitions_since(&mut cursor).transitions.is_empty());
    /// # Ok::<(), fuseboard::BoardError>(())
    /// ```
    pub fn transitions_since(&self, cursor: &mut TransitionCursor) -> BoardTransitions {
        let mut found = BoardTransitions::default();
        let words = self.words();
        found.lost = words.transitions_since(cursor, |change| found.transitions.push(change));
        found
    }

    /// The cursor of somebody who wants to know only what changes from now on.
    pub fn transitions_end(&self) -> TransitionCursor {
        self.words().transitions_end()
    }

    /// For tools that steer a breaker by its [`words`](Self::words): writes its changes down for all processes, as this one's.
    pub fn observer(&self, slot: SlotId) -> impl Observer + '_ {
        Log {
            shared: &self.shared,
            slot,
        }
    }
}

struct Log<'a> {
    shared: &'a Shared,
    slot: SlotId,
}

impl Observer for Log<'_> {
    fn transition(&self, transition: &Transition) {
        self.shared.tell(self.slot, transition);
    }
}

impl Shared {
    /// Writes a change down, that this process caused, for all processes.
    pub(super) fn tell(&self, slot: SlotId, transition: &Transition) {
        // Where no owner is free for this process: nobody's, whom no board has.
        let owner = self.owner().unwrap_or(Owner::new(u16::MAX));
        self.memory.tell(slot, owner, transition);
    }
}
