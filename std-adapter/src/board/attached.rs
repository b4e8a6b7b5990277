//! [`AttachedProcess`]: who is attached to a board, for tools that show it.

use super::Board;
use super::attachment::{self, OWNERS};
use fuseboard_core::Owner;

/// A process that is attached to a board, or that died without leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachedProcess {
    /// Its number on the board.
    pub owner: Owner,
    /// Its process id, in its own namespace of ids.
    pub process: u32,
    /// Whether it lives; what a dead one held is given back when somebody finds a limit full.
    pub is_alive: bool,
}

impl Board {
    /// Who is attached, by number. Looking attaches nobody. A board that is not shared has nobody.
    pub fn attached(&self) -> Vec<AttachedProcess> {
        let Some(file) = &self.shared.file else {
            return Vec::new();
        };
        let words = self.words();
        let owners = (0..OWNERS).map(Owner::new);
        owners
            .filter_map(|owner| {
                let word = words.owner_word(owner).filter(|word| *word != 0)?;
                Some(AttachedProcess {
                    owner,
                    // A word that is no process id is a foreign hand's: no process has the greatest number.
                    process: u32::try_from(word).unwrap_or(u32::MAX),
                    is_alive: attachment::is_locked(file, owner),
                })
            })
            .collect()
    }
}
