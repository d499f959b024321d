//! `tapewire replay`: recorded news and bars through the same pipeline.

use super::reading::{Reading, prepare, progress_bar, set_markets, show};
use crate::batch::nameless;
use crate::config::Config;
use crate::output::outln;
use crate::{account, report, roles};
use clap::Args;
use tapewire_bus::Producer;
use tapewire_ingest::replay::{Prepared, Summary};
use tapewire_runtime::{Clock, Shutdown};
use tapewire_sentiment::Queue;

/// Sends recorded news and bars through the topics, the worker, the joiner and the tables, and ends with a summary of the
/// rows.
///
/// Files are CSV, TSV, JSON lines, JSON or Parquet, and may be compressed. Columns are known by the names that Massive,
/// Alpaca, Finnhub, Alpha Vantage, Tiingo, Yahoo, Stooq and others give them; --news-columns and --bar-columns name others.
/// All files are read and checked before anything is sent.
#[derive(Args)]
#[command(after_help = "Examples:\n  tapewire replay --news news.jsonl --bars bars.csv\n  \
    tapewire replay --news news.jsonl --bars hourly.csv --bar-width 1h --benchmark SPX --alias GOOG=GOOGL --run may-2025\n  \
    tapewire replay --news news-*.jsonl.gz --bars 2025-05-*.csv.gz\n  \
    tapewire replay --news news.csv --news-columns title=head,published_at=when,symbols= --news-zone America/New_York --bars bars.csv\n  \
    tapewire replay --news news.jsonl --bars AAPL.csv MSFT.csv --symbol-from-file-name --bar-zone America/New_York\n\n\
    A line of news:     {\"id\": \"a1\", \"title\": \"...\", \"source\": \"Wire\", \"published_at\": \"2025-05-12T19:43:00Z\", \"symbols\": [\"EXMP\"]}\n\
    A line of bars:     symbol,start,open,high,low,close,volume with start in UTC, with its offset, or as seconds since 1970\n\n\
    A row that can't be read is kept as a dead letter with file, line and reason, and the replay continues. Exit code 1: a\n\
    file can't be read, or none of its rows.")]
pub struct Replay {
    #[command(flatten)]
    reading: Reading,
    /// Only send; the roles sentiment and join run in other processes
    #[arg(long)]
    send_only: bool,
}

impl Replay {
    pub async fn run(self, mut config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
        let options = self.reading.options(&config)?;
        // Files are read, and refused, before anything connects or starts.
        let prepared = prepare(self.reading.inputs(), options, &shutdown, "nothing was sent").await?;
        for note in prepared.notes() {
            outln!("{note}")?;
        }
        if self.send_only && prepared.options().calendars != config.join.calendars {
            outln!("the process that joins needs the same markets in its settings: join.calendars")?;
        }
        set_markets(&mut config, prepared.options());
        if let Some(note) = nameless::note(prepared.articles(), &config.sentiment.companies()?) {
            outln!("{note}")?;
        }
        let sent = roles::score_and_join_while(&config, self.send_only, &shutdown, async |queue, working| {
            send_and_wait(&config, queue, prepared, working).await
        })
        .await?;
        report::print(&config, &sent.run).await?;
        account::check(&config, &sent).await
    }
}

async fn send_and_wait(
    config: &Config,
    queue: Option<&Queue>,
    prepared: Prepared,
    shutdown: &Shutdown,
) -> anyhow::Result<Summary> {
    let producer = Producer::new(&config.kafka)?;
    let bar = progress_bar();
    let sending = prepared.send(producer, Clock::wall(), |progress| show(&bar, progress));
    let sent = match shutdown.run_until_cancelled(sending).await {
        Some(sent) => sent?,
        None => anyhow::bail!(
            "interrupted while sending; run the same command again: equal records replace those that were sent already"
        ),
    };
    let say = |backlog| bar.set_message(format!("left to do: {backlog}"));
    report::wait_until_drained(config, queue, shutdown, say).await?;
    bar.finish_and_clear();
    outln!("{}", in_words(&sent))?;
    Ok(sent)
}

/// What was sent, and what could not be read. The notes before have how many rows repeat or replace another.
fn in_words(sent: &Summary) -> String {
    let mut words = format!(
        "sent {} articles ({} mentions) and {} bars; {} rows could not be read",
        sent.articles, sent.mentions, sent.bars, sent.unreadable
    );
    if sent.in_part > 0 {
        words.push_str(&format!("; {} kept without a part that could not be read", sent.in_part));
    }
    words
}
