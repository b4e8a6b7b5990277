//! Policies from files: names with their settings in TOML, YAML or JSON, checked whole, and reloaded while they run.
//!
//! ```toml
//! version = 1
//!
//! [defaults.breakers]
//! window_size = "30s"
//!
//! [breakers.payments]
//! failure_threshold = "40%"
//! open_timeout = "15s"
//!
//! [rate_limits.api]
//! rate = "100/s"
//! burst = 20
//!
//! [concurrency.reports]
//! limit = 4
//! ```
//!
//! All settings stand in `docs/configuration.md`, and as a JSON Schema in `docs/fuseboard.schema.json`. The program
//! `fuseboard check` shows what is wrong with a file.

mod attempts;
mod finding;
mod format;
mod lint;
mod overload;
mod policies;
mod policy;
mod reader;
mod schema;
mod sections;
mod serial;
mod setting;
mod source;
mod tree;
mod value;
mod window;

pub use attempts::{HedgeSettings, RetryJitter, RetrySettings, TimeoutSettings};
pub use finding::{ConfigFileError, Finding, Place, Severity};
pub use format::Format;
pub use lint::{LINTS, Lint};
pub use overload::{AdaptiveSettings, QueueSettings, SheddingSettings, ThrottleSettings};
pub use policies::{Policies, RateLimiter, Reloaded, Watch};
pub use policy::{ConcurrencyConfig, RateLimitAlgorithm, RateLimitConfig};
pub use schema::schema;

use crate::breaker::CircuitBreakerConfig;
use finding::Id;
use policy::Named;
use source::{Source, Subject};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tree::Span;

/// A whole configuration, every setting of it checked.
///
/// ```
/// use fuseboard::config::{Config, Format};
///
/// let config = Config::from_text(
///     "[breakers.payments]\nfailure_threshold = \"40%\"",
///     Format::Toml,
/// )?;
/// assert_eq!(config.breaker("payments").unwrap().failure_threshold, 0.4);
///
/// let error = Config::from_text(
///     "[breakers.payments]\nfailure_threshold = 1.5",
///     Format::Toml,
/// )
/// .unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "2:21: breakers.payments.failure_threshold = 1.5: must be above 0 and at most 1 (100%)"
/// );
/// # Ok::<(), fuseboard::config::ConfigFileError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    source: Source,
    board: Option<PathBuf>,
    /// Where that stands.
    board_span: Span,
    breakers: Named<CircuitBreakerConfig>,
    rate_limits: Named<RateLimitConfig>,
    concurrency: Named<ConcurrencyConfig>,
    timeouts: Named<TimeoutSettings>,
    retries: Named<RetrySettings>,
    hedges: Named<HedgeSettings>,
    queues: Named<QueueSettings>,
    adaptive: Named<AdaptiveSettings>,
    shedding: Named<SheddingSettings>,
    throttles: Named<ThrottleSettings>,
    warnings: Vec<Finding>,
}

impl Config {
    /// Reads a file; its extension says the format: `toml`, `yaml`, `yml` or `json`.
    ///
    /// # Errors
    /// That it cannot be read, is longer than 1 MiB, or has another extension; else everything that is wrong in it.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self, ConfigFileError> {
        let path = path.as_ref();
        let source = Source {
            file: Some(path.display().to_string()),
            text: None,
        };
        let unread = |message: String| {
            let finding = source.error(Id::Io, reader::nowhere(), message);
            ConfigFileError::new(vec![finding], None)
        };
        let format = Format::of(path).ok_or_else(|| {
            unread("the extension must be toml, yaml, yml or json: it says the format".to_owned())
        })?;
        let bytes = read_bytes(path).map_err(|error| unread(format!("cannot be read: {error}")))?;
        let text = String::from_utf8(bytes)
            .map_err(|error| unread(format!("is no UTF-8 text: {error}; save it as UTF-8")))?;
        Self::read(&text, format, source.file)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// Everything that is wrong in it, in the order of the text; or that it is longer than 1 MiB.
    pub fn from_text(text: &str, format: Format) -> Result<Self, ConfigFileError> {
        Self::read(text, format, None)
    }

    fn read(text: &str, format: Format, file: Option<String>) -> Result<Self, ConfigFileError> {
        let text = Arc::<str>::from(text.strip_prefix('\u{feff}').unwrap_or(text));
        let source = Source {
            file,
            text: Some(Arc::clone(&text)),
        };
        if text.len() > tree::TEXT_MAX {
            let message = format!("is longer than {} bytes", tree::TEXT_MAX);
            let finding = source.error(Id::Io, reader::nowhere(), message);
            return Err(ConfigFileError::new(vec![finding], None));
        }
        let refused = |refused: Vec<tree::Refused>| {
            let finding = |one: tree::Refused| {
                let subject = Subject {
                    span: one.span,
                    ..reader::nowhere()
                };
                source.error(one.id, subject, one.message)
            };
            let most = refused.into_iter().take(reader::FINDINGS_MAX);
            ConfigFileError::new(most.map(finding).collect(), source.text.clone())
        };
        let tree = tree::parse(&text, format).map_err(refused)?;
        reader::read(&tree, source.clone())
            .map_err(|findings| ConfigFileError::new(findings, source.text))
    }

