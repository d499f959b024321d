//! What a feed does differently whose trades become bars.
//!
//! Trades between two connections, and of frames that had to be dropped, are missing: the minutes that they may belong to
//! are said to be incomplete, on every partition of `trades`, before a watermark covers them. Their bars are fetched over
//! REST once the last of these is over, where the source has bars of the past; otherwise there are none.

use super::PriceFeed;
use super::reader::Reader;
use crate::IngestError;
use jiff::{SignedDuration, Timestamp};
use tapewire_core::Trade;

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
        self.refill_at.insert(end_of_bar(to, self.source.past_width()));
        Ok(())
    }

    /// Fetches the bars of the minutes of which trades are missing, if `complete_to`, the next watermark, is past the last ones
    /// of a gap, by the width of the source's bars of the past.
    pub(super) async fn refill(&mut self, complete_to: Timestamp, reader: &mut Reader) -> Result<(), IngestError> {
        let before = self.refill_at.len();
        self.refill_at.retain(|at| *at > complete_to);
        if self.refill_at.len() < before { self.fill_gap(reader).await } else { Ok(()) }
    }
}

/// The end of the bar of this width that a moment is in. Bars end at multiples of their width.
fn end_of_bar(at: Timestamp, width: SignedDuration) -> Timestamp {
    let width = width.as_secs().max(1);
    let end = (at.as_second().div_euclid(width) + 1).saturating_mul(width);
    Timestamp::from_second(end).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bars_of_a_gap_can_be_fetched_when_the_last_of_them_is_over() {
        let end = |at: &str, minutes| end_of_bar(at.parse().unwrap(), SignedDuration::from_mins(minutes)).to_string();
        assert_eq!(end("2025-06-02T14:01:30.5Z", 1), "2025-06-02T14:02:00Z");
        assert_eq!(end("2025-06-02T14:01:30.5Z", 5), "2025-06-02T14:05:00Z");
        assert_eq!(end("2025-06-02T14:05:00Z", 5), "2025-06-02T14:10:00Z");
    }
}
