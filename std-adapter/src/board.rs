//! [`Board`]: breakers and limiters that all processes of a host share.

mod attached;
mod attachment;
mod breaker;
mod error;
mod file;
mod limits;
mod memory;
mod named;
mod origin;
mod raw;
mod transitions;

pub use attached::AttachedProcess;
pub(crate) use breaker::BreakerSlot;
pub use error::BoardError;
pub(crate) use limits::{BucketSlot, LimitSlot, Place};
pub(crate) use named::nowhere;
pub use raw::{RawBreaker, RawConcurrencyLimit, RawTokenBucket};
pub use transitions::BoardTransitions;

use crate::board::attachment::Attachment;
use crate::board::memory::Memory;
use crate::board::named::Named;
use crate::breaker::{CircuitBreaker, CircuitBreakerConfig, fresh_seed};
use crate::limiter::{ConcurrencyLimit, TokenBucketRateLimiter};
use fuseboard_core::{ClaimError, Owner, Rate, SlotId, SlotName, TokenBucketConfig, WhenDifferent};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

/// Slots of each kind.
const SLOTS: usize = 64;

/// The words that processes share.
type Words = fuseboard_core::Board<SLOTS, { attachment::OWNERS as usize }>;

// A lock in the process would keep nobody out who is in another one.
const _: () = assert!(
    fuseboard_core::LOCK_FREE,
    "a board needs 64-bit atomics that are lock-free on this target"
);

/// Many named breakers and limiters, shared by all processes that open the same path: 64 of each kind, 128 processes at once.
///
/// A breaker that one process trips is open for all, with its next call. A process that is killed, at whatever moment, holds nobody up:
/// what it was doing is whole or not begun, its probes' places come back with their lease, and the places that it held in a concurrency
/// limit come back when somebody finds the limit full (at most 50 ms later).
///
/// ```
/// use fuseboard::{Board, CircuitBreakerConfig, CircuitState};
///
/// let board = Board::anonymous()?;
/// let payments = board.breaker("payments", CircuitBreakerConfig::default())?;
/// let permit = payments.try_acquire()?;
/// permit.success();
/// assert_eq!(payments.state(), CircuitState::Closed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A clone is another handle of the same board.
///
/// # Trust
///
/// The file is of mode 0600, of the same user, on tmpfs, and no symbolic link. Every word that is read is masked and bounded: another
/// process of that user can spoil decisions, but crash nobody, with one exception: one that *truncates* a named board's file makes
/// the others fail with SIGBUS. [`anonymous`](Self::anonymous) boards are sealed against that.
///
/// # Forking
///
/// A child may use all handles that it inherits. Permits that it inherits stay its parent's: dropped in the child, they give nothing back.
#[derive(Clone, Debug)]
pub struct Board {
    shared: Arc<Shared>,
}

/// What all handles of one board share.
#[derive(Debug)]
struct Shared {
    memory: Memory,
    /// `None`: the memory is this process's own.
    file: Option<OwnedFd>,
    attachment: Attachment,
}

/// How to open a board, where the defaults do not fit.
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "options open nothing by themselves"]
pub struct BoardOptions {
    on_disk: bool,
    existing: bool,
}

impl BoardOptions {
    /// The defaults: on tmpfs only, and a configuration that differs from a running one is an error.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a file on another filesystem than tmpfs will do: it is written to the disk now and then, and its board is refused after
    /// the next boot.
    pub fn on_disk(mut self, on_disk: bool) -> Self {
        self.on_disk = on_disk;
        self
    }

    /// Whether a board that is not there is an error instead of being made: for tools that look at boards.
    pub fn existing(mut self, existing: bool) -> Self {
        self.existing = existing;
        self
    }

    /// Opens the board at `path`; makes it if it is not there, unless only an [`existing`](Self::existing) one will do.
    ///
    /// # Errors
    /// As [`Board::open`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<Board, BoardError> {
        let (path, on_disk) = (path.as_ref(), self.on_disk);
        let (file, memory) = if self.existing {
            file::open_existing(path, on_disk)?
                .ok_or_else(|| BoardError::system("open it")(rustix::io::Errno::NOENT))?
        } else {
            file::open_or_create(path, on_disk)?
        };
        Ok(Board::of(Some(file), memory))
    }
}

