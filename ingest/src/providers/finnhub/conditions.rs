//! Finnhub's numbers of the sale conditions, as those of the consolidated tape.
//!
//! Finnhub's list is its own ("Trade Conditions", linked from the documentation of the stream); the numbers that it
//! becomes are those of [`crate::sale_conditions`]. A number that is not listed here restricts nothing.

/// The number in [`crate::sale_conditions`].
pub(super) fn of(code: u32) -> Option<u32> {
    Some(match code {
        3 => 2,   // average price
        5 => 7,   // cash sale
        9 => 5,   // bunched, sold
        10 => 21, // price variation
        12 => 37, // odd lot
        16 => 15, // an exchange's official close
        17 => 20, // next day
        20 => 16, // an exchange's official open
        21 => 22, // prior reference price
        22 => 29, // seller
        24 => 12, // outside the regular session
        25 => 13, // outside the regular session, sold out of sequence
        26 => 52, // contingent
        30 => 32, // sold out of sequence
        32 => 10, // derivatively priced
        37 => 53, // qualified contingent
        39 => 38, // corrected consolidated close
        _ => return None,
    })
}
