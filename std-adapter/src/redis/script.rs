//! The scripts that run on the engine, one for each algorithm.

use ::redis::Script;
use std::sync::LazyLock;

/// A script, sent by its hash, and whole when the engine has forgotten it.
pub(super) type Source = LazyLock<Script>;

pub(super) static TOKEN_BUCKET: Source =
    LazyLock::new(|| Script::new(include_str!("scripts/token_bucket.lua")));
pub(super) static SLIDING_WINDOW: Source =
    LazyLock::new(|| Script::new(include_str!("scripts/sliding_window.lua")));
pub(super) static SLIDING_COUNTER: Source =
    LazyLock::new(|| Script::new(include_str!("scripts/sliding_counter.lua")));
pub(super) static FIXED_WINDOW: Source =
    LazyLock::new(|| Script::new(include_str!("scripts/fixed_window.lua")));
pub(super) static PLACES: Source =
    LazyLock::new(|| Script::new(include_str!("scripts/places.lua")));
pub(super) static HINTS: Source = LazyLock::new(|| Script::new(include_str!("scripts/hints.lua")));
