//! `tapewire run`: the pipeline, or a part of it, for good.

use crate::config::Config;
use crate::roles::{self, Role};
use clap::Args;
use tapewire_runtime::{Clock, Shutdown, Telemetry};

/// Runs roles until SIGINT or SIGTERM, then finishes what they hold.
#[derive(Args)]
#[command(after_help = "Examples:\n  tapewire run                          all roles in one process\n  \
    tapewire run --role sentiment         one role; more members share its work\n  \
    tapewire run --role news,prices")]
pub struct Run {
    /// Which roles [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    role: Vec<Role>,
}

impl Run {
    pub async fn run(self, config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
        let chosen = if self.role.is_empty() { Role::ALL.to_vec() } else { self.role };
        let telemetry = Telemetry::install()?;
        let readiness = telemetry.readiness();
        let serving = telemetry.serve(&config.listen, shutdown.clone());
        let running = roles::run(&chosen, &config, Clock::wall(), readiness, shutdown.clone());
        let (served, ran) = tokio::join!(
            async {
                // A process whose health can't be asked is not left running unseen.
                serving.await.inspect_err(|_| shutdown.cancel())
            },
            running
        );
        ran?;
        Ok(served?)
    }
}
