//! [`Section`]: the slots of one kind, claimed by name. The only file that swaps a slot's word.
//!
//! # How a name gets one slot and only one
//!
//! 1. A claimer takes a free slot as its draft, which nobody else reads, and fills it: name, configuration, policy.
//! 2. It looks whether the name is live; then the draft is given up.
//! 3. It swaps the roll word, *which has not changed since before it looked*, for one that names the draft. If the roll has
//!    changed, another slot was published meanwhile: back to 2.
//! 4. What the roll names becomes live. Everybody does that before anything else, so who dies between 3 and 4 leaves nothing undone.
//!
//! A swap of the roll fails only because another claim succeeded. Who dies before 3 leaves a draft, which
//! [`reclaim`](Section::reclaim) gives back; no name waits for it.
//!
//! | operation | ordering | pairs with |
//! |---|---|---|
//! | swap the roll | `AcqRel` | loads of the roll: the draft is filled before its slot is published |
//! | load the roll | Acquire | the swap |
//! | make a slot live | `AcqRel` | loads of the slot's word: who sees it live sees its name and settings |
//! | load a slot's word | Acquire | the row above |
//! | write a name | Release | the fence behind reading one: who reads a draft's name does not find the slot's old word after it |
//! | take or free a slot | `AcqRel` | each other: a draft's words are written after all that its last owner wrote |

use crate::board::control::{Control, Phase, Roll};
use crate::board::error::ClaimError;
use crate::board::name::{NAME_WORDS, SlotName};
use crate::board::policy::Policy;
use crate::fault::fault;
use crate::sync::{AtomicU64, Ordering, fence, zeroed_words};

/// Which owner claims: an index below the board's number of owners. No two processes that live may use the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(u16);

impl Owner {
    /// The owner of this index.
    pub const fn new(index: u16) -> Self {
        Self(index)
    }

    /// Its index.
    pub const fn index(self) -> u16 {
        self.0
    }
}

/// What a claimer wants of a name that runs with another configuration already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenDifferent {
    /// [`ClaimError::Differs`].
    #[default]
    Refuse,
    /// Take the claimer's configuration over; the state stays.
    Update,
    /// Leave it as it runs.
    Keep,
}

/// One name's place in a section, as a value. It is stale once the name was removed, also when its slot has another name by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotId {
    index: u16,
    generation: u32,
}

impl SlotId {
    /// Which slot of its section.
    pub const fn index(self) -> u16 {
        self.index
    }

    /// As one word; the same within a layout version.
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The place that a word stands for; one that no slot has is stale.
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            index: bits as u16,
            generation: (bits >> 32) as u32,
        }
    }
}

#[derive(Debug)]
#[repr(C, align(64))]
struct Slot<P> {
    control: AtomicU64,
    name: [AtomicU64; NAME_WORDS],
    policy: P,
}

/// The slots of one kind on a [`Board`](crate::Board).
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Section<P, const SLOTS: usize> {
    roll: AtomicU64,
    slots: [Slot<P>; SLOTS],
}

#[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
const _: () = {
    use core::mem::offset_of;
    type Breaker = Slot<crate::board::breaker::BoardBreaker>;
    type Bucket = Slot<crate::token_bucket::TokenBucketRateLimiter>;
    type Limit = Slot<crate::board::places::Places<128>>;
    assert!(offset_of!(Breaker, control) == 0 && offset_of!(Breaker, name) == 8);
    assert!(offset_of!(Breaker, policy) == 128 && size_of::<Breaker>() == 2_624);
    assert!(offset_of!(Bucket, policy) == 72 && size_of::<Bucket>() == 128);
    assert!(offset_of!(Limit, policy) == 72 && size_of::<Limit>() == 1_152);
};

impl<P: Policy, const SLOTS: usize> Section<P, SLOTS> {
    pub(crate) fn new() -> Self {
        Self {
            roll: AtomicU64::new(0),
            slots: core::array::from_fn(|_| Slot {
                control: AtomicU64::new(0),
                name: zeroed_words!(),
                policy: P::vacant(),
            }),
        }
    }

