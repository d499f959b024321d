//! `tapewire backfill`: past days from the configured sources, as a run of their own.

use super::reading::{progress_bar, symbol};
use crate::commands::duration;
use crate::config::Config;
use crate::exit::UsageError;
use crate::output::outln;
use crate::{account, report, roles};
use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};
use tapewire_bus::Producer;
use tapewire_core::exchange::Calendar;
use tapewire_core::{Run, Symbol};
use tapewire_ingest::backfill::{self, BackfillOptions, Filled, Progress, Sources};
use tapewire_ingest::providers::BarWidth;
use tapewire_ingest::replay::{Summary, bar_width};
use tapewire_runtime::{Clock, Shutdown};
use tapewire_sentiment::Queue;

/// Fetches news, bars, splits and dividends of past days from the configured sources, and sends them through the topics,
/// the worker, the joiner and the tables.
///
/// They become a run of their own, as a replay does: an article counts as known --delay after its publication, or after its
/// last edit where the provider says when that was, and not from now on as in the run `live`. What a provider shows today is its archive of today: an article that was edited since has its
/// last text. Days are those of UTC.
#[derive(Args)]
#[command(after_help = "Examples:\n  tapewire backfill --from 2025-05-01 --to 2025-05-31\n  \
    tapewire backfill --from 2025-05-01 --to 2025-05-31 --prices massive --symbols AAPL,MSFT --requests-per-minute 5\n  \
    tapewire backfill --from 2025-05-12 --to 2025-05-12 --news none --prices binance --symbols X:BTCUSDT\n  \
    tapewire backfill --from 2025-05-01 --to 2025-05-31 --bar-width 1m,1d --daily-from 2024-05-01 --run may\n  \
    tapewire study --run may --days 5\n\n\
    Daily bars are those of regular sessions, with prices as printed. A year of them takes a request or two for each symbol.\n\
    `tapewire study --days` needs half a year of them, or of minute bars, before the news: 130 sessions.\n\n\
    It is a run of its own, as a replay of files is: an article counts as known --delay after its publication, or\n\
    after its last edit where the provider says when that was. In the run `live` it would count from now on. An article that\n\
    was edited since has its last text.\n\n\
    An interrupted backfill goes on with the same command: the folder state_dir has the days that are done. Run to its end, it\n\
    sends nothing more. A provider that says that it has had enough is asked again when it says so. `tapewire study --run NAME`\n\
    studies the result.")]
pub struct Backfill {
    /// First day
    #[arg(long, value_name = "DAY")]
    from: Date,
    /// Last day; it has to be over in UTC
    #[arg(long, value_name = "DAY")]
    to: Date,
    /// News sources, or `none` [default: those of news.sources that have a past]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    news: Vec<String>,
    /// Price sources, or `none` [default: prices.sources]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    prices: Vec<String>,
    /// Symbols, together with the benchmark [default: those of each price source]
    #[arg(long, value_name = "SYMBOL,...", value_delimiter = ',', value_parser = symbol)]
    symbols: Vec<Symbol>,
    /// Widths of the bars: 1m, of a minute (five from coinbase), and 1d, of a day [default: 1m]
    #[arg(long, value_name = "WIDTH,...", value_delimiter = ',', value_parser = width)]
    bar_width: Vec<BarWidth>,
    /// First day of the daily bars, at most that of --from [default: --from]
    #[arg(long, value_name = "DAY")]
    daily_from: Option<Date>,
    /// Name of the run in topics and tables [default: backfill-FROM-TO]
    #[arg(long)]
    run: Option<String>,
    /// Time from publication until an article counts as known
    #[arg(long, default_value = "1s", value_name = "DURATION", value_parser = duration::parse)]
    delay: Duration,
    /// Most requests a minute to each source, one after the other [default: as fast as it answers]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=6000))]
    requests_per_minute: Option<u32>,
    /// Only send; the roles sentiment and join run in other processes
    #[arg(long)]
    send_only: bool,
    /// Send the days again that were sent before; rows are replaced by equal ones
    #[arg(long)]
    again: bool,
}

