//! Points that divide thousands, as `1.001` beside `999` in a file of a country where the decimal mark is a comma.

use std::collections::BTreeMap;

/// The prices of a symbol so far.
#[derive(Debug, Default)]
struct Prices {
    /// Whether a price is neither whole hundreds nor a number of three decimals below 100.
    is_impossible: bool,
    has_point: bool,
    /// The close of the bar before.
    last: Option<f64>,
    /// The first step from one bar to the next that divides or multiplies prices by about a thousand.
    step: Option<(f64, f64)>,
}

impl Prices {
    fn add(&mut self, [open, high, low, close]: [f64; 4]) {
        for price in [open, high, low, close] {
            let is_whole = price.fract() == 0.0;
            let thousands = price * 1000.0;
            let has_three_decimals = (thousands - thousands.round()).abs() < 1e-6;
            let is_possible =
                (1.0..100.0).contains(&price) && has_three_decimals || (100.0..1000.0).contains(&price) && is_whole;
            self.is_impossible |= !is_possible;
            self.has_point |= !is_whole;
        }
        let step = self.last.map(|last| (last, open)).filter(|&(last, open)| is_thousandfold(last, open));
        self.step = self.step.or(step);
        self.last = Some(close);
    }
}

/// Whether one of two prices is just below a thousand, and the other a thousandth of such a price or just above.
fn is_thousandfold(one: f64, other: f64) -> bool {
    let (less, more) = (one.min(other), one.max(other));
    (500.0..1000.0).contains(&more) && (1.0..2.0).contains(&less)
}

/// Refuses bars, given by symbol and open, high, low and close, in which points seem to divide thousands. Only a step from
/// just below 1000 to just above 1, or back, shows it: there are prices with three decimals, too.
///
/// # Errors
/// The reason, with the step and the remedy.
pub(in crate::replay) fn check(bars: impl Iterator<Item = (u32, [f64; 4])>) -> Result<(), String> {
    let mut symbols: BTreeMap<u32, Prices> = BTreeMap::new();
    bars.for_each(|(symbol, prices)| symbols.entry(symbol).or_default().add(prices));
    let mut possible = symbols.into_values().filter(|prices| !prices.is_impossible && prices.has_point);
    match possible.find_map(|prices| prices.step) {
        None => Ok(()),
        Some((before, after)) => Err(format!(
            "its prices step from {before} to {after} from one bar to the next, so their points seem to divide thousands; \
             write the prices without them, or give --price-scale 1 if they are decimal points"
        )),
    }
}