    /// The slot of `name`, made with `config` unless it is there already.
    ///
    /// Two claimers of one name get the same slot, and who dies here holds nobody up.
    ///
    /// # Errors
    /// `config` where it can never work or another one runs, or that no slot is free. Slots that others are filling at
    /// this moment count as taken.
    pub fn claim(
        &self,
        owner: Owner,
        name: &SlotName,
        config: &P::Config,
        when_different: WhenDifferent,
    ) -> Result<SlotId, ClaimError> {
        let wanted = name.to_words();
        let mut draft = None;
        loop {
            let roll = self.load_roll();
            if !fault!("board_publishes_only_its_own") {
                self.publish(roll);
            }
            if let Some((id, policy)) = self.find(&wanted) {
                if let Some((slot, drafted, _)) = draft {
                    free(slot, drafted);
                }
                if !policy.runs_with(config)? && !fault!("board_any_configuration") {
                    match when_different {
                        WhenDifferent::Refuse => return Err(ClaimError::Differs),
                        WhenDifferent::Update => policy.configure(config)?,
                        WhenDifferent::Keep => {}
                    }
                }
                policy.oblige(config);
                return Ok(id);
            }
            let (slot, drafted, id) = match draft {
                Some(draft) => draft,
                None => self.draft(owner, &wanted, config)?,
            };
            draft = Some((slot, drafted, id));
            let next = Roll::new(id.index, id.generation);
            let expected = if fault!("board_claims_without_looking") {
                self.load_roll()
            } else {
                roll
            };
            // AcqRel: publishes the draft; failure Relaxed: the next round loads the roll again.
            if self
                .roll
                .compare_exchange(
                    expected.bits(),
                    next.bits(),
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                )
                .is_ok()
            {
                self.publish(next);
                return Ok(id);
            }
        }
    }

    /// The policy of a slot; `None` once its name was removed.
    #[inline]
    pub fn get(&self, id: SlotId) -> Option<&P> {
        let slot = self.slots.get(usize::from(id.index))?;
        let control = slot.load();
        let is_current = control.generation() == id.generation || fault!("board_any_generation");
        (control.phase() == Phase::Live && is_current).then_some(&slot.policy)
    }

    /// Every name, with its slot. Names that others claim or remove meanwhile may be among them or not.
    pub fn entries(&self) -> impl Iterator<Item = (SlotId, SlotName)> {
        self.publish(self.load_roll());
        self.live()
            .filter_map(|(id, slot)| Some((id, SlotName::from_words(slot.name_of(id)?)?)))
    }

    /// The owners of the slots that are being filled, each as often as it fills one.
    pub fn drafts(&self) -> impl Iterator<Item = Owner> {
        self.publish(self.load_roll());
        let drafts = self.slots.iter().map(Slot::load);
        drafts
            .filter(|control| control.phase() == Phase::Draft && !fault!("drafts_unseen"))
            .map(|control| Owner(control.owner()))
    }

    /// Slots that are taken without a name that anybody can claim: a foreign hand has changed its words.
    pub fn nameless(&self) -> usize {
        let live = self.live().filter_map(|(id, slot)| slot.name_of(id));
        live.filter(|words| SlotName::from_words(*words).is_none() && !fault!("nameless_unseen"))
            .count()
    }

    /// The name of a slot; `None` once it was removed.
    pub fn name_of(&self, id: SlotId) -> Option<SlotName> {
        let slot = self.slots.get(usize::from(id.index))?;
        SlotName::from_words(slot.name_of(id)?)
    }

    /// The slot of `name`, where it has one.
    pub fn slot_of(&self, name: &SlotName) -> Option<SlotId> {
        self.publish(self.load_roll());
        self.find(&name.to_words()).map(|(id, _)| id)
    }

    /// Removes a name; its slot may be given to another one. `false`: it was removed already.
    ///
    /// Who works with the policy at this moment may still change one of its words, after which a new owner of the slot
    /// judges by one outcome, unit or place too many or too few.
    pub fn remove(&self, id: SlotId) -> bool {
        let Some(slot) = self.slots.get(usize::from(id.index)) else {
            return false;
        };
        let control = slot.load();
        control.phase() == Phase::Live
            && control.generation() == id.generation
            && free(slot, control)
    }

    /// Gives back what `owner`, a process that is dead, had begun and not published.
    pub(crate) fn reclaim(&self, owner: Owner) {
        // What it has published is everybody's.
        self.publish(self.load_roll());
        for slot in &self.slots {
            let control = slot.load();
            if control.phase() == Phase::Draft && control.owner() == owner.0 {
                free(slot, control);
            }
        }
        for (_, slot) in self.live() {
            slot.policy.reclaim(owner);
        }
    }

