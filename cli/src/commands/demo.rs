//! `tapewire demo`: the whole pipeline on a simulated market.

use super::reading::progress_bar;
use crate::config::Config;
use crate::exit::UsageError;
use crate::output::outln;
use crate::roles::{self, Role};
use crate::{ending, report};
use anyhow::{Context as _, bail};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};
use tapewire_bus::Topics;
use tapewire_core::{Horizon, Run, Symbol};
use tapewire_ingest::simulate::{self, LAST, Simulator};
use tapewire_runtime::metrics::quantile_bound;
use tapewire_runtime::{Clock, Readiness, Shutdown, Telemetry};
use tapewire_statistics::rank_ic;
use tapewire_store::summary::{self, Counts, HorizonOutcome};
use tapewire_store::{drop_database, migrate};

/// A simulated market through poller, websocket feed, sentiment worker and joiner as they run in production, on sped-up
/// time. Ends with a table and where to look. The names of companies are real; every price and headline is made up.
#[derive(Args)]
#[command(after_help = "Example:\n  make stack && tapewire demo\n\n\
    It writes into a database of its own, the configured name followed by _demo, which it drops first.")]
pub struct Demo {
    /// Start of simulated time; half an hour before an open leaves time to load the history
    #[arg(long, default_value = "2025-06-02T13:00:00Z", value_name = "TIME")]
    from: Timestamp,
    /// Simulated hours
    #[arg(long, default_value_t = 7.25)]
    hours: f64,
    /// Simulated seconds per second
    #[arg(long, default_value_t = 300.0)]
    speed: f64,
}

impl Demo {
    pub async fn run(self, config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
        let until = self.until()?;
        config.simulator.check(self.from)?;
        let telemetry = Telemetry::install()?;
        let state = tempfile::tempdir().context("can't make a folder for the state of this demo")?;
        let mut config = isolated(config);
        config.state_dir = state.path().to_owned();
        outln!("This market is simulated. The names of companies are real; every price and headline is made up.")?;
        drop_database(&config.clickhouse).await?;
        let topics = Topics::new(&config.kafka);
        topics.ensure().await?;
        let ended = self.simulate(config, until, &telemetry, &shutdown).await;
        // Also after an error: no later demo deletes them, because its own have another prefix.
        let deleted = topics.delete().await;
        ended?;
        Ok(deleted?)
    }

    /// Runs the market and the pipeline from beginning to end, and prints what was found.
    async fn simulate(
        &self,
        mut config: Config,
        until: Timestamp,
        telemetry: &Telemetry,
        shutdown: &Shutdown,
    ) -> anyhow::Result<()> {
        migrate(&config.clickhouse).await?;
        let clock = Clock::accelerated(self.from, self.speed);
        let simulator = connect(&mut config, &clock, shutdown).await?;
        let began = Instant::now();
        let (sources, workers) = (shutdown.child_token(), shutdown.child_token());
        let readiness = telemetry.readiness();
        let pipeline = async {
            tokio::try_join!(
                run_roles(&[Role::News, Role::Prices], &config, &clock, &readiness, &sources, &workers),
                run_roles(
                    &[Role::Sentiment, Role::Join, Role::Indicators],
                    &config,
                    &clock,
                    &readiness,
                    &workers,
                    &sources
                ),
            )
        };
        let watching = async {
            let watched = self.watch(&config, &clock, until, &sources, &workers).await;
            sources.cancel();
            workers.cancel();
            watched
        };
        let (ran, watched) = tokio::join!(pipeline, watching);
        ran?;
        watched?;
        let seconds = began.elapsed().as_secs_f64();
        self.print(&config, &simulator, telemetry, seconds).await
    }

    fn until(&self) -> anyhow::Result<Timestamp> {
        simulate::check_speed(self.speed)?;
        if !(self.hours.is_finite() && self.hours > 0.0) {
            return Err(
                UsageError(format!("--hours: {} is not allowed; it must be a positive number", self.hours)).into()
            );
        }
        let hours = SignedDuration::try_from_secs_f64(self.hours * 3600.0).ok();
        let until = hours.and_then(|hours| self.from.checked_add(hours).ok()).filter(|until| *until < LAST);
        Ok(until
            .ok_or_else(|| UsageError(format!("--hours: the market would end after {LAST}; choose fewer hours")))?)
    }

    /// Shows progress, stops the sources at `until`, waits until everything is written, and stops the workers.
    async fn watch(
        &self,
        config: &Config,
        clock: &Clock,
        until: Timestamp,
        sources: &Shutdown,
        workers: &Shutdown,
    ) -> anyhow::Result<()> {
        let bar = progress_bar();
        let run = Run::live();
        while clock.now() < until {
            let counts = summary::counts(&config.clickhouse, &run).await?;
            bar.set_message(format!(
                "simulated {}  articles {}  scored {}  bars {}  joined {}",
                clock.now().strftime("%a %H:%M UTC"),
                counts.articles,
                counts.scored,
                counts.bars,
                counts.impacts
            ));
            if sources.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await.is_none() {
                bail!("the demo was stopped before its end");
            }
        }
        sources.cancel();
        let waited = report::wait_until_drained(config, None, workers, |_| {
            bar.set_message("the market is closed; writing the last rows")
        })
        .await;
        bar.finish_and_clear();
        waited
    }

