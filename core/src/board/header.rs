//! [`Header`]: the first cache line of a board, which says whether the rest can be read.
//!
//! Written once, by the only one who knows the memory, before anybody else can find it; the magic last.

use crate::board::error::LayoutError;
use crate::fault::fault;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};

/// `FUSEBRD` and a zero, in the words of a little-endian machine; on another it reads otherwise, so that no board is read
/// with its words the wrong way round.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"FUSEBRD\0");
/// Raised with every change of a word's place or meaning.
pub(crate) const LAYOUT_VERSION: u64 = 2;

/// Where the times on a board come from: two processes may share one only if they have the same origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClockOrigin {
    /// The machine's boot; all zero where there is no such thing.
    pub boot: [u64; 2],
    /// The time namespace; zero where there is no such thing.
    pub time_namespace: u64,
}

#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Header {
    magic: AtomicU64,
    version: AtomicU64,
    /// Bytes in all.
    size: AtomicU64,
    /// Slots of each kind above, owners below.
    shape: AtomicU64,
    boot: [AtomicU64; 2],
    time_namespace: AtomicU64,
}

impl Header {
    const_unless_loom! {
        pub(crate) const fn new() -> Self {
            Self {
                magic: AtomicU64::new(0),
                version: AtomicU64::new(0),
                size: AtomicU64::new(0),
                shape: AtomicU64::new(0),
                boot: crate::sync::zeroed_words!(),
                time_namespace: AtomicU64::new(0),
            }
        }
    }

    pub(crate) fn write(&self, size: u64, shape: u64, origin: ClockOrigin) {
        let [boot_low, boot_high] = &self.boot;
        let [origin_low, origin_high] = origin.boot;
        for (word, value) in [
            (&self.version, LAYOUT_VERSION),
            (&self.size, size),
            (&self.shape, shape),
            (boot_low, origin_low),
            (boot_high, origin_high),
            (&self.time_namespace, origin.time_namespace),
        ] {
            // Relaxed: the magic publishes it.
            word.store(value, Ordering::Relaxed);
        }
        // Release: pairs with `check`: whoever sees the magic sees all of the above.
        self.magic.store(MAGIC, Ordering::Release);
    }

    pub(crate) fn check(
        &self,
        size: u64,
        shape: u64,
        origin: ClockOrigin,
    ) -> Result<(), LayoutError> {
        // Acquire: pairs with `write`.
        let magic = self.magic.load(Ordering::Acquire);
        if magic != MAGIC {
            return Err(LayoutError::Magic { found: magic });
        }
        // Relaxed: published by the magic, and never written again.
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed);
        let version = load(&self.version);
        if version != LAYOUT_VERSION && !fault!("board_any_version") {
            return Err(LayoutError::Version {
                found: version,
                expected: LAYOUT_VERSION,
            });
        }
        let found = [load(&self.size), load(&self.shape)];
        if found != [size, shape] {
            return Err(LayoutError::Shape {
                found,
                expected: [size, shape],
            });
        }
        let [boot_low, boot_high] = &self.boot;
        if [load(boot_low), load(boot_high)] != origin.boot {
            return Err(LayoutError::Boot);
        }
        let namespace = load(&self.time_namespace);
        if namespace != origin.time_namespace && !fault!("board_any_clock") {
            return Err(LayoutError::TimeNamespace {
                found: namespace,
                expected: origin.time_namespace,
            });
        }
        Ok(())
    }
}

#[cfg(all(test, not(any(fuseboard_loom, fuseboard_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn s1_every_word_of_the_header_counts() {
        let origin = ClockOrigin {
            boot: [5, 6],
            time_namespace: 7,
        };
        let header = Header::new();
        header.write(3, 4, origin);
        let words = [
            &header.magic,
            &header.version,
            &header.size,
            &header.shape,
            &header.boot[0],
            &header.boot[1],
            &header.time_namespace,
        ];
        for word in words {
            assert_eq!(header.check(3, 4, origin), Ok(()));
            // Relaxed: one thread.
            let before = word.fetch_xor(1 << 40, Ordering::Relaxed);
            let refused = header.check(3, 4, origin).unwrap_err();
            if !matches!(refused, LayoutError::Boot) {
                let text = std::format!("{refused}");
                assert!(text.contains("allowed: "), "{text}");
            }
            word.store(before, Ordering::Relaxed);
        }
    }
}
