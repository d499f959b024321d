//! `tapewire simulate`: the simulated market as a server.

use crate::config::Config;
use anyhow::bail;
use clap::Args;
use jiff::Timestamp;
use std::time::Duration;
use tapewire_ingest::simulate;
use tapewire_runtime::{Clock, Shutdown};

/// How long the server waits at the end for open connections to finish.
const DRAIN: Duration = Duration::from_secs(2);

/// Serves a simulated market (news and aggregates over REST, minute bars over a websocket) on the provider's protocol.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tapewire simulate                                  from now on, at the pace of the wall clock\n  \
    tapewire simulate --from 2025-06-02T13:20:00Z --speed 60\n  \
    tapewire simulate --set simulator.listen=127.0.0.1:9000 --set simulator.seed=7\n\n\
    Clients log in with the key `simulated`."
)]
pub struct Simulate {
    /// Start of simulated time [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Simulated seconds per second
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
}

impl Simulate {
    pub async fn run(self, config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
        simulate::check_speed(self.speed)?;
        let from = self.from.unwrap_or_else(|| Clock::wall().now());
        config.simulator.check(from)?;
        let clock = Clock::accelerated(from, self.speed);
        let left = simulate::LAST.duration_since(from).unsigned_abs();
        // The server closes its connections when it ends.
        let serving = simulate::serve(config.simulator, clock.clone(), shutdown.clone());
        tokio::select! {
            served = serving => Ok(served?),
            () = clock.sleep(left) => bail!("the simulated market has come to its end, {}", simulate::LAST),
            () = async { shutdown.cancelled().await; tokio::time::sleep(DRAIN).await } => Ok(()),
        }
    }
}
