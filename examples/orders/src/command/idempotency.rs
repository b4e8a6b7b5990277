//! [`CommandKey`]: by which a repeated request is recognised.

use sha2::{Digest, Sha256};

/// An `Idempotency-Key`, of one who used it, for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandKey {
    /// The subject, a line's end, and the key; neither header has line ends, so no two pairs are written alike.
    pub key: String,
    /// Digest of method, path and body.
    pub request_sha256: [u8; 32],
}

/// The longest key, in bytes.
pub const MAX_KEY: usize = 255;

impl CommandKey {
    /// A key that `subject` sent with a request; `None` when it is not 1 to 255 visible ASCII characters.
    pub fn new(subject: &str, key: &str, method: &str, path: &str, body: &[u8]) -> Option<Self> {
        let is_fit = (1..=MAX_KEY).contains(&key.len())
            && key.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        is_fit.then(|| {
            let mut digest = Sha256::new();
            for part in [method.as_bytes(), path.as_bytes(), body] {
                // Lengths first, so that nothing can move from one part to the next.
                digest.update((part.len() as u64).to_le_bytes());
                digest.update(part);
            }
            Self {
                key: format!("{subject}\n{key}"),
                request_sha256: digest.finalize().into(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_subjects_and_one_requests() {
        let key = |subject, path, body: &str| {
            CommandKey::new(subject, "k", "POST", path, body.as_bytes()).unwrap()
        };
        let first = key("ann", "/orders", "{}");
        assert_eq!(first, key("ann", "/orders", "{}"));
        assert_ne!(first.key, key("bob", "/orders", "{}").key);
        for other in [key("ann", "/orders", "{ }"), key("ann", "/orders{", "}")] {
            assert_eq!(first.key, other.key);
            assert_ne!(first.request_sha256, other.request_sha256);
        }
    }

    #[test]
    fn a_key_is_visible_and_not_long() {
        let is_fit = |key: &str| CommandKey::new("ann", key, "POST", "/", b"").is_some();
        assert!(is_fit("8c1e-0") && is_fit(&"k".repeat(255)));
        for unfit in ["", "a b", "a\tb", "ä", &"k".repeat(256)] {
            assert!(!is_fit(unfit), "{unfit:?}");
        }
    }
}
