//! What a feed does differently whose trades become bars.
//!
//! Trades between two connections, and of frames that had to be dropped, are missing: the minutes that they may belong to
//! are said to be incomplete, on every partition of `trades`, before a watermark covers them. Their bars are fetched over
//! REST once the last of these minutes is over, where the source has bars of the past; otherwise there are none.

use super::PriceFeed;
use super::reader::Reader;
use crate::IngestError;
use jiff::{SignedDuration, Timestamp};
use tapewire_core::Trade;
use tapewire_core::exchange::floor_minute;

impl PriceFeed {
    /// Sends a trade that becomes part of a bar.
    pub(super) async fn fold_trade(&mut self, trade: Trade) -> Result<(), IngestError> {
        if self.config.reference.as_ref() == Some(&trade.symbol) {
            self.seen_to = self.seen_to.max(trade.at);
        }
        self.writer.fold_trade(&self.stream.source, trade).await
    }

    /// Says that trades since the last watermark are missing. The connection has all from now on, by the source's clock,
    /// which may be behind ours by `grace`.
    pub(super) async fn trades_are_missing(&mut self) -> Result<(), IngestError> {
        let grace = SignedDuration::try_from(self.config.grace).unwrap_or(SignedDuration::MAX);
        let from = self.tracker.complete_to().unwrap_or(Timestamp::UNIX_EPOCH);
        let to = self.clock.now().saturating_add(grace).unwrap_or(Timestamp::MAX);
        self.writer.gap(&self.stream.source, from, to).await?;
        let source = self.stream.source.clone();
        metrics::counter!("tapewire_trade_gaps_total", "source" => source).increment(1);
        // The end of the minute; a gap that ends with a minute ends then, too.
        let ends = floor_minute(to.saturating_add(SignedDuration::from_secs(60)).unwrap_or(Timestamp::MAX));
        self.refill_at = self.refill_at.max(Some(ends));
        Ok(())
    }

    /// Fetches the bars of the minutes of which trades are missing, if `complete_to`, the next watermark, is past them.
    pub(super) async fn refill(&mut self, complete_to: Timestamp, reader: &mut Reader) -> Result<(), IngestError> {
        if self.refill_at.is_some_and(|at| at <= complete_to) {
            self.refill_at = None;
            self.fill_gap(reader).await?;
        }
        Ok(())
    }
}
