//! Presets: settings for a purpose.

use clap::ValueEnum;

/// Settings for a purpose; the settings file overrides them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// News and prices from sources that need no account: docs/sources.md
    Keyless,
}

impl Preset {
    /// Its name and its settings as TOML.
    pub fn settings(self) -> (&'static str, &'static str) {
        match self {
            Self::Keyless => ("keyless", include_str!("presets/keyless.toml")),
        }
    }
}
