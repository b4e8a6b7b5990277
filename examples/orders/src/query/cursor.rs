//! [`Cursor`]: where the next page begins.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Digits of the position, and of both numbers.
const LENGTHS: [usize; 2] = [16, 32];

/// A place between two of a user's orders: the next page has those made before it. Positions are unique and never change, so orders
/// that are made meanwhile move nothing.
///
/// Clients see digits that mean nothing to them. The digest finds what was cut, mistyped or belongs to another user's list; it is
/// no secret, because who makes a cursor up gets a page of what they may see anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The position of the first event of the last order on the page.
    pub before: u64,
}

impl Cursor {
    /// As it is sent.
    pub fn encode(self, user_id: Uuid) -> String {
        format!("{:016x}{:016x}", self.before, digest(user_id, self.before))
    }

    /// As it was sent; none when this program did not make it, for this user's list.
    pub fn decode(text: &str, user_id: Uuid) -> Option<Self> {
        let [position, whole] = LENGTHS;
        if text.len() != whole || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let before = u64::from_str_radix(text.get(..position)?, 16).ok()?;
        let cursor = Self { before };
        (cursor.encode(user_id) == text).then_some(cursor)
    }
}

fn digest(user_id: Uuid, before: u64) -> u64 {
    let mut hash = Sha256::new();
    hash.update(b"orders cursor 1");
    hash.update(user_id.as_bytes());
    hash.update(before.to_be_bytes());
    let whole: [u8; 32] = hash.finalize().into();
    let first = std::array::from_fn(|index| whole[index]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_sent() {
        let user = Uuid::now_v7();
        for before in [0, 1, 258, u64::MAX] {
            let cursor = Cursor { before };
            assert_eq!(Cursor::decode(&cursor.encode(user), user), Some(cursor));
        }
    }

    #[test]
    fn what_was_changed_or_is_anothers_is_no_cursor() {
        let [user, other] = [Uuid::from_u128(0x5eed), Uuid::from_u128(0xbead)];
        let text = Cursor { before: 7 }.encode(user);
        assert_eq!(Cursor::decode(&text, other), None);
        assert_eq!(Cursor::decode(&text[1..], user), None);
        assert_eq!(Cursor::decode(&text.to_uppercase(), user), None);
        assert_eq!(Cursor::decode("", user), None);
        assert_eq!(Cursor::decode(&"ä".repeat(16), user), None);
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8_lossy(&changed);
            assert_eq!(Cursor::decode(&changed, user), None, "{changed}");
        }
    }
}
