//! [`Format`]: how a configuration is written down.

use std::path::Path;

/// How a configuration is written down. All three say the same things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// TOML 1.1.
    Toml,
    /// YAML 1.2: one document, anchors and aliases, neither tags nor merge keys.
    Yaml,
    /// JSON.
    Json,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Toml, Self::Yaml, Self::Json];

    /// What the path's extension says: `toml`, `yaml`, `yml` or `json`; `None` for any other.
    pub fn of(path: impl AsRef<Path>) -> Option<Self> {
        match path.as_ref().extension()?.to_str()? {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}
