//! `tapewire run`: the pipeline, or some of its roles, until it is stopped.

use crate::config::Config;
use crate::roles::{self, Role};
use crate::{ending, preflight, retention, subscriptions};
use clap::Args;
use tapewire_runtime::{Clock, Readiness, Shutdown, Telemetry};

/// Runs roles until SIGINT or SIGTERM, then finishes what they have begun.
#[derive(Args)]
#[command(after_help = "Examples:\n  tapewire run                          all roles in one process\n  \
    tapewire run --role sentiment         one role; more members share its work\n  \
    tapewire run --role news,prices\n  \
    tapewire run --preset keyless --set providers.edgar.user_agent=\"Your Name you@example.com\"\n  \
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
        let applied = subscriptions::applied(&config)?;
        preflight::keys(&applied, &chosen)?;
        retention::check(&applied)?;
        let telemetry = Telemetry::install()?;
        // Before the model is loaded, so that an address in use is reported at once.
        let listener = telemetry.listen(&config.listen).await?;
        preflight::token(&config.http, &listener)?;
        let readiness = telemetry.readiness();
        let serving = telemetry.serve(listener, &config.http, shutdown.clone());
        let running = async { roles(&chosen, &config, readiness, &shutdown).await.inspect_err(ending::set_cause) };
        let ((), ran) = tokio::join!(serving, async { running.await.inspect(|()| shutdown.cancel()) });
        ran
    }
}

/// Runs the roles once what they need is there.
async fn roles(chosen: &[Role], config: &Config, readiness: Readiness, shutdown: &Shutdown) -> anyhow::Result<()> {
    // Nothing has been logged yet, so this line has to say that the process was stopped and did not end by itself.
    let stopped = || {
        ending::say("stopped before the roles were started");
        Ok(())
    };
    let Some(queue) = shutdown.run_until_cancelled(roles::prepare(chosen, config)).await else { return stopped() };
    let queue = queue?;
    let writes_tables = chosen.iter().any(|role| matches!(role, Role::Join | Role::Indicators | Role::Alerts));
    if !preflight::wait_for_servers(config, writes_tables, shutdown).await? {
        return stopped();
    }
    if writes_tables {
        retention::warn_of_changes(config).await;
    }
    roles::run(chosen, config, queue, Clock::wall(), readiness, shutdown.clone()).await
}
