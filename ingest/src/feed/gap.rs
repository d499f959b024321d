//! Minute bars over REST for the time nobody listened.

use super::PriceFeed;
use crate::IngestError;
use crate::backoff::Backoff;
use crate::providers::Reject;
use crate::providers::massive::parse::Items;
use crate::providers::massive::{MassiveError, RestClient};
use futures_util::StreamExt;
use jiff::Timestamp;
use reqwest::Url;
use std::time::Duration;
use tapewire_bus::Clock;
use tapewire_core::{Bar, Symbol};

/// Symbols asked for at once.
const AT_ONCE: usize = 4;

/// A symbol's bars of the gap.
struct Fetched {
    symbol: Symbol,
    bars: Vec<Bar>,
    rejects: Vec<Reject>,
}

impl PriceFeed {
    /// Fetches and writes what is missing of every symbol up to now, and waits for the
    /// acknowledgements.
    pub(super) async fn fill_gap(&mut self) -> Result<(), IngestError> {
        let now = self.clock.now();
        let wanted: Vec<_> = self
            .config
            .all_symbols()
            .into_iter()
            .map(|symbol| (self.progress.missing_from(&symbol, now, self.config.warmup), symbol))
            .collect();
        let (client, clock) = (self.client.clone(), self.clock.clone());
        let mut fetched = futures_util::stream::iter(wanted)
            .map(|(from, symbol)| fetch(client.clone(), clock.clone(), symbol, from, now))
            .buffered(AT_ONCE);
        while let Some(gap) = fetched.next().await {
            let Fetched { symbol, bars, rejects } = gap?;
            metrics::counter!("tapewire_bars_total", "way" => "rest").increment(bars.len() as u64);
            for bar in bars {
                self.writer.bar(bar).await?;
            }
            self.bury(rejects, &format!("massive /v2/aggs/ticker/{symbol}")).await?;
        }
        self.writer.settle().await?;
        self.seen_to = self.seen_to.max(now);
        Ok(())
    }
}

/// All finished minutes of a symbol that start within `from..=to`; waits out what can be waited out.
async fn fetch(
    client: RestClient,
    clock: Clock,
    symbol: Symbol,
    from: Timestamp,
    to: Timestamp,
) -> Result<Fetched, IngestError> {
    let mut gap = Fetched { symbol, bars: Vec::new(), rejects: Vec::new() };
    let mut url = client.bars_url(&gap.symbol, from, to);
    loop {
        let page = patiently(&client, &clock, &url, &gap.symbol).await?;
        // The running minute is in the list too, as far as it has come; the websocket brings it whole.
        gap.bars.extend(page.items.into_iter().filter(|bar| bar.end() <= to));
        gap.rejects.extend(page.rejects);
        match page.next_url {
            None => return Ok(gap),
            Some(next) => url = client.next_page(&next)?,
        }
    }
}

async fn patiently(client: &RestClient, clock: &Clock, url: &Url, symbol: &Symbol) -> Result<Items<Bar>, MassiveError> {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
    loop {
        match client.bars(url, symbol).await {
            Err(error) if error.is_retryable() => {
                let wait = error.retry_after().unwrap_or_default().max(backoff.next_wait());
                tracing::warn!(%error, %symbol, wait_s = wait.as_secs_f64(), "filling a gap in the bars; trying again");
                clock.sleep(wait).await;
            }
            other => return other,
        }
    }
}