    async fn print(
        &self,
        config: &Config,
        simulator: &Simulator,
        telemetry: &Telemetry,
        seconds: f64,
    ) -> anyhow::Result<()> {
        let run = Run::live();
        let counts = summary::counts(&config.clickhouse, &run).await?;
        outln!("\nSimulated market, {} hours at {} times real time ({seconds:.0} s)\n", self.hours, self.speed)?;
        report::print(config, &run).await?;
        print_rates(&counts, telemetry, seconds)?;
        let outcomes = summary::outcomes(&config.clickhouse, &run).await?;
        print_ic(&outcomes, simulator)?;
        outln!("\nLook at it: table `report` in database {} at {}", config.clickhouse.database, config.clickhouse.url)?;
        if counts.scored == 0 || counts.impacts == 0 {
            bail!("the pipeline ran but joined nothing; see the log above");
        }
        Ok(())
    }
}

/// Topics and a database of this demo alone, so that its data stays apart from other data.
fn isolated(mut config: Config) -> Config {
    config.clickhouse.database.push_str("_demo");
    config.kafka.prefix = format!("{}demo-{}-", config.kafka.prefix, Clock::wall().now().as_second());
    config
}

/// Starts the simulator on a free port and points the configuration at it.
async fn connect(config: &mut Config, clock: &Clock, shutdown: &Shutdown) -> anyhow::Result<Simulator> {
    config.simulator.listen = ([127, 0, 0, 1], 0).into();
    let simulator = Simulator::new(config.simulator.clone(), clock.clone(), shutdown.clone());
    let listener = simulator.listen().await?;
    let (rest, websocket) = simulate::urls(listener.local_addr().context("the simulator's address")?);
    simulate::point_at(&mut config.providers, &rest, &websocket, &config.simulator.api_key);
    (config.news.sources, config.prices.sources) = (vec![simulate::PROVIDER.into()], vec![simulate::PROVIDER.into()]);
    config.news.r#override.clear();
    config.prices.r#override.clear();
    config.prices.symbols =
        simulate::symbols().map(|s| Symbol::new(s).expect("the simulator trades tickers")).collect();
    config.news.lookback = Duration::from_secs(60);
    tokio::spawn(simulator.clone().serve(listener));
    Ok(simulator)
}

/// Runs roles until `own` is cancelled. If one of them fails, cancels `others`.
async fn run_roles(
    roles: &[Role],
    config: &Config,
    clock: &Clock,
    readiness: &Readiness,
    own: &Shutdown,
    others: &Shutdown,
) -> anyhow::Result<()> {
    let queue = roles::prepare(roles, config).await.inspect_err(ending::set_cause)?;
    let ran = roles::run(roles, config, queue, clock.clone(), readiness.clone(), own.clone()).await;
    ran.inspect_err(|_| others.cancel())
}

fn print_rates(counts: &Counts, telemetry: &Telemetry, seconds: f64) -> anyhow::Result<()> {
    outln!("\n  articles a second {:>8.1}", counts.articles as f64 / seconds)?;
    outln!("  bars a second     {:>8.1}", counts.bars as f64 / seconds)?;
    let metrics = telemetry.render();
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let bound =
            quantile_bound(&metrics, "tapewire_wire_to_row_seconds", share).context("no latency was measured")?;
        outln!("  wire to row {name}  <{:>8.0} ms", bound * 1000.0)?;
    }
    Ok(())
}

/// Prints how well the scores rank the returns that followed, beside the effect that the simulator planted.
fn print_ic(outcomes: &[HorizonOutcome], simulator: &Simulator) -> anyhow::Result<()> {
    outln!("\n  rank IC of the score by horizon      planted with the true sentiment")?;
    outln!("  {:<10}{:>6}{:>9}{:>10}{:>16}{:>10}", "horizon", "n", "return", "abnormal", "return", "abnormal")?;
    for horizon in Horizon::ALL {
        let pairs = |value: fn(&HorizonOutcome) -> Option<f64>| -> (Vec<f64>, Vec<f64>) {
            let reached = outcomes.iter().filter(|outcome| outcome.horizon == horizon.name());
            reached.filter_map(|outcome| Some((outcome.score, value(outcome)?))).unzip()
        };
        let (scores, returns) = pairs(|outcome| outcome.ret);
        let (abnormal_scores, abnormal) = pairs(|outcome| outcome.ar);
        let planted = horizon.minutes().map(|minutes| simulator.planted_ic(minutes));
        outln!(
            "  {:<10}{:>6}{:>9}{:>10}{:>16}{:>10}",
            horizon.name(),
            scores.len(),
            shown(rank_ic(&scores, &returns)),
            shown(rank_ic(&abnormal_scores, &abnormal)),
            shown(planted.map(|p| p.raw)),
            shown(planted.map(|p| p.abnormal)),
        )?;
    }
    Ok(())
}

fn shown(ic: Option<f64>) -> String {
    ic.map_or_else(|| "-".into(), |ic| format!("{ic:.3}"))
}
