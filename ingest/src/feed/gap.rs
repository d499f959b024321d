//! Fills gaps: fetches minute bars over REST for the time without a connection.

use super::reader::Reader;
use super::{PriceFeed, ahead};
use crate::IngestError;
use crate::health::SourceHealth;
use crate::providers::{BarsRequest, Cursor, Page, PageGuard, PriceSource};
use futures_util::StreamExt;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tapewire_core::{Bar, Symbol};
use tapewire_runtime::{Backoff, Clock, chain};

/// How many symbols are asked for at a time.
const AT_ONCE: usize = 4;

impl PriceFeed {
    /// Fetches and sends the missing bars of every symbol up to now, and waits for the acknowledgements.
    ///
    /// Meanwhile trades that become bars are sent on, because a trade that does not fit into the reader's queue would open
    /// the next gap. Bars are not, because what REST says of a minute must not replace what came after it.
    pub(super) async fn fill_gap(&mut self, reader: &mut Reader) -> Result<(), IngestError> {
        let now = self.clock.now();
        let corrects_within = self.source.corrects_within();
        let symbols = self.config.symbols.iter();
        let wanted: Vec<Gap> = symbols
            .map(|symbol| Gap {
                source: Arc::clone(&self.source),
                clock: self.clock.clone(),
                health: self.health.clone(),
                symbol: symbol.clone(),
                from: self.tracker.missing_from(symbol, now, self.config.warmup, corrects_within),
                to: now,
            })
            .collect();
        let mut fetched = futures_util::stream::iter(wanted).map(Gap::fetch).buffered(AT_ONCE);
        let mut is_open = self.config.fold_trades;
        loop {
            let pages = tokio::select! {
                frame = reader.frames.recv(), if is_open => {
                    match frame {
                        Some(frame) => self.write(frame, &reader.origin).await?,
                        // It has broken; whoever reads on finds out why.
                        None => is_open = false,
                    }
                    continue;
                }
                pages = fetched.next() => pages,
            };
            let Some(pages) = pages else { break };
            for page in pages? {
                self.count_bars("rest", page.items.len());
                for bar in page.items {
                    self.writer.bar(bar).await?;
                }
                let origin = format!("{} {}", self.source.name(), page.origin);
                self.publish_rejects(page.rejects, &origin).await?;
            }
        }
        self.writer.flush().await?;
        self.seen_to = self.seen_to.max(now);
        // Bars of the time since `now` wait among the frames.
        self.filled_at = self.clock.now();
        Ok(())
    }
}

/// The bars of one symbol that start within `from..=to`.
struct Gap {
    source: Arc<dyn PriceSource>,
    clock: Clock,
    health: SourceHealth,
    symbol: Symbol,
    from: Timestamp,
    to: Timestamp,
}

impl Gap {
    /// Fetches the bars of all finished minutes. Retries as long as a retry can help.
    async fn fetch(self) -> Result<Vec<Page<Bar>>, IngestError> {
        let mut pages = Vec::new();
        let mut cursor = None;
        let mut guard = PageGuard::default();
        loop {
            let mut page = self.page_with_retry(cursor.as_ref()).await?;
            for bar in std::mem::take(&mut page.items) {
                match ahead::bar(bar) {
                    Ok(bar) if bar.end() <= self.to => page.items.push(bar),
                    // The current, unfinished minute; the connection sends it when it is complete.
                    Ok(_) => {}
                    Err(reject) => page.rejects.push(reject),
                }
            }
            let next = guard.next(self.source.name(), &page, |bar| bar.start)?;
            pages.push(page);
            match next {
                None => return Ok(pages),
                next => cursor = next,
            }
        }
    }

    async fn page_with_retry(&self, cursor: Option<&Cursor>) -> Result<Page<Bar>, IngestError> {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let request = BarsRequest::minutes(&self.symbol, self.from, self.to);
        loop {
            let error = match self.source.bars_page(&request, cursor).await {
                Ok(page) => {
                    self.health.answered();
                    return Ok(page);
                }
                Err(error) if error.is_retryable() => error,
                Err(error) => return Err(error.into()),
            };
            let wait = backoff.next_wait_at_least(error.retry_after());
            tracing::warn!(
                source = self.source.name(), error = chain(&error), symbol = %self.symbol, wait_s = wait.as_secs_f64(),
                "fetching the bars of a gap failed; retrying"
            );
            self.health.request_failed(&error).await?;
            self.clock.sleep(wait).await;
        }
    }
}