    /// The text that the findings point into; `None` where the configuration came through serde.
    pub fn text(&self) -> Option<&str> {
        self.source.text.as_deref()
    }

    /// The board on which the policies shall live; `None`: in this process alone.
    pub fn board(&self) -> Option<&Path> {
        self.board.as_deref()
    }

    fn board_subject(&self) -> Subject {
        Subject {
            path: "board".to_owned(),
            value: self.board().map(|path| format!("\"{}\"", path.display())),
            span: self.board_span,
        }
    }

    /// The settings of this breaker, those of `defaults` included.
    pub fn breaker(&self, name: &str) -> Option<&CircuitBreakerConfig> {
        self.breakers.get(name).map(|policy| &policy.config)
    }

    /// The settings of this rate limit, those of `defaults` included.
    pub fn rate_limit(&self, name: &str) -> Option<&RateLimitConfig> {
        self.rate_limits.get(name).map(|policy| &policy.config)
    }

    /// The settings of this concurrency limit, those of `defaults` included.
    pub fn concurrency_limit(&self, name: &str) -> Option<&ConcurrencyConfig> {
        self.concurrency.get(name).map(|policy| &policy.config)
    }

    /// The settings of this timeout, those of `defaults` included.
    pub fn timeout(&self, name: &str) -> Option<&TimeoutSettings> {
        self.timeouts.get(name).map(|policy| &policy.config)
    }

    /// The settings of these retries, those of `defaults` included.
    pub fn retry(&self, name: &str) -> Option<&RetrySettings> {
        self.retries.get(name).map(|policy| &policy.config)
    }

    /// The settings of this hedge, those of `defaults` included.
    pub fn hedge(&self, name: &str) -> Option<&HedgeSettings> {
        self.hedges.get(name).map(|policy| &policy.config)
    }

    /// The settings of this queue, those of `defaults` included.
    pub fn queue(&self, name: &str) -> Option<&QueueSettings> {
        self.queues.get(name).map(|policy| &policy.config)
    }

    /// The settings of this adaptive limit, those of `defaults` included.
    pub fn adaptive_limit(&self, name: &str) -> Option<&AdaptiveSettings> {
        self.adaptive.get(name).map(|policy| &policy.config)
    }

    /// The settings of this load shedding, those of `defaults` included.
    pub fn load_shedding(&self, name: &str) -> Option<&SheddingSettings> {
        self.shedding.get(name).map(|policy| &policy.config)
    }

    /// The settings of this client throttle, those of `defaults` included.
    pub fn throttle(&self, name: &str) -> Option<&ThrottleSettings> {
        self.throttles.get(name).map(|policy| &policy.config)
    }

    /// Every breaker by its name, in alphabetical order.
    pub fn breakers(&self) -> impl Iterator<Item = (&str, &CircuitBreakerConfig)> {
        configs(&self.breakers)
    }

    /// Every rate limit by its name, in alphabetical order.
    pub fn rate_limits(&self) -> impl Iterator<Item = (&str, &RateLimitConfig)> {
        configs(&self.rate_limits)
    }

    /// Every concurrency limit by its name, in alphabetical order.
    pub fn concurrency_limits(&self) -> impl Iterator<Item = (&str, &ConcurrencyConfig)> {
        configs(&self.concurrency)
    }

    /// Every timeout by its name, in alphabetical order.
    pub fn timeouts(&self) -> impl Iterator<Item = (&str, &TimeoutSettings)> {
        configs(&self.timeouts)
    }

    /// All retries by their name, in alphabetical order.
    pub fn retries(&self) -> impl Iterator<Item = (&str, &RetrySettings)> {
        configs(&self.retries)
    }

    /// Every hedge by its name, in alphabetical order.
    pub fn hedges(&self) -> impl Iterator<Item = (&str, &HedgeSettings)> {
        configs(&self.hedges)
    }

    /// Every queue by its name, in alphabetical order.
    pub fn queues(&self) -> impl Iterator<Item = (&str, &QueueSettings)> {
        configs(&self.queues)
    }

    /// Every adaptive limit by its name, in alphabetical order.
    pub fn adaptive_limits(&self) -> impl Iterator<Item = (&str, &AdaptiveSettings)> {
        configs(&self.adaptive)
    }

    /// Every load shedding by its name, in alphabetical order.
    pub fn load_sheddings(&self) -> impl Iterator<Item = (&str, &SheddingSettings)> {
        configs(&self.shedding)
    }

    /// Every client throttle by its name, in alphabetical order.
    pub fn throttles(&self) -> impl Iterator<Item = (&str, &ThrottleSettings)> {
        configs(&self.throttles)
    }

    /// What is allowed and will probably do harm, in the order of the text.
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }
}

/// The file, or as much of it as shows that it is too long.
fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = tree::TEXT_MAX as u64 + 1;
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn configs<T>(named: &Named<T>) -> impl Iterator<Item = (&str, &T)> {
    named
        .iter()
        .map(|(name, policy)| (name.as_str(), &policy.config))
}
