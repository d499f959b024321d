//! What the sale conditions of a stock trade say about the bar that it belongs to.
//!
//! The rules are those of the consolidated tapes (CTA and UTP output specifications), by the numbers that Massive gives the
//! conditions (`GET /v3/reference/conditions`, `update_rules.consolidated`); files have the same numbers. A number that is
//! not listed here restricts nothing.

pub(crate) mod letters;

use jiff::Timestamp;
use tapewire_core::BarUpdates;
use tapewire_core::exchange::Calendar;

/// Form T: a trade outside the regular session. Its price counts only if it was reported outside the session too.
const FORM_T: u32 = 12;

/// Neither open, close, high nor low: average price (2), cash sale (7), sold out of sequence in extended hours (13), next
/// day (20), price variation (21), seller (29), odd lot (37), contingent (52, 53).
const VOLUME_ONLY: [u32; 9] = [2, 7, 13, 20, 21, 29, 37, 52, 53];

/// Neither open nor close: bunched and sold (5), derivatively priced (10), prior reference price (22), sold out of sequence
/// (32, 33).
const NOT_OPEN_CLOSE: [u32; 5] = [5, 10, 22, 32, 33];

/// An exchange repeats its official close or open (15, 16).
const NO_TRADE: [u32; 2] = [15, 16];

/// The consolidated close is corrected (38): a price without shares.
const PRICE_ONLY: u32 = 38;

/// For which values of a bar a stock trade counts that has these conditions and was reported at `at` (UTC). Every condition
/// takes away what it does not allow.
pub(crate) fn counts(conditions: &[u32], at: Timestamp) -> BarUpdates {
    let mut counts = BarUpdates::EVERYTHING;
    for code in conditions {
        let is_late_form_t = || *code == FORM_T && Calendar::xnys().containing(at).is_some();
        if NO_TRADE.contains(code) {
            return BarUpdates::NOTHING;
        } else if VOLUME_ONLY.contains(code) || is_late_form_t() {
            (counts.open_close, counts.high_low) = (false, false);
        } else if NOT_OPEN_CLOSE.contains(code) {
            counts.open_close = false;
        } else if *code == PRICE_ONLY {
            counts.volume = false;
        }
    }
    counts
}

/// Whether a trade still stands that has this correction indicator (CTA): `0` regular, `12` a correction. The original of a
/// corrected or cancelled trade and the record that only cancels do not.
pub(crate) fn stands(correction: u32) -> bool {
    matches!(correction, 0 | 12)
}

/// As [`stands`], for the indicator of NYSE's TAQ: the record of a trade that was corrected later (`1`), and of one whose symbol
/// was (`2`), has the corrected values. The records that follow them, cancelled trades and errors do not stand.
pub(crate) fn stands_in_taq(correction: u32) -> bool {
    matches!(correction, 0..=2)
}

/// A trade id that is unique for a ticker. The ids that exchanges and reporting facilities give are unique only within each
/// of them.
pub(crate) fn trade_id(exchange: u32, facility: u32, id: &str) -> String {
    format!("{exchange}/{facility}/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_condition_takes_away_what_it_does_not_allow() {
        let open: Timestamp = "2025-06-02T14:00:00Z".parse().unwrap();
        let early: Timestamp = "2025-06-02T12:00:00Z".parse().unwrap();
        let of = |codes: &[u32], at| {
            let BarUpdates { open_close, high_low, volume } = counts(codes, at);
            (open_close, high_low, volume)
        };
        assert_eq!(of(&[], open), (true, true, true));
        assert_eq!(of(&[14, 41], open), (true, true, true));
        assert_eq!(of(&[14, 37], open), (false, false, true));
        assert_eq!(of(&[10], open), (false, true, true));
        assert_eq!(of(&[10, 2], open), (false, false, true));
        assert_eq!(of(&[16], open), (false, false, false));
        assert_eq!(of(&[38], open), (true, true, false));
        // Nearly every trade before the open has condition 12, and would leave those minutes without bars.
        assert_eq!(of(&[12], early), (true, true, true));
        assert_eq!(of(&[12, 37], early), (false, false, true));
        assert_eq!(of(&[12], open), (false, false, true));
    }

    #[test]
    fn what_was_cancelled_or_corrected_does_not_stand() {
        assert_eq!([0, 1, 7, 8, 10, 11, 12].map(stands), [true, false, false, false, false, false, true]);
        let in_taq = [true, true, true, false, false, false, false, false];
        assert_eq!([0, 1, 2, 7, 8, 10, 11, 12].map(stands_in_taq), in_taq);
    }
}
