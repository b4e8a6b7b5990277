//! [`Named`]: a claimed name, and the way to its policy.

use super::error::BoardError;
use super::{Board, SLOTS, Shared, SlotId, SlotName, WhenDifferent, Words};
use fuseboard_core::{
    BoardBreaker, ClaimError, ConfigError, Places, Policy, Reason, Rejected, Section,
    TokenBucketRateLimiter,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A policy that has a section on the board.
pub(crate) trait Shareable: Policy + Sized {
    fn section(words: &Words) -> &Section<Self, SLOTS>;
}

impl Shareable for BoardBreaker {
    fn section(words: &Words) -> &Section<Self, SLOTS> {
        words.breakers()
    }
}

impl Shareable for TokenBucketRateLimiter {
    fn section(words: &Words) -> &Section<Self, SLOTS> {
        words.token_buckets()
    }
}

impl Shareable for Places<128> {
    fn section(words: &Words) -> &Section<Self, SLOTS> {
        words.concurrency_limits()
    }
}

/// A name that was claimed, and is claimed again if somebody removes it.
#[derive(Debug)]
pub(crate) struct Named<P: Shareable> {
    shared: Arc<Shared>,
    name: SlotName,
    config: P::Config,
    /// A [`SlotId`].
    id: AtomicU64,
}

impl<P: Shareable> Named<P> {
    pub(super) fn claim(
        board: &Board,
        name: &str,
        config: P::Config,
        when_different: WhenDifferent,
    ) -> Result<Self, BoardError> {
        let name = SlotName::new(name)?;
        let id = claim::<P>(&board.shared, &name, &config, when_different)?;
        Ok(Self {
            shared: Arc::clone(&board.shared),
            name,
            config,
            id: AtomicU64::new(id.to_bits()),
        })
    }

    pub(crate) fn name(&self) -> &str {
        self.name.as_str()
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn id(&self) -> SlotId {
        // Relaxed: what it names is read with its own ordering.
        SlotId::from_bits(self.id.load(Ordering::Relaxed))
    }

    /// The policy, and the slot that it has now.
    #[inline]
    pub(crate) fn policy(&self) -> Result<(&P, SlotId), BoardError> {
        let id = self.id();
        match P::section(&self.shared.memory).get(id) {
            Some(policy) => Ok((policy, id)),
            None => self.claim_again(),
        }
    }

    #[cold]
    fn claim_again(&self) -> Result<(&P, SlotId), BoardError> {
        loop {
            // What others have made of the name meanwhile is as good.
            let update = WhenDifferent::Keep;
            let id = claim::<P>(&self.shared, &self.name, &self.config, update)?;
            // Relaxed: as in `id`.
            self.id.store(id.to_bits(), Ordering::Relaxed);
            if let Some(policy) = P::section(&self.shared.memory).get(id) {
                return Ok((policy, id));
            }
        }
    }

    /// The policy of a permit's slot; `None` once its name was removed.
    #[inline]
    pub(super) fn policy_of(&self, id: SlotId) -> Option<&P> {
        P::section(&self.shared.memory).get(id)
    }
}

/// What a call meets whose name was removed, and has no slot any more.
pub(super) fn rejected(_: BoardError) -> Rejected {
    Rejected {
        reason: Reason::Full,
        retry_after: None,
    }
}

/// What settings meet there.
pub(crate) fn nowhere() -> ConfigError {
    ConfigError::conflict(
        "name",
        "it was removed from its board, which has no slot for it any more",
        "a name with a slot; remove one that nobody uses, then try again",
    )
}

fn claim<P: Shareable>(
    shared: &Shared,
    name: &SlotName,
    config: &P::Config,
    when_different: WhenDifferent,
) -> Result<SlotId, BoardError> {
    let owner = shared.owner()?;
    let section = P::section(&shared.memory);
    match section.claim(owner, name, config, when_different) {
        // Perhaps the dead have begun to fill some.
        Err(ClaimError::Full { .. }) if shared.sweep() => {
            Ok(section.claim(owner, name, config, when_different)?)
        }
        claimed => Ok(claimed?),
    }
}
