//! [`hash_key`]: from a key's bytes to the number that a keyed limiter takes.

use crate::fault::fault;

/// SipHash-1-3 of `key` under a secret `seed`: the number for a
/// [`KeyedRateLimiter`](crate::KeyedRateLimiter).
///
/// Draw the seed at random when the program starts, once for all who share the table. Keys often come from outside
/// (addresses, tokens, user names), and somebody who can choose keys with equal hashes makes them share one
/// limit, which shuts a chosen victim out, or crowds them into the same few places. So the hash is one whose
/// collisions cannot be found without the seed, at about a nanosecond a byte. Faster ones such as wyhash or FNV do not
/// claim that: for some of them collisions are known that hold for every seed. Numbers that nobody
/// outside chooses need no hash at all: the table mixes what it is given.
///
/// # Source
///
/// J.-P. Aumasson, D. J. Bernstein, "`SipHash`: a fast short-input PRF" (2012), with one round a word and three at the
/// end, as in the standard library's hash maps.
///
/// ```
/// use fuseboard_core::hash_key;
///
/// let seed = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
/// assert_ne!(hash_key(seed, b"203.0.113.7"), hash_key(seed, b"203.0.113.8"));
/// ```
pub fn hash_key(seed: [u64; 2], key: &[u8]) -> u64 {
    let seed = fault!("hash_ignores_the_seed", [0, 0], seed);
    let mut state = State([
        seed[0] ^ 0x736f_6d65_7073_6575,
        seed[1] ^ 0x646f_7261_6e64_6f6d,
        seed[0] ^ 0x6c79_6765_6e65_7261,
        seed[1] ^ 0x7465_6462_7974_6573,
    ]);
    let (words, rest) = key.as_chunks::<8>();
    for word in words {
        state.absorb(u64::from_le_bytes(*word));
    }
    // What is left, and the length (mod 256) on top.
    let mut last = [0; 8];
    for (to, &from) in last.iter_mut().zip(rest) {
        *to = from;
    }
    last[7] = key.len() as u8;
    state.absorb(u64::from_le_bytes(last));
    state.finish()
}

struct State([u64; 4]);

impl State {
    fn absorb(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    fn finish(mut self) -> u64 {
        self.0[2] ^= 0xFF;
        for _ in 0..3 {
            self.round();
        }
        self.0.iter().fold(0, |hash, word| hash ^ word)
    }

    fn round(&mut self) {
        let [a, b, c, d] = &mut self.0;
        *a = a.wrapping_add(*b);
        *b = b.rotate_left(13) ^ *a;
        *a = a.rotate_left(32);
        *c = c.wrapping_add(*d);
        *d = d.rotate_left(16) ^ *c;
        *a = a.wrapping_add(*d);
        *d = d.rotate_left(21) ^ *a;
        *c = c.wrapping_add(*b);
        *b = b.rotate_left(17) ^ *c;
        *c = c.rotate_left(32);
    }
}
