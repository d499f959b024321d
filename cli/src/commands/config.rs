//! `tapewire config`: the settings in effect.

use crate::config;
use crate::output::out;
use crate::settings::{self, Loaded};
use clap::Args;

/// The comment at the beginning of the example.
const ABOUT_THE_EXAMPLE: &str = "\
# All settings of tapewire with their defaults. Copy those that you change into tapewire.toml.
#
# A setting can also be given as a variable, TAPEWIRE_ and its path in upper case, or as a flag:
#   TAPEWIRE_SENTIMENT_ENGINE_PRECISION=int8
#   --set sentiment.engine.precision=int8
# Flags override variables, and variables override the file. An empty text unsets an optional setting.
#
# `tapewire config` prints the settings in effect. This file was written by `tapewire config --example`.

";

/// Prints the settings in effect as TOML, each with where it is from: a default, the preset, the file, a variable of the
/// environment, or --set. Secrets are not printed and their files are not read.
#[derive(Args)]
#[command(after_help = "Examples:\n  tapewire config                                      what is in effect here\n  \
    tapewire config --set join.stale_after=5m > tapewire.toml\n  \
    tapewire config --preset keyless                     what the preset changes is marked\n  \
    tapewire config --example                            all settings with their defaults and what they mean")]
pub struct Config {
    /// Print all settings with their defaults and descriptions instead
    #[arg(long)]
    example: bool,
}

impl Config {
    /// Prints the example if it was asked for. It depends on no settings, so it works even if a setting is wrong.
    pub fn example(&self) -> anyhow::Result<bool> {
        if self.example {
            out!("{ABOUT_THE_EXAMPLE}{}", settings::example::<config::Config>()?)?;
        }
        Ok(self.example)
    }

    pub fn run(self, loaded: &Loaded<config::Config>) -> anyhow::Result<()> {
        out!("{}", settings::effective(loaded)?)?;
        Ok(())
    }
}
