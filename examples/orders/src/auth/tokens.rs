//! The tokens' file: digests, and whom they stand for.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rand::RngCore;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use uuid::Uuid;

use super::{Identity, Scope};

/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 512;

/// The tokens that are accepted, as digests.
#[derive(Debug, Default)]
pub struct Tokens {
    entries: Vec<([u8; 32], Identity)>,
}

/// One line of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    token_sha256: String,
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<Uuid>,
    scopes: Vec<Scope>,
}

/// A token just made, to be shown once: only its digest is kept.
pub struct NewToken {
    /// The secret.
    pub token: String,
    /// Whom it stands for.
    pub identity: Identity,
}

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file cannot be read or written.
    #[error("tokens file {path}: {error}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// It does not hold what it should.
    #[error(
        "tokens file: {0}; it is a JSON list of {{\"token_sha256\": 64 hexadecimal digits, \"subject\", \"user_id\"?, \"scopes\": [\"orders-read\", …]}}"
    )]
    Content(String),
}

impl Tokens {
    /// From a file.
    ///
    /// # Errors
    /// It cannot be read, or something in it is wrong.
    pub fn read(path: &Path) -> Result<Self, TokensError> {
        let text = fs::read_to_string(path).map_err(|error| at(path, error))?;
        Self::parse(&text)
    }

    /// From the text of a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, TokensError> {
        let lines: Vec<Line> =
            serde_json::from_str(text).map_err(|error| TokensError::Content(error.to_string()))?;
        let mut entries: Vec<([u8; 32], Identity)> = Vec::with_capacity(lines.len());
        for line in lines {
            let Some(digest) = from_hex(&line.token_sha256) else {
                let problem = format!("token_sha256 of {:?} is no SHA-256 digest", line.subject);
                return Err(TokensError::Content(problem));
            };
            if entries.iter().any(|(known, _)| *known == digest) {
                let problem = format!("token_sha256 of {:?} stands there twice", line.subject);
                return Err(TokensError::Content(problem));
            }
            let identity = Identity {
                subject: line.subject,
                user_id: line.user_id,
                scopes: line.scopes.into_iter().collect(),
            };
            entries.push((digest, identity));
        }
        Ok(Self { entries })
    }

    /// From a file; where there is none, a set for development is made, written with rights for its owner alone, and returned
    /// to be shown: `alice` and `bob`, two customers, and `clerk`, who ships and refunds and sees everything.
    ///
    /// # Errors
    /// As [`read`](Self::read), or the file cannot be written.
    pub fn read_or_generate(path: &Path) -> Result<(Self, Vec<NewToken>), TokensError> {
        let made = Self::generate();
        let mut file = match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
        {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Ok((Self::read(path)?, Vec::new()));
            }
            Err(error) => return Err(at(path, error)),
        };
        let text = Self::file_text(&made);
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|error| at(path, error))?;
        Ok((Self::parse(&text)?, made))
    }

    /// What a file with these tokens holds.
    pub fn file_text(tokens: &[NewToken]) -> String {
        let lines: Vec<Line> = tokens
            .iter()
            .map(|new| Line {
                token_sha256: to_hex(&digest(&new.token)),
                subject: new.identity.subject.clone(),
                user_id: new.identity.user_id,
                scopes: new.identity.scopes.iter().copied().collect(),
            })
            .collect();
        // Strings in a list always have a JSON form.
        serde_json::to_string_pretty(&lines).unwrap_or_default() + "\n"
    }

    /// The set for development.
    fn generate() -> Vec<NewToken> {
        use Scope::{OrdersFulfil, OrdersRead, OrdersReadAll, OrdersWrite};
        let customer = [OrdersRead, OrdersWrite];
        vec![
            NewToken::random("alice", Some(Uuid::new_v4()), customer),
            NewToken::random("bob", Some(Uuid::new_v4()), customer),
            NewToken::random("clerk", None, [OrdersFulfil, OrdersReadAll]),
        ]
    }

    /// Whom a token stands for.
    pub fn identify(&self, token: &str) -> Option<&Identity> {
        // A length is no secret.
        if token.is_empty() || token.len() > MAX_TOKEN {
            return None;
        }
        let asked = digest(token);
        let found = position(&self.entries, |known| known[..].ct_eq(&asked[..]));
        found.map(|index| &self.entries[index].1)
    }
}

