//! Bars and trades from the future: a fault of the provider, or a clock that is wrong. One of them would count as the last
//! price long before its time, and make a silent source look as if it worked.

use crate::providers::Reject;
use jiff::{SignedDuration, Timestamp};
use tapewire_core::{Bar, Trade};

/// How far the end of a bar or the time of a trade may be after its receipt: clocks differ.
const MOST_AHEAD: SignedDuration = SignedDuration::from_secs(61);

/// The bar, or what goes to the dead letters instead.
pub(super) fn bar(bar: Bar) -> Result<Bar, Reject> {
    // A provider may show the bar that is under way.
    let most = MOST_AHEAD.max(SignedDuration::from_secs(bar.width_s.into()));
    match reason("a bar that ends", bar.end(), bar.received_at, most) {
        None => Ok(bar),
        Some(reason) => Err(rejected(&bar, reason)),
    }
}

/// The trade, or what goes to the dead letters instead.
pub(super) fn trade(trade: Trade) -> Result<Trade, Reject> {
    match reason("a trade", trade.at, trade.received_at, MOST_AHEAD) {
        None => Ok(trade),
        Some(reason) => Err(rejected(&trade, reason)),
    }
}

fn reason(what: &str, at: Timestamp, received_at: Timestamp, most: SignedDuration) -> Option<String> {
    (at.duration_since(received_at) > most).then(|| {
        format!(
            "{what} at {at} was received before that, at {received_at}: the clock of the provider or of this machine is wrong"
        )
    })
}

/// The record stands for the item, whose bytes are no longer known here.
fn rejected(record: &impl serde::Serialize, reason: String) -> Reject {
    Reject::new(&serde_json::to_string(record).unwrap_or_default(), reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapewire_core::{BarUpdates, Symbol};
    use tapewire_testkit::at;

    fn bar_from(start: &str) -> Bar {
        Bar {
            symbol: Symbol::new("MKR").unwrap(),
            start: at(start),
            width_s: 60,
            open: 10.0,
            high: 10.0,
            low: 10.0,
            close: 10.0,
            volume: 1.0,
            vwap: None,
            trades: None,
            received_at: at("2025-06-02T14:00:00Z"),
        }
    }

    #[test]
    fn what_ends_more_than_a_minute_after_its_receipt_is_refused() {
        for start in ["2005-06-02T14:00:00Z", "2025-06-02T13:59:00Z", "2025-06-02T14:00:00Z"] {
            assert!(bar(bar_from(start)).is_ok(), "{start}");
        }
        let reject = bar(bar_from("2025-06-02T14:01:00Z")).unwrap_err();
        assert!(reject.reason.contains("ends at 2025-06-02T14:02:00Z"), "{reject:?}");
        assert!(String::from_utf8_lossy(&reject.bytes).contains("MKR"), "{reject:?}");
        let under_way = Bar { width_s: 300, ..bar_from("2025-06-02T14:00:00Z") };
        assert!(bar(under_way).is_ok());
    }

    #[test]
    fn a_trade_of_tomorrow_is_refused() {
        let trade_at = |time: &str| Trade {
            symbol: Symbol::new("MKR").unwrap(),
            at: at(time),
            id: "1".into(),
            sequence: 1,
            price: 10.0,
            size: 1.0,
            counts: BarUpdates::EVERYTHING,
            replaces: None,
            received_at: at("2025-06-02T14:00:00Z"),
        };
        assert!(trade(trade_at("2025-06-02T14:00:59Z")).is_ok());
        assert!(trade(trade_at("2025-06-03T14:00:00Z")).unwrap_err().reason.contains("a trade at 2025-06-03"));
    }
}
