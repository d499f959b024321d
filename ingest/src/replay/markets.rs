//! Symbols of files whose market nobody has said.

use tapewire_core::Symbol;
use tapewire_core::exchange::{Calendars, abroad};

/// Refuses a ticker of another country whose sessions nobody has said: it would be taken for one of New York.
///
/// # Errors
/// What it seems to be, and the flag that says its market.
pub(super) fn has_market(symbol: &Symbol, calendars: &Calendars) -> Result<(), String> {
    let ticker = symbol.as_str();
    let is_number = ticker.bytes().all(|c| c.is_ascii_digit());
    let (what, rule) = match abroad::without_calendar(ticker) {
        Some(ending) => ("is a ticker of an exchange whose calendar is not known", ending),
        None if is_number => ("is a ticker of Asia without its exchange, which `7203.T` or `0700.HK` has", ticker),
        None => return Ok(()),
    };
    match calendars.is_known(symbol) {
        true => Ok(()),
        false => {
            Err(format!("`{ticker}` {what}; --market {rule}=xetra joins it by the hours of Xetra, if it has them"))
        }
    }
}
