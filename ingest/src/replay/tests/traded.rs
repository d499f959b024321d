//! Bars in which nothing was traded.

use super::*;

const HEADER: &str = "symbol,start,open,high,low,close,volume\n";

/// A row of each minute from 14:00 UTC on: open, high, low, close and volume.
fn minutes(symbol: &str, rows: &[&str]) -> String {
    let row = |(minute, row): (usize, &&str)| format!("{symbol},2025-05-12T14:{minute:02}:00Z,{row}\n");
    rows.iter().enumerate().map(row).collect()
}

fn kept(csv: &str) -> (Vec<String>, String) {
    kept_with(csv, &ReplayOptions::default())
}

/// The symbols and minutes of the bars, and the notes.
fn kept_with(csv: &str, options: &ReplayOptions) -> (Vec<String>, String) {
    let read = bars_with(csv, options).unwrap();
    assert!(read.reasons().is_empty(), "{:?}", read.reasons());
    let notes = read.notes();
    let minute = |bar: &Bar| format!("{} {}", bar.symbol, bar.start.strftime("%M"));
    (read.bars().iter().map(minute).collect(), notes)
}

/// News at 14:01 would be entered at the price of 14:00, and its returns would be exactly 0.
#[test]
fn a_minute_that_repeats_the_price_before_it_without_a_volume_is_no_bar() {
    let flat = ["10,11,9,10.5,100", "10.5,10.5,10.5,10.5,0", "10.5,10.5,10.5,10.5,0", "11,12,11,12,50"];
    let copied = ["10,11,9,10.5,100", "10,11,9,10.5,0", "10,11,9,10.5,0", "11,12,11,12,50"];
    for symbol in ["AAPL", "X:BTCUSD"] {
        for rows in [flat, copied] {
            let (bars, notes) = kept(&format!("{HEADER}{}", minutes(symbol, &rows)));
            assert_eq!(bars, ["00", "03"].map(|minute| format!("{symbol} {minute}")));
            assert!(notes.contains("2 bars of 1 symbols are left out, because nothing was traded"), "{notes}");
            assert!(notes.contains("bars.csv: 2 bars of 1 symbol, each 60 s wide"), "{notes}");
        }
    }
    // The order of the rows makes no difference.
    let newest_first: String = minutes("AAPL", &copied).lines().rev().map(|row| format!("{row}\n")).collect();
    assert_eq!(kept(&format!("{HEADER}{newest_first}")).0, ["AAPL 03", "AAPL 00"]);
}

#[test]
fn a_symbol_without_any_volume_keeps_its_bars() {
    let flat = ["1,1,1,1,0", "1,1,1,1,0", "1,1,1,1,0"];
    let other = minutes("AAPL", &["10,11,9,10.5,100", "10.5,10.5,10.5,10.5,0"]);
    let (bars, notes) = kept(&format!("{HEADER}{}{other}", minutes("EURUSD", &flat)));
    assert_eq!(bars, ["EURUSD 00", "EURUSD 01", "EURUSD 02", "AAPL 00"]);
    assert!(notes.contains("1 bars of 1 symbols are left out"), "{notes}");
    let without = ReplayOptions { bar_columns: [("volume".to_owned(), None)].into(), ..ReplayOptions::default() };
    assert_eq!(kept_with(&format!("{HEADER}{other}"), &without).0, ["AAPL 00", "AAPL 01"]);
    let every = ["10,10,10,10,1", "10,10,10,10,1"];
    assert_eq!(kept(&format!("{HEADER}{}", minutes("AAPL", &every))).0.len(), 2, "flat, with a volume");
}

/// Yahoo writes 0 for the first bar of a session and before the open, and small volumes may be rounded to 0.
#[test]
fn a_volume_of_zero_with_prices_that_move_is_not_known() {
    let rows = ["10,11,9,10.5,0", "10.5,10.5,10.5,10.5,100", "10.5,11,10.5,10.75,0"];
    let (bars, notes) = kept(&format!("{HEADER}{}", minutes("AAPL", &rows)));
    assert_eq!(bars, ["AAPL 00", "AAPL 01", "AAPL 02"]);
    assert!(notes.contains("2 bars have a volume of 0 and prices of their own"), "{notes}");
    assert!(!notes.contains("left out, because"), "{notes}");
    // The number of trades says it.
    let rows = ["10,11,9,10.5,0,0", "10.5,10.5,10.5,10.5,100,1", "10.5,10.5,10.5,10.5,0,3"];
    let (bars, _) = kept(&format!("{},trades\n{}", HEADER.trim(), minutes("AAPL", &rows)));
    assert_eq!(bars, ["AAPL 01", "AAPL 02"]);
}