/// The entry that `is_same` says yes to. Each is asked, whichever it is, so that the time says nothing about it.
fn position(
    entries: &[([u8; 32], Identity)],
    mut is_same: impl FnMut(&[u8; 32]) -> Choice,
) -> Option<usize> {
    let mut found = u64::MAX;
    for (index, (known, _)) in entries.iter().enumerate() {
        found.conditional_assign(&(index as u64), is_same(known));
    }
    usize::try_from(found)
        .ok()
        .filter(|&index| index < entries.len())
}

impl NewToken {
    /// A token of 32 random bytes.
    pub fn random(
        subject: &str,
        user_id: Option<Uuid>,
        scopes: impl IntoIterator<Item = Scope>,
    ) -> Self {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        Self {
            token: to_hex(&secret),
            identity: Identity {
                subject: subject.to_owned(),
                user_id,
                scopes: scopes.into_iter().collect(),
            },
        }
    }
}

fn at(path: &Path, error: io::Error) -> TokensError {
    let path = path.to_owned();
    TokensError::File { path, error }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn to_hex(bytes: &[u8; 32]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn every_entry_is_compared_whichever_it_is() {
        let tokens = Tokens::generate();
        let parsed = Tokens::parse(&Tokens::file_text(&tokens)).unwrap();
        for (place, token) in tokens.iter().map(|new| new.token.as_str()).enumerate() {
            let (asked, mut compared) = (digest(token), 0);
            let found = position(&parsed.entries, |known| {
                compared += 1;
                known[..].ct_eq(&asked[..])
            });
            assert_eq!((found, compared), (Some(place), 3));
        }
        let mut compared = 0;
        let found = position(&parsed.entries, |_| {
            compared += 1;
            Choice::from(0)
        });
        assert_eq!((found, compared), (None, 3));
    }

    #[test]
    fn a_token_stands_for_its_holder_and_nothing_else_does() {
        let made = Tokens::generate();
        let tokens = Tokens::parse(&Tokens::file_text(&made)).unwrap();
        for new in &made {
            assert_eq!(tokens.identify(&new.token), Some(&new.identity));
            let kept = to_hex(&digest(&new.token));
            for wrong in [
                kept.as_str(),
                &new.token[1..],
                &new.token.to_uppercase(),
                &format!("{} ", new.token),
            ] {
                let is_same = wrong == new.token;
                assert!(is_same || tokens.identify(wrong).is_none(), "{wrong}");
            }
        }
        assert_eq!(tokens.identify(""), None);
        assert_eq!(tokens.identify(&"x".repeat(MAX_TOKEN + 1)), None);
        assert_eq!(Tokens::default().identify("x"), None);
    }

    #[test]
    fn a_first_start_makes_tokens_and_a_second_finds_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let (_, made) = Tokens::read_or_generate(&path).unwrap();
        assert_eq!(made.len(), 3);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert!(made.iter().all(|new| !text.contains(&new.token)));
        let (tokens, again) = Tokens::read_or_generate(&path).unwrap();
        assert!(again.is_empty());
        assert_eq!(tokens.identify(&made[0].token), Some(&made[0].identity));
    }

    #[test]
    fn a_file_that_is_wrong_says_what_is() {
        let line = |digest: &str| {
            format!(r#"{{"token_sha256":"{digest}","subject":"a","scopes":["orders-read"]}}"#)
        };
        let good = line(&"0f".repeat(32));
        for (text, expected) in [
            (format!("[{good},{good}]"), "stands there twice"),
            (format!("[{}]", line("abc")), "no SHA-256 digest"),
            (format!("[{}]", line(&"é".repeat(32))), "no SHA-256 digest"),
            (good.replace("orders-read", "root"), "expected"),
            ("[".to_owned(), "EOF"),
        ] {
            let error = Tokens::parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert_eq!(
            Tokens::parse(&format!("[{good}]")).unwrap().entries.len(),
            1
        );
        let missing = Tokens::read(Path::new("/nowhere/tokens")).unwrap_err();
        assert!(missing.to_string().contains("/nowhere/tokens"));
    }
}
