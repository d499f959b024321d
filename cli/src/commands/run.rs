//! `tapewire run`: the pipeline, or some of its roles, until it is stopped.

use crate::config::Config;
use crate::roles::{self, Role};
use clap::Args;
use tapewire_runtime::{Clock, Shutdown, Telemetry};

/// Runs roles until SIGINT or SIGTERM, then finishes what they have begun.
#[derive(Args)]
#[command(after_help = "Examples:\n  tapewire run                          all roles in one process\n  \
    tapewire run --role sentiment         one role; more members share its work\n  \
    tapewire run --role news,prices\n  \
    TAPEWIRE_MASSIVE_API_KEY=... TAPEWIRE_PRICES_SYMBOLS=AAPL,MSFT tapewire run\n\n\
    `tapewire migrate` creates the topics and tables first. /health, /ready and /metrics are served on the setting `listen`.")]
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
                // A process whose health can't be observed does not go on.
                serving.await.inspect_err(|_| shutdown.cancel())
            },
            running
        );
        ran?;
        Ok(served?)
    }
}