impl Backfill {
    pub async fn run(self, config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
        let today = Clock::wall().now().to_zoned(TimeZone::UTC).date();
        if self.from > self.to || self.to >= today {
            let words = format!(
                "--from {} --to {}: the range has to begin before its end, and end before today",
                self.from, self.to
            );
            return Err(UsageError(words).into());
        }
        if let Some(day) = self.daily_from
            && (day > self.from || !self.widths().contains(&BarWidth::Day))
        {
            let words = format!("--daily-from {day}: it has to be at most --from, and needs --bar-width 1d or 1m,1d");
            return Err(UsageError(words).into());
        }
        let first = Calendar::xnys().sessions().first().map(|session| session.date);
        let daily_from = self.daily_from.unwrap_or(self.from);
        if let Some(first) = first.filter(|first| daily_from < *first && self.widths().contains(&BarWidth::Day)) {
            let words = format!("daily bars since {daily_from}: tapewire knows the sessions since {first} only");
            return Err(UsageError(words).into());
        }
        let sources = self.sources(&config)?;
        let options = self.options(&config, &sources.news)?;
        backfill::check_run(&options.run)?;
        outln!(
            "run {}: articles count as known {:?} after their publication, bars when they end",
            options.run,
            options.delay
        )?;
        let run = options.run.clone();
        let filled = roles::score_and_join_while(&config, self.send_only, &shutdown, async |queue, working| {
            fill(&config, options, sources, queue, working).await
        })
        .await?;
        if self.send_only {
            return Ok(());
        }
        report::print(&config, &run).await?;
        account::check_part(&config, &summary(run, filled)).await
    }

    fn options(&self, config: &Config, news: &[String]) -> anyhow::Result<BackfillOptions> {
        let mut learned = config.clone();
        learned.learn_markets()?;
        let find_companies = news.iter().filter(|name| config.news.of(name).find_companies).cloned().collect();
        let name = self.run.clone().unwrap_or_else(|| format!("backfill-{}-{}", self.from, self.to));
        let pause = self.requests_per_minute.map_or(Duration::ZERO, |requests| Duration::from_secs(60) / requests);
        let benchmarks = std::iter::once(&config.prices.benchmark).chain(&config.prices.other_benchmarks);
        Ok(BackfillOptions {
            run: Run::named(name.trim()),
            from: self.from,
            to: self.to,
            delay: self.delay,
            pause,
            widths: self.widths(),
            daily_from: self.daily_from.unwrap_or(self.from),
            calendars: learned.join.calendars,
            benchmarks: benchmarks.cloned().collect(),
            find_companies,
            again: self.again,
        })
    }

    /// The sources with their symbols; refuses those without the key that they need.
    fn sources(&self, config: &Config) -> anyhow::Result<Sources> {
        let chosen = |given: &[String], configured: &[String]| match given {
            [] => configured.to_vec(),
            [none] if none == "none" => Vec::new(),
            given => given.to_vec(),
        };
        let mut news = chosen(&self.news, &config.news.sources);
        if self.news.is_empty() {
            let clock = Clock::wall();
            let has_past =
                |name: &String| config.providers.news_source(name, &clock).is_ok_and(|source| source.reaches_back());
            let (with_past, without): (Vec<String>, Vec<String>) = news.into_iter().partition(has_past);
            if !without.is_empty() {
                outln!("without {}: they show only their latest items", without.join(", "))?;
            }
            news = with_past;
        }
        let mut names = chosen(&self.prices, &config.prices.sources);
        if self.prices.is_empty() && self.widths().contains(&BarWidth::Day) {
            let clock = Clock::wall();
            let lacks_days = |name: &String| {
                config.providers.price_source(name, &clock).is_ok_and(|source| !source.has_daily_bars())
            };
            let (without, with_days): (Vec<String>, Vec<String>) = names.into_iter().partition(lacks_days);
            if !without.is_empty() {
                outln!("without {}: they have no daily bars", without.join(", "))?;
            }
            names = with_days;
        }
        if !self.symbols.is_empty() && names.len() != 1 {
            let words = "--symbols needs one price source; name it with --prices";
            return Err(UsageError(words.into()).into());
        }
        let prices: Vec<(String, Vec<Symbol>)> = names.into_iter().map(|name| self.symbols_of(config, name)).collect();
        let prices: Vec<_> = prices.into_iter().filter(|(_, symbols)| !symbols.is_empty()).collect();
        if news.is_empty() && prices.is_empty() {
            return Err(UsageError("there is no source with a past; name some with --news and --prices".into()).into());
        }
        for name in news.iter().chain(prices.iter().map(|(name, _)| name)) {
            config.providers.check_key(name)?;
        }
        backfill::check_news(&news, &config.providers, &Clock::wall())?;
        let names: Vec<String> = prices.iter().map(|(name, _)| name.clone()).collect();
        backfill::check_prices(&names, &self.widths(), &config.providers, &Clock::wall())?;
        Ok(Sources { news, prices })
    }

    fn widths(&self) -> BTreeSet<BarWidth> {
        match self.bar_width[..] {
            [] => [BarWidth::Minute].into(),
            _ => self.bar_width.iter().copied().collect(),
        }
    }