    fn load_roll(&self) -> Roll {
        // Acquire: see the head of the file.
        Roll::from_bits(self.roll.load(Ordering::Acquire))
    }

    /// Makes the slot live that `roll` names, if nobody has yet.
    fn publish(&self, roll: Roll) {
        let Some((index, generation)) = roll.published() else {
            return;
        };
        let Some(slot) = self.slots.get(index) else {
            return;
        };
        let control = slot.load();
        // A draft of another generation is somebody's who has not published it.
        if control.phase() == Phase::Draft
            && (control.generation() == generation || fault!("board_publishes_any_draft"))
        {
            // Lost to another who did the same, or to one who removed it since: both are fine.
            let _ = slot.swap(control, control.live());
        }
    }

    fn live(&self) -> impl Iterator<Item = (SlotId, &Slot<P>)> {
        (0..).zip(&self.slots).filter_map(|(index, slot)| {
            let control = slot.load();
            let id = SlotId {
                index,
                generation: control.generation(),
            };
            (control.phase() == Phase::Live).then_some((id, slot))
        })
    }

    fn find(&self, name: &[u64; NAME_WORDS]) -> Option<(SlotId, &P)> {
        let mut live = self.live().filter(|_| !fault!("board_every_claim_is_new"));
        live.find(|(id, slot)| slot.name_of(*id).is_some_and(|found| found == *name))
            .map(|(id, slot)| (id, &slot.policy))
    }

    /// A free slot, filled.
    fn draft(
        &self,
        owner: Owner,
        name: &[u64; NAME_WORDS],
        config: &P::Config,
    ) -> Result<(&Slot<P>, Control, SlotId), ClaimError> {
        for (index, slot) in (0..).zip(&self.slots) {
            let control = slot.load();
            let drafted = control.drafted(owner.0);
            if control.phase() != Phase::Free || !slot.swap(control, drafted) {
                continue;
            }
            for (word, value) in slot.name.iter().zip(name) {
                // Release: see the head of the file.
                word.store(*value, Ordering::Release);
            }
            if let Err(error) = slot.policy.renew(config) {
                free(slot, drafted);
                return Err(error.into());
            }
            let generation = control.generation();
            return Ok((slot, drafted, SlotId { index, generation }));
        }
        Err(ClaimError::Full { slots: SLOTS })
    }
}

impl<P> Slot<P> {
    fn load(&self) -> Control {
        // Acquire: see the head of the file.
        Control::from_bits(self.control.load(Ordering::Acquire))
    }

    fn swap(&self, from: Control, to: Control) -> bool {
        // AcqRel: see the head of the file. Failure Relaxed: nothing is read then.
        self.control
            .compare_exchange(from.bits(), to.bits(), Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// The name of a live slot; `None` when it was removed meanwhile.
    fn name_of(&self, id: SlotId) -> Option<[u64; NAME_WORDS]> {
        // Relaxed: the fence orders them.
        let words = self
            .name
            .each_ref()
            .map(|word| word.load(Ordering::Relaxed));
        // Acquire: see the head of the file.
        fence(Ordering::Acquire);
        // Relaxed: behind the fence.
        let control = Control::from_bits(self.control.load(Ordering::Relaxed));
        let is_same = control.phase() == Phase::Live && control.generation() == id.generation;
        is_same.then_some(words)
    }
}

fn free<P>(slot: &Slot<P>, from: Control) -> bool {
    slot.swap(from, from.freed())
}

#[cfg(all(test, not(any(fuseboard_loom, fuseboard_shuttle))))]
mod tests {
    use super::*;
    use crate::board::places::Places;

    #[test]
    fn o2_drafts_and_nameless_slots_are_seen() {
        let section: Section<Places<2>, 3> = Section::new();
        let name = |text| SlotName::new(text).expect("a good name");
        let (owner, other) = (Owner::new(0), Owner::new(1));
        let refuse = WhenDifferent::Refuse;
        section.claim(owner, &name("a"), &4, refuse).expect("free");
        assert_eq!((section.drafts().count(), section.nameless()), (0, 0));

        section
            .draft(other, &name("b").to_words(), &5)
            .expect("free");
        assert_eq!(section.drafts().collect::<Vec<_>>(), [other]);
        section.reclaim(other);
        assert_eq!(section.drafts().count(), 0);

        // Relaxed: one thread.
        section.slots[0].name[0].store(u64::MAX, Ordering::Relaxed);
        assert_eq!((section.nameless(), section.entries().count()), (1, 0));
    }
}
