//! [`Watch`]: a file that is read again when it has changed.

use super::{Policies, Reloaded};
use crate::config::{Config, ConfigFileError, read_bytes};
use std::path::PathBuf;

/// Follows a configuration file: each [`poll`](Self::poll) looks whether it has changed, and reloads it then.
///
/// It has no thread of its own; poll it from a timer, once a second or so, or reload it on SIGHUP. A poll reads the file.
///
/// ```no_run
/// use fuseboard::config::{Config, Policies, Watch};
/// use std::time::Duration;
///
/// let policies = Policies::from_config(&Config::from_path("shop.toml")?)?;
/// let mut watch = Watch::new("shop.toml", &policies);
/// std::thread::spawn(move || {
///     loop {
///         std::thread::sleep(Duration::from_secs(1));
///         match watch.poll() {
///             None => {}
///             Some(Ok(reloaded)) => println!("shop.toml: {reloaded}"),
///             Some(Err(error)) => eprintln!("{error}\nshop.toml: the old settings stay"),
///         }
///     }
/// });
/// # Ok::<(), fuseboard::config::ConfigFileError>(())
/// ```
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    policies: Policies,
    /// What stood in the file. Its times do not tell: two writes within a tick of the system's clock have the same.
    seen: Option<Vec<u8>>,
}

impl Watch {
    /// Follows the file from its present state on, which the policies are taken to have.
    pub fn new(path: impl Into<PathBuf>, policies: &Policies) -> Self {
        let path = path.into();
        Self {
            seen: read_bytes(&path).ok(),
            path,
            policies: policies.clone(),
        }
    }

    /// Reloads the file if it has changed since the last look; `None`: it has not, or cannot be read at the moment.
    ///
    /// An error is told once, and the policies run on as they were. A file that is read while somebody writes it is read
    /// again at the next poll.
    pub fn poll(&mut self) -> Option<Result<Reloaded, ConfigFileError>> {
        let bytes = read_bytes(&self.path).ok()?;
        if self.seen.as_ref() == Some(&bytes) {
            return None;
        }
        self.seen = Some(bytes);
        Some(self.reload())
    }

    /// Reads the file and takes it over, whether it has changed or not.
    ///
    /// # Errors
    /// As [`Config::from_path`] and [`Policies::reload`]; the policies run on as they were.
    pub fn reload(&self) -> Result<Reloaded, ConfigFileError> {
        self.policies.reload(&Config::from_path(&self.path)?)
    }
}