impl Board {
    /// Opens the board at `path`, such as `/dev/shm/fuseboard-shop`; makes it if it is not there.
    ///
    /// # Errors
    /// What the system refused; or what of the file is not as it must be, with what to do.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, BoardError> {
        BoardOptions::new().open(path)
    }

    /// A board without a name, for the children that this process forks.
    ///
    /// # Errors
    /// What the system refused.
    pub fn anonymous() -> Result<Self, BoardError> {
        let (file, memory) = file::anonymous()?;
        Ok(Self::of(Some(file), memory))
    }

    /// A board of this process alone, with the same interface. A forked child has its own copy.
    pub fn private() -> Self {
        Self::of(None, Memory::Own(Box::default()))
    }

    /// Opens the board at `path`; where that cannot be done, tells `fallback` why and goes on with a [`private`](Self::private) one.
    pub fn open_or_private(path: impl AsRef<Path>, fallback: impl FnOnce(&BoardError)) -> Self {
        Self::open(path).unwrap_or_else(|error| {
            fallback(&error);
            Self::private()
        })
    }

    fn of(file: Option<OwnedFd>, memory: Memory) -> Self {
        let attachment = Attachment::default();
        Self {
            shared: Arc::new(Shared {
                memory,
                file,
                attachment,
            }),
        }
    }

    /// Whether other processes can see it.
    pub fn is_shared(&self) -> bool {
        self.shared.file.is_some()
    }

    /// The breaker of this name, made with `config` if there is none.
    ///
    /// # Errors
    /// `config` or the name where they are out of their ranges; that it runs with another configuration; that all slots are
    /// taken.
    pub fn breaker(
        &self,
        name: &str,
        config: CircuitBreakerConfig,
    ) -> Result<CircuitBreaker, BoardError> {
        self.breaker_with(name, config, WhenDifferent::Refuse)
    }

    /// As [`breaker`](Self::breaker), and says what to do about another configuration.
    ///
    /// # Errors
    /// As `breaker`.
    pub fn breaker_with(
        &self,
        name: &str,
        config: CircuitBreakerConfig,
        when_different: WhenDifferent,
    ) -> Result<CircuitBreaker, BoardError> {
        let config = config
            .core_settings(fresh_seed())
            .map_err(ClaimError::Config)?;
        Named::claim(self, name, config, when_different).map(CircuitBreaker::on_board)
    }

    /// The token bucket of this name, full if there is none yet.
    ///
    /// # Errors
    /// As [`breaker`](Self::breaker).
    pub fn token_bucket(
        &self,
        name: &str,
        rate: Rate,
        burst: u64,
    ) -> Result<TokenBucketRateLimiter, BoardError> {
        self.token_bucket_with(name, rate, burst, WhenDifferent::Refuse)
    }

    /// As [`token_bucket`](Self::token_bucket), and says what to do about another configuration.
    ///
    /// # Errors
    /// As `breaker`.
    pub fn token_bucket_with(
        &self,
        name: &str,
        rate: Rate,
        burst: u64,
        when_different: WhenDifferent,
    ) -> Result<TokenBucketRateLimiter, BoardError> {
        let config = TokenBucketConfig { rate, burst };
        Named::claim(self, name, config, when_different).map(TokenBucketRateLimiter::on_board)
    }

    /// The concurrency limit of this name: `limit` calls among all processes, 1 to 65,535.
    ///
    /// # Errors
    /// As [`breaker`](Self::breaker).
    pub fn concurrency_limit(
        &self,
        name: &str,
        limit: u32,
    ) -> Result<ConcurrencyLimit, BoardError> {
        self.concurrency_limit_with(name, limit, WhenDifferent::Refuse)
    }

    /// As [`concurrency_limit`](Self::concurrency_limit), and says what to do about another limit.
    ///
    /// # Errors
    /// As `breaker`.
    pub fn concurrency_limit_with(
        &self,
        name: &str,
        limit: u32,
        when_different: WhenDifferent,
    ) -> Result<ConcurrencyLimit, BoardError> {
        let limit = limits::checked(limit).map_err(ClaimError::Config)?;
        Named::claim(self, name, limit, when_different).map(ConcurrencyLimit::on_board)
    }

    /// The words themselves, for tools that show or steer a whole board.
    pub fn words(&self) -> &fuseboard_core::Board<64, 128> {
        &self.shared.memory
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.attachment.leave(&self.memory);
    }
}

impl Shared {
    fn owner(&self) -> Result<Owner, BoardError> {
        self.attachment.owner(self.file.as_ref(), &self.memory)
    }

    fn sweep(&self) -> bool {
        self.attachment.sweep(self.file.as_ref(), &self.memory)
    }

    fn is_own(&self, owner: Owner) -> bool {
        self.attachment.is_own(self.file.as_ref(), owner)
    }
}