    /// The symbols of a price source. With --symbols they are those, and its benchmark where the settings have it there.
    fn symbols_of(&self, config: &Config, name: String) -> (String, Vec<Symbol>) {
        let configured = config.prices.of(&name).symbols;
        if self.symbols.is_empty() {
            return (name, configured);
        }
        let is_benchmark = |symbol: &&Symbol| **symbol == config.prices.benchmark;
        let mut symbols: Vec<Symbol> = configured.iter().filter(is_benchmark).cloned().collect();
        for symbol in &self.symbols {
            if !symbols.contains(symbol) {
                symbols.push(symbol.clone());
            }
        }
        (name, symbols)
    }
}

/// A width that price sources have bars of the past of.
fn width(text: &str) -> Result<BarWidth, String> {
    let seconds = bar_width(text).map(|width| width.as_secs());
    [BarWidth::Minute, BarWidth::Day]
        .into_iter()
        .find(|width| seconds == Some(width.seconds().into()))
        .ok_or_else(|| format!("`{text}` is no width that can be fetched; there are 1m and 1d"))
}

async fn fill(
    config: &Config,
    options: BackfillOptions,
    sources: Sources,
    queue: Option<&Queue>,
    shutdown: &Shutdown,
) -> anyhow::Result<Filled> {
    let (producer, bar) = (Producer::new(&config.kafka)?, progress_bar());
    let shown = bar.clone();
    let mut said = Instant::now();
    let report = move |progress: &Progress| {
        let words = in_words(progress);
        // Without a terminal nobody sees the bar.
        if !std::io::stderr().is_terminal() && said.elapsed() > Duration::from_secs(30) {
            said = Instant::now();
            // A reader that has gone is no reason to stop before the end.
            let _ = outln!("{words}");
        }
        shown.set_message(words);
    };
    let providers = roles::finding_companies(config)?;
    let filling = backfill::run(options, sources, &providers, &config.state_dir, producer, Clock::wall(), report);
    let filled = match shutdown.run_until_cancelled(filling).await {
        Some(filled) => filled?,
        None => anyhow::bail!("interrupted; the same command goes on with the days that are missing"),
    };
    report::wait_until_drained(config, queue, shutdown, |backlog| bar.set_message(format!("left to do: {backlog}")))
        .await?;
    bar.finish_and_clear();
    filled.remarks.iter().try_for_each(|remark| outln!("{remark}"))?;
    if filled.was_complete {
        outln!("every day of it was sent before; --again sends them again")?;
    } else {
        outln!(
            "sent {} articles, {} bars, {} splits and dividends; {} items could not be read, or only in part",
            filled.articles,
            filled.bars,
            filled.actions,
            filled.dead_letters
        )?;
    }
    Ok(filled)
}

/// `massive AAPL to 2025-05-12: 40 of 310 days, about 12 min left`
fn in_words(progress: &Progress) -> String {
    let left = progress.left.map_or_else(String::new, |left| match left.as_secs() {
        seconds @ 0..=90 => format!(", about {seconds} s left"),
        seconds @ 91..=5400 => format!(", about {} min left", seconds / 60),
        seconds => format!(", about {} h left", seconds / 3600),
    });
    format!("{} to {}: {} of {} days{left}", progress.what, progress.day, progress.done, progress.total)
}

/// What was sent now, for the account.
fn summary(run: Run, filled: Filled) -> Summary {
    let mentions = filled.sent.articles.values().map(|article| article.symbols.len().max(1) as u64).sum();
    Summary {
        run,
        articles: filled.articles,
        mentions,
        bars: filled.bars,
        unreadable: 0,
        in_part: 0,
        sent: filled.sent,
        tape_end: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;
    use tapewire_core::exchange::Market;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        backfill: Backfill,
    }

    /// A daily bar is that of a session, so its market is needed here, before the join.
    #[test]
    fn the_markets_of_a_list_of_companies_are_those_of_its_daily_bars() {
        let folder = tempfile::tempdir().unwrap();
        let companies = folder.path().join("companies.csv");
        std::fs::write(&companies, "symbol,name,exchange\nVOD,Vodafone,XLON\n").unwrap();
        let mut config = Config::default();
        config.sentiment.companies = Some(companies);
        let given = Command::parse_from(["backfill", "--from", "2025-05-01", "--to", "2025-05-02"]).backfill;
        let options = given.options(&config, &[]).unwrap();
        assert_eq!(options.calendars.of(&Symbol::new("VOD").unwrap()), Market::London);
        assert_eq!(options.calendars.of(&Symbol::new("AAPL").unwrap()), Market::NewYork);
    }
}
